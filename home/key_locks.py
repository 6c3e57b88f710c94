"""One request at a time for each key: threads of this process wait for each other, other processes are told to wait.

This saves work and numbers; that a key leads to one record only is the database's doing. What holds a turn holds no
file of its own, so nothing is left behind by a kill: processes lock one byte, at a place that the key's tag gives, of
an empty file.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

from home.errors import InProgress

FILE = "keys.lock"
_ELSEWHERE = "is being decided by another process: ask again in a moment, with the same key"
_TOO_LONG = "is still being decided: ask again in a moment, with the same key"


class Turns:
    """The tags whose requests are being answered by this process."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._taken: set[bytes] = set()
        self._file: int | None = None

    @contextlib.contextmanager
    def take(self, folder: Path, tag: bytes, *, seconds: float, field: str) -> Iterator[None]:
        """Wait for the turn of a tag at most `seconds`, and hold it for as long as the block lasts.

        `folder`: where the processes of this installation meet. Raises InProgress with the name `field`, OSError.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: tag not in self._taken, seconds):
                raise InProgress(_TOO_LONG, field=field)
            self._taken.add(tag)
        try:
            self._lock(folder, tag, field)
            try:
                yield
            finally:
                self._unlock(tag)
        finally:
            with self._changed:
                self._taken.discard(tag)
                self._changed.notify_all()

    def _lock(self, folder: Path, tag: bytes, field: str) -> None:
        try:
            fcntl.lockf(self._opened(folder), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _place(tag))
        except (BlockingIOError, PermissionError):
            raise InProgress(_ELSEWHERE, field=field) from None

    def _unlock(self, tag: bytes) -> None:
        if self._file is not None:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _place(tag))

    def _opened(self, folder: Path) -> int:
        """One descriptor for as long as the process lives: closing any would give back all locks of the process."""
        with self._changed:
            if self._file is None:
                self._file = os.open(folder / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                weakref.finalize(self, os.close, self._file)
            return self._file


def _place(tag: bytes) -> int:
    return int.from_bytes(tag[:7])
