"""Codes that people copy from paper, and the last day of an objection."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casework.days import objection_end
from casework.errors import CodeRejected
from casework.secret import ACCESS, ALPHABET, TRACKING, draw_code, format_code, parse_code


@given(st.binary(min_size=TRACKING, max_size=TRACKING))
def test_a_code_that_was_printed_is_read_again(random: bytes) -> None:
    code = draw_code(TRACKING, lambda size: random[:size])
    assert parse_code(format_code(code), TRACKING) == code
    assert parse_code(format_code(code).lower().replace("-", " "), TRACKING) == code
    assert parse_code(code.replace("0", "o").replace("1", "L"), TRACKING) == code


def test_each_character_is_as_likely_as_the_others() -> None:
    drawn = draw_code(256, lambda size: bytes(range(256))[:size])
    assert {drawn.count(one) for one in ALPHABET} == {8}
    assert set("ILOU") & set(ALPHABET) == set()


@given(st.text(max_size=200))
def test_what_is_no_code_says_no_more_than_a_wrong_one(text: str) -> None:
    try:
        parse_code(text, ACCESS)
    except CodeRejected as error:
        assert error.field == "code"
        assert len(text) < 12 or text not in str(error)


@pytest.mark.parametrize("text", ["", "-" * 101, "2" * (ACCESS - 1), "2" * (ACCESS + 1), "2" * 11 + "U", "²" * ACCESS])
def test_no_codes(text: str) -> None:
    with pytest.raises(CodeRejected):
        parse_code(text, ACCESS)


@pytest.mark.parametrize(
    ("notified", "last"),
    [
        ("2026-08-31", "2026-10-12"),  # a Monday
        ("2026-11-20", "2027-01-01"),  # over the year; public holidays are for those who know them
        ("2026-08-29", "2026-10-12"),  # a Saturday: the Monday
        ("2026-08-30", "2026-10-12"),  # a Sunday: the Monday
        ("2027-02-15", "2027-03-29"),  # the clocks go forward meanwhile
    ],
)
def test_the_last_day_of_an_objection(notified: str, last: str) -> None:
    assert objection_end(date.fromisoformat(notified), 6) == date.fromisoformat(last)


@given(st.dates(date(2000, 1, 1), date(2200, 1, 1)), st.integers(1, 26))
def test_a_weekend_makes_it_longer_and_never_shorter(notified: date, weeks: int) -> None:
    last = objection_end(notified, weeks)
    assert timedelta(0) <= last - notified - timedelta(weeks=weeks) <= timedelta(days=2)
    assert last.weekday() < 5
