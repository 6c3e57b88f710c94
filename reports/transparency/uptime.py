"""When the program ran in a period, from what entries say in clear: the writer of a report and its reader call this.

A sign of life is any entry but a decision: while it serves, the program records a `pulse` once an hour. Decisions are
left out, since their rows go with an erasure, while every other row stays. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any, Final

SILENT_MINUTES: Final = 62
"""A pulse an hour, cut to its minute, that took a moment to be written (as in `auditlog.core.checking.silence`)."""
KINDS: Final = ("boot/1", "outage/1", "unfinished/1")
"""Entries of which more than the minute is looked at."""
_FORM: Final = "%Y-%m-%dT%H:%MZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """A time in which nothing in the log says that the program ran."""

    began: str
    """From when, UTC to the minute."""
    ended: str
    """Until when."""
    minutes: int
    """How long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A time in which nothing could be recorded, hence nothing was decided."""

    cause: str
    """Why, as code."""
    began: str
    """From when, UTC to the minute."""
    ended: str
    """Until when."""
    minutes: int
    """How long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """How the program ran in the period."""

    since: str
    """From when it is counted: the first day, or the earliest entry of the log, UTC to the minute."""
    until: str
    """Until when."""
    minutes: int
    """How many minutes these are."""
    silent: tuple[Silence, ...]
    """Silences of more than 62 minutes, in the order of time."""
    silent_minutes: int
    """Their sum."""
    outages: tuple[Outage, ...]
    """Outages whose entry is of these days, in the order of the log."""
    outage_minutes: int
    """Their sum."""
    starts: int
    """How often a worker was started."""
    crashes: int
    """How many workers were found not to have closed."""
    unfinished: int
    """Results that were begun and never came to be."""


def running(
    first: date,
    last: date,
    minutes: Iterable[str],
    told: Iterable[tuple[str, Mapping[str, Any]]],
    *,
    begun: str | None,
    now: datetime | None = None,
) -> Running | None:
    """`minutes`: of all signs of life of these days, in any order. `told`: kind and members of entries of `KINDS`.

    `begun`: the earliest minute of an entry that is no decision; None, or one after the period, gives None. `now`: of
    a draft, whose period may go on.
    """
    start, end = _midnight(first), _midnight(last + timedelta(days=1))
    end = end if now is None else min(end, now.astimezone(UTC).replace(second=0, microsecond=0))
    start = start if begun is None else max(start, _moment(begun))
    if begun is None or start >= end:
        return None
    signs = sorted({moment for moment in map(_moment, set(minutes)) if start <= moment < end})
    silent = tuple(
        Silence(began=_text(one), ended=_text(other), minutes=_between(one, other))
        for one, other in pairwise([start, *signs, end])
        if _between(one, other) > SILENT_MINUTES
    )
    told = [*told]
    outages = tuple(_outage(members) for kind, members in told if kind == "outage/1")
    boots = [members for kind, members in told if kind == "boot/1"]
    return Running(
        since=_text(start),
        until=_text(end),
        minutes=_between(start, end),
        silent=silent,
        silent_minutes=sum(one.minutes for one in silent),
        outages=outages,
        outage_minutes=sum(one.minutes for one in outages),
        starts=len(boots),
        crashes=sum(len(members["unclosed"]) for members in boots),
        unfinished=sum(kind == "unfinished/1" for kind, _ in told),
    )


def _outage(members: Mapping[str, Any]) -> Outage:
    began, ended = _moment(members["began"]), _moment(members["ended"])
    # A clock that was set back may let an outage end before it began.
    return Outage(
        cause=members["cause"], began=members["began"], ended=members["ended"], minutes=max(0, _between(began, ended))
    )


def _between(one: datetime, other: datetime) -> int:
    return int((other - one).total_seconds()) // 60


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _moment(minute: str) -> datetime:
    return datetime.strptime(minute, _FORM).replace(tzinfo=UTC)


def _text(moment: datetime) -> str:
    return moment.strftime(_FORM)
