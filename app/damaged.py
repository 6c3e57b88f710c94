"""Opening a home whose database is not to be used: only what stands beside it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from app import wiring
from app.actions.rebuild import Damaged
from app.settings import read_settings
from auditlog.keys import KeyFolder
from auditlog.vault.erasure import Ledger
from auditlog.vault.losses import Losses
from auditlog.vault.record_keys import RecordKeys
from auditlog.vault.seal import Vault


@contextlib.contextmanager
def open_damaged(home: Path) -> Iterator[Damaged]:
    """Keys, key store, guards and ledger of a home, and the way to its database. Raises AuditLogError for what is gone:
    they are the parts that no copy of a log can give back."""
    settings = read_settings(home)
    guard_dir = home / settings.guard_dir
    engine = wiring.engine_of(home, settings)
    try:
        record_keys = RecordKeys(home / settings.key_store)
        try:
            index_key = wiring.read_secret(home / "keys" / wiring.INDEX_KEY_FILE)
            yield Damaged(
                home=home,
                settings=settings,
                engine=engine,
                ring=KeyFolder(home / "keys").ring(),
                guard_dir=guard_dir,
                vault=Vault(record_keys, settings.origin, index_key),
                ledger=Ledger(guard_dir / wiring.ERASURES),
                losses=Losses(guard_dir),
            )
        finally:
            record_keys.close()
    finally:
        engine.dispose()
