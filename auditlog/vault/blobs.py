"""Large values of a record, sealed apart from it: in the database, or as objects in object storage.

A blob is sealed under its record's key with a nonce of its own; associated data are the record's id, the installation's
name and the blob's name, so that blobs cannot be exchanged. Overwriting the record's key makes it unreadable wherever
it lies. The object is durable before the record's entry commits; what a crash or a refusal in between leaves is an
object that no record names, under a key that no record names: `sweep_strays` deletes it.

`payload_store` is `database`, or a URL that the package obstore knows: `file:///…`, `s3://bucket/prefix`, with
credentials from the environment as that package reads them.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from auditlog.core.errors import CannotRecord, VaultError
from auditlog.store.blobs import delete_due, due_objects, object_names
from auditlog.vault.payload import frame, unframe

if TYPE_CHECKING:
    from sqlalchemy import Connection

IN_DATABASE: Final = "database"
SETTING: Final = "payload_store"
NONCE_SIZE: Final = 12
_SCHEMES: Final = ("file", "s3")


def seal_blob(key: bytes, nonce: bytes, name: str, associated: bytes, data: bytes) -> bytes:
    """Nonce and ciphertext of a value in RFC 8785 form. `associated`: what binds the record."""
    return nonce + AESGCM(key).encrypt(nonce, frame(data), associated + b"\n" + name.encode())


def open_blob(key: bytes, name: str, associated: bytes, sealed: bytes, *, field: str) -> bytes:
    """The value's RFC 8785 form. Raises VaultError with the field's name."""
    nonce, ciphertext = sealed[:NONCE_SIZE], sealed[NONCE_SIZE:]
    try:
        return unframe(AESGCM(key).decrypt(nonce, ciphertext, associated + b"\n" + name.encode()))
    except (InvalidTag, ValueError):
        message = "its large value does not open: it was changed, or is another record's; restore it from a backup"
        raise VaultError(message, field=field) from None


class Objects:
    """Object storage under one URL."""

    def __init__(self, url: str) -> None:
        """Raises VaultError naming the setting where the URL is none, or the package does not take it."""
        parts = urlsplit(url)
        if parts.scheme not in _SCHEMES or (parts.scheme == "file" and (parts.netloc or not parts.path.strip("/"))):
            raise VaultError('must be "database", file:///FOLDER or s3://BUCKET/PREFIX', field=SETTING)
        self._folder = Path(unquote(parts.path)) if parts.scheme == "file" else None
        if self._folder is not None and not self._folder.is_dir():
            raise VaultError("names a folder that is not there: make it, or mount its disk", field=SETTING)
        # Whoever keeps everything in the database needs neither the package nor the time to load it.
        self._api: Any = importlib.import_module("obstore")
        try:
            self._store: Any = importlib.import_module("obstore.store").from_url(url)
        except Exception as error:
            raise VaultError(f"is not taken ({type(error).__name__}): correct the URL", field=SETTING) from None

    def put(self, name: str, data: bytes) -> None:
        """Store an object, durable on return. Raises CannotRecord."""
        with self._recording():
            self._api.put(self._store, _path(name), data)
            if self._folder is not None:
                path = self._folder / _path(name)
                for made in (path, *list(path.parents)[:3]):
                    _sync(made)

    def get(self, name: str, *, field: str) -> bytes:
        """An object's bytes. Raises VaultError with the field's name."""
        try:
            return bytes(self._api.get(self._store, _path(name)).bytes())
        except FileNotFoundError:
            message = "its large value is missing in object storage: restore it from a backup (setting payload_store)"
            raise VaultError(message, field=field) from None
        except Exception as error:
            message = f"its large value cannot be read from object storage ({type(error).__name__}): try again"
            raise VaultError(message, field=field) from None

    def delete(self, name: str) -> None:
        """Delete an object; one that is not there is no error. Raises VaultError."""
        try:
            self._api.delete(self._store, _path(name))
        except FileNotFoundError:
            return
        except Exception as error:
            raise VaultError(f"does not delete an object ({type(error).__name__})", field=SETTING) from None

    def names(self, until: datetime | None = None) -> Iterator[str]:
        """The names of all objects there, or of those that are older. Raises VaultError."""
        try:
            for batch in self._api.list(self._store, prefix="blobs"):
                for found in batch:
                    if until is None or found["last_modified"] < until:
                        yield str(found["path"]).rpartition("/")[2]
        except Exception as error:
            raise VaultError(f"cannot be listed ({type(error).__name__})", field=SETTING) from None

    @contextmanager
    def _recording(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            # The library's text may hold an address with credentials.
            message = f"cannot be written ({type(error).__name__}); nothing is decided until it can"
            raise CannotRecord(message, cause="unwritable", field=SETTING) from error


def open_objects(setting: str) -> Objects | None:
    """Object storage by the setting; None where large values lie in the database."""
    return None if setting == IN_DATABASE else Objects(setting)


def sweep(objects: Objects | None, begin: Callable[[], AbstractContextManager[Connection]]) -> tuple[int, int]:
    """Delete the objects whose record is erased: (how many were, how many could not be).

    `begin()` gives a transaction: one to read what is due, and one to note what is done, since deleting may take long.
    Doing it again is no error, so a crash in between loses nothing. What remains is unreadable: its key is overwritten.
    """
    with begin() as conn:
        names = due_objects(conn)
    if objects is None:
        return 0, len(names)
    deleted = []
    for name in names:
        with suppress(VaultError):
            objects.delete(name)
            deleted.append(name)
    if deleted:
        with begin() as conn:
            delete_due(conn, deleted)
    return len(deleted), len(names) - len(deleted)


def sweep_strays(
    objects: Objects, begin: Callable[[], AbstractContextManager[Connection]], until: datetime
) -> tuple[int, int]:
    """Delete objects that no record names: what was put and never recorded, as a crash or a refusal in between leaves.

    `until`: only older ones, since a younger one may be about to be recorded. (How many were, how many could not be.)
    Raises VaultError where the objects cannot be listed.
    """
    old = set(objects.names(until))
    with begin() as conn:
        strays = sorted(old.difference(object_names(conn)))
    deleted = 0
    for name in strays:
        with suppress(VaultError):
            objects.delete(name)
            deleted += 1
    return deleted, len(strays) - deleted


def _path(name: str) -> str:
    return f"blobs/{name[:2]}/{name}"


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
