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
Bound = Literal["exact", "at_most", "at_least", "above"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure. `value` is None where nothing was counted; `bound` says how it relates to the truth.

    `above`: the value is the last bucket's bound, and the truth lies above it.
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
    Definition("refusals", 1, "records", "requests that the program refused to decide"),
    Definition("refusals.", 1, "records", "the same, by reason"),
    Definition("reviewed", 1, "records", "results whose latest review is counted below"),
    Definition("reviews.", 1, "records", "results by the action of their latest review"),
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
_LATENCY = "latency."
_LONGER = "latency.longer"
_REPLACED = "reviews.replaced."


def add(many: Iterable[Mapping[str, int]]) -> Cells:
    """The sum of cells, name by name."""
    total: Cells = {}
    for one in many:
        for name, number in one.items():
            total[name] = total.get(name, 0) + number
    return total


def figures(summed: Mapping[str, int], *, target_ms: int | None = None) -> list[Figure]:
    """All figures of summed cells, in the order of DEFINITIONS, codes in rising order.

    `target_ms`: the system's target latency; without it there is no `latency.within_target`.
    """
    found: list[Figure] = []
    for definition in DEFINITIONS:
        if definition.name in _READ_OFF:
            found.append(_READ_OFF[definition.name](summed, definition))
        elif definition.name == "latency.within_target":
            if target_ms is not None:
                found.append(_within(summed, definition, target_ms))
        elif definition.name.endswith("."):
            latest = without_replaced(summed) if definition.name == "reviews." else summed
            names = sorted(n for n in latest if n.startswith(definition.name) and n not in _BY_NAME)
            found.extend(Figure(name, definition.version, latest[name], definition.unit) for name in names)
        else:
            found.append(Figure(definition.name, definition.version, summed.get(definition.name, 0), definition.unit))
    return found


def without_replaced(summed: Mapping[str, int]) -> Cells:
    """`reviews.<action>` by the latest review of each result: reviews that others took the place of are taken off."""
    actions = [name for name in summed if name.startswith("reviews.") and not name.startswith(_REPLACED)]
    latest = {name: summed[name] - summed.get(_REPLACED + name.removeprefix("reviews."), 0) for name in actions}
    return {name: number for name, number in latest.items() if number}


def _buckets(summed: Mapping[str, int]) -> list[tuple[int | None, int]]:
    """(upper bound in ms, count), rising; the last bound is None."""
    known: list[tuple[int | None, int]] = [(ms, summed.get(f"{_LATENCY}{ms}", 0)) for ms in LATENCY_BOUNDS_MS]
    return [*known, (None, summed.get(_LONGER, 0))]


def _quantile(percent: int) -> Callable[[Mapping[str, int], Definition], Figure]:
    def read_off(summed: Mapping[str, int], definition: Definition) -> Figure:
        buckets = _buckets(summed)
        total = sum(count for _, count in buckets)
        if total == 0:
            return Figure(definition.name, definition.version, None, definition.unit)
        needed, reached = -(-total * percent // 100), 0
        for bound, count in buckets:
            reached += count
            if bound is not None and reached >= needed:
                return Figure(definition.name, definition.version, bound, definition.unit, "at_most")
        return Figure(definition.name, definition.version, LATENCY_BOUNDS_MS[-1], definition.unit, "above")

    return read_off


def _within(summed: Mapping[str, int], definition: Definition, target_ms: int) -> Figure:
    buckets = _buckets(summed)
    total = sum(count for _, count in buckets)
    if total == 0:
        return Figure(definition.name, definition.version, None, definition.unit)
    kept = sum(count for bound, count in buckets if bound is not None and bound <= target_ms)
    # A target inside a bucket: those of the bucket that kept it cannot be told from those that did not. Rounded down.
    bound: Bound = "exact" if target_ms in LATENCY_BOUNDS_MS and kept * 1000 % total == 0 else "at_least"
    return Figure(definition.name, definition.version, kept * 1000 // total, definition.unit, bound)


_READ_OFF: dict[str, Callable[[Mapping[str, int], Definition], Figure]] = {
    "latency.median": _quantile(50),
    "latency.p95": _quantile(95),
}
