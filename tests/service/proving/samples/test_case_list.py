"""A case system's CSV: what it may look like, and errors that name line and column but never a value."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from home.errors import UsageError
from service.external.case_list import Moment, parse_cases

ID = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
SECRET = "Invented-Person-9041"


def parse(text, zone=None):
    return list(parse_cases(io.StringIO(text), zone))


def test_columns_in_any_order_and_separated_as_excel_does():
    for text in (
        f"case,decided,id,subject,used\nZ-1,2026-11-24T09:15:00+01:00,{ID},S 1,2026-11-24\nZ-2,2026-11-24,,,\n",
        "\ufeffused;Subject;ID;Decided;Case\r\n"
        f"2026-11-24;S 1;{ID.upper()};2026-11-24T08:15Z;Z-1\r\n;;;2026-11-24;Z-2\r\n",
    ):
        first, second = parse(text)
        assert (first.case, first.id, first.subject) == ("Z-1", ID, "S 1")
        assert first.decided == Moment(datetime(2026, 11, 24, 8, 15, tzinfo=UTC), whole_day=False)
        assert first.used == second.decided == Moment(datetime(2026, 11, 24, tzinfo=UTC), whole_day=True)
        assert (second.id, second.subject, second.used) == (None, None, None)


def test_a_zone_for_times_without_one():
    (case,) = parse("case,decided\nZ-1,2026-07-01T09:00\n", ZoneInfo("Europe/Amsterdam"))
    assert case.decided.time == datetime(2026, 7, 1, 7, 0, tzinfo=UTC)


def test_the_same_minute_or_day_decides_nothing():
    minute = datetime(2026, 11, 24, 8, 15, tzinfo=UTC)
    assert not Moment(minute, whole_day=False).before(minute)
    assert Moment(datetime(2026, 11, 24, 8, 14, 59, tzinfo=UTC), whole_day=False).before(minute)
    assert not Moment(datetime(2026, 11, 24, tzinfo=UTC), whole_day=True).before(minute)
    assert Moment(datetime(2026, 11, 23, tzinfo=UTC), whole_day=True).before(minute)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "--from: is empty"),
        (f"{SECRET}\nx\n", "--from: line 1: must name each column once"),
        ("case\nx\n", "--from: line 1: must name each column once"),
        ("case,case,decided\nx,x,2026-01-01\n", "--from: line 1: must name each column once"),
        (f"case,decided\n{SECRET}\n", "--from: line 2: must have 2 values"),
        (f"case,decided\nx,2026-01-01\n{SECRET},2026-01-01,x\n", "--from: line 3: must have 2 values"),
        (f"case,decided\n,{SECRET}\n", "--from: line 2, case: is empty"),
        (f"case,decided\n{SECRET},\n", "--from: line 2, decided: is empty"),
        (f"case,decided\nx,{SECRET}\n", "--from: line 2, decided: must be a time or a day as"),
        (f"case,decided\nx,2026-02-30{SECRET[:0]}\n", "--from: line 2, decided: must be a time or a day as"),
        ("case,decided\nx,2026-01-01T08:00\n", "--from: line 2, decided: has no time zone"),
        ("case,decided\nx,0001-01-01T00:00+05:00\n", "--from: line 2, decided: lies outside of the calendar"),
        (f"case,decided,id\nx,2026-01-01,{SECRET}\n", "--from: line 2, id: is no id of a record"),
        (f"case,decided,used\nx,2026-01-01,{SECRET}\n", "--from: line 2, used: must be"),
        (f'case,decided\n"{SECRET},2026-01-01\n', "cannot be read as CSV"),
        (f"case,decided\n{SECRET * 20},2026-01-01\n", "--from: line 2: has a value of more than 200 characters"),
        (f"case,decided\n{'x' * 200_000},2026-01-01\n", "--from: line 2: cannot be read as CSV"),
    ],
)
def test_bad_lists(text, message):
    with pytest.raises(UsageError) as told:
        parse(text)
    assert message in str(told.value)
    assert SECRET not in str(told.value)


def test_what_is_no_utf_8():
    file = io.TextIOWrapper(io.BytesIO(b"case,decided\nZ\xff1,2026-01-01\n"), encoding="utf-8", newline="")
    with pytest.raises(UsageError, match="is not UTF-8"):
        list(parse_cases(file))


@given(st.text(max_size=200))
def test_any_text_is_a_list_or_a_usage_error(text):
    try:
        parse(f"case,decided\n{text}")
        parse(text)
    except UsageError as error:
        assert str(error).startswith("--from: ")
