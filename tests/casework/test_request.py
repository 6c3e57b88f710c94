"""The clock and the steps of a request."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditlog.core.entries import vocabulary
from casework import request
from casework.errors import StepRefused
from casework.request import Request, Taken, after, due_day, next_state, received_as

OPEN = Request(
    id="00000000-0000-4000-8000-000000000001",
    right="explain",
    channel="web",
    state="open",
    received=date(2026, 1, 31),
    due=date(2026, 2, 28),
    extended=False,
    reference=None,
    system=None,
    account=None,
    lang="nl",
    version=1,
)


@pytest.mark.parametrize(
    ("received", "one", "three"),
    [
        ("2026-01-31", "2026-02-28", "2026-04-30"),
        ("2028-01-31", "2028-02-29", "2028-04-30"),
        ("2026-12-15", "2027-01-15", "2027-03-15"),
        ("2026-11-30", "2026-12-30", "2027-02-28"),
    ],
)
def test_a_month_is_a_month_of_the_calendar(received: str, one: str, three: str) -> None:
    day = date.fromisoformat(received)
    assert due_day(day) == date.fromisoformat(one)
    assert due_day(day, extended=True) == date.fromisoformat(three)


@given(st.dates(date(2000, 1, 1), date(2200, 1, 1)))
def test_more_time_is_always_more_and_never_four_months(received: date) -> None:
    assert 28 <= (due_day(received) - received).days <= 31
    assert 89 <= (due_day(received, extended=True) - received).days <= 92


def test_more_time_is_given_once_and_in_the_first_month_only() -> None:
    assert next_state(OPEN, "extended", date(2026, 2, 28)) == "open"
    with pytest.raises(StepRefused, match="first month"):
        next_state(OPEN, "extended", date(2026, 3, 1))
    with pytest.raises(StepRefused, match="once"):
        next_state(replace(OPEN, extended=True), "extended", date(2026, 2, 1))


@pytest.mark.parametrize("state", ["answered", "refused", "withdrawn"])
def test_nothing_follows_an_end(state: request.State) -> None:
    for step in request.STEPS["open"]:
        with pytest.raises(StepRefused):
            next_state(replace(OPEN, state=state), step, date(2026, 2, 1))


def test_it_is_overdue_the_day_after() -> None:
    assert not OPEN.overdue(date(2026, 2, 28))
    assert OPEN.overdue(date(2026, 3, 1))
    assert not replace(OPEN, state="answered").overdue(date(2026, 3, 1))


def test_the_log_has_the_same_words() -> None:
    assert vocabulary.RIGHTS == request.RIGHTS
    assert vocabulary.CHANNELS == request.CHANNELS
    assert set(vocabulary.REQUEST_STEPS) == {"received", *request.STEPS["open"]}


def test_steps_make_the_request_that_the_officer_sees() -> None:
    first = Taken(
        request=OPEN.id,
        step="received",
        day=date(2026, 1, 31),
        right="explain",
        reference=None,
        system=None,
        channel="web",
        lang="nl",
        identity="unchecked",
        due=date(2026, 2, 28),
        ground=None,
        explanation=None,
        assignee=None,
        account=None,
    )
    began = received_as(first)
    assert began == OPEN
    longer = after(began, replace(first, step="extended", ground="many", due=date(2026, 4, 30), account="u1"))
    assert (longer.extended, longer.delay, longer.due, longer.version) == (True, "many", date(2026, 4, 30), 2)
    known = after(longer, replace(first, step="assigned", identity="checked", assignee="u1", due=longer.due))
    assert (known.account, known.identity, known.delay, known.closed) == ("u1", "checked", "many", None)
    ended = after(known, replace(first, step="refused", ground="excessive", day=date(2026, 5, 1), due=longer.due))
    assert (ended.state, ended.refusal, ended.closed, ended.in_time) == (
        "refused",
        "excessive",
        date(2026, 5, 1),
        False,
    )


def test_an_answer_needs_to_know_who_asks() -> None:
    with pytest.raises(StepRefused, match="who asks"):
        next_state(OPEN, "answered", date(2026, 2, 1))
    for identity in ("code", "checked", "not_needed"):
        assert next_state(replace(OPEN, identity=identity), "answered", date(2026, 2, 1)) == "answered"
    assert next_state(OPEN, "refused", date(2026, 2, 1)) == "refused", "that nobody knows is a ground"
