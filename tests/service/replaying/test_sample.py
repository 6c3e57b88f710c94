"""Samples to be run again: anyone can draw them again, erased and restricted ones are passed over, each night once."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from auditlog.core.checking import sample as rule
from auditlog.core.entries.record import Entry, parse_entry
from auditlog.core.formats.merkle import leaf_hash, root_hash
from auditlog.store import log as log_store
from home.errors import UsageError
from registry.errors import UnknownSystem
from service.deciding import decide
from service.erasing import erase, holds
from service.records.accesses import Reader
from service.replaying import sample
from service.wiring import open_home
from web import nightly

LOAN = "social-loan-check"
AUDITOR = Reader("auditor", None)
DAY = (datetime.now(UTC) + timedelta(days=1)).replace(hour=12)  # the home is older


class Clock:
    def __init__(self) -> None:
        self.now = DAY

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def g(loan_home: Path, clock: Clock) -> Any:
    with open_home(loan_home, clock=clock) as opened:
        yield opened


def decided(g: Any, loan_input: Any, count: int) -> list[str]:
    return [decide.decide(g, LOAN, {**loan_input, "room": 100 + n}, subjects=("TEST-1",)).id for n in range(count)]


def entries(g: Any) -> list[tuple[int, Entry, bytes]]:
    with g.reading() as conn:
        return [(i, parse_entry(data), data) for i, data in log_store.iterate_entries(conn, 1)]


def replays(g: Any) -> list[Entry]:
    return [entry for _, entry, _ in entries(g) if entry.kind == "replay/1"]


def drawn_again(g: Any, size: int, day: str, system: str | None, count: int) -> list[str]:
    """The draw as somebody makes it who has nothing but the log's entries."""
    log = entries(g)[:size]
    root = root_hash([leaf_hash(data) for _, _, data in log])
    mine = [
        i for i, entry, _ in log if entry.kind == "decision/1" and (system is None or entry.members["system"] == system)
    ]
    seed = sha256(b"greffier/1/replay\0" + root + day.encode() + b"\0" + (system or "").encode()).digest()
    return [log[i][1].id for i in rule.draw(seed, mine, count)]


def test_a_sample_can_be_drawn_again(g: Any, loan_input: Any) -> None:
    decided(g, loan_input, 6)
    told: list[str] = []
    found = sample.sample(g, AUDITOR, 3, system=LOAN, told=lambda one: told.append(str(one.record)))
    assert found.counts == {"bit_exact": 3}
    drawn = found.drawn
    assert (drawn.population, drawn.system, drawn.day) == (6, LOAN, f"{DAY:%Y-%m-%d}")
    assert told == drawn_again(g, drawn.size, drawn.day, LOAN, 3)
    everywhere = sample.sample(g, AUDITOR, 2)
    assert [one.record for one in everywhere.verdicts] == drawn_again(
        g, everywhere.drawn.size, f"{DAY:%Y-%m-%d}", None, 2
    )
    assert {entry.members["cause"] for entry in replays(g)} == {"sample"}


def test_erased_and_restricted_ones_are_passed_over(g: Any, loan_input: Any) -> None:
    ids = decided(g, loan_input, 4)
    erase.erase(g, ids[0], ground="objection")
    holds.place(g, ids[1], ground="restriction")
    found = sample.sample(g, AUDITOR, 4, system=LOAN)
    assert {one.record for one in found.verdicts} == {ids[2], ids[3]}
    assert (found.erased, found.restricted) == (1, 1)


def test_what_cannot_be_drawn_from(g: Any) -> None:
    with pytest.raises(UsageError, match="no decision"):
        sample.sample(g, AUDITOR, 1)
    with pytest.raises(UnknownSystem):
        sample.sample(g, AUDITOR, 1, system="nobody")
    for count in (0, 10_001):
        with pytest.raises(UsageError, match="--sample"):
            sample.sample(g, AUDITOR, count)


def patient(future: Any) -> Any:
    return future.result()


def test_each_night_once(g: Any, loan_input: Any, clock: Clock) -> None:
    ids = decided(g, loan_input, 5)
    erase.erase(g, ids[0], ground="objection")
    assert sample.nightly(g, clock.now.date(), patient) == [], "of the day itself nothing is drawn"
    before = len(entries(g))
    clock.now += timedelta(days=1)
    day = clock.now.date()
    holds.place(g, ids[1], ground="inquiry")  # what is written today does not change the draw
    made = sample.nightly(g, day, patient)
    assert [one.verdict for one in made] == ["bit_exact"] * 3
    wanted = [id_ for id_ in drawn_again(g, before, day.isoformat(), LOAN, 5) if id_ != ids[0]][:3]
    assert [one.record for one in made] == wanted
    assert {entry.members["cause"] for entry in replays(g)} == {"daily"}
    assert not [entry for _, entry, _ in entries(g) if entry.kind == "access/1"], "nobody was given any content"
    assert sample.nightly(g, day, patient) == []
    clock.now += timedelta(days=1)
    assert len(sample.nightly(g, clock.now.date(), patient)) == 3


def test_a_night_that_was_cut_off_goes_on(g: Any, loan_input: Any, clock: Clock) -> None:
    decided(g, loan_input, 4)
    clock.now += timedelta(days=1)
    cut = iter([True, False])
    first = sample.nightly(g, clock.now.date(), patient, running=lambda: next(cut, False))
    rest = sample.nightly(g, clock.now.date(), patient)
    assert (len(first), len(rest)) == (1, 2)
    assert len({one.record for one in first + rest}) == 3


def test_the_server_does_so_and_stops(g: Any, loan_input: Any, clock: Clock) -> None:
    decided(g, loan_input, 2)
    clock.now += timedelta(days=1)
    done = threading.Event()
    with nightly.replaying(g, 0.05):
        for _ in range(1200):
            if len(replays(g)) == 2:
                done.set()
                break
            threading.Event().wait(0.05)
    assert done.is_set()
    assert not [one for one in threading.enumerate() if one.name == "greffier-nightly"]
    night = nightly.Night(g)
    night.once()
    assert night.day == clock.now.date()
    assert len(replays(g)) == 2


def test_none_where_none_are_wanted(
    loan_home: Path, loan_input: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GREFFIER_REPLAY_DAILY", "0")
    with open_home(loan_home, clock=clock) as g:
        decided(g, loan_input, 1)
        clock.now += timedelta(days=1)
        assert sample.nightly(g, clock.now.date(), patient) == []


def test_the_day_of_an_entry(g: Any) -> None:
    for _, entry, data in entries(g):
        assert sample.day_of(data) == entry.time[:10]
