"""Days of a procedure: from when the period for an objection runs, and until when. Pure."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

_SATURDAY: Final = 5


def objection_end(notified: date, weeks: int) -> date:
    """The last day for an objection: so many weeks after the day on which the person was told.

    The period begins the day after. One that would end in a weekend ends on the Monday (Regulation 1182/71, Article
    3(4)); public holidays, which each country has its own of, may make it longer and never shorter.
    """
    last = notified + timedelta(weeks=weeks)
    beyond = last.weekday() - _SATURDAY
    return last if beyond < 0 else last + timedelta(days=2 - beyond)
