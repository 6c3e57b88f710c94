"""`greffier vault`: the keys of the vault are changed: a key-encryption key, a new index key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from auditlog.core.errors import AuditLogError, Erased, NotFound, VaultError
from auditlog.store.engine import reading
from auditlog.store.vault import newest_sealed
from auditlog.vault import retag
from auditlog.vault.index_keys import read_secret
from auditlog.vault.key_conversion import convert
from auditlog.vault.key_database import DatabaseKeys, is_url
from auditlog.vault.key_encryption import KeyEncryptionKey, read_kek
from auditlog.vault.record_keys import RecordKeys
from auditlog.vault.retag import Retagged
from auditlog.vault.seal import Vault
from home.errors import UsageError
from home.greffier import Greffier
from home.settings import Settings
from home.vault_keys import INDEX_KEY_FILE

if TYPE_CHECKING:
    from sqlalchemy import Engine

PROBES = 32


def encrypt_keys(home: Path, settings: Settings, engine: Engine, *, previous: str | None = None) -> int:
    """Mask the key store under the key that `key_encryption` names; returns the number of slots.

    `previous`: where the key comes from that is in force now, if there is one. Raises VaultError: the store is not as
    stated, or the newest records do not open with it. A running server must be started again.
    """
    new, old = read_kek(settings.key_encryption, home), read_kek(previous, home)
    if new is None:
        raise UsageError(
            "name the source of the key in the settings first: file:, env: or command:", field="key_encryption"
        )
    _probe(home, settings, engine, old)
    if is_url(settings.key_store):
        keys = DatabaseKeys(settings.key_store, settings.origin, kek=old)
        try:
            return keys.encrypt(new)
        finally:
            keys.close()
    return convert(home / settings.key_store, old, new)


def _probe(home: Path, settings: Settings, engine: Engine, kek: KeyEncryptionKey | None) -> None:
    """Some records open: a store that is masked, but does not say so, must not be masked twice."""
    keys = (
        DatabaseKeys(settings.key_store, settings.origin, kek=kek)
        if is_url(settings.key_store)
        else RecordKeys(home / settings.key_store, kek=kek)
    )
    try:
        vault = Vault(keys, settings.origin, read_secret(home / "keys" / INDEX_KEY_FILE))
        with reading(engine) as conn:
            rows = newest_sealed(conn, PROBES)
        for row in rows:
            try:
                vault.open_row(row)
            except Erased:
                continue
            except AuditLogError as error:
                message = (
                    "does not open the newest records as it is: put back the file with the ending .kek, or --previous"
                )
                raise VaultError(message, field="key_store") from error
    finally:
        keys.close()


def change_index_key(g: Greffier, *, new_key: bool, progress: Callable[[int], None] = lambda _done: None) -> Retagged:
    """Tag every record anew; `new_key` begins that, without it one that was begun goes on. Raises UsageError."""
    keys = g.home / "keys"
    if new_key:
        retag.begin(keys)
    try:
        return retag.retag(g.engine, g.vault, keys, g.log.number, progress)
    except NotFound as error:
        raise UsageError(str(error)) from error
