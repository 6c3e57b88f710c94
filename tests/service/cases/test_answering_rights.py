"""What an officer does to answer a request: a correction (GDPR 16), the access file (15), the letter to the person."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from auditlog.core.entries.record import parse_entry
from auditlog.core.errors import Erased
from auditlog.store import log as log_store
from casework.errors import CodeRejected, StepRefused, TakenMeanwhile
from home.errors import Refused, UnknownRecord, UsageError
from service.cases import access_codes, correction_requests, notification, officer_requests, public_requests, reviews
from service.disclosing import personal_letter, report, requested_file
from service.erasing import erase, holds
from service.explaining import explain
from service.keeping import fsck
from service.records import corrections, reading

ADA = reading.Reader("officer", "u0000000ada")
BO = reading.Reader("officer", "u00000000bo")
LOAN = "social-loan-check"
PERSON = "TEST-1"
RIGHT = "een verzonnen uitkering"


def asked(g: Any, office: Any, right: str, *subjects: str) -> tuple[str, public_requests.Opened]:
    record = office.decide(g, *(subjects or (PERSON,)))
    code = access_codes.issue_code(g, record)
    opened = public_requests.open_request(
        g, right=right, channel="web", lang="nl", text="Verzonnen.", reference=record, code=code
    )
    return record, opened


def entries(g: Any, kind: str) -> list[Any]:
    with g.reading() as conn:
        found = [parse_entry(data) for _, data in log_store.iterate_entries(conn, 1, 0, g.log.state().size)]
    return [one for one in found if one.kind == kind]


def correct(g: Any, id_: str, **more: Any) -> Any:
    given = {"version": 1, "field": "income", "value": RIGHT, "reasons": "Gezien op papier.", **more}
    return correction_requests.correct(g, given.pop("reader", ADA), id_, **given)


# --- correction -------------------------------------------------------------------------------------------------------


def test_a_correction_and_its_step_stand_together(office: Any) -> None:
    with office.opened() as g:
        record, opened = asked(g, office, "correct")
        after = correct(g, opened.request.id)
        assert (after.version, after.account, after.state) == (2, None, "open")
        (made,) = corrections.of(g, reading.open(g, ADA, "correction", record))
        assert (dict(made.values), made.reasons) == ({"in_income": RIGHT}, "Gezien op papier.")
        (entry,) = entries(g, "correction/1")
        assert entry.members["role"] == "officer"
        last = officer_requests.show(g, ADA, opened.request.id).steps[-1]
        assert (last.step, last.text) == ("assigned", f"correction/1 {entry.id}")
        assert officer_requests.answer(g, ADA, opened.request.id, version=2, text="Verbeterd.").state == "answered"
        assert [one.step for one in public_requests.status(g, opened.tracking_code).steps] == ["received", "answered"]
        assert fsck.check_all(g) == []


def test_of_two_officers_one_corrects(office: Any) -> None:
    with office.opened() as g:
        record, opened = asked(g, office, "correct")
        told, ready = [], threading.Barrier(6)

        def work(number: int) -> None:
            ready.wait()
            try:
                told.append(correct(g, opened.request.id, value=f"{number} kinderen").version)
            except TakenMeanwhile as error:
                told.append(type(error).__name__)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(map(str, told)) == ["2", *["TakenMeanwhile"] * 5]
        assert len(corrections.of(g, reading.open(g, ADA, "correction", record))) == 1
        assert len(entries(g, "correction/1")) == 1, "and of the others no half"
        assert fsck.check_all(g) == []


@pytest.mark.parametrize(
    ("field", "value", "right"),
    [
        ("income", "Wisselend inkomen", "changing income"),  # in the words that the version has for it
        ("income", "changing income", "changing income"),
        ("income", "12", "12"),
        ("room", "120", 120),
        ("outcome", "grant", "grant"),
    ],
)
def test_a_value_has_the_type_that_the_version_declares(small_office: Any, field: str, value: str, right: Any) -> None:
    with small_office.opened() as g:
        record, opened = asked(g, small_office, "correct")
        correct(g, opened.request.id, field=field, value=value)
        (made,) = corrections.of(g, reading.open(g, ADA, "correction", record))
        assert [*made.values.values()] == [right]


@pytest.mark.parametrize(
    ("field", "more"),
    [
        ("field", {"field": "usage"}),
        ("field", {"field": "subjects"}),
        ("field", {"field": RIGHT}),
        ("value", {"value": "  "}),
        ("value", {"value": "x" * 10_001}),
        ("value", {"field": "room", "value": RIGHT}),
        ("value", {"field": "room", "value": '"120"'}),
        ("value", {"field": "room", "value": "true"}),
        ("value", {"field": "outcome", "value": RIGHT}),
        ("reasons", {"reasons": " "}),
        ("reasons", {"reasons": "x" * 4001}),
    ],
)
def test_what_is_wrong_is_named_and_not_repeated(small_office: Any, field: str, more: dict[str, str]) -> None:
    with small_office.opened() as g:
        _, opened = asked(g, small_office, "correct")
        size = g.log.state().size
        with pytest.raises(UsageError) as error:
            correct(g, opened.request.id, **more)
        assert error.value.field == field
        assert RIGHT not in str(error.value)
        assert g.log.state().size == size


def test_what_can_be_corrected_is_what_the_version_declares(small_office: Any) -> None:
    with small_office.opened() as g:
        _, opened = asked(g, small_office, "correct")
        before = len(entries(g, "access/1"))
        found = {one.id: one for one in correction_requests.correctable(g, opened.request)}
        assert [*found] == ["payment_record", "income", "debts", "room", "outcome"]
        assert (found["room"].whole, found["income"].whole) == (True, False)
        assert [code for code, _ in found["outcome"].values] == ["grant", "refer", "refuse"]
        assert len(entries(g, "access/1")) == before, "nothing of the record was read"
        free = public_requests.open_request(g, right="correct", channel="web", lang="nl", text="Verzonnen.")
        assert correction_requests.correctable(g, free.request) == ()


def test_nobody_corrects_for_a_stranger_or_on_another_request(small_office: Any) -> None:
    with small_office.opened() as g:
        record, opened = asked(g, small_office, "correct")
        _, other = asked(g, small_office, "explain")
        unknown = public_requests.open_request(
            g, right="correct", channel="web", lang="nl", text="Verzonnen.", reference=record
        )
        size = g.log.state().size
        for error, id_, more in (
            (UnknownRecord, opened.request.id, {"systems": ["tax-question-reply"]}),
            (Refused, opened.request.id, {"reader": reading.Reader("auditor", "x")}),
            (StepRefused, other.request.id, {}),
            (UsageError, unknown.request.id, {}),
            (TakenMeanwhile, opened.request.id, {"version": 2}),
        ):
            with pytest.raises(error):
                correct(g, id_, **more)
        assert g.log.state().size == size
        public_requests.withdraw(g, opened.tracking_code)
        with pytest.raises(StepRefused):
            correct(g, opened.request.id, version=2)
        assert entries(g, "correction/1") == []


def test_a_record_that_was_erased_is_not_corrected(small_office: Any) -> None:
    with small_office.opened() as g:
        record, opened = asked(g, small_office, "correct")
        erase.erase(g, record, ground="objection")
        with pytest.raises((UsageError, Erased)):
            correct(g, opened.request.id)
        assert entries(g, "correction/1") == []
        assert fsck.check_all(g) == []


# --- access file ------------------------------------------------------------------------------------------------------


def file_of(g: Any, id_: str, **more: Any) -> Any:
    given = {"version": 1, "person": PERSON, **more}
    return requested_file.asked_file(g, given.pop("reader", ADA), id_, **given)


def test_the_access_file_is_in_the_log_before_it_is_there(office: Any) -> None:
    with office.opened() as g:
        record, opened = asked(g, office, "access")
        before = len(entries(g, "access/1"))
        document = file_of(g, opened.request.id, person=" test 1 ")
        assert [one.id for one in document.records] == [record]
        new = entries(g, "access/1")[before:]
        assert {(one.members["purpose"], one.members["role"]) for one in new} == {("access_file", "officer")}
        assert [looked.purpose for looked in document.records[0].accesses] == ["access_file"]
        assert officer_requests.find(g, opened.request.id).version == 1, "the page that it was made from still holds"


def test_a_file_of_nobody_or_of_somebody_else_is_not_made(small_office: Any) -> None:
    with small_office.opened() as g:
        _, opened = asked(g, small_office, "access")
        small_office.decide(g, "TEST-2")
        for person, error in (
            ("TEST-3", requested_file.LeadsNowhere),
            ("TEST-2", requested_file.LeadsElsewhere),
            ("?", UsageError),
            ("x" * 201, UsageError),
        ):
            before = entries(g, "access/1")
            with pytest.raises(error) as found:
                file_of(g, opened.request.id, person=person)
            assert found.value.field == "person"
            assert "TEST" not in str(found.value)
            new = entries(g, "access/1")[len(before) :]
            assert len(new) == (error is not UsageError), "that it was tried is in the log"


def test_a_record_of_nobody_does_not_stand_in_the_way(small_office: Any) -> None:
    """It names no person, so that it cannot say whether the reference is the right one."""
    with small_office.opened() as g:
        _, opened = asked(g, small_office, "access")
        nobodys = small_office.decide(g)
        code = access_codes.issue_code(g, nobodys)
        about = public_requests.open_request(
            g, right="access", channel="web", lang="nl", text="Verzonnen.", reference=nobodys, code=code
        )
        assert len(file_of(g, about.request.id).records) == 1
        assert opened.request.reference != nobodys


def test_who_may_have_the_file_made(small_office: Any) -> None:
    with small_office.opened() as g:
        _, opened = asked(g, small_office, "access")
        _, other = asked(g, small_office, "explain")
        unknown = public_requests.open_request(g, right="access", channel="web", lang="nl", text="Verzonnen.")
        size = g.log.state().size
        for error, id_, more in (
            (Refused, opened.request.id, {"systems": [LOAN]}),
            (UnknownRecord, opened.request.id, {"systems": ["tax-question-reply"]}),
            (Refused, opened.request.id, {"reader": reading.Reader("auditor", "x")}),
            (StepRefused, other.request.id, {}),
            (StepRefused, unknown.request.id, {}),
            (TakenMeanwhile, opened.request.id, {"version": 2}),
        ):
            with pytest.raises(error):
                file_of(g, id_, **more)
        assert g.log.state().size == size
        officer_requests.answer(g, ADA, opened.request.id, version=1, text="Per post.")
        with pytest.raises(StepRefused):
            file_of(g, opened.request.id, version=2)


def test_the_file_tells_a_correction_in_words(small_office: Any) -> None:
    with small_office.opened() as g:
        _, corrected = asked(g, small_office, "correct")
        correct(g, corrected.request.id)
        opened = public_requests.open_request(
            g, right="access", channel="post", lang="nl", text="Verzonnen.", account=ADA.account, identity="checked"
        )
        page = report.render(g, file_of(g, opened.request.id), "nl", "html").decode()
        assert RIGHT in page
        assert "correction/1" not in page


def test_what_was_erased_is_not_in_the_file(small_office: Any) -> None:
    with small_office.opened() as g:
        gone, opened = asked(g, small_office, "access")
        kept = small_office.decide(g, PERSON)
        erase.erase(g, gone, ground="objection")
        document = file_of(g, opened.request.id)
        assert [one.id for one in document.records] == [kept]


# --- letter -----------------------------------------------------------------------------------------------------------


def answered(g: Any, office: Any) -> tuple[str, public_requests.Opened]:
    """A request that was answered with an explanation, after the person was told of the decision."""
    record, opened = asked(g, office, "explain")
    reviews.record_review(g, record, reviews.Review("confirm", "granted", "verzonnen redenen"))
    notification.notify(g, record, office.clock.now.date())
    told = explain.explain(g, ADA, record, cause="letter")
    officer_requests.answer(g, ADA, opened.request.id, version=1, text="Omdat.", explanation=told.id)
    return record, opened


def test_the_person_reads_the_letter_by_the_tracking_code(office: Any) -> None:
    with office.opened() as g:
        record, opened = answered(g, office)
        assert public_requests.status(g, opened.tracking_code).letter
        before = entries(g, "access/1")
        letter = personal_letter.own_letter(g, opened.tracking_code)
        assert (letter.reference, letter.code) == (record, None)
        assert letter.asked is not None and letter.asked.received == opened.request.received
        new = entries(g, "access/1")[len(before) :]
        assert [(one.members["purpose"], one.members["role"]) for one in new] == [("letter", "person")]
        assert "verzonnen redenen" in report.render(g, letter, "nl", "html").decode()
        holds.place(g, record, ground="restriction")
        assert personal_letter.own_letter(g, opened.tracking_code).reference == record, "one's own, all the same"


def test_a_letter_waits_until_the_person_was_told(small_office: Any) -> None:
    with small_office.opened() as g:
        record, opened = answered(g, small_office)
        # Decided otherwise since, and not told yet: a letter would say so.
        reviews.record_review(g, record, reviews.Review("override", "refused after all", "andere redenen"))
        assert not public_requests.status(g, opened.tracking_code).letter
        with pytest.raises(Refused):
            personal_letter.own_letter(g, opened.tracking_code)
        notification.notify(g, record, small_office.clock.now.date())
        assert personal_letter.own_letter(g, opened.tracking_code).reference == record
        reviews.record_review(g, record, reviews.Review("refer", "to a colleague", "nog iets"))
        with pytest.raises(Refused):
            personal_letter.own_letter(g, opened.tracking_code)


def test_no_letter_for_anything_else(small_office: Any) -> None:
    with small_office.opened() as g:
        _, opened = asked(g, small_office, "explain")
        assert not public_requests.status(g, opened.tracking_code).letter  # nobody answered
        officer_requests.answer(g, ADA, opened.request.id, version=1, text="Omdat.")
        assert not public_requests.status(g, opened.tracking_code).letter  # without an explanation
        size = len(entries(g, "access/1"))
        with pytest.raises(Refused):
            personal_letter.own_letter(g, opened.tracking_code)
        with pytest.raises(CodeRejected):
            personal_letter.own_letter(g, "2222-2222-2222-2222-2222")
        assert len(entries(g, "access/1")) == size
        gone, other = answered(g, small_office)
        erase.erase(g, gone, ground="objection")
        with pytest.raises((Refused, CodeRejected)):
            personal_letter.own_letter(g, other.tracking_code)
