"""What of a published table stays closed, so that no small number can be read, added up or subtracted from it.

A cell of 1 to N-1 is small, and stays closed. Cells stand in equations (results are the sum of results by outcome; a
year is the sum of its months), so others stay closed with it, until no small number follows. Two things are tested:

- whether a number is determined by the equations and the open numbers (elimination over fractions, exact);
- whether the bounds that everyone knows pin it: a small one lies in 1 to N-1, one that was closed with it is N or more.
  Bounds are passed through the equations as given and as eliminated, in at most `_ROUNDS` rounds.

What is not tested: combinations of bounds over several equations at once (linear programming), and outside knowledge.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Literal

Why = Literal["small", "with"]
_ROUNDS = 12


@dataclass(frozen=True, slots=True)
class Equation:
    """`whole` is the sum of `parts`; all are names of numbers."""

    whole: str
    parts: tuple[str, ...]

    def terms(self) -> dict[str, int]:
        """Coefficient by name; they sum to nothing."""
        found: dict[str, int] = {self.whole: 1}
        for part in self.parts:
            found[part] = found.get(part, 0) - 1
        return found


@dataclass(frozen=True, slots=True)
class Table:
    """Numbers by name, and how they hang together.

    `closable`: those that may still be closed. `closed`: those that are, and why. `hidden`: numbers that nobody
    publishes, and that could follow from those that are (what one publication says more than another); where they can
    be below nothing they are in `signed`, too. `last`: numbers that are closed only when no other will do.
    """

    numbers: Mapping[str, int]
    equations: Sequence[Equation]
    floor: int
    closable: frozenset[str]
    closed: Mapping[str, Why] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()
    signed: frozenset[str] = frozenset()
    last: frozenset[str] = frozenset()

    def is_small(self, name: str) -> bool:
        """Whether the number is one that must not be told."""
        return 1 <= abs(self.numbers[name]) < self.floor

    def is_open(self, name: str) -> bool:
        """Whether everybody may see the number; one that is 0 is seen by its absence."""
        return name not in self.closed and name not in self.hidden


def suppress(table: Table) -> dict[str, Why]:
    """What of `closable` stays closed, and why. Small numbers that follow from the rest alone are told already, and
    closing more would not take them back.
    """
    reasons: dict[str, Why] = {name: "small" if table.is_small(name) else "with" for name in table.closable}
    told_before = set(disclosed(replace(table, closed={**table.closed, **reasons})))
    closed: dict[str, Why] = {**table.closed, **{name: why for name, why in reasons.items() if why == "small"}}
    while told := [name for name in disclosed(replace(table, closed=closed)) if name not in told_before]:
        beside = _next(table, closed, told)
        if beside is None:
            break  # everything is closed
        closed[beside] = "with"
    return {name: why for name, why in closed.items() if name in table.closable}


def disclosed(table: Table) -> list[str]:
    """Small numbers that follow from open ones, in order."""
    rows = _unknowns(table)
    eliminated = _eliminate(rows)
    found = sorted(name for row, _ in eliminated if len(row) == 1 for name in row if table.is_small(name))
    return found or sorted(name for name in _pinned(table, [*rows, *eliminated]) if table.is_small(name))


Exact = int | Fraction
Row = tuple[dict[str, Exact], Exact]
"""Coefficients of unknown numbers, and what their sum is."""


def _unknowns(table: Table) -> list[Row]:
    """The equations with the open numbers put in."""
    rows: list[Row] = []
    for equation in table.equations:
        row: dict[str, Exact] = {}
        value = 0
        for name, factor in equation.terms().items():
            if table.is_open(name):
                value -= factor * table.numbers.get(name, 0)
            else:
                row[name] = factor
        if row:
            rows.append((row, value))
    return rows


def _eliminate(rows: Iterable[Row]) -> list[Row]:
    """Reduced row echelon form, sparse."""
    solved: dict[str, Row] = {}
    for one in rows:
        left = one
        for pivot in [name for name in one[0] if name in solved]:
            left = _less(left, solved[pivot], left[0].get(pivot, 0))
        if not left[0]:
            continue
        pivot = min(left[0])
        factor = left[0][pivot]
        unit = {name: _divide(part, factor) for name, part in left[0].items()}, _divide(left[1], factor)
        for other, known in list(solved.items()):
            if pivot in known[0]:
                solved[other] = _less(known, unit, known[0][pivot])
        solved[pivot] = unit
    return list(solved.values())


def _divide(one: Exact, by: Exact) -> Exact:
    """Whole where it can be: fractions cost ten times as much, and are rare here."""
    if by == 1:
        return one
    found = Fraction(one) / by
    return found.numerator if found.denominator == 1 else found


def _less(one: Row, other: Row, factor: Exact) -> Row:
    row = dict(one[0])
    for name, part in other[0].items():
        left = row.get(name, 0) - factor * part
        if left:
            row[name] = left
        else:
            row.pop(name, None)
    return row, one[1] - factor * other[1]


Bounds = dict[str, tuple[Exact | None, Exact | None]]


def _pinned(table: Table, rows: Sequence[Row]) -> set[str]:
    """Numbers whose bounds meet."""
    bounds: Bounds = {name: _known_bounds(table, name) for row, _ in rows for name in row}
    for _ in range(_ROUNDS):
        changed = [_tighten(bounds, row) for row in rows]
        if not any(changed):
            break
    return {name for name, (low, high) in bounds.items() if low is not None and low == high}


def _known_bounds(table: Table, name: str) -> tuple[Exact | None, Exact | None]:
    if table.closed.get(name) == "small":
        return 1, table.floor - 1
    if name in table.signed:
        return None, None
    return 0 if name in table.hidden else table.floor, None


def _tighten(bounds: Bounds, of: Row) -> bool:
    """Bounds of each number from those of the others in its row; whether one got narrower."""
    row, value = of
    before = {name: bounds[name] for name in row}
    least = _Total([_times(before[name][0 if part > 0 else 1], part) for name, part in row.items()])
    most = _Total([_times(before[name][1 if part > 0 else 0], part) for name, part in row.items()])
    changed = False
    for name, part in row.items():
        low, high = before[name]
        others_least = least.without(_times(low if part > 0 else high, part))
        others_most = most.without(_times(high if part > 0 else low, part))
        ends = [None if end is None else _divide(value - end, part) for end in (others_most, others_least)]
        new_low, new_high = ends if part > 0 else ends[::-1]
        new = _higher(low, new_low), _lower(high, new_high)
        if new != (low, high):
            bounds[name] = new
            changed = True
    return changed


class _Total:
    """A sum of ends of bounds, of which some may be missing."""

    def __init__(self, ends: Sequence[Exact | None]) -> None:
        self._sum = sum(end for end in ends if end is not None)
        self._missing = sum(end is None for end in ends)

    def without(self, end: Exact | None) -> Exact | None:
        """The sum of the others; None where one of them is missing."""
        if self._missing > (end is None):
            return None
        return self._sum if end is None else self._sum - end


def _times(end: Exact | None, part: Exact) -> Exact | None:
    return None if end is None else end * part


def _higher(one: Exact | None, other: Exact | None) -> Exact | None:
    return one if other is None else other if one is None else max(one, other)


def _lower(one: Exact | None, other: Exact | None) -> Exact | None:
    return one if other is None else other if one is None else min(one, other)


def _next(table: Table, closed: Mapping[str, Why], told: Sequence[str]) -> str | None:
    """What to close next: the least open number beside one that is told, else beside any that is closed, else any."""
    open_ = {name for name in table.closable if name not in closed and table.numbers[name] != 0}
    for near in (set(told), {*closed, *table.hidden}):
        beside = {name for one in table.equations if near & one.terms().keys() for name in one.terms().keys() & open_}
        if beside:
            return min(beside, key=lambda name: (name in table.last, abs(table.numbers[name]), name))
    return min(open_, default=None)
