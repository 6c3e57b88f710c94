"""Periods in calendar months, the floor of the law, and what a register file may say."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import FormatError
from registry.retention import due, newest_due
from registry.system import format_system, parse_system, record_digest

DAYS = st.dates(date(2000, 1, 1), date(2100, 12, 31))
MONTHS = st.integers(1, 240)
SOUND = {"log_months": 6, "content_months": 12, "max_months": 84, "schedule": "B 8.1"}


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        ("2026-08-31", 6, "2027-02-28"),
        ("2027-08-31", 6, "2028-02-29"),
        ("2026-08-30", 6, "2027-02-28"),
        ("2026-02-28", 6, "2026-08-28"),
        ("2028-02-29", 12, "2029-02-28"),
        ("2026-01-01", 6, "2026-07-01"),  # 181 days, not 183
        ("2026-07-01", 6, "2027-01-01"),  # 184 days
        ("2026-12-31", 1, "2027-01-31"),
    ],
)
def test_months_are_those_of_the_calendar(day, months, expected):
    assert due(date.fromisoformat(day), months) == date.fromisoformat(expected)


@given(DAYS, MONTHS)
def test_a_day_is_due_exactly_when_the_newest_due_day_is_not_before_it(until, months):
    newest = newest_due(until, months)
    assert due(newest, months) <= until
    assert due(newest + timedelta(days=1), months) > until


@given(DAYS, MONTHS)
def test_later_days_are_never_due_earlier(day, months):
    assert due(day, months) <= due(day + timedelta(days=1), months)


def with_retention(document, *, high_risk=True, **changes):
    system = {**document["system"], "retention": {**SOUND, **changes}}
    classes = {"annex_iii": ["III.5.a"] if high_risk else [], "annex_i": [], "exit_6_3": None}
    system["classification"] = {**system["classification"], **classes}
    return parse_system(system)


def test_a_system_says_how_long_its_records_are_kept(document):
    system = with_retention(document)
    assert system.high_risk
    assert system.retention.months == 12
    assert parse_system(format_system(system)) == system
    assert with_retention(document, content_months=None).retention.months == 84


def test_a_record_from_before_the_field_keeps_its_digest(document):
    system = parse_system(document["system"])
    assert system.retention is None
    assert "retention" not in format_system(system)
    assert record_digest(system) == record_digest(parse_system(format_system(system)))


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"log_months": 5}, "log_months", "AI Act 19(1), 26(6)"),
        ({"log_months": 0}, "log_months", "1 to 1200"),
        ({"content_months": 5}, "content_months", "AI Act 19(1), 26(6)"),
        ({"log_months": 24, "content_months": 12}, "content_months", "shorter than log_months"),
        ({"content_months": 85}, "content_months", "longer than max_months"),
        ({"max_months": 5, "content_months": None}, "max_months", "shorter than log_months"),
        ({"days": 183}, None, "does not know"),
        ({"log_months": "6"}, "log_months", "whole number"),
    ],
)
def test_what_the_periods_may_not_say(document, changes, field, words):
    with pytest.raises(FormatError) as error:
        with_retention(document, **changes)
    assert words in str(error.value)
    assert error.value.field == ("system.retention" if field is None else f"system.retention.{field}")


@pytest.mark.parametrize(
    ("classes", "high"),
    [
        ({"annex_iii": ["III.5.a"], "exit_6_3": "a"}, False),
        ({"annex_iii": ["III.5.a"], "exit_6_3": None}, True),
        ({"annex_iii": [], "exit_6_3": None}, False),
        ({"annex_iii": [], "annex_i": ["I.A.11"], "exit_6_3": None}, True),
    ],
)
def test_the_floor_is_for_high_risk_systems(document, classes, high):
    system = {**document["system"], "retention": {**SOUND, "log_months": 2, "content_months": 1}}
    system["classification"] = {**system["classification"], "annex_i": [], **classes}
    if high:
        with pytest.raises(FormatError, match="high-risk"):
            parse_system(system)
    else:
        assert parse_system(system).retention.months == 1
