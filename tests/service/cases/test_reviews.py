"""What waits for a person, who works on it, first judgements before the result is shown, and reviews under a key."""

from __future__ import annotations

import dataclasses
import threading
from datetime import UTC, date, datetime
from typing import Any

import pytest

from auditlog.core.entries.record import parse_entry
from auditlog.store import log as log_store
from casework.errors import TakenMeanwhile
from casework.review import is_drawn
from home.errors import KeyConflict, Refused, UsageError
from service.cases import first_judgement, worklist
from service.cases import reviews as review
from service.deciding.idempotency import Key
from service.erasing import erase
from service.explaining import explain
from service.keeping import fsck
from service.records import reading

ADA = reading.Reader("officer", "u0000000ada")
AUDITOR = reading.Reader("auditor", "u000000cas")
LOAN = "social-loan-check"


def blind(g: Any, share: int = 100) -> None:
    g.settings = g.settings.model_copy(update={"blind_share": share})


def reviews(g: Any) -> int:
    with g.reading() as conn:
        found = log_store.iterate_entries(conn, 1, 0, g.log.state().size)
        return sum(parse_entry(data).kind == "review/1" for _, data in found)


def test_what_is_held_waits_until_somebody_decided(office: Any) -> None:
    with office.opened() as g:
        older = office.decide(g, "TEST-1")
        office.clock.on(days=1)
        newer = office.decide(g, "TEST-2")
        assert [(one.record, one.kind) for one in worklist.queue(g, ADA)] == [(older, "held"), (newer, "held")]
        review.record_review(g, older, review.Review("refer", "to a colleague", "invented"))
        assert worklist.queue(g, ADA)[0].kind == "referred"
        review.record_review(g, older, review.Review("confirm", "granted", "invented"))
        (one,) = worklist.queue(g, ADA)
        assert (one.record, one.since, one.due) == (newer, date(2026, 9, 1), date(2026, 9, 15))
        assert not one.overdue
        office.clock.on(days=15)
        assert worklist.queue(g, ADA)[0].overdue
        erase.erase(g, newer, ground="objection")
        assert worklist.queue(g, ADA) == []


def test_a_scope_and_an_account_narrow_the_list(small_office: Any) -> None:
    with small_office.opened() as g:
        record = small_office.decide(g, "TEST-1")
        small_office.decide(g, "TEST-2")
        small_office.officer(g, ADA.account)
        worklist.assign(g, ADA, record, to=ADA.account, assignment=0)
        assert [one.record for one in worklist.queue(g, ADA, account=ADA.account)] == [record]
        assert worklist.queue(g, ADA, systems=["tax-question-reply"]) == []
        assert len(worklist.queue(g, ADA, systems=[LOAN])) == 2
        with pytest.raises(Refused):
            worklist.queue(g, reading.Reader("operator", None))
        with pytest.raises(Refused):
            worklist.assign(g, ADA, record, to=ADA.account, assignment=1, systems=["tax-question-reply"])


def test_a_case_is_given_to_those_who_can_open_it(small_office: Any) -> None:
    """With anybody else it would wait where nobody sees it."""
    with small_office.opened() as g:
        record = small_office.decide(g, "TEST-1")
        auditor = small_office.officer(g, "u00000audit", role="auditor")
        ended = small_office.officer(g, "u00000ended", ended=g.clock())
        elsewhere = small_office.officer(g, "u00000000bo", "tax-question-reply")
        for id_ in ("u1", "x" * 300, auditor, ended):
            with pytest.raises(UsageError, match="to: must be the id of an officer's account"):
                worklist.assign(g, ADA, record, to=id_, assignment=0)
        with pytest.raises(UsageError, match="to: does not reach the system"):
            worklist.assign(g, ADA, record, to=elsewhere, assignment=0)
        assert worklist.queue(g, ADA)[0].account is None
        worklist.assign(g, ADA, record, to=small_office.officer(g, "u0000000ada", LOAN), assignment=0)
        assert worklist.queue(g, ADA)[0].account == "u0000000ada"


def test_two_officers_do_not_take_one_case(office: Any) -> None:
    with office.opened() as g:
        record, told = office.decide(g, "TEST-1"), []
        both = [office.officer(g, id_) for id_ in ("u00000000u1", "u00000000u2")]
        ready = threading.Barrier(2)

        def take(account: str) -> None:
            ready.wait()
            try:
                worklist.assign(g, ADA, record, to=account, assignment=0)
            except TakenMeanwhile:
                return
            told.append(account)

        threads = [threading.Thread(target=take, args=(account,)) for account in both]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        (one,) = worklist.queue(g, ADA)
        assert told == [one.account]
        worklist.assign(g, ADA, record, to=None, assignment=one.assignment)
        assert worklist.queue(g, ADA)[0].account is None


