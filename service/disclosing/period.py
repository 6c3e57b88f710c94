"""What a period's report says beside figures: comparisons, replays, what people asked, and when the program ran."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from auditlog.core.counting.published import close_comparison
from auditlog.core.entries.record import parse_time
from auditlog.store import events
from auditlog.store.samples import list_reconciliations
from home.greffier import Greffier
from registry.publication import is_restricted
from reports.transparency import uptime
from reports.transparency.context import Comparison, Replays, Requests
from reports.transparency.uptime import Running
from service.cases import statistics
from service.replaying import health
from service.systems import register

_COMPARED = ("cases", "records", "without_record", "without_case", "used_before_review")
_ASKED = (
    *("received", "answered", "refused", "withdrawn", "open", "extended", "in_time", "late"),
    *("days_median", "days_p90"),
)


def comparisons(g: Greffier, days: tuple[date, date]) -> Iterator[Comparison]:
    """Comparisons of these days with case systems, oldest first; small numbers closed."""
    with g.reading() as conn:
        rows = list_reconciliations(conn, first_day=days[0].isoformat(), last_day=days[1].isoformat())
    hidden = not_public(g)
    for row in rows:
        if row.system in hidden:
            continue
        counts = {name: getattr(row, name) for name in _COMPARED}
        closed = close_comparison(counts, g.settings.small_cell)
        yield Comparison(
            made=parse_time(row.minute).date(),
            system=row.system,
            since=date.fromisoformat(row.first_day),
            until=date.fromisoformat(row.last_day),
            **{name: None if name in closed else number for name, number in counts.items()},
        )


def not_public(g: Greffier) -> frozenset[str]:
    """The systems of which nothing is public (AI Act 49(4)): a report says how many it leaves out, and not which."""
    systems = [one.system for one in register.list_systems(g)]
    return frozenset(system.slug for system in systems if is_restricted(system))


def replays(g: Greffier, days: tuple[date, date]) -> Iterator[Replays]:
    """How replays of these days ended, by system."""
    names = {public.system.slug: public.system.name for public in register.list_systems(g)}
    hidden = not_public(g)
    for slug, counts in health.of_period(g, *days).items():
        if slug in hidden:
            continue
        yield Replays(system=slug, name=names.get(slug, {}), counts=counts)


def requests(g: Greffier, days: tuple[date, date]) -> Iterator[Requests]:
    """What people asked in these days, by system and right; small numbers closed."""
    names = {public.system.slug: public.system.name for public in register.list_systems(g)}
    hidden = not_public(g)
    for row in statistics.of_period(g, *days).rows:
        if row.system in hidden:
            continue
        yield Requests(
            right=row.right,
            system=row.system,
            name={} if row.system is None else names.get(row.system, {}),
            **{name: getattr(row, name) for name in _ASKED},
        )


def running_of(g: Greffier, days: tuple[date, date], *, draft: bool) -> Running | None:
    """When the program ran in these days, from what entries say in clear."""
    since, until = days[0].isoformat(), (days[1] + timedelta(days=1)).isoformat()
    with g.reading() as conn:
        begun = events.first_minute(conn)
        minutes = events.minutes_of(conn, since, until)
        told = [(entry.kind, entry.members) for entry in events.entries_of(conn, uptime.KINDS, since, until)]
    return uptime.running(*days, minutes, told, begun=begun, now=g.clock() if draft else None)
