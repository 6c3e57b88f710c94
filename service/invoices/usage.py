"""Recorded usage of versions that somebody else runs, in slots of time, from which a bill's lines take what they claim.

A slot is a day (from the roll-up, erased records included), or an hour where a bill has lines of hours: then what a
day has beyond its hours, of records that were erased, is a slot of that day.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Final

from auditlog.core.counting import figures
from auditlog.core.counting.figures import Cells
from auditlog.store import amounts as store
from home.greffier import Greffier
from registry.parts.money import Tariff
from registry.remote import Remote
from registry.store import systems as register_store
from service.invoices.calls import further

CELL_OF: Final = {
    "input": "tokens.prompt",
    "cached": "tokens.prompt",
    "output": "tokens.output",
    "request": "decisions",
}
"""Component of a tariff → what is counted of it. A provider's cached tokens are among those of the prompt."""
_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)


@dataclass(slots=True)
class Slot:
    """What was used in a time, and is not claimed yet, by cell; `by`: the last line that claimed of a cell."""

    start: datetime
    end: datetime
    left: dict[str, Fraction]
    whole: bool = True
    by: dict[str, int] = field(default_factory=dict)

    def lies_in(self, start: datetime, end: datetime) -> bool:
        """Whether a line of that time may claim it; what is known by the day alone, whenever they meet."""
        if self.whole:
            return start <= self.start and self.end <= end
        return self.start < end and start < self.end


@dataclass(slots=True)
class Used:
    """One version that is run elsewhere: its remote, its system's tariff, and its slots in order of time."""

    system: str
    version: int
    remote: Remote
    tariff: Tariff | None
    slots: list[Slot] = field(default_factory=list)
    spent: dict[str, int] = field(default_factory=dict)
    """Month → marginal cost of its records, in millionths of the tariff's currency."""


def of_remotes(g: Greffier, first: date, until: date, *, hourly: bool) -> tuple[list[Used], int]:
    """All remote versions with what they used from the day `first` up to `until`, and how many of their decisions began
    and did not end: what is known of those is counted, and a provider may bill more of them."""
    span = f"{first}T00:00Z", f"{until}T00:00Z"
    with g.reading() as conn:
        registered = {one.system.slug: one for one in register_store.list_systems(conn)}
        versions = [one for slug in registered for one in register_store.list_versions(conn, slug)]
        remotes = [one for one in versions if one.manifest.remote is not None]
        days = {one.digest: store.by_day(conn, one.system, one.version, f"{first}", f"{until}") for one in remotes}
        hours = {one.digest: store.by_hour(conn, one.system, one.version, *span) if hourly else {} for one in remotes}
        ended = store.unfinished(conn, *span)
    digests = {(one.system, one.version): one.digest for one in remotes}
    spent = {digest: {day: dict(cells) for day, cells in one.items()} for digest, one in days.items()}
    for system, version, minute, cells in further(g, remotes, *span):
        digest = digests[system, version]
        _add(days[digest], minute[:10], cells)
        if hourly:
            _add(hours[digest], minute[:13], cells)
    found = []
    for one in remotes:
        assert one.manifest.remote is not None
        tariff = registered[one.system].system.tariff
        used = Used(one.system, one.version, one.manifest.remote, tariff)
        used.slots = slots(days[one.digest], hours[one.digest] if hourly else None)
        used.spent = _spent(spent[one.digest], tariff)
        found.append(used)
    systems = {one.system for one in remotes}
    return found, sum(number for (system, _), number in ended.items() if system in systems)


def _add(many: dict[str, Cells], key: str, cells: Cells) -> None:
    many[key] = figures.add((many.get(key, {}), cells))


def slots(days: dict[str, Cells], hours: dict[str, Cells] | None) -> list[Slot]:
    """The slots of days, or of hours and what days have beyond them."""
    by_day, hours = hours is None, hours or {}
    made = [Slot(_moment(f"{hour}:00"), _moment(f"{hour}:00") + _HOUR, _left(cells)) for hour, cells in hours.items()]
    for day, cells in days.items():
        left = _left(cells)
        for hour, known in hours.items():
            if hour.startswith(day):
                left = {cell: max(Fraction(0), number - known.get(cell, 0)) for cell, number in left.items()}
        start = _moment(f"{day}T00:00")
        if any(left.values()):
            made.append(Slot(start, start + _DAY, left, whole=by_day))
    return sorted(made, key=lambda slot: (slot.end, slot.start))


def claim(used: Sequence[Used], component: str, start: datetime, end: datetime, line: int) -> Iterator[Slot]:
    """The slots that a line of that time may claim, earliest first, each noted as looked at by the line."""
    cell = CELL_OF[component]
    chosen = [slot for one in used for slot in one.slots if slot.left[cell] and slot.lies_in(start, end)]
    for slot in sorted(chosen, key=lambda slot: slot.end):
        slot.by[cell] = line
        yield slot


def claimed_by(used: Sequence[Used], component: str, start: datetime, end: datetime) -> int | None:
    """The line that claimed last of that time, where one did."""
    cell = CELL_OF[component]
    lines = [slot.by[cell] for one in used for slot in one.slots if cell in slot.by and slot.lies_in(start, end)]
    return max(lines, default=None)


def _left(cells: Cells) -> dict[str, Fraction]:
    return {cell: Fraction(cells.get(cell, 0)) for cell in dict.fromkeys(CELL_OF.values())}


def _spent(days: dict[str, Cells], tariff: Tariff | None) -> dict[str, int]:
    spent: dict[str, int] = {}
    if tariff is not None:
        for day, cells in days.items():
            spent[day[:7]] = spent.get(day[:7], 0) + cells.get(f"cost.{tariff.currency}", 0)
    return spent


def _moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M").replace(tzinfo=UTC)
