"""An opened installation: what every action gets as its first argument. It is built in `app/wiring.py`."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.settings import AgencyProfile, Settings
from auditlog.errors import CannotRecord
from auditlog.guard import Guard
from auditlog.keyring import KeyRing
from auditlog.log import Log
from auditlog.publish import Publisher
from auditlog.record import Entry, make_entry
from auditlog.store.engine import cannot_record, is_database_error, reading
from auditlog.vault.erasure import Ledger
from auditlog.vault.record_keys import RecordKeys
from auditlog.vault.seal import Vault
from reports.render import Renderer
from runtime.supervisor import Supervisor

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The clock that the shells hand down."""
    return datetime.now(UTC)


@dataclass(slots=True)
class Greffier:
    """One home, opened. `problem` says why the log may only be read.

    `own_boots` are those of this process that the log knows, `lost_boots` those of them whose loss an entry states.
    """

    home: Path
    settings: Settings
    profile: AgencyProfile | None
    engine: Engine
    keys: KeyRing
    guard: Guard
    record_keys: RecordKeys
    ledger: Ledger
    vault: Vault
    log: Log
    publisher: Publisher
    runtime: Supervisor
    renderer: Renderer
    clock: Clock
    problem: CannotRecord | None = None
    problem_since: datetime | None = None
    own_boots: set[str] = field(default_factory=set)
    lost_boots: set[str] = field(default_factory=set)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """A short read transaction. A database that cannot be read is CannotRecord: nothing may be decided on it."""
        try:
            with reading(self.engine) as conn:
                yield conn
        except Exception as error:
            if not is_database_error(error):
                raise
            raise cannot_record(error) from error

    def make(self, kind: str, **members: Any) -> Entry:
        """An entry of this agency at the present minute, with a fresh random id unless one is given."""
        entry_id = members.pop("id", None) or str(uuid.uuid4())
        return make_entry(kind, id=entry_id, agency=self.settings.agency, time=self.clock(), **members)

    def models(self) -> Path:
        """The content-addressed folder of model files."""
        return self.home / "models"
