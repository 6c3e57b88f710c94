"""Figures: each has a name, a version and a unit, and is a pure function of summed cells.

A record gives cells (name → whole number, see `cells`); cells of any number of records are added name by name; figures
are read off the sum. Whoever has the openings can therefore count again, and check a published sum against its records.
Latencies are counted in fixed buckets: a median read off them is a bound ("at most"), never an interpolated guess.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

COUNTED_MODES = ("live", "pilot")
"""Only decisions in these modes enter figures (the caller leaves out the others)."""

LATENCY_BOUNDS_MS = (
    *(5, 10, 20, 50, 100, 150, 200, 300, 400, 500, 750),
    *(1_000, 1_500, 2_000, 3_000, 4_000, 5_000, 7_500, 10_000, 15_000, 20_000, 30_000, 60_000, 120_000, 300_000),
)
"""Upper ends of the buckets, included; one bucket more holds what took longer. Changing them changes the version."""

REVIEW_BOUNDS_MIN = (
    *(1, 5, 15, 30, 60, 120, 240, 480),
    *(1_440, 2_880, 4_320, 7_200, 10_080, 14_400, 20_160, 43_200, 86_400),
)
"""Upper ends of the buckets of the time from a result to its first review: up to eight hours, then days. As above."""

Cells = dict[str, int]


@dataclass(frozen=True, slots=True)
class CellKey:
    """What cells are summed over: one system, version and mode (None where an entry has none), and a day of UTC."""

    system: str
    version: int | None
    mode: str | None
    day: str


Counted = tuple[CellKey, Cells]
"""Cells, and what they belong to."""
Bound = Literal["exact", "at_most", "at_least", "above", "fewer", "withheld"]
Why = Literal["small", "with"]
"""Why a cell stays closed: its number is small, or a small one would follow from it (see `suppression`)."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure. `value` is None where nothing was counted; `bound` says how it relates to the truth.

    `above`: the value is the last bucket's bound, and the truth lies above it. `fewer`: the truth is 1 or more, and
    below the value. `withheld`: the value is None, since a small number could be told from it.
    """

    name: str
    version: int
    value: int | None
    unit: str
    bound: Bound = "exact"


@dataclass(frozen=True, slots=True)
class Definition:
    """What a figure is. A name ending in `.` stands for one figure per code that was counted."""

    name: str
    version: int
    unit: str
    doc: str


DEFINITIONS = (
    Definition("decisions", 1, "records", "results that were recorded"),
    Definition("outcomes.", 1, "records", "results with this outcome"),
    Definition("outcome_unknown", 1, "records", "results whose outcome only the client holds"),
    Definition("refusals", 1, "records", "requests that the program refused to decide"),
    Definition("refusals.", 1, "records", "the same, by reason"),
    Definition("reviewed", 1, "records", "results whose latest review is counted below"),
    Definition("reviews.", 1, "records", "results by the action of their latest review"),
    Definition("practice.unreviewed", 1, "records", "results that counted without a review"),
    Definition("practice.without_review", 1, "permille", "of the results that count: those that nobody reviewed"),
    Definition("practice.waiting", 1, "records", "results that wait for a review, and do not count before it"),
    Definition("practice.overrides", 1, "permille", "of the reviewed results: those that the latest review overrode"),
    Definition("review_time.median", 1, "min", "time from result to first review that half of them kept within"),
    Definition("review_time.p95", 1, "min", "time from result to first review that 95 of 100 kept within"),
    Definition("undeclared", 1, "fields", "fields that came with requests and that the system does not declare"),
    Definition("latency.median", 1, "ms", "time from receipt to result that half of the results kept within"),
    Definition("latency.p95", 1, "ms", "time from receipt to result that 95 of 100 results kept within"),
    Definition("latency.within_target", 1, "permille", "results within the target latency"),
    Definition("latency.unknown", 1, "records", "results without a measured latency"),
    Definition("tokens.prompt", 1, "tokens", "tokens read"),
    Definition("tokens.output", 1, "tokens", "tokens written"),
    Definition("tokens.unknown", 1, "records", "results without token counts"),
    Definition("energy.", 1, "µJ", "energy, by the method that gave it"),
    Definition("energy.not_measured", 1, "records", "results whose energy was not measured"),
    Definition("cost.", 1, "millionths", "cost, by currency"),
    Definition("cost.unknown", 1, "records", "results without a tariff"),
)
_BY_NAME = {definition.name: definition for definition in DEFINITIONS}


def add(many: Iterable[Mapping[str, int]]) -> Cells:
    """The sum of cells, name by name."""
    total: Cells = {}
    for one in many:
        for name, number in one.items():
            total[name] = total.get(name, 0) + number
    return total


@dataclass(frozen=True, slots=True)
class Shown:
    """Summed cells as they are shown: `closed` ones have no number here, `partial` ones count only what is shown."""

    cells: Mapping[str, int]
    closed: Mapping[str, Why]
    partial: frozenset[str]
    floor: int

    def has(self, *names: str) -> bool:
        """Whether the numbers of these cells are known as they are."""
        return not any(name in self.closed or name in self.partial for name in names)

    def least(self, name: str) -> int:
        """What a cell has at least."""
        why = self.closed.get(name)
        return self.cells.get(name, 0) if why is None else 1 if why == "small" else self.floor


def figures(
    summed: Mapping[str, int],
    *,
    target_ms: int | None = None,
    closed: Mapping[str, Why] | None = None,
    partial: Iterable[str] = (),
    floor: int = 0,
) -> list[Figure]:
    """All figures of summed cells (as `published.published_cells` gives them), in the order of DEFINITIONS, codes in
    rising order.

    `target_ms`: the system's target latency; without it there is no `latency.within_target`. `closed`: cells whose
    numbers are not in `summed`, and why; `partial`: those that miss a part; `floor`: numbers below it are small.
    """
    shown = Shown(summed, closed or {}, frozenset(partial), floor)
    found: list[Figure] = []
    for definition in DEFINITIONS:
        if definition.name in _READ_OFF:
            found.append(_READ_OFF[definition.name](shown, definition))
        elif definition.name == "latency.within_target":
            if target_ms is not None:
                found.append(_within(shown, definition, target_ms))
        elif definition.name.endswith("."):
            names = {*summed, *shown.closed}
            mine = sorted(n for n in names if n.startswith(definition.name) and n not in _BY_NAME)
            found.extend(_plain(shown, definition, name) for name in mine)
        else:
            found.append(_plain(shown, definition, definition.name))
    return found


def _plain(shown: Shown, definition: Definition, name: str) -> Figure:
    why = shown.closed.get(name)
    if why == "small":
        return Figure(name, definition.version, shown.floor, definition.unit, "fewer")
    if why == "with":
        return Figure(name, definition.version, None, definition.unit, "withheld")
    if name in shown.partial and not shown.cells.get(name):
        return Figure(name, definition.version, None, definition.unit, "withheld")
    bound: Bound = "at_least" if name in shown.partial else "exact"
    return Figure(name, definition.version, shown.cells.get(name, 0), definition.unit, bound)


def _kept_back(definition: Definition) -> Figure:
    return Figure(definition.name, definition.version, None, definition.unit, "withheld")


def _buckets(shown: Shown, head: str, bounds: tuple[int, ...]) -> list[tuple[int | None, int]]:
    """(upper bound, number or what it is at least), rising; the last bound is None."""
    known: list[tuple[int | None, int]] = [(bound, shown.least(f"{head}{bound}")) for bound in bounds]
    return [*known, (None, shown.least(f"{head}longer"))]


def _measured(shown: Shown, head: str, bounds: tuple[int, ...]) -> int | None:
    """How many were measured; None where that, or a part of it, is not shown."""
    names = [f"{head}{bound}" for bound in (*bounds, "longer")]
    if shown.has(*names):
        return sum(shown.cells.get(name, 0) for name in names)
    if any(name in shown.partial for name in names):
        return None
    whole, less = ("decisions", "latency.unknown") if head == _LATENCY else ("reviewed", None)
    if not shown.has(whole) or (less is not None and not shown.has(less)):
        return None
    return shown.cells.get(whole, 0) - (shown.cells.get(less, 0) if less else 0)


def _quantile(head: str, bounds: tuple[int, ...], percent: int) -> Callable[[Shown, Definition], Figure]:
    """Closed buckets count with what they have at least, so that the bound still holds."""

    def read_off(shown: Shown, definition: Definition) -> Figure:
        total = _measured(shown, head, bounds)
        if total is None:
            return _kept_back(definition)
        if total == 0:
            return Figure(definition.name, definition.version, None, definition.unit)
        needed, reached = -(-total * percent // 100), 0
        for bound, count in _buckets(shown, head, bounds):
            reached += count
            if bound is not None and reached >= needed:
                return Figure(definition.name, definition.version, bound, definition.unit, "at_most")
        if not shown.has(*(f"{head}{bound}" for bound in (*bounds, "longer"))):
            return _kept_back(definition)
        return Figure(definition.name, definition.version, bounds[-1], definition.unit, "above")

    return read_off


def _within(shown: Shown, definition: Definition, target_ms: int) -> Figure:
    total = _measured(shown, _LATENCY, LATENCY_BOUNDS_MS)
    if total is None:
        return _kept_back(definition)
    if total == 0:
        return Figure(definition.name, definition.version, None, definition.unit)
    within = [bound for bound in LATENCY_BOUNDS_MS if bound <= target_ms]
    kept = sum(shown.least(f"{_LATENCY}{bound}") for bound in within)
    # A target inside a bucket: those of the bucket that kept it cannot be told from those that did not. Rounded down.
    exact = target_ms in LATENCY_BOUNDS_MS and kept * 1000 % total == 0
    exact = exact and shown.has(*(f"{_LATENCY}{bound}" for bound in within))
    return Figure(
        definition.name, definition.version, kept * 1000 // total, definition.unit, "exact" if exact else "at_least"
    )


def _share(part: str, *whole: str) -> Callable[[Shown, Definition], Figure]:
    """Permille of a cell in the sum of others, rounded down."""

    def read_off(shown: Shown, definition: Definition) -> Figure:
        if not shown.has(part, *whole):
            return _kept_back(definition)
        total = sum(shown.cells.get(name, 0) for name in whole)
        value = shown.cells.get(part, 0) * 1000 // total if total else None
        return Figure(definition.name, definition.version, value, definition.unit)

    return read_off


_BY_NAME = {definition.name: definition for definition in DEFINITIONS}
_LATENCY = "latency."
_REVIEW_TIME = "review_time."
_READ_OFF: dict[str, Callable[[Shown, Definition], Figure]] = {
    "latency.median": _quantile(_LATENCY, LATENCY_BOUNDS_MS, 50),
    "latency.p95": _quantile(_LATENCY, LATENCY_BOUNDS_MS, 95),
    "review_time.median": _quantile(_REVIEW_TIME, REVIEW_BOUNDS_MIN, 50),
    "review_time.p95": _quantile(_REVIEW_TIME, REVIEW_BOUNDS_MIN, 95),
    "practice.without_review": _share("practice.unreviewed", "practice.unreviewed", "reviewed"),
    "practice.overrides": _share("reviews.override", "reviewed"),
}
