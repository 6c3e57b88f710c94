"""An installation on each database with one system that runs elsewhere, and a clock that the test sets."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from auditlog.core.counting.figures import Cells
from auditlog.core.counting.tally import parse_content
from auditlog.core.entries.record import Entry, parse_entry
from auditlog.store import log as log_store
from auditlog.store.tallies import tally_table
from cli.demo.run import CASES
from home.greffier import Greffier
from home.settings import read_profile
from lab.bench import records_scene
from lab.bench.records_scene import SYSTEM, line
from service.cases import reviews as review
from service.external import import_records
from service.records import reading
from service.wiring import open_home

WORDS = {"grant": "grant it", "refuse": "refuse it", "visit": "visit first"}


@dataclass
class Clock:
    """The time of the log, which goes on when told."""

    now: datetime = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def on(self, **span: float) -> None:
        self.now += timedelta(**span)


@dataclass
class House:
    """An opened home, its clock, and short ways to what the tests do."""

    g: Greffier
    clock: Clock
    n: int = 0
    close: Callable[[], None] = lambda: None

    def decide(self, outcome: str = "grant", count: int = 1, **changes: object) -> list[str]:
        """Record results with that outcome; returns their ids."""
        lines = []
        given = {"decided": self.clock.now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), **changes}
        for _ in range(count):
            self.n += 1
            lines.append(line(self.n, outcome=outcome, output={"result": WORDS[outcome]}, **given))
        results = import_records.record(self.g, lines).results
        return [one.id for one in results]

    def review(self, record: str, action: str = "confirm") -> None:
        review.record_review(self.g, record, review.Review(action, "as said", "invented reasons"))

    def entries(self, kind: str) -> list[Entry]:
        """All entries of a kind in the log in force, in order."""
        with self.g.reading() as conn:
            found = [parse_entry(data) for _, data in log_store.iterate_entries(conn, self.g.log.number)]
        return [entry for entry in found if isinstance(entry, Entry) and entry.kind == kind]

    def tallied(self, level: str = "day") -> list[tuple[Entry, Cells]]:
        """The tallies of a level with their cells, opened."""
        entries = [entry for entry in self.entries("tally/1") if entry.members["level"] == level]
        records = reading.recount(self.g, [entry.id for entry in entries])
        return [(one.entry, parse_content(one.values["content"])[0]) for one in records]

    def rows(self) -> list[dict[str, object]]:
        with self.g.reading() as conn:
            return [dict(row) for row in conn.execute(select(tally_table).order_by(tally_table.c.idx)).mappings()]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make_house(tmp_path: Path, clock: Clock) -> Iterator[Callable[..., House]]:
    """`make_house(url)`: a new home on that database, on SQLite without one."""
    opened = ExitStack()

    def make(url: str | None = None, **version: object) -> House:
        home = tmp_path / "home"
        records_scene.make_home(home, url, version=version or None)
        return House(opened.enter_context(open_home(home, clock=clock)), clock, close=opened.close)

    with opened:
        yield make


@pytest.fixture
def house(home_url: str | None, make_house: Callable[..., House]) -> House:
    """A home on each database in turn."""
    return make_house(home_url)


@pytest.fixture
def system() -> str:
    return SYSTEM


@pytest.fixture
def filled(house: House) -> House:
    """A March with results, reviews and a small outcome, seen from April."""
    shutil.copyfile(CASES / "agency.json", house.g.home / "agency.json")
    house.g.profile = read_profile(house.g.home)
    ids = house.decide("grant", 30) + house.decide("visit", 14)
    house.clock.on(days=7)
    ids += house.decide("refuse", 4) + house.decide("grant", 12)
    for record in ids[:20]:
        house.review(record, "override" if record in ids[:11] else "confirm")
    house.clock.on(days=30)
    return house
