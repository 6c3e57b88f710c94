"""Numbers of requests: what is counted where, and the ranks of days."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casework.request import RIGHTS, Request
from casework.statistics import ALL, COUNTS, Group, counts, days_of, quantile

TODAY = date(2026, 11, 26)


@st.composite
def requests(draw: st.DrawFn) -> Request:
    received = draw(st.dates(date(2026, 1, 1), TODAY))
    state = draw(st.sampled_from(["open", "answered", "refused", "withdrawn"]))
    took = timedelta(days=draw(st.integers(0, 100)))
    return Request(
        id=draw(st.uuids(version=4)).hex,
        right=draw(st.sampled_from(RIGHTS)),
        channel="web",
        state=state,
        received=received,
        due=received + timedelta(days=30),
        extended=draw(st.booleans()),
        reference=None,
        system=draw(st.sampled_from([None, "one", "two"])),
        account=None,
        lang="nl",
        version=1,
        closed=None if state == "open" else received + took,
    )


@given(st.lists(requests(), max_size=40))
def test_parts_add_up(many: list[Request]) -> None:
    numbers = counts(many, TODAY)
    for group, mine in numbers.items():
        assert tuple(mine) == COUNTS
        assert mine["received"] == sum(mine[name] for name in ("answered", "refused", "withdrawn", "open"))
        assert mine["in_time"] + mine["late"] <= mine["received"] - mine["withdrawn"]
        if group.system == ALL:
            parts = [other for key, other in numbers.items() if key.right == group.right and key.system != ALL]
            assert {name: sum(part[name] for part in parts) for name in COUNTS} == mine
    every = [mine for group, mine in numbers.items() if group.system == ALL]
    assert sum(mine["received"] for mine in every) == len(many)
    ended = sum(len(days) for group, days in days_of(many).items() if group.system == ALL)
    assert ended == sum(mine["answered"] + mine["refused"] for mine in every)


@pytest.mark.parametrize(
    ("days", "median", "p90"),
    [([], None, None), ([3], 3, 3), ([1, 2], 1, 2), ([*range(1, 11)], 5, 9), ([*range(1, 12)], 6, 10)],
)
def test_ranks(days: list[int], median: int | None, p90: int | None) -> None:
    assert (quantile(days, 50), quantile(days, 90)) == (median, p90)


def test_one_that_is_late_and_open_is_late() -> None:
    late = Request(
        id="1", right="object", channel="web", state="open", received=date(2026, 1, 1), due=date(2026, 2, 1),
        extended=False, reference=None, system=None, account=None, lang="nl", version=1,
    )  # fmt: skip
    assert counts([late], TODAY)[Group("object", None)]["late"] == 1
    assert counts([late], date(2026, 2, 1))[Group("object", None)]["late"] == 0
