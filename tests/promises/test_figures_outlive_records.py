"""A year's report is counted again from what the log and the report hold, after every record behind it is gone."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from cli import run
from cli.demo.run import CASES
from home.greffier import Greffier
from home.settings import PROFILE_FILE
from lab.bench import records_scene
from lab.bench.records_scene import line
from service.cases import reviews
from service.disclosing import transparency
from service.erasing import erase
from service.external import import_records
from service.figures import recount, tallies
from service.logs import export, publish
from service.records import reading
from service.wiring import open_home

YEAR = date(2026, 1, 1), date(2026, 12, 31)
WORDS = {"grant": "grant it", "refuse": "refuse it", "visit": "visit first"}
Tell = Callable[..., tuple[int, str, str]]


class Clock:
    now = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Tell:
    """Run `greffier …` in this process: exit code, stdout, stderr."""
    monkeypatch.delenv("GREFFIER_HOME", raising=False)

    def told(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run([str(one) for one in arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return told


def fill(g: Greffier, clock: Clock) -> list[str]:
    """A year: every month some results, reviews at once and late ones; returns the ids of the records."""
    ids: list[str] = []
    for month in range(1, 13):
        clock.now = datetime(2026, month, 5, 9, 0, tzinfo=UTC)
        outcomes = ["grant"] * 9 + ["visit"] * 4 + ["refuse"] * (month % 2)
        lines = [
            line(
                1000 * month + n, outcome=o, output={"result": WORDS[o]}, decided=f"2026-{month:02}-05T08:00:00.000000Z"
            )
            for n, o in enumerate(outcomes)
        ]
        made = [one.id for one in import_records.record(g, lines).results]
        reviews.record_review(g, made[0], reviews.Review("confirm", "as said", "invented reasons"))
        tallies.tally_pending(g)
        clock.now += timedelta(days=12)
        reviews.record_review(g, made[1], reviews.Review("override", "otherwise", "invented reasons"))
        ids += made
    clock.now = datetime(2027, 1, 4, 9, 0, tzinfo=UTC)
    return ids


@pytest.fixture
def years(url: str, tmp_path: Path) -> tuple[Path, Path, bytes]:
    """A home whose records of a year were erased after its report was published; the export; the report."""
    home, clock = tmp_path / "home", Clock()
    records_scene.make_home(home, None if url.startswith("sqlite") else url)
    shutil.copyfile(CASES / "agency.json", home / PROFILE_FILE)
    with open_home(home, clock=clock) as g:
        ids = fill(g, clock)
        recount.settle(g)
        made = transparency.publish(g, *YEAR)
        plan = erase.plan_set(g, ids, ground="retention_expired")
        erase.confirm(g, plan, plan.code)
        assert list(reading.recount(g, ids)) == []
        publish.advance(g, at_once=True)
        export.export_log(g, tmp_path / "export")
    report = tmp_path / "report.json"
    report.write_bytes(made.body)
    return home, report, made.body


def test_a_years_report_is_recomputed_after_its_records_expired(years: tuple[Path, Path, bytes], tell: Tell) -> None:
    home, report, _ = years
    code, out, err = tell("report", "verify", report, "--log", home.parent / "export")
    assert code == 0, err
    assert out.startswith("holds: 2026-01-01 to 2026-12-31, 1 sums in the log, ")
    assert "1 counted again from the entries" in out
    assert tell("report", "verify", report, "--home", home)[0] == 0
    # The sums behind it, held against the day tallies: those can still be opened, here.
    code, out, _ = tell("tally", "recount", "--home", home)
    assert (code, "differs" in out) == (0, False)


def test_one_changed_cell_fails(years: tuple[Path, Path, bytes], tell: Tell) -> None:
    home, report, body = years
    value = json.loads(body)
    cells = value["tallies"][0]["cells"]
    cell = next(one for one in cells if one["cell"] == "outcomes.grant")
    cell["number"] -= 1
    report.write_text(json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")) + "\n", "utf-8")
    code, out, err = tell("report", "verify", report, "--log", home.parent / "export")
    assert (code, out) == (1, "")
    assert "permit-advice, outcomes.grant: the number is not the one committed" in err


def test_the_report_tells_no_small_number_and_nothing_of_a_person(years: tuple[Path, Path, bytes]) -> None:
    _, _, body = years
    value = json.loads(body)
    cells = {one["cell"]: one for one in value["tallies"][0]["cells"]}
    assert (cells["outcomes.refuse"]["number"], cells["outcomes.refuse"]["why"]) == (None, "small")
    assert not [c for c in cells.values() if c["number"] is not None and 1 <= c["number"] < value["floor"]]
    assert b"Test street" not in body
    assert b"TEST" not in body


def test_a_tally_is_recounted_against_live_records(tmp_path: Path) -> None:
    """And a database that says something else is caught while the records are there to say so."""
    home, clock = tmp_path / "home", Clock()
    records_scene.make_home(home)
    with open_home(home, clock=clock) as g:
        fill(g, clock)
        found = recount.recount(g)
        assert found.differences == ()
        assert found.tallies > 12
        import_records.record(g, [line(n, decided="2027-01-04T08:00:00.000000Z") for n in range(1, 40)])
    with sqlite3.connect(home / "greffier.db") as conn:
        conn.execute(
            "UPDATE auditlog_rollup SET number = number + 1 WHERE cell = 'outcomes.visit' AND day = '2027-01-04'"
        )
    with open_home(home, clock=clock) as g:
        tallies.tally_pending(g)
        [different] = recount.recount(g).differences
    assert (different.cell, different.stated - different.counted) == ("outcomes.visit", 1)
