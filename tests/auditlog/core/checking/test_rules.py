"""What the entries of one log must say together: each broken rule names the entry that breaks it."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from auditlog.core.checking.rules import LogRules
from auditlog.core.entries.record import parse_entry
from auditlog.core.errors import VerifyError

GRANT = {"reason": "other", "role": "operator"}


@pytest.fixture
def begun(example: ModuleType) -> tuple[Any, dict[str, Any], str]:
    """A log with one active system and one boot, for entries that break a rule."""
    return example.start_log()


def holds(log: Any) -> LogRules:
    rules = LogRules(log.origin)
    for index, data in enumerate(log.entries):
        rules.add(index, parse_entry(data))
    rules.finish()
    return rules


def fails(log: Any) -> str:
    with pytest.raises(VerifyError) as caught:
        holds(log)
    return str(caught.value)


Break = Callable[[ModuleType, Any, dict[str, Any], str], Any]


def _second_genesis(example: ModuleType, log: Any, version: dict[str, Any], boot: str) -> None:
    log.add("genesis/1", origin=log.origin, log=1, software="greffier 0.1.0", predecessor=None, lost=None)


def _same_id(example: ModuleType, log: Any, version: dict[str, Any], boot: str) -> None:
    log.add("pulse/1", id=log.made[0].id, boots=[], recording="ok")


def _same_id_opaque(example: ModuleType, log: Any, version: dict[str, Any], boot: str) -> None:
    log.add("pulse/1", id=log.add_opaque(), boots=[], recording="ok")


def _other_agency(example: ModuleType, log: Any, version: dict[str, Any], boot: str) -> None:
    log.add("pulse/1", agency="another-agency", boots=[], recording="ok")


def _same_number(example: ModuleType, log: Any, version: dict[str, Any], boot: str) -> None:
    log.decide(version, n=1, boot=boot)
    log.add("refused/1", system=None, version=None, reason="too_large", boot=boot, n=1)


def _same_source_number(example: ModuleType, log: Any, version: dict[str, Any], boot: str) -> None:
    log.decide(version, n=1, boot=None)
    log.decide(version, n=1, boot=None)


def _unknown_boot(example: ModuleType, log: Any, version: dict[str, Any], boot: str) -> None:
    log.decide(version, n=1, boot=log.id())


def _boot_twice(example: ModuleType, log: Any, version: dict[str, Any], boot: str) -> None:
    facts = {"runtime": "r 1", "build": log.digest(), "cpu": [], "threads": 1, "determinism": "bit", "unclosed": []}
    log.add("boot/1", boot=boot, **facts)


def _pulse_of_nobody(example: ModuleType, log: Any, version: dict[str, Any], boot: str) -> None:
    log.add("pulse/1", boots=[{"boot": log.id(), "n": 0}], recording="ok")


def _outage_of_nobody(example: ModuleType, log: Any, version: dict[str, Any], boot: str) -> None:
    log.add("outage/1", cause="worker_lost", began=example.BEGIN, ended=example.BEGIN, boot=log.id())


def _closed_below(example: ModuleType, log: Any, version: dict[str, Any], boot: str) -> None:
    log.decide(version, n=5, boot=boot)
    log.add("close/1", boot=boot, n=4)


def _used_after_close(example: ModuleType, log: Any, version: dict[str, Any], boot: str) -> None:
    log.add("close/1", boot=boot, n=4)
    log.decide(version, n=5, boot=boot)


def _closed_twice(example: ModuleType, log: Any, version: dict[str, Any], boot: str) -> None:
    log.add("close/1", boot=boot, n=4)
    log.add("close/1", boot=boot, n=4)


def _unknown_system(example: ModuleType, log: Any, version: dict[str, Any], boot: str) -> None:
    log.decide({**version, "system": "nobody"}, n=1, boot=boot)


def _unknown_version(example: ModuleType, log: Any, version: dict[str, Any], boot: str) -> None:
    log.decide({**version, "version": 2}, n=1, boot=boot)


def _other_manifest(example: ModuleType, log: Any, version: dict[str, Any], boot: str) -> None:
    log.decide({**version, "manifest": log.digest()}, n=1, boot=boot)


def _version_changed(example: ModuleType, log: Any, version: dict[str, Any], boot: str) -> None:
    log.add("version/1", **{**version, "manifest": log.digest()}, model=None)


def _version_not_in_force(example: ModuleType, log: Any, version: dict[str, Any], boot: str) -> None:
    second = {**version, "version": 2, "manifest": log.digest()}
    log.add("version/1", **second, model=None)
    log.decide(second, n=1, boot=boot)


def _refused_of_nobody(example: ModuleType, log: Any, version: dict[str, Any], boot: str) -> None:
    log.add("refused/1", system="nobody", version=None, reason="not_running", boot=None, n=None)


def _registered_twice(example: ModuleType, log: Any, version: dict[str, Any], boot: str) -> None:
    log.add("system/1", system=version["system"], record=log.digest(), action="registered")


def _changed_unregistered(example: ModuleType, log: Any, version: dict[str, Any], boot: str) -> None:
    log.add("system/1", system="nobody", record=log.digest(), action="changed")


def _state_out_of_nowhere(example: ModuleType, log: Any, version: dict[str, Any], boot: str) -> None:
    log.add("state/1", **version, **{"from": "pilot"}, to="active", **GRANT)


def _state_without_version(example: ModuleType, log: Any, version: dict[str, Any], boot: str) -> None:
    log.add("state/1", system="credit-score", version=None, manifest=None, **{"from": "active"}, to="pilot", **GRANT)


def _suspend(log: Any, version: dict[str, Any]) -> None:
    stop = {"from": "active", "to": "suspended", "reason": "complaint", "role": "operator"}
    log.add("state/1", system=version["system"], version=None, manifest=None, **stop)


def _decided_while_suspended(example: ModuleType, log: Any, version: dict[str, Any], boot: str) -> None:
    _suspend(log, version)
    log.decide(version, n=1, boot=boot)


def _opened_while_suspended(example: ModuleType, log: Any, version: dict[str, Any], boot: str) -> None:
    _suspend(log, version)
    log.add("opened/1", **version, capture="runtime", mode="live", boot=boot, n=1)


def _pilot_of_active(example: ModuleType, log: Any, version: dict[str, Any], boot: str) -> None:
    log.decide(version, n=1, boot=boot, mode="pilot")


def _external_never_active(example: ModuleType, log: Any, version: dict[str, Any], boot: str) -> None:
    pilot = example.register(log, "service-reply", to="pilot")
    log.decide(pilot, n=1, boot=None)


def _other_fields(example: ModuleType, log: Any, version: dict[str, Any], boot: str) -> None:
    first = log.decide(version, n=1, boot=boot)
    fewer = {name: value for name, value in first.commitments.items() if name != "in_purpose"}
    log.decide(version, n=2, boot=boot, commitments=fewer)


def _opened_nowhere(example: ModuleType, log: Any, version: dict[str, Any], boot: str) -> None:
    log.decide(version, n=1, boot=boot, opened=log.id())


def _opened_ended_twice(example: ModuleType, log: Any, version: dict[str, Any], boot: str) -> None:
    opened = log.add("opened/1", **version, capture="runtime", mode="live", boot=boot, n=1)
    log.decide(version, n=1, boot=boot, opened=opened.id)
    log.decide(version, n=2, boot=boot, opened=opened.id)


def _opened_other_number(example: ModuleType, log: Any, version: dict[str, Any], boot: str) -> None:
    opened = log.add("opened/1", **version, capture="runtime", mode="live", boot=boot, n=1)
    log.decide(version, n=2, boot=boot, opened=opened.id)


def _erased_nothing(example: ModuleType, log: Any, version: dict[str, Any], boot: str) -> None:
    log.add("erasure/1", record=log.id(), ground="objection", role="officer")


def _erased_a_pulse(example: ModuleType, log: Any, version: dict[str, Any], boot: str) -> None:
    pulse = log.add("pulse/1", boots=[], recording="ok")
    log.add("erasure/1", record=pulse.id, ground="objection", role="officer")


def _after_the_end(example: ModuleType, log: Any, version: dict[str, Any], boot: str) -> None:
    log.add("freeze/1", reason="year", successor=None)
    log.add("pulse/1", boots=[], recording="ok")


def _opaque_after_the_end(example: ModuleType, log: Any, version: dict[str, Any], boot: str) -> None:
    log.add("freeze/1", reason="year", successor=None)
    log.add_opaque()


def _its_own_successor(example: ModuleType, log: Any, version: dict[str, Any], boot: str) -> None:
    log.add("freeze/1", reason="year", successor=log.origin)


def _rotation_of_nothing(example: ModuleType, log: Any, version: dict[str, Any], boot: str) -> None:
    log.rotate()


def _added_and_retired_at_once(example: ModuleType, log: Any, version: dict[str, Any], boot: str) -> None:
    key = log.digest()
    log.add("rotation/1", added=[key], retired=[key])


def _added_twice(example: ModuleType, log: Any, version: dict[str, Any], boot: str) -> None:
    key = log.digest()
    log.add("rotation/1", added=[key], retired=[])
    log.add("rotation/1", added=[key], retired=[])


def _added_after_it_was_retired(example: ModuleType, log: Any, version: dict[str, Any], boot: str) -> None:
    key = log.digest()
    log.add("rotation/1", added=[], retired=[key])
    log.add("rotation/1", added=[key], retired=[])


def _retired_twice(example: ModuleType, log: Any, version: dict[str, Any], boot: str) -> None:
    key = log.digest()
    log.add("rotation/1", added=[key], retired=[])
    log.add("rotation/1", added=[], retired=[key])
    log.add("rotation/1", added=[], retired=[key])


BREAKS: dict[Break, str] = {
    _second_genesis: "second genesis",
    _same_id: "same id as entry 0",
    _same_id_opaque: "same id as entry",
    _other_agency: "another agency",
    _after_the_end: "which froze the log: nothing may follow",
    _opaque_after_the_end: "which froze the log: nothing may follow",
    _its_own_successor: "names the log itself as its successor",
    _rotation_of_nothing: "changes no key",
    _added_and_retired_at_once: "adds and retires the same key",
    _added_twice: "a key is added once",
    _added_after_it_was_retired: "a key is added once",
    _retired_twice: "a key is retired once",
    _same_number: "counter number 1 of its boot",
    _same_source_number: "number 1 of source case-system",
    _unknown_boot: "a boot that no earlier entry stated",
    _boot_twice: "an earlier entry stated already",
    _pulse_of_nobody: "a boot that no earlier entry stated",
    _outage_of_nobody: "a boot that no earlier entry stated",
    _closed_below: "number 5 was used before",
    _used_after_close: "closed its boot at 4",
    _closed_twice: "has closed",
    _unknown_system: "no earlier entry registered",
    _unknown_version: "a version that no earlier entry registered",
    _other_manifest: "another manifest",
    _version_changed: "a version never changes",
    _version_not_in_force: "version 1 was in force",
    _refused_of_nobody: "no earlier entry registered",
    _registered_twice: "registered already",
    _changed_unregistered: "never registered",
    _state_out_of_nowhere: "says the state was pilot, but the log last said active",
    _state_without_version: "without naming a version",
    _decided_while_suspended: "its system was suspended then, not active",
    _opened_while_suspended: "its system was suspended then, not active",
    _pilot_of_active: "its system was active then, not pilot",
    _external_never_active: "was never active",
    _other_fields: "commits other fields",
    _opened_nowhere: "an opened entry that does not exist",
    _opened_ended_twice: "was ended before",
    _opened_other_number: "says something else than entry",
    _erased_nothing: "no earlier entry holds",
    _erased_a_pulse: "no earlier entry holds",
}


@pytest.mark.parametrize("change", BREAKS, ids=lambda change: change.__name__.strip("_"))
def test_a_broken_rule_names_the_entry_that_breaks_it(
    example: ModuleType, begun: tuple[Any, dict[str, Any], str], change: Break
) -> None:
    log, version, boot = begun
    holds(log)
    change(example, log, version, boot)
    message = fails(log)
    assert message.startswith(f"entry {len(log.entries) - 1}: ")
    assert BREAKS[change] in message


def test_a_system_that_runs_elsewhere_is_in_use_without_a_version(
    example: ModuleType, begun: tuple[Any, dict[str, Any], str]
) -> None:
    log, _, _ = begun
    log.add("system/1", system="parking", record=log.digest(), action="registered")
    for before, after in (("draft", "in_review"), ("in_review", "approved"), ("approved", "active")):
        log.add("state/1", system="parking", version=None, manifest=None, **{"from": before}, to=after, **GRANT)
    holds(log)
    log.decide({"system": "parking", "version": 1, "manifest": log.digest()}, n=1, boot=None)
    assert "a version that no earlier entry registered" in fails(log)


def test_the_first_entry_must_be_genesis_and_name_this_log(example: ModuleType) -> None:
    log = example.ExampleLog(example.make_signers())
    log.add("pulse/1", boots=[], recording="ok")
    assert fails(log) == "entry 0: the log must begin with its genesis entry"
    other = example.ExampleLog(example.make_signers())
    other.add("genesis/1", origin="other.example/1", log=1, software="g 1", predecessor=None, lost=None)
    assert fails(other).startswith("entry 0: names another log")


def test_an_entry_of_a_later_kind_is_counted_and_may_be_erased(begun: tuple[Any, dict[str, Any], str]) -> None:
    log, _, _ = begun
    name = log.add_opaque()
    log.add("erasure/1", record=name, ground="objection", role="officer")
    assert holds(log).opaque == 1


def test_an_unclosed_boot_may_have_died_before_its_own_entry(
    example: ModuleType, begun: tuple[Any, dict[str, Any], str]
) -> None:
    log, _, _ = begun
    example.boot(log, unclosed=[{"boot": log.id(), "n": 0}])
    holds(log)


def test_a_record_made_elsewhere_may_arrive_after_the_system_was_stopped(
    begun: tuple[Any, dict[str, Any], str],
) -> None:
    log, version, _ = begun
    _suspend(log, version)
    log.decide(version, n=1, boot=None)
    holds(log)


def test_a_new_version_takes_over(begun: tuple[Any, dict[str, Any], str]) -> None:
    log, version, boot = begun
    second = {**version, "version": 2, "manifest": log.digest()}
    log.add("version/1", **second, model=None)
    log.add("state/1", **second, **{"from": "active"}, to="active", reason="new_version", role="approver")
    log.decide(second, n=1, boot=boot)
    holds(log)
    log.decide(version, n=2, boot=boot)
    assert "version 2 was in force" in fails(log)


def test_a_log_without_entries_has_no_genesis() -> None:
    with pytest.raises(VerifyError, match=r"^entry 0: is missing"):
        LogRules("register.example/1").finish()


def test_a_clock_that_was_set_back_is_counted_and_does_no_harm(begun: tuple[Any, dict[str, Any], str]) -> None:
    log, _, _ = begun
    for minute in (-1, -600, 0):
        log.add("pulse/1", minute=minute, boots=[], recording="ok")
    rules = holds(log)
    assert rules.times_before_start == 2
    assert rules.first_time == log.made[0].time
