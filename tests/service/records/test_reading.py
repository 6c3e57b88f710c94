"""Every reading of content leaves its entry first; what was not given leaves none."""

from __future__ import annotations

import threading
import uuid
from typing import Any

import pytest

from auditlog.core.entries.vocabulary import PURPOSES
from auditlog.core.errors import CannotRecord, Erased, VaultError
from auditlog.core.formats.id_set import Membership, id_root, prove_member, verify_member
from auditlog.store import record_events as about_store
from home.errors import Refused, UnknownRecord, UsageError
from service.cases import reviews
from service.deciding import conversations
from service.disclosing import letters
from service.erasing import erase
from service.proving import receipts
from service.records import accesses, reading
from service.records.accesses import SET, SINGLY
from service.records.reading import CLI, Reader

OFFICER = Reader("officer", "0123456789ab")
PERSON = Reader("person", None)


def test_an_access_says_purpose_and_role_and_commits_the_rest(g: Any, office: Any, entries: Any) -> None:
    record = office.decide(g)
    opened = reading.open(g, OFFICER, "review", record)
    assert opened.values["outcome"] == "grant"
    (entry,) = entries(g)
    assert (entry.members["purpose"], entry.members["role"]) == ("review", "officer")
    assert record.encode() not in entry.data
    assert b"0123456789ab" not in entry.data
    with g.reading() as conn:
        kept = g.vault.open(conn, entry.id, entry).values
        rows = about_store.find_about(conn, record)
    assert (kept["account"], kept["scope"], kept["ids"]["ids"]) == ("0123456789ab", None, [record])
    secret = bytes.fromhex(kept["ids"]["secret"])
    assert kept["records"] == {"count": 1, "root": id_root(secret, [record]).hex()}
    assert [(row.id, row.code, row.role, row.minute) for row in rows] == [(entry.id, "review", "officer", entry.time)]


