"""The agency's calendar: what day it is where the people are, whatever the clock of the machine says."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from auditlog.core.entries.record import parse_time
from casework import days
from home.greffier import Greffier

_YEARS = 10


def today(g: Greffier) -> date:
    """The day now, in the agency's time zone."""
    return day_of(g, g.clock())


def is_too_far_back(g: Greffier, day: date) -> bool:
    """Whether a day lies so far back that its year must be a slip of the hand: from it, clocks of the law begin."""
    return day.year < today(g).year - _YEARS


def day_of(g: Greffier, time: datetime) -> date:
    """The day on which an aware time falls there."""
    return time.astimezone(ZoneInfo(g.settings.time_zone)).date()


def day_of_minute(g: Greffier, minute: str) -> date:
    """The same, of the time of an entry."""
    return day_of(g, parse_time(minute))


def objection_end(g: Greffier, notified: date) -> date | None:
    """The last day for an objection to a decision that the person was told on a day; None without a profile."""
    return None if g.profile is None else days.objection_end(notified, g.profile.objection_weeks)
