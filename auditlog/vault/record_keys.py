"""The key store: one file of 32-byte slots, one key a record, outside the database and never in an archive.

No header and no padding: slot `n` lies at byte 32·n. A slot of zeros was erased; a slot is never given out again.
Several processes share the file under a lock. A key is durable before the entry that needs it commits (`sync()`, once a
group), so a crash leaves at most keys that no record uses. Erasing overwrites the slot, and so makes unreadable every
copy of the content in free pages, write-ahead logs and database backups. What overwriting cannot reach is stated in
`docs/trust.md`: replicas of this file, copy-on-write file systems, spare cells of flash memory.

With a key-encryption key the slots are masked (`key_encryption`); a file beside this one says so (`key_conversion`).
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

from auditlog.core.errors import CannotRecord, Erased, VaultError
from auditlog.vault.key_conversion import check_beside, note_masked, open_settled
from auditlog.vault.key_encryption import KeyEncryptionKey, demand_kek, mask
from auditlog.vault.key_store import ERASED, KEY_SIZE, MISSING, lacks

__all__ = ("KEY_SIZE", "RecordKeys", "sync_directory")

_FULL = (errno.ENOSPC, errno.EDQUOT)
_AT_ONCE = 4096  # slots


@dataclass(slots=True, eq=False)
class _SlotRequest:
    """A key that asks for a slot, and what came of it."""

    key: bytes
    slot: int | None = None
    error: OSError | None = None


class RecordKeys:
    """The open key store. Threads and processes may share it; close it at the end."""

    def __init__(
        self, path: Path, *, kek: KeyEncryptionKey | None = None, random: Callable[[int], bytes] = os.urandom
    ) -> None:
        """Raises VaultError where the file is missing or is no key store, or `kek` is not the one that it needs."""
        self._path = path
        self._kek = kek
        self._random = random
        self._threads = threading.Lock()
        self._syncing = threading.Lock()
        self._wishes: deque[_SlotRequest] = deque()
        self._unsynced: dict[int, bytes] = {}
        self._fd = open_settled(path)
        try:
            _demand_private(self._fd)
            demand_kek(kek, check_beside(path))
        except BaseException:
            os.close(self._fd)
            raise

    @classmethod
    def create(cls, path: Path, *, kek: KeyEncryptionKey | None = None) -> None:
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
        if kek is not None:
            note_masked(path, kek)

    def close(self) -> None:
        """Close the file; nothing is left to write that `sync()` has not written."""
        os.close(self._fd)

    def allocate(self) -> tuple[int, bytes]:
        """A new slot with its key, written but durable only after `sync()`. Raises CannotRecord."""
        wish = _SlotRequest(self._random(KEY_SIZE))
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
                masked = [mask(self._kek, slot, wish.key) for slot, wish in enumerate(wishes, first)]
                self._write(first, b"".join(masked))
        except OSError as error:
            for wish in wishes:
                wish.error = error
            return
        for slot, wish in enumerate(wishes, first):
            self._unsynced[slot] = masked[slot - first]
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
            if key == ERASED:
                # A file that was converted meanwhile is wiped, and that is no erasure.
                self._check_in_place()
        if len(key) != KEY_SIZE:
            raise VaultError(lacks(slot), field="key_store")
        if key == ERASED:
            raise Erased("the content was erased; its entry and proof remain", field=f"slot {slot}")
        return mask(self._kek, slot, key)

    def overwrite(self, slots: Iterable[int]) -> None:
        """Erase: zeros into these slots, durable on return. Doing it again changes nothing. Raises VaultError."""
        slots = sorted(set(slots))
        if not slots:
            return
        with self._reading():
            with self._locked():
                # Within the lock: a conversion copies the file under it, and an order may not go into the old one.
                self._check_in_place()
                count = os.fstat(self._fd).st_size // KEY_SIZE
                if slots[0] < 0 or slots[-1] >= count:
                    raise VaultError(lacks(slots[-1]), field="key_store")
                for slot in slots:
                    self._unsynced.pop(slot, None)
                    self._write(slot, ERASED)
            os.fdatasync(self._fd)

    def erased(self) -> Iterator[int]:
        """The slots of zeros, in rising order. Raises VaultError."""
        with self._reading():
            self._check_in_place()
            for first in range(0, self.count(), _AT_ONCE):
                block = os.pread(self._fd, _AT_ONCE * KEY_SIZE, first * KEY_SIZE)
                for place in range(len(block) // KEY_SIZE):
                    if block[place * KEY_SIZE : (place + 1) * KEY_SIZE] == ERASED:
                        yield first + place

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
            raise VaultError(MISSING, field="key_store") from None
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


def _demand_private(fd: int) -> None:
    if os.fstat(fd).st_mode & 0o077:
        raise VaultError("others can read the key store: set its mode to 0600", field="key_store")


def sync_directory(path: Path) -> None:
    """Make a new file's directory entry durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
