"""Requests: the clock over years and daylight saving, two officers on one request, and what the person may see."""

from __future__ import annotations

import json
import threading
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from auditlog.core.entries.record import parse_entry
from auditlog.core.errors import Erased
from auditlog.store import log as log_store
from casework.errors import StepRefused, TakenMeanwhile
from cli.demo.run import CASES
from home import calendar
from home.errors import Refused, UnknownRecord, UsageError
from service.cases import access_codes, notification, officer_requests, public_requests, reviews
from service.disclosing import access_file, lookup
from service.erasing import erase, holds
from service.explaining import explain
from service.keeping import fsck
from service.records import reading
from service.systems import register

ADA = reading.Reader("officer", "u0000000ada")
BO = reading.Reader("officer", "u00000000bo")
AUDITOR = reading.Reader("auditor", "u000000cas")
ASKED = {"right": "explain", "channel": "web", "lang": "nl", "text": "Waarom niet? Ik ben evident verzonnen."}
LOAN = "social-loan-check"
NOWHERE = "00000000-0000-4000-8000-000000000000"


def at(office: Any, text: str) -> None:
    """Set the clock to a time of UTC."""
    office.clock.now = datetime.fromisoformat(text).replace(tzinfo=UTC)


def asked_about(g: Any, office: Any, **more: Any) -> tuple[str, public_requests.Opened]:
    record = office.decide(g, "TEST-1")
    code = access_codes.issue_code(g, record)
    return record, public_requests.open_request(g, **{**ASKED, **more}, reference=record, code=code)


def decided(g: Any, record: str, notified_on: str | None = None) -> None:
    reviews.record_review(g, record, reviews.Review("confirm", "granted", "invented reasons", notified=notified_on))


def entries(g: Any) -> list[Any]:
    with g.reading() as conn:
        return [parse_entry(data) for _, data in log_store.iterate_entries(conn, 1, 0, g.log.state().size)]


@pytest.mark.parametrize(
    ("now", "received", "due"),
    [
        # Half past eleven in the evening of UTC is the next day in Amsterdam, in the next year as well.
        ("2026-12-31T23:30", "2027-01-01", "2027-02-01"),
        ("2026-12-31T22:30", "2026-12-31", "2027-01-31"),
        # In summer the day begins two hours earlier.
        ("2027-06-30T22:30", "2027-07-01", "2027-08-01"),
        ("2027-06-30T21:30", "2027-06-30", "2027-07-30"),
        # The night in which the clock goes forward, and the one in which it goes back.
        ("2027-03-27T23:30", "2027-03-28", "2027-04-28"),
        ("2027-10-30T22:30", "2027-10-31", "2027-11-30"),
        # A month that has no such day.
        ("2028-01-31T12:00", "2028-01-31", "2028-02-29"),
    ],
)
def test_days_are_those_of_the_people(small_office: Any, now: str, received: str, due: str) -> None:
    with small_office.opened() as g:
        at(small_office, now)
        status = public_requests.status(g, public_requests.open_request(g, **ASKED).tracking_code)
        assert (status.received.isoformat(), status.due.isoformat()) == (received, due)
        last = datetime.fromisoformat(f"{due}T12:00").replace(tzinfo=UTC)
        small_office.clock.now = last
        (one,) = officer_requests.queue(g, ADA)
        assert not one.overdue(calendar.today(g))
        small_office.clock.now = last + timedelta(days=1)
        assert one.overdue(calendar.today(g))


