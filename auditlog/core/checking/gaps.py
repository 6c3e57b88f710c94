"""What a log does not account for, from its entries alone: numbers of a counter without an entry, and hours of silence.

Every run of the runtime (a *boot*) counts its generations: the counter rises before the model computes anything. A
number without an entry is therefore a generation that happened and was not recorded: a crash before the answer left, or
a decision kept out of the log. Systems elsewhere whose decisions are recorded here (*sources*) count the same way. And
while the program serves it says so once an hour (`pulse`): a longer silence is a program that did not run, or one whose
entries were left out. Pure; `silence` has the second half.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from auditlog.core.checking.silence import Signs, Silence, format_silence, silence_json
from auditlog.core.checking.sources import (
    Range,
    SourceGaps,
    count,
    format_range,
    format_source,
    gaps_by_source,
    source_json,
)
from auditlog.core.entries.record import Entry, parse_entry
from auditlog.core.formats.canonical import Json

_RUNS = ("decision/1", "refused/1", "unfinished/1", "opened/1")


@dataclass(frozen=True, slots=True, kw_only=True)
class BootGaps:
    """One boot. `ended`: "closed" (it said so), "unclosed" (a later boot found its counter) or "open" (neither so far).

    `announced` is False where only a later boot's `unclosed` names it: it died before its own entry was written.
    `reached` is the number that the counter had reached, as the log states it (close, unclosed, pulse), or None.
    `missing`: numbers from 1 to the highest known one without any entry. `opened`: streams opened and never ended.
    """

    boot: str
    index: int | None
    announced: bool
    ended: str
    first: int | None
    last: int | None
    reached: int | None
    recorded: int
    decisions: int
    refused: int
    unfinished: int
    opened: tuple[int, ...]
    missing: tuple[Range, ...]

    @property
    def lost(self) -> int:
        """How many numbers have no entry."""
        return count(self.missing)


@dataclass(frozen=True, slots=True)
class Gaps:
    """Boots and sources in the order in which the log names them; silences in the order of time.

    `opaque`: entries of kinds that this version does not know, which may account for numbers and hours, too.
    """

    boots: tuple[BootGaps, ...]
    sources: tuple[SourceGaps, ...] = ()
    silences: tuple[Silence, ...] = ()
    opaque: int = 0


@dataclass(slots=True)
class _Seen:
    index: int | None = None
    numbers: dict[int, str] = field(default_factory=dict)
    opened: set[int] = field(default_factory=set)
    reached: int | None = None
    ended: str = "open"


@dataclass(slots=True)
class _Log:
    boots: dict[str, _Seen] = field(default_factory=dict)
    sources: dict[str, set[int]] = field(default_factory=dict)
    signs: Signs = field(default_factory=Signs)
    opaque: int = 0


def gaps(
    entries: Iterable[tuple[int, bytes]], *, now: datetime | None = None, reached: Mapping[str, int] | None = None
) -> Gaps:
    """What the log says about boots, sources and hours. `entries` are (index, canonical bytes), in order.

    With `now` the silence since the last entry counts as well; an export knows no present. `reached`: what the sources'
    own counters say, read off them. Raises FormatError.
    """
    log = _Log()
    for index, data in entries:
        entry = parse_entry(data)
        if isinstance(entry, Entry):
            _note(log, index, entry)
            log.signs.add(index, entry)
        else:
            log.opaque += 1
    return Gaps(
        tuple(_summarise(boot, seen) for boot, seen in log.boots.items()),
        gaps_by_source(log.sources, reached or {}),
        log.signs.silences(now),
        log.opaque,
    )


def _note(log: _Log, index: int, entry: Entry) -> None:
    boots, members = log.boots, entry.members
    if entry.kind == "boot/1":
        boots.setdefault(members["boot"], _Seen()).index = index
        for item in members["unclosed"]:
            _state_reached(boots, item, ended="unclosed")
    elif entry.kind == "close/1":
        _state_reached(boots, members, ended="closed")
    elif entry.kind == "pulse/1":
        for item in members["boots"]:
            _state_reached(boots, item)
    elif entry.kind in _RUNS:
        boot, n = members["boot"], members["n"]
        if n is not None and members.get("source") is not None:
            log.sources.setdefault(members["source"], set()).add(n)
        if boot is None or n is None:
            return
        seen = boots.setdefault(boot, _Seen())
        if entry.kind == "opened/1":
            seen.opened.add(n)
        else:
            seen.numbers[n] = entry.kind


def _state_reached(boots: dict[str, _Seen], item: Mapping[str, Any], *, ended: str | None = None) -> None:
    seen = boots.setdefault(item["boot"], _Seen())
    seen.reached = max(seen.reached or 0, item["n"])
    # A boot that closed itself and whose counter file outlived it stays closed.
    if ended is not None and seen.ended != "closed":
        seen.ended = ended


def _summarise(boot: str, seen: _Seen) -> BootGaps:
    known = sorted({*seen.numbers, *seen.opened})
    counts = list(seen.numbers.values())
    return BootGaps(
        boot=boot,
        index=seen.index,
        announced=seen.index is not None,
        ended=seen.ended,
        first=known[0] if known else None,
        last=known[-1] if known else None,
        reached=seen.reached,
        recorded=len(seen.numbers),
        decisions=counts.count("decision/1"),
        refused=counts.count("refused/1"),
        unfinished=counts.count("unfinished/1"),
        opened=tuple(sorted(seen.opened - set(seen.numbers))),
        missing=_missing(known, seen.reached or 0),
    )


def _missing(known: Sequence[int], reached: int) -> tuple[Range, ...]:
    """Numbers from 1 to the highest known one that `known` (sorted) lacks; as ranges, so that their count is free."""
    ranges = []
    expected = 1
    for n in (*known, max(reached, known[-1] if known else 0) + 1):
        if n > expected:
            ranges.append((expected, n - 1))
        expected = max(expected, n + 1)
    return tuple(ranges)


def gaps_json(found: Gaps) -> dict[str, Json]:
    """The same as JSON: ranges as [first, last], times in UTC to the minute."""
    return {
        "boots": [_boot_json(boot) for boot in found.boots],
        "sources": [source_json(one) for one in found.sources],
        "silent": [silence_json(one) for one in found.silences],
        "silent_hours": sum(one.hours for one in found.silences),
        "opaque": found.opaque,
    }


def _boot_json(b: BootGaps) -> dict[str, Json]:
    return {
        "boot": b.boot,
        "index": b.index,
        "announced": b.announced,
        "ended": b.ended,
        "first": b.first,
        "last": b.last,
        "reached": b.reached,
        "recorded": b.recorded,
        "decisions": b.decisions,
        "refused": b.refused,
        "unfinished": b.unfinished,
        "opened": list(b.opened),
        "missing": [list(r) for r in b.missing],
        "lost": b.lost,
    }


def format_gaps(found: Gaps) -> str:
    """The same for people: one line a boot, a source and a silence, and one for what each lacks."""
    boots = "".join(_format_boot(boot) for boot in found.boots) or "No boot is recorded in this log.\n"
    sources = "".join(format_source(source) for source in found.sources)
    silences = "".join(format_silence(one) for one in found.silences) or "No hour of its life was silent.\n"
    unknown = f"{found.opaque} entries are of kinds that this version does not know: use a newer one.\n"
    return boots + sources + silences + (unknown if found.opaque else "")


def _format_boot(b: BootGaps) -> str:
    where = f"entry {b.index}" if b.announced else "never announced"
    end = {
        "closed": f"closed at {b.reached}",
        "unclosed": f"not closed; its counter had reached {b.reached}",
        "open": "still open, or stopped and not yet reported",
    }[b.ended]
    span = "no number recorded" if b.first is None else f"numbers {b.first} to {b.last}"
    lines = [
        f"boot {b.boot} ({where}): {end}; {span}: "
        f"{b.decisions} decisions, {b.refused} refused, {b.unfinished} unfinished, {b.lost} missing"
    ]
    if b.missing:
        lines.append("  without an entry: " + ", ".join(format_range(r) for r in b.missing))
    if b.opened:
        lines.append("  opened and never ended: " + ", ".join(map(str, b.opened)))
    if b.reached is not None and b.last is not None and b.last > b.reached:
        lines.append(f"  the counter had been kept only to {b.reached}: a power cut loses its last steps")
    return "\n".join(lines) + "\n"
