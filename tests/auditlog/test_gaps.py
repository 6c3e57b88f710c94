"""Which counter numbers a log does not account for, from its entries alone."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

import pytest

from auditlog.errors import FormatError
from auditlog.gaps import BootGaps, format_gaps, gaps, gaps_json


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
    assert as_json[0]["missing"] == [[5, 5], [7, 8]]
    assert as_json[0]["lost"] == 3
    assert format_gaps(gaps([])) == "No boot is recorded in this log.\n"


def test_a_damaged_entry_is_refused(example: ModuleType) -> None:
    with pytest.raises(FormatError):
        gaps([(0, b"{}")])
