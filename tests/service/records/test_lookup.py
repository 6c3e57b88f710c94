"""Find my decisions, and the access file: by any spelling, logged first, and with nothing of others."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, cast

import pytest

from auditlog.core.entries.receipt import parse_receipt, verify_receipt
from auditlog.core.errors import CannotRecord
from auditlog.store import record_events as about_store
from home.errors import UsageError
from service.cases import notification, reviews
from service.disclosing import access_file, lookup
from service.disclosing.lookup import Reference
from service.erasing import erase
from service.records import reading
from service.records.reading import Reader

OFFICER = Reader("officer", "0123456789ab")
PERSON, OTHER = "TEST-7731", "TEST-0042"  # invented persons
INCOME = "evidently invented income 4417"


def about(text: str, by: Any = "subject") -> Reference:
    return Reference(by, text, "--subject-file")


def contents(g: Any, entry: Any) -> Any:
    with g.reading() as conn:
        return g.vault.open(conn, entry.id, entry).values


def test_any_spelling_finds_the_records_of_one_person(g: Any, office: Any, entries: Any) -> None:
    mine = [office.decide(g, PERSON), office.decide(g, PERSON, OTHER)]
    office.decide(g, OTHER)
    for spelling in (PERSON, "test 7731", " Test.77-31 ", "ＴＥＳＴ－７７３１"):
        answer = lookup.look_up(g, OFFICER, "lookup", about(spelling))
        assert [one.id for one in answer.records] == mine
        assert all(one.receipt is None for one in answer.records)
    accesses = entries(g)
    assert len(accesses) == 4 * len(mine)
    assert {entry.members["purpose"] for entry in accesses} == {"lookup"}
    assert {json.dumps(contents(g, entry)["scope"]) for entry in accesses} == {'{"rule": "s1", "tag": "subject"}'}
    # Ids and commitments are drawn: four digits may stand in them by chance.
    number = re.compile(rb"(?i)test|(?<![0-9a-z+/=])7731(?![0-9a-z+/=])")
    assert not any(number.search(entry.data) for entry in accesses)


def test_nobody_is_an_answer_and_noted_too(g: Any, office: Any, entries: Any) -> None:
    office.decide(g, OTHER)
    for receipted in (False, True):
        assert lookup.look_up(g, OFFICER, "lookup", about(PERSON), receipted=receipted).records == ()
    found = entries(g)
    assert [contents(g, entry)["records"]["count"] for entry in found] == [0, 0]


def test_receipts_verify_and_keep_a_held_result_closed(g: Any, office: Any, entries: Any) -> None:
    record = office.decide(g, PERSON, outcome="human_review")
    free = office.decide(g, PERSON)
    reviews.record_review(g, record, reviews.Review("refer", "to a colleague", "invented reasons"))
    answer = lookup.look_up(g, OFFICER, "lookup", about(PERSON), receipted=True)
    assert [one.id for one in answer.records] == [record, free]
    assert len(entries(g)) == 2
    for one in answer.records:
        assert one.receipt is not None
        checked = verify_receipt(one.receipt, g.keys, origin=g.log.origin)
        values = {opening.field: opening.value for opening in checked.openings}
        assert values["in_income"] == INCOME
        assert "subjects" not in values


def test_a_key_reaches_its_own_systems_only(g: Any, office: Any, entries: Any) -> None:
    office.decide(g, PERSON)
    answer = lookup.look_up(g, OFFICER, "lookup", about(PERSON), within=lambda system: system == "another")
    assert answer.records == ()
    (entry,) = entries(g)
    assert contents(g, entry)["records"]["count"] == 0


def test_restricted_records_are_counted_and_not_named(g: Any, office: Any, entries: Any) -> None:
    held, free = office.decide(g, PERSON), office.decide(g, PERSON)
    office.hold(g, held)
    answer = lookup.look_up(g, OFFICER, "letter", about(PERSON), receipted=True)
    assert ([one.id for one in answer.records], answer.restricted) == ([free], 1)
    allowed = lookup.look_up(g, OFFICER, "lookup", about(PERSON), receipted=True)
    assert ([one.id for one in allowed.records], allowed.restricted) == ([held, free], 0)


@pytest.mark.parametrize("bad", ["", "  ", "...", "x" * 201])
def test_a_reference_that_cannot_be_normalised(g: Any, entries: Any, bad: str) -> None:
    for ask in (
        lambda: lookup.look_up(g, OFFICER, "lookup", about(bad)),
        lambda: access_file.access_file(g, OFFICER, about(bad)),
    ):
        with pytest.raises(UsageError) as error:
            ask()
        assert error.value.field == "--subject-file"
        assert "xxx" not in str(error.value)
    assert entries(g) == []


def test_a_purpose_that_there_is_none(g: Any, entries: Any) -> None:
    with pytest.raises(UsageError, match="must be one of"):
        lookup.look_up(g, OFFICER, "curiosity", about(PERSON))
    assert entries(g) == []


def test_more_records_than_can_be_opened_at_once(
    g: Any, office: Any, entries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup, "MAX_OPENED", 1)
    for _ in range(2):
        office.decide(g, PERSON)
    with pytest.raises(UsageError, match="without receipts"):
        lookup.look_up(g, OFFICER, "lookup", about(PERSON), receipted=True)
    assert entries(g) == []
    assert len(lookup.look_up(g, OFFICER, "lookup", about(PERSON)).records) == 2


def test_nothing_is_told_where_the_log_cannot_note_it(g: Any, office: Any) -> None:
    office.decide(g, PERSON)
    g.problem = CannotRecord("is above the database", cause="guard", field="guard")
    for by in (PERSON, OTHER):  # not even whether there is something
        with pytest.raises(CannotRecord):
            lookup.look_up(g, OFFICER, "lookup", about(by))
        with pytest.raises(CannotRecord):
            access_file.access_file(g, OFFICER, about(by))


def test_the_access_file_of_a_person(g: Any, office: Any, entries: Any) -> None:
    record, joint, gone = office.decide(g, PERSON), office.decide(g, PERSON, OTHER), office.decide(g, PERSON)
    office.decide(g, OTHER, income="of somebody else")
    erase.erase(g, gone, ground="objection")
    told = {"notified": g.clock().date().isoformat()}
    reviews.record_review(g, record, reviews.Review("override", "You get the loan.", "invented reasons", **told))
    reading.open(g, OFFICER, "review", record)
    reading.open(g, Reader("person", None), "receipt", record)
    file: Any = access_file.access_file(g, Reader("privacy_officer", None), about(PERSON.lower()))
    text = json.dumps(file)
    assert [one["id"] for one in file["records"]] == [record, joint]
    assert gone not in text
    assert "of somebody else" not in text
    assert "0042" not in re.split("[^0-9A-Za-z]", text), "the other one of the record that they share"
    assert "0123456789ab" not in text, "who looked is named by role, purpose and day"
    first, second = file["records"]
    values = {one["field"]: one for one in first["values"]}
    assert values["income"]["value"] == INCOME
    assert set(values["income"]["label"]) == {"en", "nl"}
    assert first["outcome"]["code"] == "grant"
    assert [(one["decision"], one["reasons"]) for one in first["reviews"]] == [
        ("You get the loan.", "invented reasons")
    ]
    looked = [(one["day"], one["role"], one["purpose"]) for one in first["accesses"]]
    assert looked == [
        ("2026-11-24", "officer", "review"),
        ("2026-11-24", "person", "receipt"),
        ("2026-11-24", "privacy_officer", "access_file"),
    ]
    assert (first["other_persons"], second["other_persons"]) == (0, 1)
    for one in file["records"]:
        receipt = parse_receipt(json.dumps(one["receipt"]).encode())
        verify_receipt(receipt, g.keys, origin=g.log.origin)
    made = [entry for entry in entries(g) if entry.members["purpose"] == "access_file"]
    assert len(made) == 2


def test_a_decision_that_was_not_sent_is_not_told_by_the_access_file(g: Any, office: Any) -> None:
    record = office.decide(g, PERSON)
    decided = reviews.Review("override", "You get the loan.", "invented reasons")
    reviews.record_review(g, record, decided)
    (one,) = cast("Any", access_file.access_file(g, OFFICER, about(PERSON)))["records"]
    assert one["held"] is True
    assert [one[name] for name in ("outcome", "output", "reviews", "explanations")] == [None, None, [], []]
    opened = {opening.field for opening in parse_receipt(json.dumps(one["receipt"]).encode()).openings}
    assert opened
    assert not opened & {"outcome", "output"}
    notification.notify(g, record, g.clock().date())
    (one,) = cast("Any", access_file.access_file(g, OFFICER, about(PERSON)))["records"]
    assert one["outcome"]["code"] == "grant"


def test_corrections_and_a_restriction_stand_in_the_access_file(g: Any, office: Any) -> None:
    record = office.decide(g, PERSON)
    office.correct(g, record, {"in_income": "another invented income"}, "it was a slip")
    office.hold(g, record)
    file: Any = access_file.access_file(g, OFFICER, about(PERSON))
    (one,) = file["records"]
    assert [(c["values"], c["reasons"]) for c in one["corrections"]] == [
        ({"income": "another invented income"}, "it was a slip")
    ]
    assert one["restricted"] is True


def test_nobody_has_an_empty_access_file(g: Any, entries: Any) -> None:
    file: Any = access_file.access_file(g, OFFICER, about(PERSON))
    assert file["records"] == []
    assert len(entries(g)) == 1


def test_accesses_of_a_set_are_shown_to_each_person_of_it(g: Any, office: Any) -> None:
    mine = office.decide(g, PERSON)
    reading.note_scope(g, OFFICER, "export", [mine, *(office.decide(g, OTHER) for _ in range(20))], {"format": "csv"})
    file: Any = access_file.access_file(g, OFFICER, about(PERSON))
    assert [one["purpose"] for one in file["records"][0]["accesses"]] == ["export", "access_file"]


def test_content_that_its_sender_kept(g: Any, office: Any, entries: Any) -> None:
    record = office.take_commitments(g, PERSON)
    file: Any = access_file.access_file(g, OFFICER, about(PERSON))
    assert [(one["id"], one["content"]) for one in file["records"]] == [(record, "kept by its sender")]
    answer = lookup.look_up(g, OFFICER, "lookup", about(PERSON), receipted=True)
    assert [one.id for one in answer.records] == [record]
    assert answer.records[0].receipt is not None
    assert answer.records[0].receipt.openings == ()
    with g.reading() as conn:
        assert [row.code for row in about_store.find_about(conn, record)] == ["access_file", "lookup"]
    assert len(entries(g)) == 2


def test_find_and_access_file_on_the_command_line(office: Any, command: Any, tmp_path: Path, entries: Any) -> None:
    with office.opened() as g:
        record = office.decide(g, PERSON)
    file, out, receipts = tmp_path / "who", tmp_path / "file.json", tmp_path / "receipts"
    file.write_text(f"{PERSON.lower()}\n", "utf-8")
    receipts.mkdir()
    told = command("find", "--home", office.home, "--subject-file", file, "--json", "--receipts", receipts)
    assert told.code == 0, told.line
    assert [one["id"] for one in json.loads(told.out)["records"]] == [record]
    assert (receipts / f"{record}.receipt.json").stat().st_mode & 0o777 == 0o600
    told = command("find", "--home", office.home, "--subject-file", file, "--purpose", "correction", "--as", "auditor")
    assert told.code == 0
    assert record in told.out
    told = command("access-file", "--home", office.home, "--subject-file", file, "-o", out, "--as", "privacy_officer")
    assert told.code == 0, told.line
    assert out.stat().st_mode & 0o777 == 0o600
    assert json.loads(out.read_text("utf-8"))["records"][0]["id"] == record
    with office.opened() as g:
        made = [(entry.members["purpose"], entry.members["role"]) for entry in entries(g)]
    assert made == [("lookup", "administrator"), ("correction", "auditor"), ("access_file", "privacy_officer")]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "must hold one reference"),
        (b"\n", "must hold one reference"),
        (b"TEST-1\nTEST-2\n", "must hold one reference"),
        (b"\xff\xfe", "is no text in UTF-8"),
        (b"x" * 5000, "too long"),
        (b"...", "no letter and no digit"),
        (b"x" * 300, "200 characters"),
    ],
)
def test_a_file_that_holds_no_reference(
    office: Any, command: Any, tmp_path: Path, content: bytes, said: str, entries: Any
) -> None:
    file = tmp_path / "who"
    file.write_bytes(content)
    for arguments in (("find",), ("access-file", "-o", tmp_path / "out.json")):
        told = command(*arguments, "--home", office.home, "--subject-file", file)
        assert (told.code, "--subject-file" in told.line) == (2, True), told
        assert said in told.line
        assert "TEST-1" not in told.line
    assert not (tmp_path / "out.json").exists()
    with office.opened() as g:
        assert entries(g) == []


def test_what_the_command_line_refuses(office: Any, command: Any, tmp_path: Path) -> None:
    file = tmp_path / "who"
    file.write_text(PERSON, "utf-8")
    home = ("--home", office.home)
    assert command("find", *home).code == 2
    assert command("find", *home, "--subject-file", file, "--case-file", file).code == 2
    assert command("find", *home, "--subject-file", file, "--as", "burgomaster").code == 2
    assert command("find", *home, "--subject-file", file, "--purpose", "curiosity").code == 2
    assert command("find", *home, "--subject-file", file, "--receipts", tmp_path / "none").code == 2
    assert command("access-file", *home, "--subject-file", file).code == 2
    assert command("access-file", *home, "--subject-file", tmp_path / "none", "-o", tmp_path / "x").code == 2
