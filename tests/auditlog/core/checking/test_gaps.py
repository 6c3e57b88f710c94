"""Which counter numbers a log does not account for, from its entries alone."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import pytest

from auditlog.core.checking.gaps import BootGaps, format_gaps, gaps, gaps_json
from auditlog.core.checking.sources import parse_reached
from auditlog.core.errors import FormatError

BEGIN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)  # of the invented log


def boots_of(log: Any) -> dict[str, BootGaps]:
    return {boot.boot: boot for boot in gaps(enumerate(log.entries)).boots}


def test_each_boot_of_a_whole_log(example: ModuleType) -> None:
    log = example.build_log(60)
    first, second = gaps(enumerate(log.entries)).boots
    assert (first.ended, first.reached, first.first, first.last) == ("unclosed", 8, 1, 6)
    assert first.missing == ((5, 5), (7, 8))
    assert first.lost == 3
    assert (first.decisions, first.refused, first.unfinished, first.recorded) == (3, 1, 1, 5)
    assert (second.ended, second.missing, second.lost) == ("closed", (), 0)
    assert second.decisions == second.last == second.reached
    assert log.made[second.index].members["boot"] == second.boot


def test_a_boot_without_any_entry_but_its_own(example: ModuleType) -> None:
    log, _, boot = example.start_log()
    found = boots_of(log)[boot]
    assert (found.ended, found.first, found.last, found.reached, found.missing) == ("open", None, None, None, ())


def test_a_pulse_states_a_number_too(example: ModuleType) -> None:
    log, _, boot = example.start_log()
    log.add("pulse/1", boots=[{"boot": boot, "n": 3}], recording="ok")
    found = boots_of(log)[boot]
    assert (found.ended, found.reached, found.missing) == ("open", 3, ((1, 3),))


def test_a_boot_that_died_before_its_own_entry(example: ModuleType) -> None:
    log, _, _ = example.start_log()
    lost = log.id()
    example.boot(log, unclosed=[{"boot": lost, "n": 2}])
    found = boots_of(log)[lost]
    assert (found.announced, found.index, found.ended, found.missing) == (False, None, "unclosed", ((1, 2),))


def test_a_stream_opened_and_never_ended(example: ModuleType) -> None:
    log, version, boot = example.start_log()
    log.add("opened/1", **version, capture="runtime", mode="live", boot=boot, n=1)
    log.decide(version, n=2, boot=boot)
    found = boots_of(log)[boot]
    assert (found.opened, found.missing, found.first, found.last) == ((1,), (), 1, 2)


def test_a_closed_boot_stays_closed_when_its_counter_file_outlived_it(example: ModuleType) -> None:
    log, _, boot = example.start_log()
    log.add("close/1", boot=boot, n=0)
    example.boot(log, unclosed=[{"boot": boot, "n": 0}])
    assert boots_of(log)[boot].ended == "closed"


def test_a_counter_that_lost_its_last_steps(example: ModuleType) -> None:
    log, version, boot = example.start_log()
    log.decide(version, n=3, boot=boot)
    example.boot(log, unclosed=[{"boot": boot, "n": 1}])
    found = gaps(enumerate(log.entries))
    assert found.boots[0].missing == ((1, 2),)
    assert "kept only to 1" in format_gaps(found)


def test_a_huge_counter_costs_nothing(example: ModuleType) -> None:
    log, version, boot = example.start_log()
    log.decide(version, n=2**53 - 1, boot=boot)
    found = boots_of(log)[boot]
    assert found.missing == ((1, 2**53 - 2),)
    assert found.lost == 2**53 - 2


def test_refusals_without_a_boot_and_records_from_elsewhere_count_for_no_boot(example: ModuleType) -> None:
    log, version, boot = example.start_log()
    log.decide(version, n=9, boot=None)
    log.add("refused/1", system=None, version=None, reason="unknown_system", boot=None, n=None)
    assert boots_of(log)[boot].recorded == 0


def test_for_people_and_as_json(example: ModuleType) -> None:
    found = gaps(enumerate(example.build_log(60).entries))
    text = format_gaps(found)
    first, second = found.boots
    assert f"boot {first.boot} (entry {first.index}): not closed; its counter had reached 8; numbers 1 to 6: " in text
    assert "3 decisions, 1 refused, 1 unfinished, 3 missing\n  without an entry: 5, 7-8\n" in text
    assert f"boot {second.boot} (entry {second.index}): closed at {second.reached}; " in text
    as_json = json.loads(json.dumps(gaps_json(found)))
    assert as_json["boots"][0]["missing"] == [[5, 5], [7, 8]]
    assert as_json["boots"][0]["lost"] == 3
    assert as_json["sources"] == [
        {"source": "case-system", "first": 1, "last": 1, "reached": None, "recorded": 1, "missing": [], "lost": 0}
    ]
    assert (as_json["silent"], as_json["silent_hours"], as_json["opaque"]) == ([], 0, 1)
    assert "1 entries are of kinds that this version does not know" in text
    assert format_gaps(gaps([])) == "No boot is recorded in this log.\nNo hour of its life was silent.\n"


def test_the_counter_of_a_source_is_reconciled_like_a_boots(example: ModuleType) -> None:
    log, version, _ = example.start_log()
    for n in (2, 3, 7):
        log.decide(version, n=n, boot=None)
    log.decide(version, n=1, boot=None, source="other-system")
    found = gaps(enumerate(log.entries))
    first, second = found.sources
    assert (first.source, first.first, first.last, first.recorded) == ("case-system", 2, 7, 3)
    assert first.missing == ((1, 1), (4, 6))
    assert first.lost == 4
    assert (second.source, second.missing) == ("other-system", ())
    text = format_gaps(found)
    assert "source case-system: numbers 2 to 7: 3 decisions, 4 missing\n  without an entry: 1, 4-6\n" in text
    assert "source other-system: numbers 1 to 1: 1 decisions, 0 missing\n" in text


def test_what_lies_above_the_last_number_is_missing_once_the_source_says_how_far_it_has_come(
    example: ModuleType,
) -> None:
    log, version, _ = example.start_log()
    for n in (1, 2, 5):
        log.decide(version, n=n, boot=None)
    log.decide(version, n=4, boot=None, source="other-system")
    entries = [*enumerate(log.entries)]
    told = {"case-system": 9, "other-system": 3, "silent-system": 2}
    known, above, silent = gaps(entries, reached=told).sources
    assert (known.missing, known.lost, known.beyond) == (((3, 4), (6, 9)), 6, False)
    assert (above.missing, above.beyond) == (((1, 3),), True)
    assert (silent.first, silent.last, silent.recorded, silent.missing) == (None, None, 0, ((1, 2),))
    text = format_gaps(gaps(entries, reached=told))
    assert "source case-system: numbers 1 to 5: 3 decisions, 6 missing; its own counter says 9\n" in text
    assert "more is recorded than its counter says" in text
    assert "source silent-system: no number recorded: 0 decisions, 2 missing" in text
    as_json = gaps_json(gaps(entries, reached={"case-system": 5}))["sources"]
    assert [(one["reached"], one["lost"]) for one in as_json] == [(5, 2), (None, 3)]


@pytest.mark.parametrize(
    "text", ["case-system", "=4", "Case=4", "case=-1", "case=", "case=1.5", "case=9007199254740992"]
)
def test_a_counter_is_told_as_source_and_number(text: str) -> None:
    with pytest.raises(FormatError):
        parse_reached([text])
    with pytest.raises(FormatError, match="twice"):
        parse_reached(["case=1", "case=2"])
    assert parse_reached(["case=0", "other=9007199254740991"]) == {"case": 0, "other": 2**53 - 1}


# --- silence: the example begins at 09:00 -----------------------------------------------------------------------------

HOUR = 60


def pulse(log: Any, minute: int, boots: list[dict[str, Any]] | None = None) -> None:
    log.add("pulse/1", minute=minute, boots=boots or [], recording="ok")


def outage(log: Any, minute: int, began: int, ended: int) -> None:
    times = {"began": BEGIN + timedelta(minutes=began), "ended": BEGIN + timedelta(minutes=ended)}
    log.add("outage/1", minute=minute, cause="disk_full", boot=None, **times)


@pytest.fixture
def served(example: ModuleType) -> Any:
    """A log that begins at 09:00, whose boot closes when `closed` is called."""
    log, _, boot = example.start_log()
    log.boot = boot
    return log


def silences(log: Any, **options: Any) -> Any:
    return gaps(enumerate(log.entries), **options).silences


def test_hourly_pulses_leave_no_silence(served: Any) -> None:
    for minute in (0, 61, 121, 183):  # a pulse is cut to its minute and may come a moment late
        pulse(served, minute)
    assert silences(served) == ()


def test_hours_without_a_pulse_or_any_other_entry_are_stated(served: Any) -> None:
    pulse(served, 30)
    pulse(served, 30 + 3 * HOUR)
    (found,) = silences(served)
    assert (found.start, found.end) == ("2026-03-02T09:30Z", "2026-03-02T12:30Z")
    assert (found.minutes, found.hours) == (180, 3)
    assert (found.outages, found.explained) == ((), False)
    assert (found.before, found.unclosed) == ("unclosed", (served.boot,))
    text = format_gaps(gaps(enumerate(served.entries)))
    assert (
        "silent from 2026-03-02T09:30Z to 2026-03-02T12:30Z (3 hours): no outage explains it; "
        f"when it began, boot {served.boot} had not closed\n"
    ) in text


@pytest.mark.parametrize(("later", "silent"), [(62, 0), (63, 1)])
def test_where_silence_begins(served: Any, later: int, silent: int) -> None:
    pulse(served, 30)
    pulse(served, 30 + later)
    assert len(silences(served)) == silent


def test_any_entry_is_a_sign_of_life(served: Any) -> None:
    for minute in (50, 100, 150):
        served.add("refused/1", minute=minute, system=None, version=None, reason="unknown_system", boot=None, n=None)
    assert silences(served) == ()


def test_a_planned_stop_and_a_crash_are_told_apart(example: ModuleType, served: Any) -> None:
    served.add("close/1", minute=10, boot=served.boot, n=0)
    pulse(served, 10 * HOUR)
    crashed = example.boot(served)
    pulse(served, 10 * HOUR + 5, [{"boot": crashed, "n": 0}])
    pulse(served, 20 * HOUR)
    served.add(
        "boot/1",
        minute=20 * HOUR,
        boot=(last := served.id()),
        runtime="llama-cpp-python 0.3.36",
        build=served.digest(),
        cpu=[],
        threads=2,
        determinism="not_measured",
        unclosed=[{"boot": crashed, "n": 0}],
    )
    served.add("close/1", minute=20 * HOUR + 1, boot=last, n=0)
    pulse(served, 30 * HOUR)
    found = silences(served)
    assert [(one.before, one.unclosed) for one in found] == [("closed", ()), ("unclosed", (crashed,)), ("closed", ())]
    assert "as in a planned stop" in format_gaps(gaps(enumerate(served.entries)))


def test_before_any_boot_nothing_is_said_of_one(example: ModuleType) -> None:
    log = example.ExampleLog(example.make_signers())
    log.add("genesis/1", origin=log.origin, log=1, software="greffier 0.1.0", predecessor=None, lost=None)
    pulse(log, 5 * HOUR)
    (found,) = silences(log)
    assert (found.before, found.unclosed) == ("none", ())


def test_an_outage_explains_what_it_covers(served: Any) -> None:
    pulse(served, 30)
    # Noticed by the next pulse an hour later, over after five hours.
    outage(served, 6 * HOUR, 30 + HOUR, 6 * HOUR)
    pulse(served, 6 * HOUR)
    (found,) = silences(served)
    index = next(index for index, entry in served.made.items() if entry.kind == "outage/1")
    assert (found.hours, found.outages, found.explained) == (5, (index,), True)
    assert f"an outage explains it (entry {index})" in format_gaps(gaps(enumerate(served.entries)))


def test_an_outage_that_covers_a_part_explains_a_part(served: Any) -> None:
    pulse(served, 30)
    outage(served, 9 * HOUR, 30 + HOUR, 5 * HOUR)
    (found,) = silences(served)
    assert (len(found.outages), found.explained) == (1, False)
    assert "an outage explains a part of it" in format_gaps(gaps(enumerate(served.entries)))


def test_an_outage_elsewhere_or_without_length_explains_nothing(served: Any) -> None:
    outage(served, 10, 0, 10)
    outage(served, 9 * HOUR, 9 * HOUR, 9 * HOUR)
    (found,) = silences(served)
    assert (found.outages, found.explained) == ((), False)


def test_a_clock_that_was_set_back_hides_nothing(served: Any) -> None:
    pulse(served, 40 * HOUR)
    for hour in range(1, 4):
        pulse(served, hour * HOUR)
    pulse(served, 10 * HOUR)
    assert [(one.start[11:16], one.end[:16]) for one in silences(served)] == [
        ("12:00", "2026-03-02T19:00"),
        ("19:00", "2026-03-04T01:00"),
    ]


def test_the_present_counts_where_it_is_known(served: Any) -> None:
    pulse(served, 30)
    assert silences(served) == ()
    assert silences(served, now=BEGIN + timedelta(minutes=92, seconds=59)) == ()
    (found,) = silences(served, now=BEGIN + timedelta(days=2))
    assert (found.start, found.end, found.hours) == ("2026-03-02T09:30Z", None, 47)
    assert "silent since 2026-03-02T09:30Z, to this day (47 hours)" in format_gaps(
        gaps(enumerate(served.entries), now=BEGIN + timedelta(days=2))
    )
    assert gaps([], now=BEGIN).silences == ()


def test_a_frozen_log_is_silent_by_right(served: Any) -> None:
    served.add("freeze/1", minute=30, reason="year", successor="register.example/2")
    assert silences(served, now=BEGIN + timedelta(days=2)) == ()


def test_gaps_need_no_database() -> None:
    heavy = "[m for m in ('sqlalchemy', 'cryptography') if m in sys.modules]"
    code = f"import sys, auditlog.core.checking.gaps; print({heavy})"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_a_damaged_entry_is_refused(example: ModuleType) -> None:
    with pytest.raises(FormatError):
        gaps([(0, b"{}")])
