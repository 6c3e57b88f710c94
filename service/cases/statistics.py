"""Numbers and times of what people asked in a period, by right and system; no small number can be read or subtracted.

They are counted from the requests that there are: one that was erased counts no more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from auditlog.core.counting.suppression import Equation, Table, suppress
from casework.request import RIGHTS
from casework.statistics import ALL, COUNTS, Group, Row, counts, days_of, quantile
from casework.store import requests as store
from home import calendar
from home.errors import UsageError
from home.greffier import Greffier

__all__ = ("Row", "Statistics", "of_period")
_PARTS: Final = (
    ("received", ("answered", "refused", "withdrawn", "open")),
    ("received", ("in_time", "late", "withdrawn", "running")),
    ("received", ("extended", "not_extended")),
)
_HIDDEN: Final = ("running", "not_extended")


@dataclass(frozen=True, slots=True)
class Statistics:
    """`rows`: by right and system (None: none was named); `totals`: by right alone, with None as system. `floor`:
    numbers from 1 to below it are kept back, and others with them."""

    first: date
    last: date
    rows: tuple[Row, ...]
    totals: tuple[Row, ...]
    floor: int


def of_period(g: Greffier, first: date, last: date) -> Statistics:
    """Of the requests that were received on these days. Raises UsageError for days out of order."""
    if last < first:
        raise UsageError("must not lie before the first day", field="last")
    with g.reading() as conn:
        found = store.received_between(conn, first, last)
    numbers, floor = counts(found, calendar.today(g)), g.settings.small_cell
    closed, times = _closed(numbers, floor), days_of(found)
    shown = {group: _row(group, mine, closed, times.get(group, [])) for group, mine in numbers.items()}
    rows = tuple(row for group, row in shown.items() if group.system != ALL)
    totals = tuple(replace(row, system=None) for group, row in shown.items() if group.system == ALL)
    return Statistics(first, last, rows, totals, floor)


def _row(group: Group, mine: Mapping[str, int], closed: frozenset[str], took: list[int]) -> Row:
    shown = {name: None if _name(group, name) in closed else mine[name] for name in COUNTS}
    # A median over few is a fact about one of them; and the number behind it must be one that is told.
    told = shown["answered"] is not None and shown["refused"] is not None
    quantiles = (quantile(took, 50), quantile(took, 90)) if told else (None, None)
    return Row(group.right, group.system, **shown, days_median=quantiles[0], days_p90=quantiles[1])


def _closed(numbers: Mapping[Group, Mapping[str, int]], floor: int) -> frozenset[str]:
    """Names of the numbers that stay closed."""
    every: dict[str, int] = {}
    for group, mine in numbers.items():
        more = {
            "running": mine["received"] - mine["in_time"] - mine["late"] - mine["withdrawn"],
            "not_extended": mine["received"] - mine["extended"],
        }
        every |= {_name(group, name): number for name, number in {**mine, **more}.items()}
    equations = [
        Equation(_name(group, whole), tuple(_name(group, part) for part in parts))
        for group in numbers
        for whole, parts in _PARTS
    ]
    for right in RIGHTS:
        groups = [group for group in numbers if group.right == right and group.system != ALL]
        equations += [
            Equation(_name(Group(right, ALL), name), tuple(_name(group, name) for group in groups))
            for name in (*COUNTS, *_HIDDEN)
            if groups
        ]
    hidden = frozenset(_name(group, name) for group in numbers for name in _HIDDEN)
    table = Table(every, equations, floor, closable=frozenset(every) - hidden, hidden=hidden)
    return frozenset(suppress(table))


def _name(group: Group, name: str) -> str:
    return f"{group.right}/{'-' if group.system is None else group.system or '*'}/{name}"