def test_a_request_from_asking_to_answer(office: Any) -> None:
    with office.opened() as g:
        record, opened = asked_about(g, office, contact="test@example.org")
        first = opened.request
        assert (first.identity, first.system, first.reference, first.version) == ("code", LOAN, record, 1)
        taken = officer_requests.assign(g, BO, first.id, version=1, to=office.officer(g, "u0000000ada"))
        more = officer_requests.ask(g, ADA, first.id, version=taken.version, text="Over welk jaar gaat het?")
        public_requests.reply(g, opened.tracking_code, "Over 2026.")
        longer = officer_requests.extend(
            g, ADA, first.id, version=more.version + 1, ground="complex", text="Wij zoeken het uit."
        )
        assert longer.due == date(2026, 11, 30)
        officer_requests.answer(g, ADA, first.id, version=longer.version, text="Omdat het zo is.")
        status = public_requests.status(g, opened.tracking_code)
        assert (status.state, status.answer, status.delay, status.closed) == (
            "answered",
            "Omdat het zo is.",
            "complex",
            date(2026, 8, 31),
        )
        assert [one.step for one in status.steps] == ["received", "asked", "replied", "extended", "answered"]
        assert all(one.account is None for one in status.steps)
        shown = officer_requests.show(g, AUDITOR, first.id)
        assert [one.account for one in shown.steps] == [None, BO.account, ADA.account, None, ADA.account, ADA.account]
        assert (shown.text, shown.contact, shown.hint) == (ASKED["text"], "test@example.org", None)
        kinds = [one.kind for one in entries(g)]
        assert kinds.count("request/1") == 6, "each step is an entry"
        assert fsck.check_all(g) == []


def test_nothing_that_was_written_stands_in_the_log(small_office: Any) -> None:
    with small_office.opened() as g:
        record, opened = asked_about(g, small_office, contact="test@example.org")
        officer_requests.answer(g, ADA, opened.request.id, version=1, text="Omdat het zo is.")
        for one in entries(g):
            if one.kind == "request/1":
                assert set(one.members) == {"commitments"}
                for text in (record, "explain", "web", LOAN, ADA.account, "answered", "test1", "2026-09-30"):
                    assert text.encode() not in one.data


def test_reading_is_in_the_log_first(small_office: Any) -> None:
    with small_office.opened() as g:
        _, opened = asked_about(g, small_office)

        def accesses() -> list[tuple[str, str]]:
            found = [one for one in entries(g) if one.kind == "access/1"]
            return [(one.members["purpose"], one.members["role"]) for one in found]

        before = len(accesses())
        officer_requests.queue(g, ADA)
        officer_requests.show(g, ADA, opened.request.id)
        public_requests.status(g, opened.tracking_code)
        public_requests.status(g, opened.tracking_code)
        new = accesses()[before:]
        assert new == [("request", "officer"), ("request", "officer"), ("request", "person")]


