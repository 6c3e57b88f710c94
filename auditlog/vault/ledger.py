"""The erasure ledger: which erasures were ordered, in a file beside the guard, outside the database.

One line each, `<record id> <ground> <role> <time>`, appended and synced before anything is erased. A crash later, or a
database restored from a backup, then cannot bring a record back: what the ledger names and the log has no tombstone
for is erased again before the log opens. A last line without its end was never acted upon, and is cut off.

Before keys are overwritten a line `<record id> keys <slot>,<slot>,…` says which: a slot of zeros that no line names was
overwritten past the program. A tombstone cannot say that, since it must not tell which records were reviewed. Records
that are erased together have one such line, under the first of their ids.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from auditlog.core.entries.record import parse_time
from auditlog.core.entries.vocabulary import GROUNDS, PATTERNS, ROLES
from auditlog.core.errors import FormatError, VaultError
from auditlog.vault.record_keys import sync_directory

_BLOCK = 65_536
_KEYS = "keys"  # no ground is called so
_SLOTS = 1 << 48  # more than any key store has: a number beyond is damage, and no place in a file
_MISSING = "the erasure ledger is missing: put back the file of guard_dir's own backup, of the guard's age or younger"


@dataclass(frozen=True, slots=True)
class Erasure:
    """An order to erase: record, ground and role (codes of `vocabulary`), minute (`2026-11-24T08:15Z`)."""

    record: str
    ground: str
    role: str
    time: str

    def __post_init__(self) -> None:
        if PATTERNS["id"].fullmatch(self.record) is None:
            raise FormatError("must be the id of a record", field="record")
        if self.ground not in GROUNDS:
            raise FormatError(f"must be one of {', '.join(GROUNDS)}", field="ground")
        if self.role not in ROLES:
            raise FormatError(f"must be one of {', '.join(ROLES)}", field="role")
        parse_time(self.time)


def format_line(erasure: Erasure) -> bytes:
    """One line, with its line feed."""
    return f"{erasure.record} {erasure.ground} {erasure.role} {erasure.time}\n".encode("ascii")


def parse_line(line: bytes) -> Erasure:
    """Inverse of `format_line`. Raises FormatError."""
    try:
        record, ground, role, time = line.decode("ascii").split(" ")
        erasure = Erasure(record, ground, role, time.removesuffix("\n"))
    except ValueError:
        raise FormatError("is no line of an erasure ledger", field="erasures") from None
    if format_line(erasure) != line:
        raise FormatError("is no line of an erasure ledger", field="erasures")
    return erasure


def format_slots_line(record: str, slots: Iterable[int]) -> bytes:
    """The line that names the slots of a record's keys, in rising order, with its line feed."""
    return f"{record} {_KEYS} {','.join(map(str, sorted(slots)))}\n".encode("ascii")


def parse_slots_line(line: bytes) -> tuple[str, frozenset[int]]:
    """Inverse of `format_slots_line`. Raises FormatError."""
    try:
        record, word, numbers = line.decode("ascii").removesuffix("\n").split(" ")
        slots = frozenset(map(int, numbers.split(",")))
    except ValueError:
        raise FormatError("is no line of an erasure ledger", field="erasures") from None
    known = word == _KEYS and PATTERNS["id"].fullmatch(record) is not None and all(0 <= slot < _SLOTS for slot in slots)
    if not known or format_slots_line(record, slots) != line:
        raise FormatError("is no line of an erasure ledger", field="erasures")
    return record, slots


