"""Decisions made elsewhere become records: each line for itself, each number once, sealed here or committed there."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from auditlog.core.checking.rules import LogRules
from auditlog.core.entries.record import parse_entry
from auditlog.core.errors import CannotRecord
from auditlog.core.formats.commitment import commit_all, open_field, verify_opening
from auditlog.store import decisions as decision_store
from auditlog.store import log as log_store
from auditlog.store import sources as source_store
from auditlog.store import vault as vault_store
from home.errors import NumberConflict, Refused, UsageError
from home.greffier import Greffier
from lab.bench import records_scene
from lab.bench.records_scene import SOURCE, SYSTEM, line
from service.external import import_records
from service.keeping import fsck
from service.records import reading
from service.records.accesses import Reader
from service.systems import lifecycle, register
from service.wiring import open_home

CLI = Reader("administrator", None)
PERSON = "Piet Jansen"  # an invented person


@pytest.fixture
def g(home_url: str | None, tmp_path: Path) -> Iterator[Greffier]:
    """An installation with one system that runs elsewhere, on each database."""
    records_scene.make_home(tmp_path / "home", home_url)
    with open_home(tmp_path / "home") as opened:
        yield opened


@pytest.fixture
def counting(tmp_path: Path) -> Iterator[Greffier]:
    """The same, where undeclared data is left out and counted."""
    records_scene.make_home(tmp_path / "counting", version={"undeclared": "count"})
    with open_home(tmp_path / "counting") as opened:
        yield opened


def committed(n: int, secret: bytes = b"s" * 32, **changes: Any) -> dict[str, Any]:
    """A line whose content stays with its sender."""
    given = line(n)
    values = {f"in_{name}": value for name, value in given["input"].items()}
    values |= {"output": given["output"], "outcome": given["outcome"], "subjects": ["s1:test1"]}
    values |= dict.fromkeys(("parent", "usage", "run", "times"))
    kept = {name: given[name] for name in ("system", "source", "n")}
    return {**kept, "commitments": commit_all(secret, values), **changes}


def one(g: Greffier, given: Any, **options: Any) -> Any:
    """What becomes of a single line."""
    return import_records.record(g, [given], **options).results[0]


def size(g: Greffier) -> int:
    return g.log.state().size


def entries(g: Greffier) -> list[Any]:
    with g.reading() as conn:
        return [parse_entry(data) for _, data in log_store.iterate_entries(conn, g.log.number)]


def test_a_line_becomes_a_decision_with_its_values_sealed(g: Greffier) -> None:
    made = one(g, line(7, case="TEST CASE 7"))
    record = reading.open(g, CLI, "evidence", made.id)
    members = record.entry.members
    assert (members["capture"], members["mode"], members["boot"]) == ("external", "live", None)
    assert (members["source"], members["n"], members["system"], members["version"]) == (SOURCE, 7, SYSTEM, 1)
    assert record.values["in_street"] == "Test street 7"
    assert record.values["subjects"] == ["s1:test000007"]
    assert record.values["run"] is None
    assert record.values["times"]["decided"] == "2026-03-08T07:07:00.000007Z"
    # 307 tokens at 2 millionths each, and 100 for the request.
    usage = record.values["usage"]
    assert (usage["prompt_tokens"], usage["cost_millionths"], usage["currency"]) == (307, 714, "EUR")
    assert (usage["queue_us"], usage["energy_uj"], usage["tariff_valid_from"]) == (None, None, "2026-01-01")
    for name in record.values:
        verify_opening(record.opened.opening(name), record.entry.commitments[name])
    with g.reading() as conn:
        row = decision_store.find_decision(conn, made.id)
        assert row is not None
        assert (row["outcome"], row["total_us"], row["source"], row["n"]) == ("refuse", 400_007, SOURCE, 7)
        assert source_store.find_source(conn, made.id).committed is None
    assert (made.log, made.index, made.repeated) == (1, record.index, False)
    assert record.opened.refs.case == "s1:testcase7"
    assert one(g, line(7, case="test-case 7")).repeated is True
    assert isinstance(one(g, line(7)), NumberConflict)


def test_the_log_still_follows_its_own_rules(g: Greffier) -> None:
    import_records.record(g, [*[line(n) for n in range(1, 20)], committed(20)])
    rules = LogRules(g.log.origin)
    for index, entry in enumerate(entries(g)):
        rules.add(index, entry)
    rules.finish()
    assert rules.kinds["decision/1"] == 20


def test_a_line_that_comes_again_gets_its_record_and_nothing_is_added(g: Greffier) -> None:
    first = import_records.record(g, [line(1), line(2), committed(3)])
    before = size(g)
    turned = dict(reversed(list(line(1).items()))) | {"decided": "2026-03-02T02:01:00.000001+01:00"}
    again = import_records.record(g, [committed(3), turned, line(2, subjects=["test 000002", "TEST-000002"])])
    assert [made.id for made in again.results] == [first.results[at].id for at in (2, 0, 1)]
    assert all(made.repeated for made in again.results)
    assert size(g) == before
    assert not any(entry.kind == "access/1" for entry in entries(g))


CHANGES: dict[str, dict[str, Any]] = {
    "outcome": {"outcome": "grant", "output": {"result": "grant it"}},
    "an input": {"input": line(1)["input"] | {"cars": 3}},
    "an input left out": {"input": {k: v for k, v in line(1)["input"].items() if k != "cars"}},
    "true for 1": {"input": line(1)["input"] | {"cars": True}},
    "persons": {"subjects": ["TEST-9"]},
    "time": {"decided": "2026-03-02T01:01:00Z"},
    "usage": {"usage": None},
    "cost": {"usage": line(1)["usage"] | {"cost_millionths": 702, "currency": "EUR"}},
    "parent": {"parent": str(uuid.UUID(int=0, version=4))},
    "version": {"version": 2},
    "case": {"case": "TEST-CASE-2"},
    "conversation": {"conversation": "TEST-TALK"},
    "system": {"system": "another"},
}


@pytest.mark.parametrize("change", CHANGES)
def test_another_decision_under_the_same_number_is_a_conflict(g: Greffier, change: str) -> None:
    one(g, line(1))
    before = size(g)
    assert isinstance(one(g, line(1, **CHANGES[change])), NumberConflict)
    assert size(g) == before


def test_content_and_commitments_under_one_number_are_a_conflict(g: Greffier) -> None:
    import_records.record(g, [line(1), committed(2)])
    before = size(g)
    results = import_records.record(g, [committed(1), line(2), committed(2, b"t" * 32)]).results
    assert all(isinstance(result, NumberConflict) for result in results)
    assert size(g) == before


def test_numbers_that_meet_in_one_batch_are_recorded_once(g: Greffier) -> None:
    results = import_records.record(g, [line(1), line(1), line(1, subjects=["TEST-X"]), line(2), line(1)]).results
    assert [getattr(made, "repeated", None) for made in results] == [False, True, None, False, True]
    assert results[0].id == results[1].id == results[4].id
    assert isinstance(results[2], NumberConflict)
    assert sum(entry.kind == "decision/1" for entry in entries(g)) == 2


BAD: dict[str, tuple[Any, str | None]] = {
    "no object": ([PERSON], None),
    "a member too many": (line(9, **{PERSON: 1}), None),
    "no source": (line(9, source=None), "source"),
    "source": (line(9, source=PERSON), "source"),
    "number 0": (line(0), "n"),
    "number as text": (line(9, n="9"), "n"),
    "number true": (line(9, n=True), "n"),
    "number too large": (line(9, n=2**53), "n"),
    "time without zone": (line(9, decided="2026-03-02T01:01:00"), "decided"),
    "time that is none": (line(9, decided="2026-02-30T01:01:00Z"), "decided"),
    "time in the far past": (line(9, decided="0001-01-01T00:00:00+14:00"), "decided"),
    "time in the future": (line(9, decided="2999-01-01T00:00:00Z"), "decided"),
    "input that is no object": (line(9, input=[PERSON]), "input"),
    "undeclared": (line(9, input={**line(9)["input"], PERSON: "x"}), "input"),
    "value of another type": (line(9, input={**line(9)["input"], "cars": PERSON}), "input.cars"),
    "value out of range": (line(9, input={**line(9)["input"], "cars": -1}), "input.cars"),
    "value not in the list": (line(9, input={**line(9)["input"], "parking": PERSON}), "input.parking"),
    "outcome that is no code": (line(9, outcome=PERSON), "outcome"),
    "undeclared outcome": (line(9, outcome="piet_jansen"), "outcome"),
    "outcome of another output": (line(9, outcome="refuse"), "outcome"),
    "no output": ({k: v for k, v in line(9).items() if k != "output"}, "output"),
    "output": (line(9, output={"result": PERSON}), "output.result"),
    "output null": (line(9, output=None), "output"),
    "output with more": (line(9, output={**line(9)["output"], PERSON: 1}), "output"),
    "person without a letter": (line(9, subjects=["-"]), "subjects"),
    "person too long": (line(9, subjects=[PERSON * 40]), "subjects"),
    "persons as one text": (line(9, subjects=PERSON), "subjects"),
    "too many persons": (line(9, subjects=[f"TEST-{n}" for n in range(17)]), "subjects"),
    "case": (line(9, case="  "), "case"),
    "conversation": (line(9, conversation=5), "conversation"),
    "parent": (line(9, parent=PERSON), "parent"),
    "usage": (line(9, usage={PERSON: 1}), "usage"),
    "usage as text": (line(9, usage={"total_us": PERSON}), "usage.total_us"),
    "usage below 0": (line(9, usage={"total_us": -1}), "usage.total_us"),
    "energy without its method": (line(9, usage={"energy_uj": 1}), "usage.energy_method"),
    "cost without currency": (line(9, usage={"cost_millionths": 1}), "usage.currency"),
    "currency": (line(9, usage={"cost_millionths": 1, "currency": PERSON}), "usage.currency"),
    "no such version": (line(9, version=8), "version"),
    "version 0": (line(9, version=0), "version"),
    "content beside commitments": (committed(9, outcome=PERSON), None),
    "commitments as a list": (committed(9, commitments=[PERSON]), "commitments"),
    "a commitment missing": (
        committed(9, commitments={k: v for k, v in committed(9)["commitments"].items() if k != "times"}),
        "commitments.times",
    ),
    "an input's commitment missing": (
        committed(9, commitments={k: v for k, v in committed(9)["commitments"].items() if k != "in_cars"}),
        "commitments.in_cars",
    ),
    "an undeclared commitment": (
        committed(9, commitments=committed(9)["commitments"] | {"in_piet_jansen": "0" * 64}),
        "commitments",
    ),
    "no commitment": (
        committed(9, commitments=committed(9)["commitments"] | {"in_cars": PERSON}),
        "commitments.in_cars",
    ),
    "a name that is no field": (
        committed(9, commitments=committed(9)["commitments"] | {PERSON: "0" * 64}),
        "commitments",
    ),
}


def test_a_bad_line_is_named_and_the_good_ones_beside_it_are_recorded(g: Greffier) -> None:
    before = size(g)
    for name, (bad, field) in BAD.items():
        n = 100 + list(BAD).index(name)
        results = import_records.record(g, [line(n), bad]).results
        assert isinstance(results[0], import_records.Recorded), name
        assert isinstance(results[1], UsageError), name
        assert results[1].field == field, name
        assert PERSON not in str(results[1]), name
        assert "piet" not in str(results[1]), name
    assert size(g) == before + len(BAD)
    assert not any(entry.kind == "refused/1" for entry in entries(g))
    with g.reading() as conn:
        assert source_store.find_numbers(conn, [(SOURCE, 9)]) == {}


def test_what_the_quick_check_cannot_judge_the_validator_does(g: Greffier) -> None:
    # 4.0 is a whole number in JSON Schema; a text of 200 characters is one of as many code points.
    assert one(g, line(1, input={"cars": 4.0, "street": "\U0001f600" * 200})).repeated is False
    assert one(g, line(2, input={"street": "\U0001f600" * 201})).field == "input.street"
    assert reading.open(g, CLI, "evidence", one(g, line(3, input={})).id).values["in_cars"] is None


def test_a_result_that_was_cut_off_is_recorded_as_it_is(g: Greffier) -> None:
    for n, output in ((1, None), (2, {"result": "gra"}), (3, "text"), (4, {"deep": [1, {"x": 1.5}]})):
        made = one(g, line(n, outcome="invalid", output=output))
        assert reading.open(g, CLI, "evidence", made.id).values["output"] == output


def test_undeclared_data_is_left_out_and_counted_where_the_version_says_so(counting: Greffier) -> None:
    given = line(1, input={**line(1)["input"], PERSON: PERSON, "other": 1})
    made = one(counting, given)
    record = reading.open(counting, CLI, "evidence", made.id)
    assert record.values["run"] == {"undeclared": 2}
    assert PERSON not in str(record.values)
    assert set(record.entry.commitments) == {f"in_{name}" for name in line(1)["input"]} | {
        *("output", "outcome", "subjects", "parent", "usage", "run", "times")
    }
    assert one(counting, given).repeated is True
    assert isinstance(one(counting, line(1)), NumberConflict)


def test_content_that_stays_with_its_sender_is_nowhere_here(g: Greffier) -> None:
    given = committed(5)
    made = one(g, given)
    with g.reading() as conn:
        assert vault_store.find_sealed(conn, made.id) is None
        found = log_store.find_entry(conn, made.id)
        row = decision_store.find_decision(conn, made.id)
    entry = parse_entry(found.data)
    assert dict(entry.commitments) == given["commitments"]
    assert (row["content"], row["outcome"], row["total_us"]) == ("external", None, None)
    verify_opening(open_field(b"s" * 32, "outcome", line(5)["outcome"]), entry.commitments["outcome"])
    assert isinstance(one(g, line(6), committed_only=True), UsageError)


def test_only_systems_that_run_elsewhere_and_are_in_use_take_records(g: Greffier) -> None:
    before = size(g)
    assert one(g, line(1, system="another")).reason == "unknown_system"
    lifecycle.stop(g, SYSTEM, reason="incident")
    assert one(g, line(1)).reason == "suspended"
    lifecycle.resume(g, SYSTEM)
    assert one(g, line(1)).repeated is False
    lifecycle.stop(g, SYSTEM, reason="incident")
    # What was recorded before is still told.
    assert one(g, line(1)).repeated is True
    lifecycle.change_state(g, SYSTEM, "retired", reason="ended")
    assert one(g, line(2)).reason == "retired"
    assert size(g) == before + 5


def test_a_system_stopped_between_gate_and_record_takes_nothing(g: Greffier, monkeypatch: pytest.MonkeyPatch) -> None:
    append = g.log.append

    def stop_first(unit: Any) -> Any:
        monkeypatch.undo()
        lifecycle.stop(g, SYSTEM, reason="incident")
        return append(unit)

    monkeypatch.setattr(type(g.log), "append", lambda _, unit: stop_first(unit))
    result = one(g, line(1))
    assert isinstance(result, Refused)
    assert result.reason == "suspended"
    assert not any(entry.kind == "decision/1" for entry in entries(g))


def test_a_decision_of_an_earlier_version_says_so(g: Greffier) -> None:
    register.register(g, records_scene.system_file(records_scene.answers(later="later")))
    lifecycle.change_state(g, SYSTEM, "active", reason="new_version", version=2)
    results = import_records.record(g, [line(1), line(2, version=1), line(3, version=1, outcome="later")]).results
    with g.reading() as conn:
        versions = [decision_store.find_decision(conn, made.id)["version"] for made in results[:2]]
    assert versions == [2, 1]
    assert results[2].field == "outcome"
    # Repeated without its version, it is still the record that was made under the older one.
    assert one(g, line(2)).id == results[1].id


def test_what_was_erased_is_not_recorded_again(g: Greffier) -> None:
    from service.erasing import erase

    made = one(g, line(1))
    erase.erase(g, made.id, ground="consent_withdrawn")
    before = size(g)
    assert type(one(g, line(1))).__name__ == "Erased"
    assert type(one(g, line(1, outcome="grant"))).__name__ == "Erased"
    assert size(g) == before


def test_senders_of_the_same_numbers_at_once_get_the_same_records(g: Greffier) -> None:
    told: list[import_records.Batch] = []
    start = threading.Barrier(6)

    def send() -> None:
        start.wait()
        told.append(import_records.record(g, [line(n) for n in range(1, 41)]))

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ids = {tuple(made.id for made in batch.results) for batch in told}
    assert len(told) == 6
    assert len(ids) == 1
    assert sum(not made.repeated for batch in told for made in batch.results) == 40
    assert sum(entry.kind == "decision/1" for entry in entries(g)) == 40


def test_a_batch_has_at_most_256_records(g: Greffier) -> None:
    before = size(g)
    with pytest.raises(UsageError, match="at most 256"):
        import_records.record(g, [line(n) for n in range(1, 258)])
    assert size(g) == before
    assert import_records.record(g, [line(n) for n in range(1, 257)]).failed == 0
    assert import_records.record(g, []).results == ()


def test_while_the_log_cannot_record_nothing_is_taken(g: Greffier) -> None:
    g.problem = CannotRecord("invented", cause="disk_full")
    with pytest.raises(CannotRecord):
        one(g, line(1))
    g.problem = None
    assert one(g, line(1)).repeated is False


def test_the_full_check_finds_nothing_wrong(g: Greffier) -> None:
    import_records.record(g, [line(1), line(2), committed(3), line(4)])
    assert fsck.check_all(g) == []


DAMAGE: dict[str, tuple[str, str]] = {
    "a number's row deleted": ("DELETE FROM auditlog_source WHERE n = 1", "is missing: a number and its record"),
    "a number changed": ("UPDATE auditlog_source SET n = 77 WHERE n = 1", "is not what the entry says"),
    "a place changed": ("UPDATE auditlog_source SET idx = idx + 1 WHERE n = 1", "is not what the entry says"),
    "content deleted": (
        "DELETE FROM auditlog_sealed WHERE id = (SELECT id FROM auditlog_source WHERE n = 1)",
        "is missing, and no tombstone says why",
    ),
    "content deleted, and said to be kept elsewhere": (
        "UPDATE auditlog_source SET committed = (SELECT committed FROM auditlog_source WHERE n = 3) WHERE n = 1",
        "is no seal of this installation",
    ),
    "a seal taken away": ("UPDATE auditlog_source SET committed = NULL WHERE n = 3", "no tombstone says why"),
    "a row of nobody": (
        "INSERT INTO auditlog_source VALUES ('permit-suite', 99, 'nobody', 1, 0, NULL)",
        "belongs to no entry with content",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_the_full_check_finds_each_damage(g: Greffier, damage: str) -> None:
    from sqlalchemy import text

    from auditlog.store.engine import writing

    import_records.record(g, [line(1), line(2), committed(3)])
    statement, message = DAMAGE[damage]
    with writing(g.engine) as conn:
        if "kept elsewhere" in damage:
            conn.execute(text(DAMAGE["content deleted"][0]))
        assert conn.execute(text(statement)).rowcount == 1
    assert any(message in finding.message for finding in fsck.check_all(g)), fsck.check_all(g)
