"""Sessions end: by themselves, with their account, and when somebody says so."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from accounts import administration, session
from accounts.token import NotSignedIn


def is_over(desk: Any, token: str) -> bool:
    try:
        session.known(desk.g, token)
    except NotSignedIn:
        return True
    return False


def test_half_an_hour_without_use_ends_it_and_use_does_not(desk: Any) -> None:
    ada = desk.person("ada.voorbeeld")
    for _ in range(5):
        desk.wait(minutes=29)
        assert not is_over(desk, ada.token)
    desk.wait(minutes=30)
    assert is_over(desk, ada.token)


def test_ten_hours_end_it_however_much_it_is_used(desk: Any) -> None:
    ada = desk.person("ada.voorbeeld")
    for _ in range(39):
        desk.wait(minutes=15)
        assert not is_over(desk, ada.token)
    desk.wait(minutes=15)
    assert is_over(desk, ada.token)


def test_the_last_day_of_an_account_is_its_last(desk: Any) -> None:
    ada = desk.person("ada.voorbeeld", ends=date(2026, 11, 26))
    desk.wait(hours=8)
    again = desk.sign_in(ada).token
    assert not is_over(desk, again)
    desk.times[0] = desk.times[0].replace(hour=23, minute=59, second=0)
    again = desk.sign_in(ada).token
    assert not is_over(desk, again)
    desk.wait(minutes=1)
    assert is_over(desk, again)


@pytest.mark.parametrize("what", ["end", "reset", "change"])
def test_what_an_administrator_does_ends_it_at_once(desk: Any, what: str) -> None:
    ada, bo = desk.person("ada.voorbeeld"), desk.person("bo.voorbeeld")
    if what == "change":
        administration.change(desk.g, ada.id, role="auditor", by=None)
    else:
        getattr(administration, what)(desk.g, ada.id, by=None)
    assert is_over(desk, ada.token)
    assert not is_over(desk, bo.token)


def test_signing_out_ends_it_in_the_database(desk: Any) -> None:
    ada = desk.person("ada.voorbeeld")
    other = desk.sign_in(ada).token
    session.end(desk.g, ada.token)
    assert is_over(desk, ada.token)
    assert not is_over(desk, other)
    known = session.known(desk.g, other)
    third = desk.sign_in(ada).token
    assert session.end_others(desk.g, known, other) == 1
    assert is_over(desk, third)
    assert not is_over(desk, other)


def test_a_token_that_was_there_before_is_never_taken_on(desk: Any) -> None:
    ada = desk.person("ada.voorbeeld")
    planted = session.new_token()
    begun = desk.sign_in(ada, before=planted)
    assert begun.token != planted
    assert is_over(desk, planted)
    again = desk.sign_in(ada, before=begun.token)
    assert is_over(desk, begun.token), "the session that was there ends"
    assert not is_over(desk, again.token)


@pytest.mark.parametrize("token", ["", "x", "A" * 43, "A" * 44, "é" * 43, "\0" * 43, "A" * 10_000])
def test_what_is_no_token_is_no_session(desk: Any, token: str) -> None:
    assert is_over(desk, token)


def test_a_form_token_tells_nothing_of_its_session(desk: Any) -> None:
    token = session.new_token()
    assert token not in session.form_token(token)
    assert session.form_token(token) != session.form_token(session.new_token())
    assert session.form_token(token) == session.form_token(token)
