"""An opened installation: what every action gets as its first argument. It is built in `service/wiring.py`."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auditlog.core.entries.record import Entry, make_entry
from auditlog.core.errors import CannotRecord, FormatError
from auditlog.core.formats.keyring import KeyRing
from auditlog.store.engine import cannot_record, does_not_fit, is_database_error, reading, writing
from auditlog.store.logs import with_rotations
from auditlog.vault.erasure import Ledger
from auditlog.vault.key_store import KeyStore
from auditlog.vault.seal import Vault
from auditlog.writing.guard import Guard
from auditlog.writing.keys import KeyFolder
from auditlog.writing.log import Log
from auditlog.writing.publish import Publisher
from home.errors import AppError, UsageError
from home.key_locks import Turns
from home.settings import AgencyProfile, Settings
from home.telemetry import Telemetry
from home.unfinished import Debts
from reports.render import Renderer
from runtime.gateway.gateway import Gateway
from runtime.worker.supervisor import Supervisor

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The clock that the shells hand down."""
    return datetime.now(UTC)


def guard_name(number: int) -> str:
    """The file of a log's guard."""
    return f"log-{number}.guard"


@dataclass(slots=True)
class Greffier:
    """One home, opened. `problem` says why the log may only be read. `ending`: nothing more is decided, it closes soon.

    `own_boots` are those of this process that the log knows, `lost_boots` those of them whose loss an entry states.
    `turns`: which requests under a key are being answered. `owed`: entries that the log could not take yet.
    `telemetry`: what this process has recorded, and how fast.
    """

    home: Path
    settings: Settings
    profile: AgencyProfile | None
    engine: Engine
    key_folder: KeyFolder
    guard: Guard
    record_keys: KeyStore
    ledger: Ledger
    vault: Vault
    log: Log
    publishers: dict[int, Publisher]
    runtime: Supervisor
    gateway: Gateway
    renderer: Renderer
    clock: Clock
    problem: CannotRecord | None = None
    problem_since: datetime | None = None
    ending: bool = False
    own_boots: set[str] = field(default_factory=set)
    lost_boots: set[str] = field(default_factory=set)
    turns: Turns = field(default_factory=Turns)
    owed: Debts = field(default_factory=Debts)
    telemetry: Telemetry = field(default_factory=Telemetry)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """A short read transaction. A database that cannot be read is CannotRecord: nothing may be decided on it.

        UsageError for a value that no row can have.
        """
        try:
            with reading(self.engine) as conn:
                yield conn
        except Exception as error:
            if not is_database_error(error):
                raise
            raise _meant(error) from error

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """A write transaction of an action's own, for what the log need not witness. Errors as `reading`."""
        try:
            with writing(self.engine) as conn:
                yield conn
        except Exception as error:
            if not is_database_error(error):
                raise
            raise _meant(error) from error

    def make(self, kind: str, **members: Any) -> Entry:
        """An entry of this agency at the present minute, with a fresh random id unless one is given."""
        entry_id = members.pop("id", None) or str(uuid.uuid4())
        return make_entry(kind, id=entry_id, agency=self.settings.agency, time=self.clock(), **members)

    @property
    def keys(self) -> KeyRing:
        """The public keys of all logs here, with the sizes that their rotations gave them. Read anew each time."""
        with self.reading() as conn:
            try:
                return with_rotations(conn, self.key_folder.ring())
            except FormatError as error:
                raise CannotRecord(str(error), cause="database") from error

    @property
    def publisher(self) -> Publisher:
        """That of the log in force."""
        return self.publishers[self.log.number]

    def guard_of(self, number: int) -> Guard:
        """The guard of log `number`."""
        return Guard(self.guard.path.with_name(guard_name(number)))

    def models(self) -> Path:
        """The content-addressed folder of model files."""
        return self.home / "models"


def _meant(error: Exception) -> AppError | CannotRecord:
    """What an error of the database means for whoever asked."""
    if does_not_fit(error):
        return UsageError("holds a character (NUL) or a number that no record has: leave it out")
    return cannot_record(error)
