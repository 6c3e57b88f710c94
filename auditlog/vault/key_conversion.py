"""A slot file gets a key-encryption key, or another one: a new file beside it takes its place, whatever kills us.

Beside the store `records.keys` lies `records.keys.kek` once it is masked, one line
`greffier-kek/1 <state> <check value>`. The steps, each durable before the next, under the lock of the old file:

1. `records.keys.new` holds all slots under the new key; `records.keys.old` is a second name of the old file;
2. the line says `converting`, with the new check value (and the former one, if there was one);
3. `records.keys.new` takes the name of the store;
4. the line says `masked`; the old file is overwritten with zeros and loses its last name.

Whoever opens the store and finds `converting` knows by `records.keys.new` whether step 3 was done: if not, steps 1 and
2 are undone; if so, step 4 is done. Nothing else may happen to the old file meanwhile: recording and erasing take its
lock, and then see that it is no longer the one in place.
"""

from __future__ import annotations

import fcntl
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from auditlog.core.errors import VaultError
from auditlog.vault.key_encryption import SETTING, KeyEncryptionKey, demand_kek, mask
from auditlog.vault.key_store import KEY_SIZE, MISSING
from auditlog.writing import durable

_LINE: Final = re.compile(r"greffier-kek/1 (masked|converting) ([0-9a-f]{64})(?: (was [0-9a-f]{64}|was none))?\n")
_LEFT: Final = (".new", ".old")
_AT_ONCE: Final = 4096  # slots


@dataclass(frozen=True, slots=True)
class _Beside:
    """What the file beside the store says. `before`: the check value that was in force before a conversion."""

    state: str
    check: str
    before: str | None

    def line(self) -> bytes:
        was = f" was {self.before or 'none'}" if self.state == "converting" else ""
        return f"greffier-kek/1 {self.state} {self.check}{was}\n".encode("ascii")


def convert(path: Path, old: KeyEncryptionKey | None, new: KeyEncryptionKey) -> int:
    """Mask every slot anew; returns how many there are. Raises VaultError where `old` is not the key in force.

    A program that has the store open must be started again: until then it can neither record nor erase.
    """
    fd = open_settled(path)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        if not _is_at(path, fd):
            raise VaultError("was converted at this moment: run the command again", field="key_store")
        before = check_beside(path)
        demand_kek(old, before)
        if before == new.check():
            raise VaultError("the key store is encrypted under this key already", field=SETTING)
        return _convert(path, fd, old, new)
    except OSError as error:
        message = f"cannot be written ({os.strerror(error.errno or 0)}): run the command again"
        raise VaultError(message, field="key_store") from error
    finally:
        os.close(fd)


def _convert(path: Path, fd: int, old: KeyEncryptionKey | None, new: KeyEncryptionKey) -> int:
    before = check_beside(path)
    count = os.fstat(fd).st_size // KEY_SIZE  # a torn slot at the end is of no record
    _beside(path, ".new").unlink(missing_ok=True)
    out = os.open(_beside(path, ".new"), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(out, "wb") as file:
        # Whoever opens the new file waits until the old one is gone.
        fcntl.flock(out, fcntl.LOCK_EX)
        os.fchmod(out, 0o600)
        for first in range(0, count, _AT_ONCE):
            last = min(first + _AT_ONCE, count)
            block = os.pread(fd, (last - first) * KEY_SIZE, first * KEY_SIZE)
            for slot in range(first, last):
                content = block[(slot - first) * KEY_SIZE :][:KEY_SIZE]
                file.write(mask(new, slot, mask(old, slot, content)))
        file.flush()
        os.fsync(out)
        _drop_old(path)
        _beside(path, ".old").hardlink_to(path)
        durable.sync_folder(path.parent)
        _write_line(path, _Beside("converting", new.check(), before))
        _beside(path, ".new").replace(path)
        durable.sync_folder(path.parent)
        _end(path, new.check())
    return count


def note_masked(path: Path, kek: KeyEncryptionKey) -> None:
    """Beside a store that holds no key yet: what comes is masked."""
    _write_line(path, _Beside("masked", kek.check(), None))


def check_beside(path: Path) -> str | None:
    """The check value of a store that is masked, None for one that is not. `open_settled` has been called."""
    beside = _read_line(path)
    return None if beside is None else beside.check


def open_settled(path: Path) -> int:
    """Open the file in place, once a conversion that was killed is ended or undone; one that runs is waited for.

    Raises VaultError. Without a conversion nothing is locked and nothing changed.
    """
    while True:
        fd = _open(path)
        try:
            if not _is_settled(path):
                fcntl.flock(fd, fcntl.LOCK_EX)
                if _is_at(path, fd):
                    _settle(path)
                fcntl.flock(fd, fcntl.LOCK_UN)
            if _is_at(path, fd):
                return fd
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)


def _is_settled(path: Path) -> bool:
    """Whether nothing is left to be done here."""
    beside = _read_line(path)
    return (beside is None or beside.state == "masked") and not any(_beside(path, end).exists() for end in _LEFT)


def _settle(path: Path) -> None:
    beside = _read_line(path)
    if beside is None or beside.state == "masked":
        # Before step 2, or after its undoing, or after step 4 but for the old file.
        _beside(path, ".new").unlink(missing_ok=True)
        _drop_old(path)
    elif _beside(path, ".new").exists():
        if beside.before is None:
            _beside(path, ".kek").unlink()
            durable.sync_folder(path.parent)
        else:
            _write_line(path, _Beside("masked", beside.before, None))
        _beside(path, ".new").unlink()
        _drop_old(path)
    else:
        _end(path, beside.check)


def _end(path: Path, check: str) -> None:
    _write_line(path, _Beside("masked", check, None))
    _drop_old(path)


def _drop_old(path: Path) -> None:
    """Take the second name away; where it has become the only one, the file goes, and its keys with it."""
    old = _beside(path, ".old")
    if not old.exists():
        return
    if old.samefile(path):
        old.unlink()
    else:
        durable.wipe(old)
    durable.sync_folder(path.parent)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        raise VaultError(MISSING, field="key_store") from None
    except OSError as error:
        message = f"the key store cannot be opened ({os.strerror(error.errno or 0)}): give the program its rights"
        raise VaultError(message, field="key_store") from error


def _is_at(path: Path, fd: int) -> bool:
    try:
        here = path.stat()
    except FileNotFoundError:
        raise VaultError(MISSING, field="key_store") from None
    ours = os.fstat(fd)
    return (here.st_dev, here.st_ino) == (ours.st_dev, ours.st_ino)


def _beside(path: Path, end: str) -> Path:
    return path.with_name(path.name + end)


def _write_line(path: Path, beside: _Beside) -> None:
    durable.replace(_beside(path, ".kek"), beside.line(), 0o600)


def _read_line(path: Path) -> _Beside | None:
    file = _beside(path, ".kek")
    try:
        match = _LINE.fullmatch(file.read_text("ascii"))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError):
        match = None
    if match is None:
        raise VaultError("is damaged: put it back from beside the key store's replica", field=file.name)
    state, check, was = match.groups()
    before = None if was in (None, "was none") else was.removeprefix("was ")
    return _Beside(state, check, before)
