"""No small number follows from what is shown: tested against an attacker who solves the equations himself."""

from __future__ import annotations

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from auditlog.core.counting.suppression import Equation, Table, disclosed, suppress

FLOOR = 5


def table(numbers, equations, *, floor=FLOOR, **more):
    more.setdefault("closable", frozenset(numbers) - more.get("hidden", frozenset()))
    return Table(numbers, [Equation(whole, tuple(parts)) for whole, parts in equations], floor, **more)


def test_a_small_cell_is_never_closed_alone():
    numbers = {"all": 100, "a": 60, "b": 37, "c": 3}
    found = suppress(table(numbers, [("all", "abc")], last=frozenset({"all"})))
    assert found == {"c": "small", "b": "with"}


def test_two_small_ones_that_the_total_pins_are_not_enough():
    # Two cells of at least 1 that sum to 2 are both 1.
    numbers = {"all": 102, "a": 60, "b": 40, "c": 1, "d": 1}
    found = suppress(table(numbers, [("all", "abcd")], last=frozenset({"all"})))
    assert found == {"c": "small", "d": "small", "b": "with"}


def test_the_other_end_of_the_bounds():
    # Two cells below 5 that sum to 8 are both 4.
    numbers = {"all": 108, "a": 60, "b": 40, "c": 4, "d": 4}
    assert suppress(table(numbers, [("all", "abcd")], last=frozenset({"all"})))["b"] == "with"


def test_nothing_small_and_nothing_closed():
    assert suppress(table({"all": 100, "a": 60, "b": 40}, [("all", "ab")])) == {}


def test_a_total_of_one_part_goes_with_it():
    assert suppress(table({"all": 3, "a": 3}, [("all", "a")])) == {"a": "small", "all": "small"}


def test_a_cell_in_two_equations():
    numbers = {"all": 100, "a": 97, "b": 3, "x": 50, "y": 50}
    found = suppress(table(numbers, [("all", "ab"), ("all", "xy")], last=frozenset({"all"})))
    assert found["a"] == "with"
    assert "all" not in found


def test_what_one_publication_says_more_than_another():
    numbers = {"old": 100, "new": 103, "more": 3}
    made = table(numbers, [("new", ["old", "more"])], closable=frozenset({"new"}), hidden=frozenset({"more"}))
    assert disclosed(made) == ["more"]
    assert suppress(made) == {"new": "with"}


def test_what_was_told_already_closes_nothing_more():
    numbers = {"year": 103, "january": 100, "rest": 3, "other": 7}
    made = table(numbers, [("year", ["january", "rest"])], closable=frozenset({"other"}), hidden=frozenset({"rest"}))
    assert disclosed(made) == ["rest"]
    assert suppress(made) == {}


def test_a_difference_below_nothing_is_one_too():
    numbers = {"old": 100, "new": 98, "more": -2}
    hidden = frozenset({"more"})
    made = table(numbers, [("new", ["old", "more"])], closable=frozenset({"new"}), hidden=hidden, signed=hidden)
    assert suppress(made) == {"new": "with"}


CELLS = st.lists(st.integers(0, 9), min_size=2, max_size=5)


def solutions(numbers, equations, closed):
    """All assignments of the closed numbers that fit what is open, and what is known of each."""
    names = sorted(closed)
    ranges = [range(1, FLOOR) if closed[name] == "small" else range(FLOOR, 60) for name in names]
    for values in product(*ranges):
        tried = numbers | dict(zip(names, values, strict=True))
        if all(tried[whole] == sum(tried[part] for part in parts) for whole, parts in equations):
            yield tried


@settings(max_examples=60)
@given(CELLS, st.integers(0, 12))
def test_an_attacker_who_tries_everything_learns_no_small_number(cells, split):
    parts = {f"p{place}": number for place, number in enumerate(cells)}
    total = sum(cells)
    halves = {"x": min(split, total), "y": total - min(split, total)}
    numbers = {name: number for name, number in {"all": total, **parts, **halves}.items() if number}
    equations = [("all", [p for p in parts if p in numbers]), ("all", [h for h in halves if h in numbers])]
    if "all" not in numbers:
        return
    found = suppress(table(numbers, equations, last=frozenset({"all"})))
    assert all(name in found for name, number in numbers.items() if 1 <= number < FLOOR)
    if len(found) > 4:
        return  # too many to try them all
    tried = list(solutions(numbers, equations, found))
    for name, why in found.items():
        if why == "small":
            assert len({one[name] for one in tried}) > 1, (numbers, found)
