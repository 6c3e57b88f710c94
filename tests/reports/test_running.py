"""When the program ran: silences, outages and starts of a period, and the marks that name a changed number."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import pytest

from reports.json_twin import read_twin
from reports.render import json_twin
from reports.transparency.context import TransparencyReport
from reports.transparency.marks import changed, marks
from reports.transparency.uptime import Running, running

DAY = date(2026, 11, 9)
LONG_AGO = "2026-01-01T00:00Z"


def signs(*minutes: int) -> list[str]:
    """Minutes after midnight as entries write them."""
    start = datetime(2026, 11, 9, tzinfo=UTC)
    return [(start + timedelta(minutes=minute)).strftime("%Y-%m-%dT%H:%MZ") for minute in minutes]


def ran(*minutes: int, begun: str | None = LONG_AGO, now: datetime | None = None, told=()) -> Running | None:
    return running(DAY, DAY, signs(*minutes), told, begun=begun, now=now)


HOURLY = tuple(range(0, 1440, 60))


def test_a_sign_each_hour_is_no_silence():
    found = ran(*HOURLY)
    assert found is not None
    assert (found.minutes, found.silent, found.silent_minutes) == (1440, (), 0)


@pytest.mark.parametrize(("gap", "silent"), [(62, 0), (63, 63), (180, 180)])
def test_a_silence_is_longer_than_an_hour_and_two_minutes(gap: int, silent: int):
    at = (*range(0, 601, 60), *range(600 + gap, 1440, 60), 1439)
    found = ran(*at)
    assert found is not None
    assert found.silent_minutes == silent
    assert sum(one.minutes for one in found.silent) == silent


def test_silence_at_both_ends_of_the_period_counts():
    found = ran(600)
    assert found is not None
    assert [(one.began[11:16], one.ended[:16]) for one in found.silent] == [
        ("00:00", "2026-11-09T10:00"),
        ("10:00", "2026-11-10T00:00"),
    ]
    assert found.silent_minutes == 1440


def test_a_period_is_counted_from_the_first_entry_of_the_log():
    found = ran(*range(720, 1440, 60), begun="2026-11-09T12:00Z")
    assert found is not None
    assert (found.since, found.minutes, found.silent) == ("2026-11-09T12:00Z", 720, ())


@pytest.mark.parametrize("begun", [None, "2026-11-10T00:00Z", "2027-01-01T00:00Z"])
def test_before_there_was_a_log_there_is_nothing_to_say(begun: str | None):
    assert ran(begun=begun) is None


def test_a_draft_ends_now():
    found = ran(*range(0, 540, 60), now=datetime(2026, 11, 9, 8, 30, 59, tzinfo=UTC))
    assert found is not None
    assert (found.until, found.minutes, found.silent) == ("2026-11-09T08:30Z", 510, ())


def test_outages_starts_and_what_never_came_to_be():
    told = (
        ("boot/1", {"unclosed": [{"boot": "a", "n": 1}, {"boot": "b", "n": 2}]}),
        ("outage/1", {"cause": "database", "began": "2026-11-09T01:00Z", "ended": "2026-11-09T01:30Z"}),
        # A clock that was set back: an outage of less than nothing lasted no time.
        ("outage/1", {"cause": "guard", "began": "2026-11-09T02:00Z", "ended": "2026-11-09T01:00Z"}),
        ("boot/1", {"unclosed": []}),
        ("unfinished/1", {}),
    )
    found = ran(*HOURLY, told=told)
    assert found is not None
    assert [(one.cause, one.minutes) for one in found.outages] == [("database", 30), ("guard", 0)]
    assert (found.outage_minutes, found.starts, found.crashes, found.unfinished) == (30, 2, 2, 1)


def test_the_order_of_signs_and_signs_of_other_days_change_nothing():
    assert ran(*reversed(HOURLY), -600, 3_000) == ran(*HOURLY)


# --- marks ------------------------------------------------------------------------------------------------------------


def test_each_number_outside_cells_and_figures_has_a_mark(report: TransparencyReport):
    value = json.loads(json_twin(report))
    made = marks(value)
    assert "comparisons[0].cases" in made
    assert "systems[0].versions[1]" in made
    assert "replays[0].counts.bit_exact" in made
    assert not [path for path in made if "figures" in path or path.startswith(("total", "tallies"))]
    assert [*changed({**value, "marks": made})] == []


def test_a_changed_number_a_number_more_and_one_less_are_named(report: TransparencyReport):
    value = json.loads(json_twin(report))
    value["marks"] = marks(value)
    value["comparisons"][0]["cases"] += 1
    value["systems"][0]["versions"].append(3)
    value["replays"][0]["counts"].pop("mismatch")
    assert [*changed(value)] == ["comparisons[0].cases", "replays[0].counts.mismatch", "systems[0].versions[2]"]


def test_a_report_from_before_there_were_such_parts_is_still_read(report: TransparencyReport):
    data = json_twin(report)
    assert not {"running", "requests", "marks", "correction"} & json.loads(data).keys()
    assert read_twin(TransparencyReport, data) == report
