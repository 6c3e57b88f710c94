"""Opening a home whose database is not to be used: only what stands beside it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from auditlog.vault.blobs import open_objects
from auditlog.vault.erasure import Ledger
from auditlog.vault.index_keys import IndexKeys
from auditlog.vault.losses import Losses
from auditlog.vault.seal import Vault
from auditlog.writing.keys import KeyFolder
from home import database
from home.settings import read_settings
from home.vault_keys import open_key_store, read_request_key
from service import wiring
from service.keeping.rebuild import Damaged


@contextlib.contextmanager
def open_damaged(home: Path) -> Iterator[Damaged]:
    """Keys, key store, guards and ledger of a home, and the way to its database. Raises AuditLogError for what is gone:
    they are the parts that no copy of a log can give back."""
    settings = read_settings(home)
    guard_dir = home / settings.guard_dir
    engine = database.engine_of(home, settings)
    try:
        record_keys = open_key_store(home, settings)
        try:
            index_keys = IndexKeys(home / "keys")
            yield Damaged(
                home=home,
                settings=settings,
                engine=engine,
                ring=KeyFolder(home / "keys").ring(),
                guard_dir=guard_dir,
                vault=Vault(
                    record_keys,
                    settings.origin,
                    index_keys.current,
                    previous_key=index_keys.previous,
                    request_key=read_request_key(home / "keys"),
                    objects=open_objects(settings.payload_store),
                ),
                ledger=Ledger(guard_dir / wiring.ERASURES),
                losses=Losses(guard_dir),
            )
        finally:
            record_keys.close()
    finally:
        engine.dispose()
