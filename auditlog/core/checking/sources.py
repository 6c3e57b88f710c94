"""Counters of systems elsewhere, held against the numbers that have a record: what was decided there and not sent.

A source counts its decisions from 1. A number below its highest recorded one that has no entry was not sent, or not
taken. What lies above it, the log cannot know: only the source can say how far it has come (`reached`), and whoever
checks reads that off the source itself. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from auditlog.core.entries.vocabulary import MAX_UINT, PATTERNS
from auditlog.core.errors import FormatError
from auditlog.core.formats.canonical import Json

Range = tuple[int, int]  # first and last number, both included


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceGaps:
    """One system elsewhere. `missing`: numbers from 1 to its highest recorded one, or to `reached`, without an entry.

    `reached` is what its own counter says, where that was told. `first` and `last` are None where nothing is recorded.
    """

    source: str
    first: int | None
    last: int | None
    recorded: int
    missing: tuple[Range, ...]
    reached: int | None = None

    @property
    def lost(self) -> int:
        """How many numbers have no entry."""
        return count(self.missing)

    @property
    def beyond(self) -> bool:
        """Whether more is recorded than its counter says: that counter, or the records, are not right."""
        return self.reached is not None and self.last is not None and self.last > self.reached


def summarise(source: str, numbers: Iterable[int], reached: int | None = None) -> SourceGaps:
    """What is missing of a source. `numbers`: those with an entry, in rising order."""
    first = last = None
    recorded = 0
    found: list[Range] = []
    for n in numbers:
        if n > (last or 0) + 1:
            found.append(((last or 0) + 1, n - 1))
        first, last, recorded = n if first is None else first, n, recorded + 1
    if reached is not None and reached > (last or 0):
        found.append(((last or 0) + 1, reached))
    return SourceGaps(source=source, first=first, last=last, recorded=recorded, missing=tuple(found), reached=reached)


def count(ranges: Iterable[Range]) -> int:
    """How many numbers the ranges hold."""
    return sum(last - first + 1 for first, last in ranges)


def parse_reached(texts: Iterable[str]) -> dict[str, int]:
    """`SOURCE=N`, as many as there are: what each source's own counter says. Raises FormatError."""
    found: dict[str, int] = {}
    for text in texts:
        source, equals, digits = text.partition("=")
        if not equals or PATTERNS["slug"].fullmatch(source) is None or not digits.isascii() or not digits.isdigit():
            raise FormatError("must be SOURCE=N, the number that the source's own counter has reached")
        if source in found:
            raise FormatError("names a source twice")
        if len(digits) > 16 or int(digits) > MAX_UINT:
            raise FormatError("has a number above 2^53-1")
        found[source] = int(digits)
    return found


def source_json(s: SourceGaps) -> dict[str, Json]:
    """The same as JSON: ranges as [first, last]."""
    return {
        "source": s.source,
        "first": s.first,
        "last": s.last,
        "reached": s.reached,
        "recorded": s.recorded,
        "missing": [list(r) for r in s.missing],
        "lost": s.lost,
    }


def format_source(s: SourceGaps) -> str:
    """The same for people: a line, and one for what is missing."""
    span = "no number recorded" if s.first is None else f"numbers {s.first} to {s.last}"
    told = "" if s.reached is None else f"; its own counter says {s.reached}"
    text = f"source {s.source}: {span}: {s.recorded} decisions, {s.lost} missing{told}\n"
    if s.missing:
        text += f"  without an entry: {', '.join(format_range(r) for r in s.missing)}\n"
    if s.beyond:
        text += "  more is recorded than its counter says: one of the two is not right\n"
    return text


def format_range(numbers: Range) -> str:
    """A range as people write it."""
    first, last = numbers
    return str(first) if first == last else f"{first}-{last}"


def gaps_by_source(numbers: Mapping[str, Iterable[int]], reached: Mapping[str, int]) -> tuple[SourceGaps, ...]:
    """All sources that have records, in the order given, then those that are only told of."""
    with_records = [summarise(source, sorted(ns), reached.get(source)) for source, ns in numbers.items()]
    silent = [summarise(source, (), n) for source, n in sorted(reached.items()) if source not in numbers]
    return (*with_records, *silent)