def test_two_officers_cannot_both_answer(office: Any) -> None:
    with office.opened() as g:
        _, opened = asked_about(g, office)
        id_, told = opened.request.id, []
        ready = threading.Barrier(8)

        def answer(text: str) -> None:
            ready.wait()
            try:
                told.append(officer_requests.answer(g, ADA, id_, version=1, text=text).state)
            except (TakenMeanwhile, StepRefused) as error:
                told.append(type(error).__name__)

        threads = [threading.Thread(target=answer, args=(f"Antwoord {n}",)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(told) == ["TakenMeanwhile"] * 7 + ["answered"]
        assert [one.step for one in officer_requests.show(g, ADA, id_).steps] == ["received", "answered"]
        assert fsck.check_all(g) == []


def test_who_looked_before_the_last_step_is_told_to_look_again(small_office: Any) -> None:
    with small_office.opened() as g:
        _, opened = asked_about(g, small_office)
        public_requests.reply(g, opened.tracking_code, "Nog iets.")
        with pytest.raises(TakenMeanwhile, match="look at the request again"):
            officer_requests.refuse(g, ADA, opened.request.id, version=1, ground="unfounded", text="Nee.")
        assert officer_requests.find(g, opened.request.id).state == "open"


def test_what_a_closed_request_takes(small_office: Any) -> None:
    with small_office.opened() as g:
        _, opened = asked_about(g, small_office)
        assert public_requests.withdraw(g, opened.tracking_code).state == "withdrawn"
        for late in (
            lambda: public_requests.reply(g, opened.tracking_code, "Toch."),
            lambda: public_requests.withdraw(g, opened.tracking_code),
            lambda: officer_requests.answer(g, ADA, opened.request.id, version=2, text="Toch."),
        ):
            with pytest.raises(StepRefused):
                late()


def test_nobody_is_answered_before_it_is_known_who_asks(office: Any) -> None:
    with office.opened() as g:
        record = office.decide(g, "TEST-1")
        opened = public_requests.open_request(g, **ASKED, reference=record, contact="Voorbeeldstraat 1")
        assert (opened.request.identity, opened.request.reference) == ("unchecked", None)
        shown = officer_requests.show(g, ADA, opened.request.id)
        assert (shown.hint, shown.contact) == (record, "Voorbeeldstraat 1")
        with pytest.raises(StepRefused, match="how you know who asks"):
            officer_requests.answer(g, ADA, opened.request.id, version=1, text="Omdat.")
        office.officer(g, "u0000000ada", LOAN)
        known = officer_requests.assign(
            g, ADA, opened.request.id, version=1, to=ADA.account, reference=record, identity="checked", note="Paspoort."
        )
        assert (known.system, known.identity) == (LOAN, "checked")
        assert officer_requests.answer(g, ADA, opened.request.id, version=2, text="Omdat.").state == "answered"
        assert [one.step for one in public_requests.status(g, opened.tracking_code).steps] == ["received", "answered"]


def test_a_reference_without_code_tells_nothing(small_office: Any) -> None:
    with small_office.opened() as g:
        there = small_office.decide(g, "TEST-1")
        said = []
        for reference in (there, NOWHERE, "WV 12.3", None):
            opened = public_requests.open_request(g, **ASKED, reference=reference)
            status = public_requests.status(g, opened.tracking_code)
            said.append((status.system, status.identity, status.objection_until, status.erased))
        assert set(said) == {(None, "unchecked", None, False)}


def test_until_somebody_knows_who_asks_nothing_of_the_record_is_told(small_office: Any) -> None:
    """Staff may note the reference that a caller reads out: it proves nothing yet."""
    with small_office.opened() as g:
        record = small_office.decide(g, "TEST-1")
        decided(g, record, "2026-08-31")
        more = {"channel": "phone", "account": ADA.account, "reference": record}
        opened = public_requests.open_request(g, **{**ASKED, **more})
        status = public_requests.status(g, opened.tracking_code)
        assert (status.system, status.objection_until) == (None, None)
        small_office.officer(g, "u0000000ada")
        officer_requests.assign(g, ADA, opened.request.id, version=1, to=ADA.account, identity="checked")
        status = public_requests.status(g, opened.tracking_code)
        assert (status.system, status.objection_until) == (LOAN, date(2026, 10, 12))


@pytest.mark.parametrize("asked_about", [None, LOAN])
@pytest.mark.parametrize("found", ["reference", "system"])
def test_what_an_officer_finds_is_not_told_before_it_is_known_who_asks(
    small_office: Any, asked_about: str | None, found: str
) -> None:
    """That a system has a case of somebody is something about that person; what who asks named is no news to them."""
    with small_office.opened() as g:
        record = small_office.decide(g, "TEST-1")
        opened = public_requests.open_request(g, **ASKED, contact="Voorbeeldstraat 1", system=asked_about)
        noted = {"reference": record} if found == "reference" else {"system": LOAN}
        step = officer_requests.assign(g, ADA, opened.request.id, version=1, to=None, **noted)
        assert step.system == LOAN
        assert public_requests.status(g, opened.tracking_code).system == asked_about
        if found == "reference":
            erase.erase(g, record, ground="objection")
            assert public_requests.status(g, opened.tracking_code).system == asked_about
        officer_requests.assign(g, ADA, opened.request.id, version=2, to=None, identity="checked")
        assert public_requests.status(g, opened.tracking_code).system == LOAN


def test_work_is_given_to_an_officer_who_can_open_it(small_office: Any) -> None:
    with small_office.opened() as g:
        _, about = asked_about(g, small_office)
        free = public_requests.open_request(g, **ASKED, contact="Voorbeeldstraat 1")
        small_office.clock.on(days=1)
        yesterday = (g.clock() - timedelta(days=1)).date()
        no_officers = [
            "u1",
            "grf_key",
            "x" * 300,
            "test.u00000000bo",  # a login is no id, and would stand in the sealed step for good
            small_office.officer(g, "u00000audit", role="auditor"),
            small_office.officer(g, "u00000ended", ended=g.clock()),
            small_office.officer(g, "u000000over", ends=yesterday),
        ]
        small_office.officer(g, "u00000000bo", "tax-question-reply")
        small_office.officer(g, "u0000000ada", LOAN)
        size = g.log.state().size
        for id_ in no_officers:
            with pytest.raises(UsageError, match="to: must be the id of an officer's account"):
                officer_requests.assign(g, BO, about.request.id, version=1, to=id_)
        for request, id_ in ((about, "u00000000bo"), (free, "u00000000bo"), (free, "u0000000ada")):
            with pytest.raises(UsageError, match="to: does not reach the system"):
                officer_requests.assign(g, BO, request.request.id, version=1, to=id_)
        with pytest.raises(
            UsageError, match="to: does not reach the system"
        ):  # the one that it is now found to be about
            officer_requests.assign(g, BO, free.request.id, version=1, to="u00000000bo", system=LOAN)
        assert g.log.state().size == size
        assert officer_requests.assign(g, BO, about.request.id, version=1, to="u0000000ada").account == "u0000000ada"
        assert officer_requests.assign(g, BO, free.request.id, version=1, to="u0000000ada", system=LOAN).system == LOAN


def test_a_request_about_a_decision_stays_with_its_system(small_office: Any) -> None:
    """Else the record would come within the reach of who answers for another system."""
    with small_office.opened() as g:
        _, opened = asked_about(g, small_office)
        size = g.log.state().size
        with pytest.raises(UsageError, match="follows from"):
            officer_requests.assign(g, ADA, opened.request.id, version=1, to=None, system=LOAN)
        assert g.log.state().size == size


def test_more_time_is_given_once_and_in_the_first_month(small_office: Any) -> None:
    with small_office.opened() as g:
        _, one = asked_about(g, small_office)
        _, other = asked_about(g, small_office)
        officer_requests.extend(g, ADA, one.request.id, version=1, ground="many", text="Het is druk.")
        with pytest.raises(StepRefused, match="once"):
            officer_requests.extend(g, ADA, one.request.id, version=2, ground="many", text="Nog drukker.")
        small_office.clock.on(days=31)
        with pytest.raises(StepRefused, match="first month"):
            officer_requests.extend(g, ADA, other.request.id, version=1, ground="many", text="Te laat.")
        status = public_requests.status(g, other.tracking_code)
        assert (status.overdue, status.extended) == (True, False)


def test_a_system_that_is_not_public_is_as_if_it_were_not_there(small_office: Any) -> None:
    """But to staff, who may answer about it."""
    with small_office.opened() as g:
        file = json.loads((CASES / f"{LOAN}.json").read_text("utf-8"))
        why = {"member": "host", "reason": "investigation", "explanation": {"en": "w", "nl": "w"}, "until": None}
        file["system"]["publication"] = {"state": "restricted", "withheld": [why]}
        register.register(g, json.dumps(file).encode())
        said = set()
        for slug in (LOAN, "no-such-system"):
            with pytest.raises(UsageError) as refused:
                public_requests.open_request(g, **ASKED, system=slug)
            said.add(str(refused.value))
        assert len(said) == 1
        opened = public_requests.open_request(g, **{**ASKED, "channel": "phone"}, system=LOAN, account=ADA.account)
        assert opened.request.system == LOAN


def test_what_came_by_post_counts_from_its_day(small_office: Any) -> None:
    with small_office.opened() as g:
        post = {**ASKED, "channel": "post", "account": ADA.account, "identity": "checked", "subject": "TEST-1"}
        opened = public_requests.open_request(g, **post, received=date(2026, 8, 20))
        assert opened.request.due == date(2026, 9, 20)
        assert officer_requests.answer(g, ADA, opened.request.id, version=1, text="Omdat.").identity == "checked"
        with pytest.raises(UsageError, match="received"):
            public_requests.open_request(g, **post, received=date(2026, 9, 1))
        for public in ({"received": date(2026, 8, 20)}, {"identity": "checked"}):
            with pytest.raises(UsageError, match="for staff"):
                public_requests.open_request(g, **ASKED, **public)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("right", "erase"), ("channel", "pigeon"), ("lang", "xx"), ("text", "x" * 8001), ("contact", "x" * 1001),
        ("system", "no-such-system"), ("subject", "???"), ("subject", "x" * 201), ("reference", "x" * 201),
    ],
)  # fmt: skip
def test_bad_input_names_the_field_and_not_the_value(small_office: Any, field: str, value: str) -> None:
    with small_office.opened() as g:
        size = g.log.state().size
        with pytest.raises(UsageError) as error:
            public_requests.open_request(g, **{**ASKED, field: value})
        assert error.value.field == field
        assert value not in str(error.value)
        assert g.log.state().size == size


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "\u202eتهجم\u0301", "\x00\x07", "{{ 7*7 }}"])
def test_a_text_stays_what_it_was(office: Any, text: str) -> None:
    with office.opened() as g:
        opened = public_requests.open_request(g, **{**ASKED, "text": text})
        assert public_requests.status(g, opened.tracking_code).steps[0].text == text
        assert fsck.check_all(g) == []


