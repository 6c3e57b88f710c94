"""Hours of a log's life in which nothing in it says that the program ran. Pure.

While it serves, the program records a `pulse` at its start and once an hour; every other entry is a sign of life, too.
Entries carry the minute, so up to 62 minutes between two signs are no silence. An `outage` entry explains what it
covers. A silence that began while a worker process had not closed is no planned stop: a crash, a clock that stood
still, or entries kept out of the log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Final

from auditlog.core.entries.record import Entry, format_time, parse_time
from auditlog.core.formats.canonical import Json

PULSE_MINUTES: Final = 60
# A pulse is cut to its minute, and takes a moment to be written.
SILENT_MINUTES: Final = PULSE_MINUTES + 2
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_Span = tuple[int, int]  # minutes since 1970


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """No sign of life after `start` and before `end` (UTC, to the minute; `end` None: until now), `minutes` later.

    `outages`: indices of `outage/1` entries that cover some of it; `explained`: what they leave is within an hour each.
    `before`: "closed" (each boot before it had closed: a planned stop), "unclosed" (`unclosed` names those that had
    not), or "none" (no boot had begun).
    """

    start: str
    end: str | None
    minutes: int
    outages: tuple[int, ...]
    explained: bool
    before: str
    unclosed: tuple[str, ...]

    @property
    def hours(self) -> int:
        """Whole hours."""
        return self.minutes // 60


@dataclass(slots=True)
class Signs:
    """Signs of life, taken from the entries in the order of the log. Clocks may be set back: time orders the rest."""

    _unclosed_at: dict[int, tuple[str, ...] | None] = field(default_factory=dict)  # minute → boots; None: none so far
    _outages: list[tuple[int, _Span]] = field(default_factory=list)
    _unclosed: tuple[str, ...] | None = None
    _minutes: dict[str, int] = field(default_factory=dict)
    _frozen: bool = False

    def add(self, index: int, entry: Entry) -> None:
        """The next entry."""
        members = entry.members
        if entry.kind == "boot/1":
            self._begin(members)
        elif entry.kind == "close/1":
            self._unclosed = tuple(boot for boot in self._unclosed or () if boot != members["boot"])
        elif entry.kind == "outage/1":
            began, ended = self._minute(members["began"]), self._minute(members["ended"])
            self._outages.append((index, (began, ended)))
        elif entry.kind in ("freeze/1", "genesis/1"):
            self._frozen = entry.kind == "freeze/1"  # a successor's genesis: the chain of logs goes on
        self._unclosed_at[self._minute(entry.time)] = self._unclosed

    def silences(self, now: datetime | None = None) -> tuple[Silence, ...]:
        """All silences in the order of time; with `now`, the one since the last sign of a log that is not frozen."""
        minutes = sorted(self._unclosed_at)
        found = [self._silence(start, end) for start, end in pairwise(minutes) if end - start > SILENT_MINUTES]
        if now is not None and minutes and not self._frozen:
            present = int((now - _EPOCH).total_seconds()) // 60
            if present - minutes[-1] > SILENT_MINUTES:
                found.append(self._silence(minutes[-1], present, lasting=True))
        return tuple(found)

    def _begin(self, members: Mapping[str, Any]) -> None:
        """A boot; those that it found unclosed will not close any more, and are stated."""
        stated = {item["boot"] for item in members["unclosed"]}
        self._unclosed = (*(boot for boot in self._unclosed or () if boot not in stated), members["boot"])

    def _silence(self, start: int, end: int, *, lasting: bool = False) -> Silence:
        unclosed = self._unclosed_at[start]
        outages = [(index, span) for index, span in self._outages if span[0] < end and span[1] > start]
        return Silence(
            start=_text(start),
            end=None if lasting else _text(end),
            minutes=end - start,
            outages=tuple(index for index, _ in outages),
            explained=bool(outages) and _left(start, end, [span for _, span in outages]) <= SILENT_MINUTES,
            before="none" if unclosed is None else "unclosed" if unclosed else "closed",
            unclosed=unclosed or (),
        )

    def _minute(self, time: str) -> int:
        """Minutes since 1970; many entries carry the same minute."""
        minute = self._minutes.get(time)
        if minute is None:
            self._minutes[time] = minute = int((parse_time(time) - _EPOCH).total_seconds()) // 60
        return minute


def _left(start: int, end: int, covered: Sequence[_Span]) -> int:
    """The longest part of a span that none of the others covers, in minutes."""
    longest, reached = 0, start
    for first, last in sorted(covered):
        longest = max(longest, min(first, end) - reached)
        reached = max(reached, last)
    return max(longest, end - reached)


def _text(minute: int) -> str:
    return format_time(_EPOCH + timedelta(minutes=minute))


def silence_json(found: Silence) -> dict[str, Json]:
    """The same as JSON."""
    return {
        "from": found.start,
        "to": found.end,
        "minutes": found.minutes,
        "hours": found.hours,
        "outages": [*found.outages],
        "explained": found.explained,
        "before": found.before,
        "unclosed": [*found.unclosed],
    }


def format_silence(found: Silence) -> str:
    """The same for people, in one line."""
    span = f"since {found.start}, to this day" if found.end is None else f"from {found.start} to {found.end}"
    entries = ", ".join(map(str, found.outages))
    why = f"an outage explains {'it' if found.explained else 'a part of it'} (entry {entries})"
    before = {
        "closed": "every boot before it had closed, as in a planned stop",
        "unclosed": f"when it began, boot {', '.join(found.unclosed)} had not closed",
        "none": "no boot had begun before it",
    }[found.before]
    told = why if found.outages else "no outage explains it"
    return f"silent {span} ({found.hours} hours): {told}; {before}\n"
