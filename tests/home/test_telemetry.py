"""What a process counts of its own: the cells that its log added, and times; no more than that, and bounded."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from auditlog.core.counting import figures
from auditlog.core.counting.figures import CellKey
from auditlog.core.errors import CannotRecord
from auditlog.store import amounts
from auditlog.store.rollup import iterate_rollup
from home.greffier import Greffier
from home.telemetry import BOUNDS_MS, Telemetry
from lab.bench import records_scene
from lab.bench.records_scene import SYSTEM, line
from service.external import import_records
from service.figures import operations
from service.wiring import open_home


@pytest.fixture
def g(home_url: str | None, tmp_path: Path) -> Iterator[Greffier]:
    """An installation with one system that runs elsewhere, on each database."""
    records_scene.make_home(tmp_path / "home", home_url)
    with open_home(tmp_path / "home") as opened:
        yield opened


def kept(g: Greffier) -> dict[str, int]:
    """The roll-up's cells that a process counts too."""
    with g.reading() as conn:
        summed = figures.add(cells for _, key, cells in iterate_rollup(conn) if key.system == SYSTEM)
    left_out = ("outcome", "reviewed", "review", "held", "latency", "undeclared", "records.undeclared")
    return {name: number for name, number in summed.items() if not name.startswith(left_out)}


def counted(g: Greffier) -> dict[str, int]:
    return figures.add(cells for place, cells in g.telemetry.snapshot().cells.items() if place[0] == SYSTEM)


def test_a_process_counts_what_its_log_added_from_many_threads(g: Greffier) -> None:
    def send(first: int) -> None:
        for n in range(first, first + 60, 20):
            import_records.record(g, [line(number) for number in range(n, n + 20)])

    threads = [threading.Thread(target=send, args=(n * 60 + 1,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counted(g)["decisions"] == 240
    assert counted(g) == kept(g)


def test_what_was_not_committed_is_not_counted(g: Greffier, monkeypatch: pytest.MonkeyPatch) -> None:
    import_records.record(g, [line(1)])

    def full() -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(g.log, "_before_commit", full)
        with pytest.raises(CannotRecord):
            import_records.record(g, [line(2)])
    import_records.record(g, [line(3)])
    import_records.record(g, [line(3)])  # the same again adds nothing
    assert counted(g)["decisions"] == 2
    assert counted(g) == kept(g)


def test_another_process_counts_from_0(g: Greffier) -> None:
    import_records.record(g, [line(1)])
    with open_home(g.home) as other:
        assert other.telemetry.snapshot().cells == {}
        import_records.record(other, [line(2)])
        assert counted(other)["decisions"] == counted(g)["decisions"] == 1
    assert kept(g)["decisions"] == 2


def test_what_goes_wrong_in_counting_is_nothing_of_the_logs(
    g: Greffier, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("SECRET")

    monkeypatch.setattr(g.log, "_told", broken)
    with caplog.at_level(logging.ERROR, logger="auditlog.writing.group"):
        (made,) = import_records.record(g, [line(1)]).results
    assert made.index > 0
    assert g.log.state().recording
    assert "RuntimeError" in caplog.text
    assert "SECRET" not in caplog.text


def test_outcomes_are_left_out() -> None:
    telemetry = Telemetry()
    key = CellKey("a", 1, "live", "2026-11-01")
    cells = {"decisions": 1, "outcomes.grant": 1, "latency.500": 1, "reviewed": 1, "cost.EUR": 5, "refusals.stopped": 1}
    telemetry.recorded([(key, cells), (key, cells)], [])
    assert telemetry.snapshot().cells == {("a", 1, "live"): {"decisions": 2, "cost.EUR": 10, "refusals.stopped": 2}}


def test_times_fall_in_buckets_whose_ends_are_included() -> None:
    telemetry = Telemetry()
    for us in (0, 1000, 1001, 200_000, 200_001, 10**9):
        telemetry.answered("a", us, target_ms=200)
    telemetry.answered("b", 5, target_ms=None)
    telemetry.timed("a", "queue", None)
    found = telemetry.snapshot()
    times = found.times["a", "answered"]
    buckets = dict(zip((*BOUNDS_MS, "longer"), times.buckets, strict=True))
    assert {bound: number for bound, number in buckets.items() if number} == {1: 2, 2: 1, 200: 1, 300: 1, "longer": 1}
    assert (times.count, times.sum_us) == (6, 1_000_402_002)
    assert found.missed == {"a": 2}
    assert ("a", "queue") not in found.times
    telemetry.answered("a", 1, target_ms=200)
    assert times.count == 6, "a snapshot stays as it was"


def test_names_of_cells_that_senders_make_up_do_not_fill_the_memory() -> None:
    telemetry = Telemetry()
    for n in range(10_000):
        telemetry.recorded([(CellKey("a", 1, "live", "2026-11-01"), {f"outcomes.o{n}": 1})], [])
    assert len(telemetry._kept) <= 4097
    assert telemetry.snapshot().cells == {}


def test_sums_of_a_month_on_each_database(g: Greffier) -> None:
    import_records.record(g, [line(n) for n in range(1, 31)])
    found = operations.operations(g)
    (mine,) = [one for one in found.systems if one.system == SYSTEM]
    assert mine.records.amounts == mine.process.amounts
    assert mine.records.versions == mine.process.versions
    assert mine.records.amounts.decisions == 30
    assert mine.records.amounts.without == {"energy.not_measured": 30}
    assert mine.records.times.decisions == 0, "what others measured is theirs"
    assert mine.records.full is not None
    assert mine.records.full.marginal == mine.records.amounts.cost_millionths["EUR"]
    first, until = operations.period(found.month)
    with g.reading() as conn:
        days = amounts.by_day(conn, SYSTEM, 1, first, until)
        hours = amounts.by_hour(conn, SYSTEM, 1, f"{first}T00:00Z", f"{until}T00:00Z")
        timed = amounts.timings(conn, SYSTEM, first, until, target_us=1)
        assert amounts.amounts(conn, until, "9999-12-31", operations.CELLS) == {}
        assert amounts.unfinished(conn, first, until) == {}
    for name in ("decisions", "tokens.prompt", "tokens.output"):
        assert sum(cells[name] for cells in days.values()) == sum(cells[name] for cells in hours.values())
    assert timed == amounts.Timings(0, 0, 0, 0, 0, 0, 0)
    assert operations.operations(g, systems=[]).systems == ()