def test_a_scope_reaches_its_systems_alone(small_office: Any) -> None:
    with small_office.opened() as g:
        _, opened = asked_about(g, small_office)
        free = public_requests.open_request(g, **ASKED)
        for systems, ids in ((None, {opened.request.id, free.request.id}), ([LOAN], {opened.request.id}), ([], set())):
            assert {one.id for one in officer_requests.queue(g, ADA, systems=systems)} == ids
        for scope in ([], ["tax-question-reply"]):
            with pytest.raises(UnknownRecord):
                officer_requests.show(g, ADA, opened.request.id, systems=scope)
            with pytest.raises(UnknownRecord):
                officer_requests.answer(g, ADA, opened.request.id, version=1, text="Omdat.", systems=scope)


@pytest.mark.parametrize("role", ["client", "operator", "person", "program"])
def test_requests_are_for_those_who_answer_them(small_office: Any, role: str) -> None:
    with small_office.opened() as g:
        _, opened = asked_about(g, small_office)
        reader, size = reading.Reader(role, "x"), g.log.state().size
        for ask in (
            lambda: officer_requests.queue(g, reader),
            lambda: officer_requests.show(g, reader, opened.request.id),
            lambda: officer_requests.answer(g, reader, opened.request.id, version=1, text="Omdat."),
        ):
            with pytest.raises(Refused):
                ask()
        with pytest.raises(Refused):
            officer_requests.answer(g, AUDITOR, opened.request.id, version=1, text="Omdat.")
        assert g.log.state().size == size


