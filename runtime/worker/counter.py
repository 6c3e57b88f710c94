"""The mapped counter of a boot: `run/<boot>.n`, eight bytes little-endian, locked while its process lives.

The mapping survives a kill of the process (the pages belong to the kernel), not a power cut. A counter file whose
lock is free belongs to a boot that ended without its `close` entry: the next `boot` entry states what it had reached.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import mmap
import os
import re
from collections.abc import Iterable
from pathlib import Path

from runtime.errors import CounterDamaged

_NAME = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\.n")
_SIZE = 8


def counter_path(run_dir: Path, boot: str) -> Path:
    """Where the counter of a boot lies."""
    return run_dir / f"{boot}.n"


class Counter:
    """The counter of the running boot. The lock goes with the process, however it ends."""

    def __init__(self, run_dir: Path, boot: str) -> None:
        path = counter_path(run_dir, boot)
        if not _NAME.fullmatch(path.name):
            raise CounterDamaged("a boot id is a lower-case UUIDv4", field="boot")
        # Locked and filled under another name first: nobody may find it unlocked or short while its boot is alive.
        fresh = path.with_suffix(".new")
        fd = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.write(fd, bytes(_SIZE))
        os.fsync(fd)
        try:
            os.link(fresh, path)  # unlike rename, refuses to replace the counter of an earlier boot
        except FileExistsError as error:
            os.close(fd)
            raise CounterDamaged(
                "there is a counter of this boot already", field="boot", fix="start under a new id"
            ) from error
        finally:
            fresh.unlink()
        _sync_folder(run_dir)
        self.boot = boot
        self._map = mmap.mmap(fd, _SIZE)  # keeps its own copy of the descriptor, and the lock with it
        os.close(fd)
        # One aligned store of eight bytes: a kill between two of them cannot leave a torn number.
        self._cell = ctypes.c_uint64.__ctype_le__.from_buffer(self._map)

    @property
    def n(self) -> int:
        """The number reached."""
        return int(self._cell.value)

    def rise(self) -> int:
        """The next decision's number, already in the file when this returns."""
        self._cell.value += 1
        return self.n

    def close(self) -> None:
        """Writes the number to the device and frees the lock; the file stays until `forget`."""
        del self._cell
        self._map.flush()
        self._map.close()


def read_counter(run_dir: Path, boot: str) -> int:
    """The number that a boot has reached."""
    data = counter_path(run_dir, boot).read_bytes()
    if len(data) != _SIZE:
        raise CounterDamaged(
            "the counter file is not eight bytes",
            field=f"run/{boot}.n",
            fix="keep a copy, note the outage, then remove the file",
        )
    return int.from_bytes(data, "little")


def unclosed(run_dir: Path) -> list[tuple[str, int]]:
    """(boot, n) of every counter file whose lock is free, by boot id: boots that ended, and were not yet forgotten."""
    found = []
    for path in sorted(run_dir.glob("*.n")):
        if _NAME.fullmatch(path.name) and _is_free(path):
            # Another process that starts or closes may state it, and forget it, at any moment.
            with contextlib.suppress(FileNotFoundError):
                found.append((path.stem, read_counter(run_dir, path.stem)))
    return found


def forget(run_dir: Path, boots: Iterable[str]) -> None:
    """Removes counter files whose numbers an entry now states (`close`, the next `boot`). A living boot's stays."""
    for boot in boots:
        path = counter_path(run_dir, boot)
        if _NAME.fullmatch(path.name) and path.exists() and _is_free(path):
            path.unlink(missing_ok=True)
    _sync_folder(run_dir)


def _is_free(path: Path) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:  # forgotten by another process in between
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    return True


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
