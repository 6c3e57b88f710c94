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
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

Why = Literal["small", "with"]
_ROUNDS = 30
_MAX_CLOSED = 4000


class NotProtectable(Exception):
    """A small number follows from what is published already, whatever stays closed now. `names`: which."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(", ".join(names))
        self.names = tuple(names)


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


@dataclass(slots=True)
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
    closed: dict[str, Why] = field(default_factory=dict)
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
    """What of `closable` stays closed, and why. Raises NotProtectable."""
    for name in sorted(table.closable):
        if table.is_small(name):
            table.closed[name] = "small"
    while told := disclosed(table):
        beside = _next(table, told)
        if beside is None:
            raise NotProtectable(told)
        table.closed[beside] = "with"
        if len(table.closed) > _MAX_CLOSED:
            raise NotProtectable(told)
    return {name: why for name, why in table.closed.items() if name in table.closable}


def disclosed(table: Table) -> list[str]:
    """Small numbers that follow from open ones, in order."""
    rows = _eliminate(_unknowns(table))
    found = {name for row, _ in rows if len(row) == 1 for name in row}
    found |= _pinned(table, rows)
    return sorted(name for name in found if table.is_small(name))


Row = tuple[dict[str, Fraction], Fraction]
"""Coefficients of unknown numbers, and what their sum is."""


def _unknowns(table: Table) -> list[Row]:
    """The equations with the open numbers put in."""
    rows = []
    for equation in table.equations:
        row: dict[str, Fraction] = {}
        value = Fraction(0)
        for name, factor in equation.terms().items():
            if table.is_open(name):
                value -= factor * table.numbers.get(name, 0)
            else:
                row[name] = Fraction(factor)
        if row:
            rows.append((row, value))
    return rows


def _eliminate(rows: Iterable[Row]) -> list[Row]:
    """Reduced row echelon form, sparse."""
    solved: dict[str, Row] = {}
    for one in rows:
        left = one
        for pivot in [name for name in one[0] if name in solved]:
            left = _less(left, solved[pivot], left[0].get(pivot, Fraction(0)))
        if not left[0]:
            continue
        pivot = min(left[0])
        factor = left[0][pivot]
        unit = {name: part / factor for name, part in left[0].items()}, left[1] / factor
        for other, known in list(solved.items()):
            if pivot in known[0]:
                solved[other] = _less(known, unit, known[0][pivot])
        solved[pivot] = unit
    return list(solved.values())


def _less(one: Row, other: Row, factor: Fraction) -> Row:
    row = dict(one[0])
    for name, part in other[0].items():
        left = row.get(name, Fraction(0)) - factor * part
        if left:
            row[name] = left
        else:
            row.pop(name, None)
    return row, one[1] - factor * other[1]


Bounds = dict[str, tuple[Fraction | None, Fraction | None]]


def _pinned(table: Table, eliminated: Iterable[Row]) -> set[str]:
    """Numbers whose bounds meet."""
    rows = [*_unknowns(table), *eliminated]
    bounds: Bounds = {name: _known_bounds(table, name) for row, _ in rows for name in row}
    for _ in range(_ROUNDS):
        changed = [_tighten(bounds, row) for row in rows]
        if not any(changed):
            break
    return {name for name, (low, high) in bounds.items() if low is not None and low == high}


def _known_bounds(table: Table, name: str) -> tuple[Fraction | None, Fraction | None]:
    if table.closed.get(name) == "small":
        return Fraction(1), Fraction(table.floor - 1)
    if name in table.signed:
        return None, None
    return Fraction(0 if name in table.hidden else table.floor), None


def _tighten(bounds: Bounds, of: Row) -> bool:
    """Bounds of each number from those of the others in its row; whether one got narrower."""
    row, value = of
    changed = False
    for name, factor in row.items():
        lows: list[Fraction | None] = []
        highs: list[Fraction | None] = []
        for other, part in row.items():
            if other != name:
                low, high = bounds[other]
                least, most = (low, high) if part > 0 else (high, low)
                lows.append(None if least is None else least * part)
                highs.append(None if most is None else most * part)
        ends = [_rest(value, highs), _rest(value, lows)]
        ends = [None if end is None else end / factor for end in ends]
        low, high = ends if factor > 0 else ends[::-1]
        old = bounds[name]
        new = _higher(old[0], low), _lower(old[1], high)
        if new != old:
            bounds[name] = new
            changed = True
    return changed


def _rest(value: Fraction, others: Sequence[Fraction | None]) -> Fraction | None:
    return None if None in others else value - sum((other for other in others if other is not None), Fraction(0))


def _higher(one: Fraction | None, other: Fraction | None) -> Fraction | None:
    return one if other is None else other if one is None else max(one, other)


def _lower(one: Fraction | None, other: Fraction | None) -> Fraction | None:
    return one if other is None else other if one is None else min(one, other)


def _next(table: Table, told: Sequence[str]) -> str | None:
    """What to close next: the least open number beside one that is told, else beside any that is closed."""
    for near in (set(told), {*table.closed, *table.hidden}):
        beside = {
            name
            for equation in table.equations
            if near & (terms := equation.terms().keys())
            for name in terms
            if name in table.closable and name not in table.closed and table.numbers.get(name, 0) != 0
        }
        if beside:
            return min(beside, key=lambda name: (name in table.last, abs(table.numbers[name]), name))
    return None