def test_a_result_is_opened_once_the_person_was_told(office: Any) -> None:
    with office.opened() as g:
        record = office.decide(g, "TEST-1")
        code = access_codes.issue_code(g, record)

        def seen() -> set[str]:
            return {one.field for one in access_codes.open_receipt(g, record, code).openings} & {"output", "outcome"}

        assert seen() == set(), "an officer has it"
        reviews.record_review(g, record, reviews.Review("refer", "to a colleague", "invented reasons"))
        assert seen() == set(), "another officer has it"
        with pytest.raises(Refused, match="nobody decided"):
            notification.notify(g, record, calendar.today(g))
        decided(g, record)
        assert seen() == set(), "it was decided, and the letter is not out"
        with pytest.raises(UsageError, match="future"):
            notification.notify(g, record, calendar.today(g) + timedelta(days=1))
        notification.notify(g, record, calendar.today(g))
        assert seen() == {"output", "outcome"}
        reviews.record_review(g, record, reviews.Review("refer", "to a colleague", "invented reasons"))
        assert seen() == set(), "it is looked at again"


def test_a_day_to_come_opens_nothing_before(small_office: Any) -> None:
    with small_office.opened() as g:
        record = small_office.decide(g, "TEST-1")
        code = access_codes.issue_code(g, record)
        small_office.clock.on(days=2)  # as before such a day was refused
        decided(g, record, "2026-09-02")
        small_office.clock.on(days=-2)
        assert "outcome" not in {one.field for one in access_codes.open_receipt(g, record, code).openings}
        small_office.clock.on(days=2)
        assert "outcome" in {one.field for one in access_codes.open_receipt(g, record, code).openings}


