"""What a publication keeps back, against an attacker who has all publications and linear algebra."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from auditlog.core.counting.cells import cells, cells_of_refusal, cells_of_review
from auditlog.core.counting.figures import add, figures
from auditlog.core.counting.published import (
    SUMS,
    Publication,
    amount_of,
    close_cells,
    close_comparison,
    published_cells,
)

FLOOR = 10
USAGE = {"prompt_tokens": 9, "output_tokens": 1, "total_us": 5_000, "energy_uj": None, "energy_method": None}
USAGE |= {"cost_millionths": 3, "currency": "EUR"}


def counted(grant=0, refuse=0, *, reviewed=0, held=0, slow=0):
    """Cells of that many results; the first ones are reviewed, held, slow."""
    many = []
    for place in range(grant + refuse):
        usage = USAGE | ({"total_us": 900_000_000} if place < slow else {})
        outcome = "grant" if place < grant else "refuse"
        many.append(cells({"outcome": outcome, "usage": usage}, held=place < held))
        if place < reviewed:
            many.append(cells_of_review("confirm", None, 3, held=place < held))
    return published_cells(add(many))


def publish(history, first, last, now):
    closed = close_cells(first, last, now, history, FLOOR)
    history.append(Publication(first, last, now, closed))
    return closed


def shown(publication):
    opened = {cell: n for cell, n in publication.cells.items() if cell not in publication.closed}
    return {one.name: one for one in figures(opened, closed=publication.closed, floor=FLOOR)}


def test_each_whole_is_the_sum_of_its_parts():
    now = counted(40, 23, reviewed=31, held=12, slow=3)
    for whole, parts in SUMS:
        mine = [c for c in now if c in parts or any(p.endswith(".") and c.startswith(p) for p in parts)]
        assert now.get(whole, 0) == sum(now[c] for c in mine), whole


def test_a_small_outcome_takes_another_with_it():
    history = []
    closed = publish(history, "2026-03-01", "2026-03-31", counted(90, 4))
    assert closed["outcomes.refuse"] == "small"
    assert closed["outcomes.grant"] == "with"
    found = shown(history[0])
    assert (found["outcomes.refuse"].bound, found["outcomes.refuse"].value) == ("fewer", FLOOR)
    assert found["decisions"].value == 94


def test_amounts_behind_few_records_stay_closed():
    closed = publish([], "2026-03-01", "2026-03-31", counted(4, 0))
    assert {"decisions", "tokens.prompt", "cost.EUR"} <= closed.keys()


def test_results_without_review_are_no_way_around():
    now = counted(100, 0, reviewed=96, held=50)
    closed = publish([], "2026-03-01", "2026-03-31", now)
    assert now["practice.unreviewed"] == 4
    assert closed["practice.unreviewed"] == "small"
    assert {"not_held.reviewed", "not_held", "reviewed", "held.reviewed"} & closed.keys()
    found = shown(Publication("2026-03-01", "2026-03-31", now, closed))
    assert found["practice.without_review"].bound == "withheld"


def test_the_same_period_again_must_not_tell_a_few():
    history = []
    assert publish(history, "2026-03-01", "2026-03-31", counted(60, 40)) == {}
    closed = publish(history, "2026-03-01", "2026-03-31", counted(60, 43))
    assert {"decisions", "outcomes.refuse"} <= closed.keys()
    assert "decisions" not in publish(history, "2026-03-01", "2026-03-31", counted(90, 90))


def test_a_year_must_not_tell_its_last_month():
    history = []
    months = [counted(60, 40) for _ in range(11)]
    for month, now in enumerate(months, 1):
        assert publish(history, f"2026-{month:02}-01", f"2026-{month:02}-28", now) == {}
    small = counted(60, 3)
    year = published_cells(add([*months, small]))
    closed = publish(history, "2026-01-01", "2026-12-31", year)
    assert closed["outcomes.refuse"] == "with"
    assert "decisions" not in closed


def test_a_month_must_not_tell_the_rest_of_a_year():
    history = []
    first, rest = counted(60, 40), counted(50, 4)
    year = published_cells(add([first, rest]))
    assert publish(history, "2026-01-01", "2026-12-31", year) == {}
    assert publish(history, "2026-01-01", "2026-01-31", first)["outcomes.refuse"] == "with"


def test_what_was_told_already_does_not_stop_what_comes():
    year, first = counted(60, 44), counted(60, 40)
    told = [Publication("2026-01-01", "2026-12-31", year, {}), Publication("2026-01-01", "2026-01-31", first, {})]
    # 4 results of the rest of the year follow already; a later month is not what tells them.
    assert close_cells("2026-02-01", "2026-02-28", {}, told, FLOOR) == {}
    few = counted(0, 4)
    assert close_cells("2026-02-01", "2026-02-28", few, told, FLOOR).keys() >= {"decisions", "outcomes.refuse"}


MONTH = st.tuples(st.integers(0, 25), st.integers(0, 25), st.integers(0, 30), st.integers(0, 20), st.integers(0, 12))


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(MONTH, min_size=2, max_size=3), st.permutations([0, 1, 2]), st.booleans())
def test_no_small_number_follows_by_linear_algebra(months, order, year_first):
    """The attacker knows how cells hang together and every open number; each cell of each month is an unknown.

    Of a year that comes after all of its months, nothing else is unknown.
    """
    counts = [counted(grant, refuse, reviewed=r, held=h, slow=s) for grant, refuse, r, h, s in months]
    year = published_cells(add(counts))
    history = []
    plan = [("2026-01-01", "2026-12-31", year)]
    monthly = [(f"2026-{m + 1:02}-01", f"2026-{m + 1:02}-28", counts[m]) for m in order if m < len(counts) - year_first]
    for first, last, now in [*plan, *monthly] if year_first else [*monthly, *plan]:
        publish(history, first, last, now)
    names = sorted({c for one in counts for c in one if amount_of(c) is None})
    column = {(m, c): place for place, (m, c) in enumerate((m, c) for m in range(len(counts)) for c in names)}

    def row(of, cell):
        found = np.zeros(len(column))
        for m in of:
            found[column[m, cell]] = 1
        return found

    def span(publication):
        return (
            range(len(counts)) if publication.first[5:7] != publication.last[5:7] else [int(publication.first[5:7]) - 1]
        )

    known = []
    for m in range(len(counts)):
        for whole, parts in SUMS:
            mine = [c for c in names if c in parts or any(p.endswith(".") and c.startswith(p) for p in parts)]
            if mine and whole in names:
                known.append(row([m], whole) - sum(row([m], c) for c in mine))
    for one in history:
        known += [row(span(one), c) for c in names if c not in one.closed]
    matrix = np.array(known)
    rank = np.linalg.matrix_rank(matrix)
    for m in range(len(counts)):
        for c in names:
            if 1 <= counts[m].get(c, 0) < FLOOR:
                assert np.linalg.matrix_rank(np.vstack([matrix, row([m], c)])) > rank, (m, c)


def test_counts_of_a_comparison():
    counts = {"cases": 120, "records": 118, "without_record": 14, "without_case": 12, "used_before_review": 0}
    assert close_comparison(counts, FLOOR) == {}
    few = counts | {"records": 109, "without_case": 3}
    assert close_comparison(few, FLOOR) == {"without_case": "small", "without_record": "with"}


def outcomes(**numbers):
    """Cells of results by outcome, of which those named `wait_…` waited for a review."""
    usage = dict.fromkeys([*USAGE])
    return published_cells(
        add(
            cells({"outcome": code, "usage": usage}, held=code.startswith("wait"))
            for code, n in numbers.items()
            for _ in range(n)
        )
    )


def test_held_results_do_not_tell_an_outcome_that_the_register_says_waits():
    now = outcomes(grant=15, partly=60, wait_refuse=20, wait_fraud=3)
    waits = {"grant": False, "partly": False, "wait_refuse": True, "wait_fraud": True}
    closed = close_cells("2026-03-01", "2026-03-31", now, [], FLOOR, waiting=waits)
    assert closed["outcomes.wait_fraud"] == "small"
    # Otherwise it were the held ones less those refused.
    assert {"outcomes.wait_refuse", "held"} & closed.keys()
    # One whose versions differ: how many of its results were held nobody reads off, either.
    closed = close_cells("2026-03-01", "2026-03-31", now, [], FLOOR, waiting={"grant": False, "wait_refuse": True})
    assert {"outcomes.wait_refuse", "held"} & closed.keys()


def test_a_year_does_not_tell_by_its_held_results():
    waits = {"grant": False, "partly": False, "wait_refuse": True, "wait_fraud": True}
    months = [outcomes(grant=30, partly=40, wait_refuse=20, wait_fraud=n) for n in (12, 14, 3)]
    history = []
    for month, now in enumerate(months[:2], 1):
        days = f"2026-{month:02}-01", f"2026-{month:02}-28"
        history.append(Publication(*days, now, close_cells(*days, now, history, FLOOR, waiting=waits)))
        assert not history[-1].closed
    year = published_cells(add(months))
    closed = close_cells("2026-01-01", "2026-12-31", year, history, FLOOR, waiting=waits)
    assert closed["outcomes.wait_fraud"] == "with"
    assert {"outcomes.wait_refuse", "held"} & closed.keys()


def test_what_is_published_again_unchanged_tells_and_costs_nothing_more():
    history = []
    now = counted(60, 43)
    publish(history, "2026-03-01", "2026-03-31", counted(60, 40))
    closed = publish(history, "2026-03-01", "2026-03-31", now)
    assert closed
    for _ in range(60):
        assert publish(history, "2026-03-01", "2026-03-31", now) == closed
    # What one of them showed is known, whatever the others close.
    open_once = [Publication("2026-03-01", "2026-03-31", now, {}), *history[1:]]
    year = published_cells(add([now, counted(40, 3)]))
    alone = close_cells("2026-01-01", "2026-12-31", year, open_once[:1], FLOOR)
    assert close_cells("2026-01-01", "2026-12-31", year, open_once, FLOOR) == alone
    assert "outcomes.refuse" in alone


def test_refusals():
    now = published_cells(add([cells_of_refusal("suspended")] * 12 + [cells_of_refusal("too_large")] * 2))
    assert close_cells("2026-03-01", "2026-03-31", now, [], FLOOR) == {
        "refusals.too_large": "small",
        "refusals.suspended": "with",
    }
