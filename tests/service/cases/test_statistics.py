"""What the requests of a period add up to, and that no small number can be read from it."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from home.errors import UsageError
from service.cases import officer_requests, public_requests, statistics
from service.records import reading

ADA = reading.Reader("officer", "u0000000ada")
FIRST, LAST = date(2026, 8, 1), date(2026, 8, 31)
LOAN = "social-loan-check"


def ask(g: Any, number: int, right: str = "explain", **more: Any) -> list[str]:
    given = {"channel": "post", "lang": "nl", "text": "Waarom?", "account": "u1", "identity": "not_needed"}
    made = [public_requests.open_request(g, right=right, **{**given, **more}) for _ in range(number)]
    return [one.request.id for one in made]


def test_numbers_and_times(small_office: Any) -> None:
    with small_office.opened() as g:
        early = ask(g, 12, system=LOAN, received=date(2026, 8, 20))
        late = ask(g, 11, system=LOAN, received=date(2026, 7, 31))
        for id_ in [*early, *late]:
            officer_requests.answer(g, ADA, id_, version=1, text="Omdat.")
        ask(g, 10, system=LOAN, received=date(2026, 8, 1))
        (row,) = statistics.of_period(g, FIRST, LAST).rows
        assert (row.right, row.system, row.received, row.answered, row.open) == ("explain", LOAN, 22, 12, 10)
        assert (row.in_time, row.late, row.days_median, row.days_p90) == (12, 0, 11, 11)
        (july,) = statistics.of_period(g, date(2026, 7, 31), date(2026, 7, 31)).rows
        assert (july.in_time, july.late, july.days_median) == (11, 0, 31)
        small_office.clock.on(days=10)
        (row,) = statistics.of_period(g, FIRST, LAST).rows
        assert (row.in_time, row.late, row.open) == (12, 10, 10)


def test_a_small_number_is_kept_back_and_so_is_what_tells_it(small_office: Any) -> None:
    with small_office.opened() as g:
        many = ask(g, 13, system=LOAN)
        for id_ in many[:11]:
            officer_requests.answer(g, ADA, id_, version=1, text="Omdat.")
        found = statistics.of_period(g, FIRST, LAST)
        (row,), (total,) = found.rows, found.totals
        assert row.open is None, "two are open"
        assert None in (row.received, row.answered), "13 less 11 is two"
        assert (total.open, total.system) == (None, None)
        assert row.days_median is None or row.answered is not None


def test_another_system_does_not_tell_it_either(small_office: Any) -> None:
    with small_office.opened() as g:
        ask(g, 20, system=LOAN)
        ask(g, 3)
        found = statistics.of_period(g, FIRST, LAST)
        by_system = {row.system: row.received for row in found.rows}
        (total,) = found.totals
        assert by_system[None] is None
        assert None in (by_system[LOAN], total.received), "23 less 20 is three"


def test_a_period_without_requests_and_one_out_of_order(small_office: Any) -> None:
    with small_office.opened() as g:
        found = statistics.of_period(g, FIRST, LAST)
        assert (found.rows, found.totals) == ((), ())
        with pytest.raises(UsageError, match="before the first"):
            statistics.of_period(g, LAST, FIRST)
