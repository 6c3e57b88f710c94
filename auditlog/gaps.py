"""Which numbers of each boot's counter the log does not account for, from the entries alone.

Every run of the runtime (a *boot*) counts its generations: the counter rises before the model computes anything. A
number without an entry is therefore a generation that happened and was not recorded: a crash before the answer left, or
a decision kept out of the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from auditlog.canonical import Json
from auditlog.record import Entry, parse_entry

Range = tuple[int, int]  # first and last number, both included


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
        return sum(last - first + 1 for first, last in self.missing)


@dataclass(slots=True)
class _Seen:
    index: int | None = None
    numbers: dict[int, str] = field(default_factory=dict)
    opened: set[int] = field(default_factory=set)
    reached: int | None = None
    ended: str = "open"


@dataclass(frozen=True, slots=True)
class Gaps:
    """The boots of a log, in the order in which the log names them."""

    boots: tuple[BootGaps, ...]


def gaps(entries: Iterable[tuple[int, bytes]]) -> Gaps:
    """What the log says about its boots. `entries` are (index, canonical bytes), in order. Raises FormatError."""
    boots: dict[str, _Seen] = {}
    for index, data in entries:
        entry = parse_entry(data)
        if isinstance(entry, Entry):
            _note(boots, index, entry)
    return Gaps(tuple(_summarise(boot, seen) for boot, seen in boots.items()))


def _note(boots: dict[str, _Seen], index: int, entry: Entry) -> None:
    members = entry.members
    if entry.kind == "boot/1":
        boots.setdefault(members["boot"], _Seen()).index = index
        for item in members["unclosed"]:
            _state_reached(boots, item, ended="unclosed")
    elif entry.kind == "close/1":
        _state_reached(boots, members, ended="closed")
    elif entry.kind == "pulse/1":
        for item in members["boots"]:
            _state_reached(boots, item)
    elif entry.kind in ("decision/1", "refused/1", "unfinished/1", "opened/1"):
        boot, n = members["boot"], members["n"]
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


def gaps_json(found: Gaps) -> Json:
    """The same as JSON: ranges as [first, last]."""
    return [
        {
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
        for b in found.boots
    ]


def format_gaps(found: Gaps) -> str:
    """The same for people, one line a boot and one a gap."""
    if not found.boots:
        return "No boot is recorded in this log.\n"
    return "".join(_format_boot(boot) for boot in found.boots)


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
        lines.append("  without an entry: " + ", ".join(_format_range(r) for r in b.missing))
    if b.opened:
        lines.append("  opened and never ended: " + ", ".join(map(str, b.opened)))
    if b.reached is not None and b.last is not None and b.last > b.reached:
        lines.append(f"  the counter had been kept only to {b.reached}: a power cut loses its last steps")
    return "\n".join(lines) + "\n"


def _format_range(numbers: Range) -> str:
    first, last = numbers
    return str(first) if first == last else f"{first}-{last}"