def test_the_objection_period_runs_on(small_office: Any) -> None:
    with small_office.opened() as g:
        record, opened = asked_about(g, small_office)
        assert public_requests.status(g, opened.tracking_code).objection_until is None
        decided(g, record, "2026-08-31")
        assert public_requests.status(g, opened.tracking_code).objection_until == date(2026, 10, 12)
        officer_requests.extend(g, ADA, opened.request.id, version=1, ground="complex", text="Wij zoeken het uit.")
        assert public_requests.status(g, opened.tracking_code).objection_until == date(2026, 10, 12)


def test_an_answer_gives_an_explanation_of_its_own_record_alone(small_office: Any) -> None:
    with small_office.opened() as g:
        _, opened = asked_about(g, small_office)
        with pytest.raises(UsageError, match="explanation"):
            officer_requests.answer(g, ADA, opened.request.id, version=1, text="Omdat.", explanation=NOWHERE)


def test_no_answer_explains_a_result_that_the_person_was_not_told(office: Any) -> None:
    with office.opened() as g:
        record, opened = asked_about(g, office)
        explained = explain.explain(g, AUDITOR, record).id
        decided(g, record)
        given = {"version": 1, "text": "Omdat.", "explanation": explained}
        with pytest.raises(UsageError, match="not told"):
            officer_requests.answer(g, ADA, opened.request.id, **given)
        decided(g, record, calendar.today(g).isoformat())
        assert officer_requests.answer(g, ADA, opened.request.id, **given).state == "answered"
        assert public_requests.status(g, opened.tracking_code).explanation == explained


def test_a_request_is_a_record_that_is_held_and_erased(office: Any) -> None:
    with office.opened() as g:
        _, opened = asked_about(g, office)
        officer_requests.answer(g, ADA, opened.request.id, version=1, text="Omdat.")
        holds.place(g, opened.request.id, ground="legal_claim")
        with pytest.raises(Refused, match="held"):
            erase.erase(g, opened.request.id, ground="objection")
        holds.lift(g, opened.request.id, ground="legal_claim")
        erase.erase(g, opened.request.id, ground="objection")
        with pytest.raises(Erased):
            officer_requests.show(g, ADA, opened.request.id)
        assert officer_requests.queue(g, ADA, state=None) == []
        assert fsck.check_all(g) == []


def test_a_person_finds_decisions_and_is_given_what_they_asked(office: Any) -> None:
    with office.opened() as g:
        record, opened = asked_about(g, office, contact="test@example.org")
        officer_requests.answer(g, ADA, opened.request.id, version=1, text="Omdat.")
        reference = lookup.Reference("subject", "TEST-1", "subject")
        answer = lookup.look_up(g, AUDITOR, "lookup", reference, receipted=False)
        assert [one.id for one in answer.records] == [record]
        file: Any = access_file.access_file(g, AUDITOR, reference)
        assert [one["id"] for one in file["records"]] == [record]
        (request,) = file["requests"]
        assert request["id"] == opened.request.id
        assert [(one["step"], one["text"]) for one in request["steps"]] == [
            ("received", ASKED["text"]),
            ("answered", "Omdat."),
        ]
        assert request["accesses"][-1]["purpose"] == "access_file"
        assert ADA.account not in str(file)
