"""Incidents as their steps tell of them: who was told, and whom the law still wants told, until when."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Final
from zoneinfo import ZoneInfo

from auditlog.core.entries.record import parse_time
from home.errors import UsageError
from home.greffier import Greffier
from registry import incident
from registry.incident import Due, Notification
from registry.store.incidents import IncidentStep

_FIRST: Final = 2000


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident without its content. `aware`: when the agency knew; `closed`: it came to its end.

    `clock`: who is to be told, in order, until when, and when it was done. `entries`: places of its steps in the log;
    `records`: their ids, by which what they hold is erased.
    """

    id: str
    system: str
    version: int | None
    duty: str
    severity: str
    aware: datetime
    told: tuple[Notification, ...]
    clock: tuple[Due, ...]
    closed: bool
    entries: tuple[tuple[int, int], ...]
    records: tuple[str, ...]


def zone_of(g: Greffier) -> ZoneInfo:
    """In which days are counted: where the agency is."""
    return ZoneInfo(g.settings.time_zone)


def moment(g: Greffier, day: date, at: time) -> datetime:
    """The time, in UTC, that the clocks where the agency is show as `at` on `day`; of two, the first.

    Raises UsageError for a time that the clocks there skipped, and for one before the year 2000.
    """
    told = datetime.combine(day, at)
    if told.year >= _FIRST:
        found = told.replace(tzinfo=zone_of(g)).astimezone(UTC)
        if found.astimezone(zone_of(g)).replace(tzinfo=None) == told:
            return found
    raise UsageError("is no time of the clocks here", field="aware")


def gathered(steps: Sequence[IncidentStep], zone: ZoneInfo | None = None) -> tuple[Incident, ...]:
    """Incidents from their steps, in the order in which they were opened. `zone`: in which days are counted (UTC)."""
    by_id: dict[str, list[IncidentStep]] = {}
    for step in steps:
        by_id.setdefault(step.incident, []).append(step)
    return tuple(_gathered(some, zone) for some in by_id.values())


def _gathered(steps: Sequence[IncidentStep], zone: ZoneInfo | None) -> Incident:
    first, told = steps[0], tuple(_tellings(steps))
    aware = parse_time(first.aware)
    return Incident(
        id=first.incident,
        system=first.slug,
        version=first.version,
        duty=first.duty,
        severity=first.severity,
        aware=aware,
        told=told,
        clock=incident.clock(first.duty, first.severity, aware.astimezone(zone or UTC).date(), told),
        closed=any(step.step == "closed" for step in steps),
        entries=tuple(step.place for step in steps),
        records=tuple(step.id for step in steps),
    )


def _tellings(steps: Iterable[IncidentStep]) -> Iterable[Notification]:
    for step in steps:
        if step.recipient is not None and step.day is not None:
            yield Notification(step.recipient, date.fromisoformat(step.day), bool(step.reached))
