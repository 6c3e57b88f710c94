"""A log on each real database (see tests/conftest.py), with keys and guard of its own."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import Engine

from auditlog.core.entries.record import Entry, make_entry
from auditlog.core.formats.keyring import key_ring
from auditlog.core.formats.note import ED25519, ML_DSA_44, Signer
from auditlog.store import metadata
from auditlog.store.log import open_engine
from auditlog.writing.guard import Guard
from auditlog.writing.log import Log
from auditlog.writing.signing import SigningKeys

ORIGIN = "register.example/audit/1"
NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
SIGNERS = (Signer.generate(ORIGIN, ED25519, bytes(32)), Signer.generate(ORIGIN, ML_DSA_44, bytes(32)))


def entry(kind: str = "pulse/1", *, id_: str | None = None, **members: object) -> Entry:
    """An entry with a fresh id; by default one that says nothing."""
    if kind == "pulse/1":
        members = {"boots": [], "recording": "ok"} | members
    return make_entry(kind, id=id_ or str(uuid.uuid4()), agency="example-agency", time=NOW, **members)


def outage(cause: str, began: datetime, ended: datetime) -> Entry:
    return entry("outage/1", cause=cause, began=began, ended=ended, boot=None)


@dataclass
class Database:
    """One empty database with the log's tables, and the ways to open a log on it."""

    url: str
    folder: Path
    engine: Engine
    stack: ExitStack = field(default_factory=ExitStack)

    @property
    def guard(self) -> Guard:
        return Guard(self.folder / "guard")

    def log(self, **options: object) -> Log:
        """A log that is not started; closed at the end of the test."""
        options = {"outage_entry": outage, "clock": lambda: NOW, "retry_seconds": 0.05, "origin": ORIGIN} | options
        keys = SigningKeys(SIGNERS, origin=options.pop("origin"), held=options.pop("held", tuple))
        log = Log(self.engine, keys, self.guard, **options)
        self.stack.callback(log.close)
        return log

    def started(self, **options: object) -> Log:
        log = self.log(**options)
        log.start()
        return log


@contextmanager
def make_database(url: str, folder: Path) -> Iterator[Database]:
    engine = open_engine(url)
    metadata.create_all(engine)
    database = Database(url, folder, engine)
    yield database
    database.stack.close()
    engine.dispose()


@pytest.fixture(scope="session")
def open_database() -> Callable[[str, Path], AbstractContextManager[Database]]:
    """`open_database(url, folder)`: the log's tables on that database, guard and keys in the folder."""
    return make_database


@pytest.fixture
def database(url: str, tmp_path: Path) -> Iterator[Database]:
    """Each test runs on both databases."""
    with make_database(url, tmp_path) as made:
        yield made


@pytest.fixture
def sqlite(sqlite_url: str, tmp_path: Path) -> Iterator[Database]:
    with make_database(sqlite_url, tmp_path) as made:
        yield made


@pytest.fixture
def postgresql(postgresql_url: str, tmp_path: Path) -> Iterator[Database]:
    with make_database(postgresql_url, tmp_path) as made:
        yield made


@pytest.fixture(scope="session")
def make() -> Callable[..., Entry]:
    """`make(kind, **members)`: an entry with a fresh id."""
    return entry


@pytest.fixture(scope="session")
def known() -> SimpleNamespace:
    """The origin, keys and signers that the databases' logs use."""
    return SimpleNamespace(
        origin=ORIGIN, signers=SIGNERS, keys=key_ring(s.vkey for s in SIGNERS), now=NOW, outage=outage
    )