class Ledger:
    """The file `erasures`. Each call opens it anew; processes take turns under a lock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._threads = threading.Lock()
        self._seen = _Seen()

    @classmethod
    def create(cls, path: Path) -> Ledger:
        """An empty ledger, durable. An existing one is never touched."""
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            raise VaultError("there is an erasure ledger already; it is never replaced", field="erasures") from None
        sync_directory(path.parent)
        return cls(path)

    def append(self, *erasures: Erasure) -> None:
        """Add orders in the order of their (random) ids, durable on return; a record that has one keeps that.

        Raises VaultError.
        """
        fresh = {one.record: one for one in erasures if not self.names(one.record)}
        self._append(b"".join([format_line(fresh[record]) for record in sorted(fresh)]))

    def append_slots(self, record: str, slots: Iterable[int]) -> None:
        """Name slots that are about to be overwritten, durable on return; those named before are left out."""
        fresh = set(slots) - self._read_on().slots
        if fresh:
            self._append(format_slots_line(record, fresh))

    def names(self, record: str) -> bool:
        """Whether the erasure of a record was ordered, and not `settled` since. Raises VaultError.

        Reads only what came since the last call.
        """
        return record in self._read_on().records

    def named(self, records: Iterable[str]) -> set[str]:
        """Those of these records that it `names`, in one look. Raises VaultError."""
        return self._read_on().records.intersection(records)

    def count(self) -> int:
        """How many orders there are, counted without a look at what they say. Raises VaultError."""
        with self._open() as fd:
            return _count_orders(os.pread(fd, _whole(fd), 0))

    @contextmanager
    def settling(self) -> Iterator[None]:
        """Around carrying out all orders: what stands here when it begins is the database's to know when it ends.

        From then on `names` does not know those orders any more, so that a ledger of years costs no memory.
        """
        with self._open() as fd:
            found, end = os.fstat(fd), _whole(fd)
        yield
        with self._threads:
            file = (found.st_dev, found.st_ino)
            if self._seen.file != file or self._seen.end <= end:
                self._seen = _Seen(file, end)

    def read(self) -> tuple[Erasure, ...]:
        """All orders, oldest first. Raises VaultError where the file is missing or damaged."""
        return tuple(line for line in self._lines() if isinstance(line, Erasure))

    def slots(self) -> set[int]:
        """The slots that were overwritten by order, or are about to be. Raises VaultError."""
        return {slot for line in self._lines() if not isinstance(line, Erasure) for slot in line[1]}

    def _append(self, lines: bytes) -> None:
        if not lines:
            return
        with self._open() as fd:
            whole = _whole(fd)
            os.ftruncate(fd, whole)  # a torn line was never acted upon
            try:
                written = os.pwrite(fd, lines, whole)
                if written == len(lines):
                    os.fsync(fd)
                    return
            except OSError:
                _cut(fd, whole)
                raise
            _cut(fd, whole)
            raise VaultError("was not written whole: free some space, then order it again", field="erasures")

    def _read_on(self) -> _Seen:
        """What the file says, from where the last call ended; from its beginning where it is not the same file."""
        with self._threads:
            with self._open() as fd:
                found = os.fstat(fd)
                if (found.st_dev, found.st_ino) != self._seen.file or found.st_size < self._seen.end:
                    self._seen = _Seen((found.st_dev, found.st_ino))
                seen = self._seen
                data = os.pread(fd, found.st_size - seen.end, seen.end)
            whole = data[: data.rfind(b"\n") + 1]
            try:
                lines = [*_parse(whole, 1)]
            except VaultError:
                self.read()  # which knows the number of the line in the file
                raise
            for line in lines:
                if isinstance(line, Erasure):
                    seen.records.add(line.record)
                else:
                    seen.slots.update(line[1])
            seen.end += len(whole)
            return seen

    def _lines(self) -> Iterator[Erasure | tuple[str, frozenset[int]]]:
        with self._open() as fd:
            data = os.pread(fd, _whole(fd), 0)
        yield from _parse(data, 1)

    @contextmanager
    def _open(self) -> Iterator[int]:
        try:
            fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            raise VaultError(_MISSING, field="erasures") from None
        except OSError as error:
            message = f"cannot be opened ({os.strerror(error.errno or 0)}): give the program its rights"
            raise VaultError(message, field="erasures") from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield fd
        except OSError as error:
            message = f"cannot be used ({os.strerror(error.errno or 0)}); check its disk, then try again"
            raise VaultError(message, field="erasures") from error
        finally:
            os.close(fd)  # which gives back the lock


@dataclass(slots=True)
class _Seen:
    """What was read of a file (device, inode) up to `end`."""

    file: tuple[int, int] | None = None
    end: int = 0
    records: set[str] = field(default_factory=set)
    slots: set[int] = field(default_factory=set)


def _cut(fd: int, size: int) -> None:
    """Take back lines of an order that failed: those that came through whole would be half of it, and count."""
    with suppress(OSError):
        os.ftruncate(fd, size)
        os.fsync(fd)


def _whole(fd: int) -> int:
    """The size of the file up to the end of its last whole line."""
    size = os.fstat(fd).st_size
    while size:
        start = max(0, size - _BLOCK)
        end = os.pread(fd, size - start, start).rfind(b"\n") + 1
        if end:
            return start + end
        size = start
    return 0


def _count_orders(data: bytes) -> int:
    """Orders end with the Z of their time, lines of slots with a digit."""
    return data.count(b"Z\n")


def _parse(data: bytes, first: int) -> Iterator[Erasure | tuple[str, frozenset[int]]]:
    """The lines of `data`, the first of which has number `first`. Raises VaultError."""
    for number, line in enumerate(data.splitlines(keepends=True), first):
        try:
            yield parse_slots_line(line) if f" {_KEYS} ".encode() in line else parse_line(line)
        except FormatError:
            message = f"line {number} is damaged: put back the file of guard_dir's own backup"
            raise VaultError(message, field="erasures") from None
