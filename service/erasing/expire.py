"""The end of retention: content that is older than its system's period goes, with a ground of its own.

The periods are those that the register holds now, in calendar months from the day (UTC) of the record's entry
(`registry.retention`); of a request, the setting's, from the day on which it was closed. Figures outlive what they
count: nothing expires before it is tallied and recounted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from auditlog.core.entries.record import parse_time
from auditlog.store import erasures as store
from casework.store.requests import closed_until
from home.errors import Refused, UsageError
from home.greffier import Greffier
from registry.retention import newest_due
from registry.store import systems as register_store
from service.erasing import erase
from service.erasing.erase import Plan


@dataclass(frozen=True, slots=True)
class Expiry:
    """What is due on a day. `systems`: slug → newest day whose records are due, for those that state a period;
    `unstated`: those with records and no period, of which nothing expires."""

    until: date
    systems: Mapping[str, date]
    unstated: tuple[str, ...]
    plan: Plan


def plan(g: Greffier, until: date | None = None) -> Expiry:
    """What is due today, or was on an earlier day; held records stay.

    Raises Refused where the clock stands before the newest entry: then nobody knows what day it is. Raises UsageError
    for a day to come.
    """
    now = g.clock()
    _demand_clock(g, now)
    day = now.date() if until is None else until
    if day > now.date():
        raise UsageError("lies in the future: give today or a day before", field="--until")
    with g.reading() as conn:
        periods = {one.system.slug: one.system.retention for one in register_store.list_systems(conn)}
        systems = {
            slug: newest_due(day, retention.months) for slug, retention in periods.items() if retention is not None
        }
        unstated = [slug for slug in sorted(periods.keys() - systems.keys()) if store.has_records(conn, slug)]
        due = [
            record for slug, newest in sorted(systems.items()) for record in store.recorded_until(conn, slug, newest)
        ]
        due += closed_until(conn, newest_due(day, g.settings.request_months))
    return Expiry(day, systems, tuple(unstated), erase.plan_set(g, due, ground=erase.EXPIRED))


def expire(g: Greffier) -> int:
    """Erase what is due today, without a preview: for the daily run of a server that is set to do so."""
    found = plan(g).plan
    return erase.confirm(g, found, found.code, role="program").records


def _demand_clock(g: Greffier, now: datetime) -> None:
    """Entries bear minutes, and so does this comparison."""
    with g.reading() as conn:
        newest = store.latest_minute(conn)
    if newest is not None and now.replace(second=0, microsecond=0) < parse_time(newest):
        message = "stands before the newest entry that the log has: set it right, then what is due can be told"
        raise Refused(message, reason="clock", field="clock")