def test_a_drawn_case_is_judged_before_its_result_is_shown(office: Any) -> None:
    with office.opened() as g:
        blind(g)
        record = office.decide(g, "TEST-1")
        shown = review.show(g, ADA, record)
        assert shown["first_judgement"] is True
        assert "outcome" not in shown
        assert "output" not in shown
        assert "outcome" in review.show(g, AUDITOR, record), "an auditor judges nothing"
        with pytest.raises(Refused, match="judge it first"):
            explain.explain(g, ADA, record)
        with pytest.raises(UsageError, match="outcome"):
            first_judgement.first_judgement(g, ADA, record, "maybe", "invented")
        with pytest.raises(UsageError, match="reasons"):
            first_judgement.first_judgement(g, ADA, record, "refuse", " ")
        assert first_judgement.first_judgement(g, ADA, record, "refuse", "invented")["outcome"] == "grant"
        assert review.show(g, ADA, record)["outcome"] == "grant"
        with pytest.raises(Refused, match="no first judgement"):
            first_judgement.first_judgement(g, ADA, record, "grant", "I knew it")
        assert fsck.check_all(g) == []
        erase.erase(g, record, ground="objection")
        assert first_judgement.agreement(g, ADA, date(2026, 1, 1), date(2026, 12, 31)) == []
        assert fsck.check_all(g) == []


def test_what_was_decided_is_not_judged_any_more(small_office: Any) -> None:
    with small_office.opened() as g:
        blind(g)
        record = small_office.decide(g, "TEST-1")
        review.record_review(g, record, review.Review("confirm", "granted", "invented"))
        assert not first_judgement.is_due(g, record)
        assert "outcome" in review.show(g, ADA, record)


def test_two_first_judgements_are_one(small_office: Any) -> None:
    with small_office.opened() as g:
        blind(g)
        record, told = small_office.decide(g, "TEST-1"), []
        ready = threading.Barrier(2)

        def judge(outcome: str) -> None:
            ready.wait()
            try:
                told.append(first_judgement.first_judgement(g, ADA, record, outcome, "invented")["outcome"])
            except (TakenMeanwhile, Refused):
                told.append("late")

        threads = [threading.Thread(target=judge, args=(outcome,)) for outcome in ("grant", "refuse")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(told) == ["grant", "late"]


def test_nobody_chooses_which_cases_are_drawn(small_office: Any) -> None:
    digests = [n.to_bytes(2, "big") * 16 for n in range(0, 65536, 16)]
    for share in (0, 1, 10, 50, 100):
        assert abs(sum(is_drawn(one, share) for one in digests) * 100 / len(digests) - share) < 0.1
    with small_office.opened() as g:
        record = small_office.decide(g, "TEST-1")
        blind(g, 0)
        assert not first_judgement.is_due(g, record)
        blind(g, 100)
        assert first_judgement.is_due(g, record)
        drawn = {share for share in range(101) if not blind(g, share) and first_judgement.is_due(g, record)}
        assert drawn == set(range(min(drawn), 101)), "a larger share draws the same cases and more"


def test_agreement_keeps_small_numbers_back(small_office: Any) -> None:
    with small_office.opened() as g:
        blind(g)
        g.settings = g.settings.model_copy(update={"small_cell": 2})
        for number, outcome in enumerate(["grant"] * 3 + ["refuse"] * 4):
            record = small_office.decide(g, f"TEST-{number}")
            first_judgement.first_judgement(g, ADA, record, outcome, "invented")
            action = "confirm" if number % 2 else "override"
            review.record_review(g, record, review.Review(action, "granted", "invented"))
        period = date(2026, 8, 1), date(2026, 8, 31)
        (told,) = first_judgement.agreement(g, ADA, *period)
        assert dataclasses.astuple(told) == (LOAN, 7, 3, 4, 2, 2)
        g.settings = g.settings.model_copy(update={"small_cell": 4})
        (told,) = first_judgement.agreement(g, ADA, *period)
        assert dataclasses.astuple(told) == (LOAN, 7, None, None, None, None)


def test_nobody_was_told_on_a_day_to_come(small_office: Any) -> None:
    """The agency's day counts: when its own has begun, the one of Greenwich may not have."""
    with small_office.opened() as g:
        record, before = small_office.decide(g, "TEST-1"), reviews(g)
        small_office.clock.now = datetime(2026, 9, 1, 22, 30, tzinfo=UTC)  # in Amsterdam it is 2 September
        made = review.Review("confirm", "granted", "invented", notified="2026-09-03")
        with pytest.raises(UsageError, match=r"notified.*future.*on the day itself"):
            review.record_review(g, record, made)
        assert reviews(g) == before
        review.record_review(g, record, dataclasses.replace(made, notified="2026-09-02"))
        assert reviews(g) == before + 1


def test_a_review_under_a_key_is_recorded_once(office: Any) -> None:
    with office.opened() as g:
        record, other = office.decide(g, "TEST-1"), office.decide(g, "TEST-2")
        key = Key("key abc", "case-7", "idempotency-key", ADA)
        made = review.Review("confirm", "granted", "invented", notified="2026-08-31")
        told: list[str] = []
        threads = [threading.Thread(target=lambda: told.append(review.record_review(g, record, made, key=key)))] * 1
        threads += [threading.Thread(target=lambda: told.append(review.record_review(g, record, made, key=key)))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        told.append(review.record_review(g, record, made, key=key))
        assert len(told) == 3
        assert len(set(told)) == 1
        assert reviews(g) == 1
        for again in (dataclasses.replace(made, reasons="others"), made):
            with pytest.raises(KeyConflict):
                review.record_review(g, other if again is made else record, again, key=key)
        review.record_review(g, other, made, key=Key("key xyz", "case-7", "idempotency-key", ADA))
        assert reviews(g) == 2
        assert fsck.check_all(g) == []