def test_the_entry_is_integrated_before_content_is_given(
    g: Any, office: Any, entries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the writer is held up in its transaction, the reader has nothing; then both."""
    record = office.decide(g)
    reached, go, given = threading.Event(), threading.Event(), []

    def hold_up(point: int) -> None:
        if point == 5:
            reached.set()
            assert go.wait(60)

    monkeypatch.setattr(g.log, "_trace", hold_up)
    reader = threading.Thread(target=lambda: given.append(reading.open(g, OFFICER, "letter", record)))
    reader.start()
    assert reached.wait(60)
    assert given == []
    assert entries(g) == []
    go.set()
    reader.join(60)
    assert [one.entry.id for one in given] == [record]
    assert len(entries(g)) == 1


def test_nothing_is_given_where_the_log_cannot_take_the_entry(
    g: Any, office: Any, entries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = office.decide(g)

    def full() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(g.log, "_before_commit", full)
    for read in (
        lambda: reading.open(g, OFFICER, "review", record),
        lambda: reading.open_many(g, OFFICER, "review", [record]),
        lambda: reading.note_scope(g, OFFICER, "query", [record], None),
    ):
        with pytest.raises(CannotRecord):
            read()
    monkeypatch.undo()
    assert entries(g) == []


def test_a_home_that_may_only_be_read_gives_no_content(g: Any, office: Any) -> None:
    record = office.decide(g)
    g.problem = CannotRecord("is above the database", cause="guard", field="guard")
    with pytest.raises(CannotRecord, match="above the database"):
        reading.open(g, CLI, "receipt", record)
    assert reading.find(g, record).entry.id == record


def test_what_is_not_given_leaves_no_entry(g: Any, office: Any, entries: Any) -> None:
    gone, damaged = office.decide(g), office.decide(g)
    erase.erase(g, gone, ground="objection")
    with pytest.raises(Erased):
        reading.open(g, OFFICER, "review", gone)
    with pytest.raises(UnknownRecord):
        reading.open(g, OFFICER, "review", str(uuid.uuid4()))
    with pytest.raises(UnknownRecord):
        reading.open(g, OFFICER, "review", "not an id")
    with g.engine.begin() as conn:
        conn.exec_driver_sql(f"UPDATE auditlog_sealed SET slot = slot + 1000 WHERE id = '{damaged}'")
    with pytest.raises(VaultError):
        reading.open(g, OFFICER, "review", damaged)
    assert reading.open_many(g, OFFICER, "review", [gone]) == []
    assert entries(g) == []


def test_a_record_that_is_erased_while_it_is_read_is_not_given(
    g: Any, office: Any, entries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = office.decide(g)
    note = accesses.note

    def erased_first(*arguments: Any, **more: Any) -> None:
        erase.erase(g, record, ground="objection")
        note(*arguments, **more)

    monkeypatch.setattr(accesses, "note", erased_first)
    with pytest.raises(Erased):
        reading.open(g, OFFICER, "review", record)
    assert entries(g) == []
    with g.reading() as conn:
        assert about_store.find_about(conn, record) == []


def test_of_many_the_one_that_is_erased_meanwhile_is_left_out(
    g: Any, office: Any, entries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, gone = office.decide(g), office.decide(g)
    note, erased = accesses.note, []

    def erased_first(*arguments: Any, **more: Any) -> None:
        if not erased:
            erased.append(erase.erase(g, gone, ground="objection"))
        note(*arguments, **more)

    monkeypatch.setattr(accesses, "note", erased_first)
    assert [one.entry.id for one in reading.open_many(g, OFFICER, "evidence", [gone, kept])] == [kept]
    assert len(entries(g)) == 1


def test_a_review_that_was_erased_with_its_decision_is_left_out(g: Any, office: Any) -> None:
    record = office.decide(g)
    made = reviews.record_review(g, record, reviews.Review("confirm", "as suggested", "invented reasons"))
    opened = reading.open(g, OFFICER, "letter", record)
    erase.erase(g, record, ground="objection")
    assert reading.behind(g, opened, [made]) == []


def test_few_records_have_an_entry_each_and_many_stand_in_sets(g: Any, office: Any, entries: Any) -> None:
    records = [office.decide(g) for _ in range(SINGLY + 1)]
    erase.erase(g, records[3], ground="objection")
    given = reading.open_many(g, OFFICER, "evidence", [*records[:SINGLY], records[0]])
    assert [one.entry.id for one in given] == [record for record in records[:SINGLY] if record != records[3]]
    assert len(entries(g)) == SINGLY - 1
    more = [*records[:3], *records[4:], office.decide(g)]
    reading.open_many(g, OFFICER, "evidence", more, scope={"sample": "x"})
    (entry,) = entries(g)[SINGLY - 1 :]
    with g.reading() as conn:
        kept = g.vault.open(conn, entry.id, entry).values
        assert all(about_store.find_about(conn, record)[-1].id == entry.id for record in more)
    assert kept["records"]["count"] == len(more) == SINGLY + 1
    assert kept["scope"] == {"sample": "x"}
    secret, root = bytes.fromhex(kept["ids"]["secret"]), bytes.fromhex(kept["records"]["root"])
    for record in more:
        verify_member(prove_member(secret, more, record), record, root)


def test_a_set_is_cut_where_it_grows_large(g: Any, office: Any, entries: Any) -> None:
    records = [office.decide(g) for _ in range(3)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accesses, "SINGLY", 1)
        patch.setattr(accesses, "SET", 2)
        reading.note_scope(g, OFFICER, "export", records, {"format": "csv"})
    counts = []
    for entry in entries(g):
        with g.reading() as conn:
            counts.append(g.vault.open(conn, entry.id, entry).values["records"]["count"])
    assert counts == [2, 1]
    assert SET == 256


def test_a_question_without_answer_is_noted_with_count_0(g: Any, entries: Any) -> None:
    assert reading.note_scope(g, OFFICER, "lookup", [], {"tag": "subject", "rule": "s1"}) == frozenset()
    (entry,) = entries(g)
    with g.reading() as conn:
        kept = g.vault.open(conn, entry.id, entry).values
    assert kept["records"]["count"] == 0
    assert kept["scope"] == {"tag": "subject", "rule": "s1"}


def test_a_persons_own_reading_counts_once_a_day_and_record(g: Any, office: Any, entries: Any) -> None:
    first, second = office.decide(g), office.decide(g)
    for _ in range(3):
        assert reading.open(g, PERSON, "receipt", first).values
    reading.open_many(g, PERSON, "receipt", [first, second])
    assert len(entries(g)) == 2
    office.clock.on(hours=2)  # past midnight, UTC
    reading.open(g, PERSON, "receipt", first)
    assert len(entries(g)) == 3
    reading.open(g, OFFICER, "receipt", first)
    reading.open(g, OFFICER, "receipt", first)
    assert len(entries(g)) == 5, "others are counted each time"


def test_two_readings_of_a_person_at_once_count_once(g: Any, office: Any, entries: Any) -> None:
    record = office.decide(g)
    start, given = threading.Barrier(4), []

    def read() -> None:
        start.wait(60)
        given.append(reading.open(g, PERSON, "receipt", record).entry.id)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert given == [record] * 4
    assert len(entries(g)) == 1


def test_restricted_content_is_for_the_person_and_for_claims_alone(g: Any, office: Any, entries: Any) -> None:
    record, free = office.decide(g), office.decide(g)
    office.hold(g, record)
    for purpose in set(PURPOSES) - {"access_file", "lookup", "evidence", "correction"}:
        with pytest.raises(Refused, match="GDPR 18") as refused:
            reading.open(g, OFFICER, purpose, record)
        assert refused.value.reason == "restricted"
    with pytest.raises(Refused):
        reading.open_many(g, OFFICER, "sample", [free, record])
    assert entries(g) == []
    for purpose in ("access_file", "lookup", "evidence", "correction"):
        assert reading.open(g, OFFICER, purpose, record).values
    assert reading.open(g, PERSON, "receipt", record).values
    assert reading.note_scope(g, OFFICER, "query", [free, record], None) == {record}
    with g.reading() as conn:
        assert [row.code for row in about_store.find_about(conn, free)] == ["query"]
    office.hold(g, record, action="lifted")
    assert reading.open(g, OFFICER, "review", record).values


def test_another_hold_restricts_nothing(g: Any, office: Any) -> None:
    record = office.decide(g)
    office.hold(g, record, ground="legal_claim")
    assert reading.open(g, OFFICER, "review", record).values


def test_a_restriction_that_comes_while_it_is_read_counts(
    g: Any, office: Any, entries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = office.decide(g)
    note = accesses.note

    def restricted_first(*arguments: Any, **more: Any) -> None:
        office.hold(g, record)
        note(*arguments, **more)

    monkeypatch.setattr(accesses, "note", restricted_first)
    with pytest.raises(Refused):
        reading.open(g, OFFICER, "review", record)
    assert entries(g) == []


def test_a_review_is_content_of_its_decision(g: Any, office: Any, entries: Any) -> None:
    record, other = office.decide(g), office.decide(g)
    made = reviews.record_review(g, record, reviews.Review("confirm", "as suggested", "invented reasons"))
    assert entries(g) == [], "who writes a review is not given the content by it"
    assert reading.open(g, OFFICER, "review", made).values["reasons"] == "invented reasons"
    with g.reading() as conn:
        assert [row.record for row in about_store.find_about(conn, record)] == [record]
    opened = reading.open(g, OFFICER, "letter", record)
    assert [one.entry.id for one in reading.behind(g, opened, [made])] == [made]
    assert len(entries(g)) == 2, "read along with its decision it needs no entry of its own"
    with pytest.raises(UsageError):
        reading.behind(g, reading.open(g, OFFICER, "letter", other), [made])
    office.hold(g, record)
    with pytest.raises(Refused):
        reading.open(g, OFFICER, "review", made)


def test_the_programs_own_reading_is_not_noted(g: Any, office: Any, entries: Any) -> None:
    kept, gone = office.decide(g), office.decide(g)
    erase.erase(g, gone, ground="objection")
    assert [one.entry.id for one in reading.recount(g, [gone, kept])] == [kept]
    assert entries(g) == []


def test_a_reader_has_a_role_of_the_vocabulary() -> None:
    with pytest.raises(UsageError, match="must be one of"):
        Reader("burgomaster", None)


@pytest.mark.parametrize("size", [1, 2, 3, 17])
def test_membership_shows_one_id_and_not_the_others(size: int) -> None:
    from auditlog.core.errors import FormatError, NotFound, ProofError

    ids, secret = [str(uuid.uuid4()) for _ in range(size)], bytes(range(32))
    root = id_root(secret, ids)
    assert root == id_root(secret, ids[::-1])
    for one in ids:
        shown = prove_member(secret, ids, one)
        verify_member(shown, one, root)
        with pytest.raises(ProofError):
            verify_member(shown, str(uuid.uuid4()), root)
        with pytest.raises(ProofError):
            verify_member(Membership(shown.index, shown.size, bytes(32), shown.path), one, root)
    assert id_root(bytes(32), ids) != root
    with pytest.raises(NotFound):
        prove_member(secret, ids, str(uuid.uuid4()))
    with pytest.raises(FormatError):
        id_root(secret, [ids[0], ids[0]])


@pytest.mark.parametrize("role", ["client", "person", "operator", "program"])
def test_a_held_result_is_shown_to_staff_only(g: Any, office: Any, entries: Any, role: str) -> None:
    record, other = office.decide(g, conversation="TEST-C-1"), Reader(role, None)
    with pytest.raises(Refused, match="staff only"):
        reviews.show(g, other, record)
    assert entries(g) == []
    assert reviews.show(g, OFFICER, record)["outcome"] == "grant"

    def told(reader: Reader) -> list[Any]:
        (turn,) = conversations.read(g, reader, "lookup", record).turns
        assert turn.values is not None
        return [turn.values[name] for name in ("in_income", "outcome", "output")]

    income = "evidently invented income 4417"
    held, given = [income, None, None], [income, "grant", {"outcome": "grant"}]
    if role in ("operator", "program"):
        for read in (lambda: told(other), lambda: receipts.receipt(g, record, openings=other)):
            with pytest.raises(Refused, match="sees nothing of the content"):
                read()
        assert {entry.members["role"] for entry in entries(g)} == {"officer"}
        return
    assert told(other) == held
    assert told(OFFICER) == given
    reviews.record_review(g, record, reviews.Review("refer", "to a colleague", "invented reasons"))
    assert told(other) == held
    reviews.record_review(g, record, reviews.Review("release", "as suggested", "invented reasons"))
    assert told(other) == given


def test_what_is_no_decision_is_refused_before_it_is_opened(g: Any, office: Any, entries: Any) -> None:
    record = office.decide(g)
    made = reviews.record_review(g, record, reviews.Review("confirm", "as suggested", "invented reasons"))
    with pytest.raises(Refused):
        reviews.show(g, OFFICER, made)
    with pytest.raises(UsageError):
        letters.letter(g, OFFICER, made)
    assert receipts.receipt(g, made, openings=OFFICER).openings == ()
    assert entries(g) == []
