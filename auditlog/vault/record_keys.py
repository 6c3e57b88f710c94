"""The key store: one file of 32-byte slots, one key a record, outside the database and never in an archive.

No header and no padding: slot `n` lies at byte 32·n. A slot of zeros was erased; a slot is never given out again.
Several processes share the file under a lock. A key is durable before the entry that needs it commits (`sync()`, once a
group), so a crash leaves at most keys that no record uses. Erasing overwrites the slot, and so makes unreadable every
copy of the content in free pages, write-ahead logs and database backups. What overwriting cannot reach is stated in
`docs/trust.md`: replicas of this file, copy-on-write file systems, spare cells of flash memory.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from auditlog.errors import CannotRecord, Erased, VaultError

KEY_SIZE = 32
_ERASED = bytes(KEY_SIZE)
_FULL = (errno.ENOSPC, errno.EDQUOT)
_MISSING = (
    "the key store is missing: put back its replica, of the same age as the database or younger "
    "(setting key_store); without it no content can be read or recorded"
)


@dataclass(slots=True, eq=False)
class _Wish:
    """A key that asks for a slot, and what came of it."""

    key: bytes
    slot: int | None = None
    error: OSError | None = None


class RecordKeys:
    """The open key store. Threads and processes may share it; close it at the end."""

    def __init__(self, path: Path, *, random: Callable[[int], bytes] = os.urandom) -> None:
        """Raises VaultError where the file is missing or is no key store."""
        self._path = path
        self._random = random
        self._threads = threading.Lock()
        self._syncing = threading.Lock()
        self._wishes: deque[_Wish] = deque()
        self._unsynced: dict[int, bytes] = {}
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            raise VaultError(_MISSING, field="key_store") from None
        except OSError as error:
            message = f"the key store cannot be opened ({os.strerror(error.errno or 0)}): give the program its rights"
            raise VaultError(message, field="key_store") from error
        if os.fstat(self._fd).st_mode & 0o077:
            os.close(self._fd)
            raise VaultError("others can read the key store: set its mode to 0600", field="key_store")

    @classmethod
    def create(cls, path: Path) -> None:
        """Make an empty key store, mode 0600, durable with its directory entry. An existing one is never touched."""
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            raise VaultError("there is a key store already; it is never replaced", field="key_store") from None
        try:
            os.fchmod(fd, 0o600)  # whatever the umask was
            os.fsync(fd)
        finally:
            os.close(fd)
        sync_directory(path.parent)

    def close(self) -> None:
        """Close the file; nothing is left to write that `sync()` has not written."""
        os.close(self._fd)

    def allocate(self) -> tuple[int, bytes]:
        """A new slot with its key, written but durable only after `sync()`. Raises CannotRecord."""
        wish = _Wish(self._random(KEY_SIZE))
        self._wishes.append(wish)
        with self._recording():
            with self._threads:
                # Whoever comes first writes for all that wait: one lock of the file for many keys.
                if wish.slot is None and wish.error is None:
                    self._grant()
            if wish.error is not None:
                raise wish.error
        assert wish.slot is not None
        return wish.slot, wish.key

    def _grant(self) -> None:
        wishes = [self._wishes.popleft() for _ in range(len(self._wishes))]
        try:
            with self._locked_file():
                # A torn slot at the end (power loss) is stepped over: its rest belongs to no record.
                first = -(-os.fstat(self._fd).st_size // KEY_SIZE)
                self._write(first, b"".join([wish.key for wish in wishes]))
        except OSError as error:
            for wish in wishes:
                wish.error = error
            return
        for slot, wish in enumerate(wishes, first):
            self._unsynced[slot] = wish.key
            wish.slot = slot

    def sync(self) -> None:
        """Make all keys given out so far durable: before the entries that need them. Raises CannotRecord."""
        # Who finds nothing waiting must not return before the one who took it is done.
        with self._recording(), self._syncing:
            self._check_in_place()
            with self._threads:
                waiting, self._unsynced = self._unsynced, {}
            if not waiting:
                return
            try:
                os.fdatasync(self._fd)
            except OSError:
                # The kernel may have dropped the pages while it reported the failure: the next call writes them again.
                self._rewrite(waiting)
                raise

    def read(self, slot: int) -> bytes:
        """The key in a slot. Raises Erased for zeros, VaultError for a slot that the file does not have."""
        with self._reading():
            self._check_in_place()
            key = os.pread(self._fd, KEY_SIZE, slot * KEY_SIZE) if 0 <= slot < self.count() else b""
        if len(key) != KEY_SIZE:
            message = f"has no slot {slot}: it is older than the database; put back a younger replica"
            raise VaultError(message, field="key_store")
        if key == _ERASED:
            raise Erased("the content was erased; its entry and proof remain", field=f"slot {slot}")
        return key

    def overwrite(self, slots: Iterable[int]) -> None:
        """Erase: zeros into these slots, durable on return. Doing it again changes nothing. Raises VaultError."""
        slots = sorted(set(slots))
        if not slots:
            return
        with self._reading():
            self._check_in_place()
            with self._locked():
                count = os.fstat(self._fd).st_size // KEY_SIZE
                if slots[0] < 0 or slots[-1] >= count:
                    message = f"has no slot {slots[-1]}: it is older than the database; put back a younger replica"
                    raise VaultError(message, field="key_store")
                for slot in slots:
                    self._unsynced.pop(slot, None)
                    self._write(slot, _ERASED)
            os.fdatasync(self._fd)

    def count(self) -> int:
        """How many slots there are, erased ones included."""
        return os.fstat(self._fd).st_size // KEY_SIZE

    def _write(self, slot: int, content: bytes) -> None:
        if os.pwrite(self._fd, content, slot * KEY_SIZE) != len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _rewrite(self, waiting: dict[int, bytes]) -> None:
        with self._locked():
            self._unsynced.update(waiting)
            for slot, key in waiting.items():
                self._write(slot, key)

    def _check_in_place(self) -> None:
        """The open file is still the one at its path: a key written into a deleted file would be lost."""
        try:
            here = self._path.stat()
        except FileNotFoundError:
            raise VaultError(_MISSING, field="key_store") from None
        ours = os.fstat(self._fd)
        if (here.st_dev, here.st_ino) != (ours.st_dev, ours.st_ino):
            raise VaultError("the file was replaced while it was open: start the program again", field="key_store")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        # flock belongs to the open file, which threads share: hence both locks.
        with self._threads, self._locked_file():
            yield

    @contextmanager
    def _locked_file(self) -> Iterator[None]:
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    @contextmanager
    def _recording(self) -> Iterator[None]:
        try:
            yield
        except VaultError as error:
            raise CannotRecord(str(error), cause="key_store") from error
        except OSError as error:
            cause = "disk_full" if error.errno in _FULL else "key_store"
            message = f"cannot be written ({os.strerror(error.errno or 0)}); nothing is decided until it can"
            raise CannotRecord(message, cause=cause, field="key_store") from error

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            message = f"cannot be used ({os.strerror(error.errno or 0)}); check its disk, then try again"
            raise VaultError(message, field="key_store") from error


def sync_directory(path: Path) -> None:
    """Make a new file's directory entry durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
