"""A home on each database with a registered system, a clock of its own, and decisions made without a model."""

from __future__ import annotations

import contextlib
import json
import shutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from auditlog.core.entries.record import Entry, parse_entry
from auditlog.store import decisions as decision_store
from auditlog.store import log as log_store
from auditlog.store import record_events as about_store
from auditlog.store import sources as source_store
from auditlog.vault.external_content import kept_seal
from auditlog.vault.holds import HOLD_KIND
from auditlog.vault.references import Refs
from auditlog.writing.log import Sequenced, Unit
from cli.demo.run import CASES
from home.greffier import Greffier
from home.settings import PROFILE_FILE
from registry.store import systems as register_store
from service.systems import register
from service.wiring import create_home, open_home

LOAN = "social-loan-check"
BEGIN = datetime(2026, 11, 24, 22, 30, tzinfo=UTC)
PERSON = "TEST-7731"  # an invented person
INCOME = "evidently invented income 4417"
USAGE = {
    "prompt_tokens": 61,
    "output_tokens": 1,
    "queue_us": 180,
    "first_us": 96_000,
    "total_us": 96_450,
    "energy_uj": None,
    "energy_method": "not_measured",
    "cost_millionths": None,
    "currency": None,
    "tariff_valid_from": None,
}


@dataclass
class Office:
    """A home, its clock, and hands to put decisions, reviews and holds into its log."""

    home: Path
    clock: Any
    n: int = field(default=0)

    @contextlib.contextmanager
    def opened(self) -> Iterator[Greffier]:
        with open_home(self.home, clock=self.clock) as g:
            yield g

    def decide(
        self,
        g: Greffier,
        *subjects: str,
        outcome: str = "grant",
        system: str = LOAN,
        income: str = INCOME,
        conversation: str | None = None,
    ) -> str:
        """The id of a new decision about these persons, as `service.deciding.decide` records one."""
        self.n += 1
        with g.reading() as conn:
            version = newest_version(conn, system)
        inputs = {f"in_{one.id}": None for one in version.manifest.fields}
        values: dict[str, Any] = {
            **inputs,
            "in_income": income,
            "output": {"outcome": outcome},
            "outcome": outcome,
            "parent": None,
            "usage": USAGE,
            "run": {},
            "times": {},
        }
        refs = None if conversation is None else Refs(conversation=conversation, turn=1)
        prepared = g.vault.prepare(str(uuid.uuid4()), values, subjects or (PERSON,), refs=refs)
        entry = self._entry(g, prepared, version)

        def rows(sequenced: tuple[Sequenced, ...]) -> list[Any]:
            place = sequenced[0].place
            decided = decision_store.decision_rows(entry, values, place)
            return [*prepared.rows(), *decided, source_store.source_row(entry, place)]

        g.log.append(Unit((entry,), rows=rows)).result()
        return entry.id

    def take_commitments(self, g: Greffier, person: str) -> str:
        """The id of a decision whose sender kept the content, and told us of whom it is."""
        self.n += 1
        with g.reading() as conn:
            version = newest_version(conn, LOAN)
        values: dict[str, Any] = {
            "outcome": "grant",
            "output": {},
            "parent": None,
            "usage": None,
            "run": {},
            "times": {},
        }
        prepared = g.vault.prepare(str(uuid.uuid4()), values, (person,))
        entry = self._entry(g, prepared, version)

        def rows(sequenced: tuple[Sequenced, ...]) -> list[Any]:
            place = sequenced[0].place
            tags = [row for row in prepared.rows() if "tag" in row[1]]
            number = source_store.source_row(entry, place, kept_seal(g.vault, entry))
            return [*tags, *decision_store.decision_rows(entry, {}, place), number]

        g.log.append(Unit((entry,), rows=rows)).result()
        return entry.id

    def _entry(self, g: Greffier, prepared: Any, version: Any) -> Entry:
        return g.make(
            "decision/1",
            id=prepared.id,
            system=version.system,
            version=version.version,
            manifest=version.digest,
            capture="external",
            mode="live",
            boot=None,
            source="cases",
            n=self.n,
            opened=None,
            commitments=prepared.commitments,
        )

    def correct(self, g: Greffier, record: str, values: dict[str, Any], reasons: str) -> None:
        """A correction of a record, as `service.records.corrections` records one."""
        content: dict[str, Any] = {"values": values, "reasons": reasons}
        prepared = g.vault.prepare(str(uuid.uuid4()), content)
        members = {"record": record, "role": "privacy_officer"}
        entry = g.make("correction/1", id=prepared.id, commitments=prepared.commitments, **members)
        self._put(g, entry, content, prepared)

    def hold(self, g: Greffier, record: str, ground: str = "restriction", action: str = "placed") -> None:
        """A hold on a record, placed or lifted."""
        id_ = str(uuid.uuid4())
        values: dict[str, Any] = {"reference": record, "note": None}
        prepared = g.vault.prepare(id_, values)
        members = {"action": action, "ground": ground, "role": "privacy_officer"}
        entry = g.make(HOLD_KIND, id=id_, commitments=prepared.commitments, **members)
        self._put(g, entry, values, prepared)

    def _put(self, g: Greffier, entry: Entry, values: dict[str, Any], prepared: Any) -> None:
        def rows(sequenced: tuple[Sequenced, ...]) -> list[Any]:
            about = about_store.about_from(entry, values, sequenced[0].place)
            return [*prepared.rows(), *about_store.about_rows(about)]

        g.log.append(Unit((entry,), rows=rows)).result()


def newest_version(conn: Any, system: str) -> Any:
    return register_store.list_versions(conn, system)[-1]


def entries_of(g: Greffier, kind: str = "access/1") -> list[Entry]:
    """All entries of a kind in the log in force, oldest first."""
    with g.reading() as conn:
        found = [parse_entry(data) for _, data in log_store.iterate_entries(conn, 1, 0, g.log.state().size)]
    return [entry for entry in found if isinstance(entry, Entry) and entry.kind == kind]


@pytest.fixture(scope="session")
def entries() -> Callable[..., list[Entry]]:
    """`entries(g, kind)`: by default the accesses."""
    return entries_of


class Clock:
    """A time that goes on when told."""

    def __init__(self) -> None:
        self.now = BEGIN

    def __call__(self) -> datetime:
        return self.now

    def on(self, **delta: float) -> None:
        self.now += timedelta(**delta)


@pytest.fixture
def office(home_url: str | None, tmp_path: Path) -> Office:
    """Each test runs on both databases."""
    home, clock = tmp_path / "home", Clock()
    create_home(home, "waterveen", "waterveen.example/log", database_url=home_url, clock=clock)
    shutil.copyfile(CASES / "agency.json", home / PROFILE_FILE)
    with open_home(home, clock=clock) as g:
        file = json.loads((CASES / f"{LOAN}.json").read_text("utf-8"))
        register.register(g, json.dumps(file).encode())
    return Office(home, clock)


@pytest.fixture
def g(office: Office) -> Iterator[Greffier]:
    """The opened home."""
    with office.opened() as opened:
        yield opened
