"""A home on each database with decisions that a system elsewhere made, in another system each third time."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from auditlog.core.counting.cells import counted
from auditlog.core.entries.kinds import KINDS
from auditlog.core.entries.record import parse_entry
from auditlog.store import decisions as decision_store
from auditlog.store import sources as source_store
from auditlog.store.log import entries_of_kinds, find_entry
from auditlog.writing.log import Unit
from home.greffier import Greffier
from service.wiring import create_home, open_home

BEGIN = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
SYSTEMS = ("credit", "permits")
USAGE = {
    "prompt_tokens": 61,
    "output_tokens": 1,
    "queue_us": 180,
    "first_us": 96_000,
    "total_us": 96_450,
    "energy_uj": None,
    "energy_method": "not_measured",
    "cost_millionths": 5,
    "currency": "EUR",
    "tariff_valid_from": "2026-01-01",
}


@dataclass
class House:
    """The open home, and how decisions get into it. Its clock goes on by a minute with each decision."""

    g: Greffier
    clock: list[datetime]
    n: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def decide(self, count: int, *, outcome: str = "grant") -> list[str]:
        """So many decisions in one unit; returns their ids."""
        made = [self._made(next(self.n), outcome) for _ in range(count)]

        def rows(sequenced: Any) -> list[Any]:
            kept: list[Any] = []
            for (entry, values, prepared), at in zip(made, sequenced, strict=True):
                kept += [*prepared.rows(), *decision_store.decision_rows(entry, values, at.place)]
                kept.append(source_store.source_row(entry, at.place))
            return kept

        def counts(_sequenced: Any) -> list[Any]:
            return [cell for entry, values, _ in made for cell in counted(entry, values)]

        self.g.log.append(Unit(tuple(entry for entry, _, _ in made), None, rows, counts=counts)).result()
        return [entry.id for entry, _, _ in made]

    def _made(self, n: int, outcome: str) -> tuple[Any, dict[str, Any], Any]:
        self.clock[0] += timedelta(minutes=1)
        id_ = str(self.g.make("pulse/1", boots=[], recording="ok").id)
        values = {"in_income": f"invented {n}", "output": {"result": outcome}, "outcome": outcome, "parent": None}
        values |= {"usage": {**USAGE, "total_us": n * 1000}, "run": None, "times": None}
        prepared = self.g.vault.prepare(id_, values, [f"TEST-{n}"])
        members = {"system": SYSTEMS[n % 3 == 0], "version": 1, "manifest": f"sha256:{'0' * 64}", "mode": "live"}
        members |= {"capture": "external", "boot": None, "source": "case-system", "n": n, "opened": None}
        entry = self.g.make("decision/1", id=id_, commitments=prepared.commitments, **members)
        return entry, values, prepared

    def review(self, id_: str, action: str) -> None:
        """A review that is recorded as every other is (the systems here are in no register)."""
        g = self.g
        own = str(g.make("pulse/1", boots=[], recording="ok").id)
        values = dict.fromkeys(KINDS["review/1"].commits, "as it is") | {"reference": id_, "action": action}
        prepared = g.vault.prepare(own, values)
        entry = g.make("review/1", id=own, commitments=prepared.commitments)
        with g.reading() as conn:
            decided = parse_entry(find_entry(conn, id_).data)

        def rows(conn: Any, sequenced: Any) -> None:
            prepared.insert(conn)
            decision_store.insert_review(conn, decision_store.review_row_from(entry, values, sequenced[0].place))

        g.log.append(Unit((entry,), rows, counts=lambda _: counted(entry, values, decided=decided))).result()

    def accesses(self) -> list[Any]:
        """The access entries so far, opened: (entry, values)."""
        with self.g.reading() as conn:
            found = [entry for _, entry in entries_of_kinds(conn, 1, {"access/1"})]
            return [(entry, self.g.vault.open(conn, entry.id, entry).values) for entry in found]


@pytest.fixture
def house(home_url: str | None, tmp_path: Path) -> Iterator[House]:
    clock = [BEGIN]
    create_home(tmp_path / "home", "waterveen", "waterveen.example/log", database_url=home_url, clock=lambda: clock[0])
    with contextlib.ExitStack() as stack:
        g = stack.enter_context(open_home(tmp_path / "home", clock=lambda: clock[0]))
        yield House(g, clock)
