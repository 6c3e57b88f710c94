"""The index key of an installation, while it is changed under running programs.

`index.key` is the key in force; `index.key.old`, while records are tagged anew (`retag`), the one before. A program
looks once a group whether the key in force is still the one that it read: what it prepared with another one is refused
before it commits, and prepared again with the new one. So no record is left behind under a key that is gone.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from auditlog.core.errors import CannotRecord, VaultError

FILE: Final = "index.key"
OLD_FILE: Final = "index.key.old"
SIZE: Final = 32

_Seen = tuple[int, int, int] | None


class IndexKeys:
    """`current` and `previous` as they were read last; `folder` is `keys/`."""

    def __init__(self, folder: Path) -> None:
        """Raises VaultError for a key that is missing or damaged."""
        self._folder = folder
        self._read()

    def _read(self) -> None:
        # What is looked at before it is read can only be newer when it is read.
        self._seen = self._look()
        self.current = read_secret(self._folder / FILE)
        self.previous = _read_old(self._folder / OLD_FILE)
        if self.previous == self.current:
            self.previous = None

    def refresh(self, use: Callable[[bytes, bytes | None], None]) -> None:
        """Hand the keys to `use` where they were changed. Raises CannotRecord where the one in force was."""
        if self._look() == self._seen:
            return
        before = self.current
        self._read()
        use(self.current, self.previous)
        if self.current != before:
            raise CannotRecord("was changed at this moment: try again", cause="key_store", field=FILE)

    def _look(self) -> tuple[_Seen, _Seen]:
        return _look_at(self._folder / FILE), _look_at(self._folder / OLD_FILE)


def read_secret(path: Path) -> bytes:
    """The 32 bytes of a key file. Raises VaultError naming the file and the fix."""
    try:
        secret = path.read_bytes()
    except FileNotFoundError:
        raise VaultError("is missing: put it back from the backup of keys/", field=path.name) from None
    except OSError as error:
        raise VaultError(f"cannot be read: {error.strerror}", field=path.name) from error
    if len(secret) != SIZE:
        raise VaultError("must hold 32 bytes: put it back from the backup of keys/", field=path.name)
    return secret


def _read_old(path: Path) -> bytes | None:
    try:
        return read_secret(path)
    except VaultError:
        if not path.exists():
            return None
        raise


def _look_at(path: Path) -> _Seen:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise VaultError(f"cannot be read: {error.strerror}", field=path.name) from error
    return found.st_dev, found.st_ino, found.st_mtime_ns
