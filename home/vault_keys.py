"""What the vault of an installation needs beside its database: the key store, and the keys of tags."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final

from auditlog.core.errors import VaultError
from auditlog.vault import index_keys
from auditlog.vault.key_database import DatabaseKeys, demand_apart, is_url
from auditlog.vault.key_encryption import read_kek
from auditlog.vault.key_store import KeyStore
from auditlog.vault.record_keys import RecordKeys
from auditlog.writing import durable
from home.creation import write_durably
from home.settings import Settings

INDEX_KEY_FILE: Final = index_keys.FILE
REQUEST_KEY_FILE: Final = "request.key"


def open_key_store(home: Path, settings: Settings) -> KeyStore:
    """The key store that the settings name: a path, or the URL of a PostgreSQL database. Raises VaultError."""
    kek = read_kek(settings.key_encryption, home)
    if is_url(settings.key_store):
        demand_apart(settings.key_store, settings.database_url)
        return DatabaseKeys(settings.key_store, settings.origin, kek=kek)
    return RecordKeys(home / settings.key_store, kek=kek)


def create_key_store(home: Path, settings: Settings) -> None:
    """An empty one, masked where the settings name a key-encryption key. Raises VaultError where there is one."""
    kek = read_kek(settings.key_encryption, home)
    if is_url(settings.key_store):
        demand_apart(settings.key_store, settings.database_url)
        DatabaseKeys.create(settings.key_store, settings.origin, kek=kek)
    else:
        RecordKeys.create(home / settings.key_store, kek=kek)


def key_store_files(home: Path, settings: Settings) -> list[Path]:
    """The files that `create_key_store` makes."""
    if is_url(settings.key_store):
        return []
    path = home / settings.key_store
    return [path, path.with_name(f"{path.name}.kek")]


def write_tag_keys(keys: Path) -> None:
    """The keys of the blind index and of the tags of requests, in a new `keys/`."""
    for name in (INDEX_KEY_FILE, REQUEST_KEY_FILE):
        write_durably(keys / name, secrets.token_bytes(index_keys.SIZE), 0o600)


def read_request_key(keys: Path) -> bytes:
    """The key of the tags of requests. A home from before there was one gets its index key under this name, so that
    requests that were made then are still known."""
    path = keys / REQUEST_KEY_FILE
    try:
        return index_keys.read_secret(path)
    except VaultError:
        if path.exists() or (keys / index_keys.OLD_FILE).exists():
            raise
    key = index_keys.read_secret(keys / INDEX_KEY_FILE)
    durable.replace(path, key, 0o600)
    return key
