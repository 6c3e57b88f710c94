"""What this process has recorded since it began: counts by system and version, and times. In memory, bounded, exact.

Counts are the very cells that the log's writer added to its roll-up (`auditlog.core.counting.cells`): they are the sum
over the records of this process to the token and the millionth; outcomes and reviews are left out. Times are those that
no record can hold: an answer's own, from the request's receipt to its release, is over only after its record.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from auditlog.core.counting.figures import LATENCY_BOUNDS_MS, Cells, Counted
from auditlog.core.entries.record import Entry

TIMES: Final = ("answered", "queue", "first_token", "per_token", "total")
"""What is timed of each answer: the whole of it, the wait for a slot, the first token, the mean of the others, and all
tokens. The last four are those of its record."""
KEPT: Final = (
    *("decisions", "tokens.", "records.tokens", "energy.", "records.energy.", "cost.", "records.cost."),
    *("refusals", "refusals."),
)
"""Cells that are counted here, by name or by their beginning: nothing of what was decided."""
BOUNDS_MS: Final = (1, 2, *LATENCY_BOUNDS_MS)

Place = tuple[str, int | None, str]
"""Slug of the system (empty: none that is registered), version, mode (empty where an entry has none)."""


@dataclass(slots=True)
class Times:
    """Times in buckets with the upper ends `BOUNDS_MS`, and one for what took longer."""

    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_MS) + 1))
    count: int = 0
    sum_us: int = 0

    def add(self, us: int) -> None:
        """Count one time, in µs."""
        self.buckets[bisect_left(BOUNDS_MS, -(-us // 1000))] += 1
        self.count += 1
        self.sum_us += us

    def copy(self) -> Times:
        """As it is now."""
        return Times(list(self.buckets), self.count, self.sum_us)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All counts at one moment. `cells` by place, `unfinished` by system, version and reason, `times` by system and
    name (of `TIMES`), `missed`: answers that took longer than their system's target, by system."""

    since: datetime | None
    cells: dict[Place, Cells]
    unfinished: dict[tuple[str, int | None, str], int]
    times: dict[tuple[str, str], Times]
    missed: dict[str, int]


class Telemetry:
    """Thread-safe. The writer's thread tells what was recorded, those that answer tell how long it took."""

    def __init__(self, since: datetime | None = None) -> None:
        self._since = since
        self._lock = threading.Lock()
        self._cells: dict[Place, Cells] = {}
        self._unfinished: dict[tuple[str, int | None, str], int] = {}
        self._times: dict[tuple[str, str], Times] = {}
        self._missed: dict[str, int] = {}
        self._kept: dict[str, bool] = {}

    def recorded(self, counted: Sequence[Counted], entries: Sequence[Entry]) -> None:
        """What one integrated group of the log added (`auditlog.writing.log`)."""
        with self._lock:
            for key, cells in counted:
                mine = self._cells.setdefault((key.system, key.version, key.mode or ""), {})
                for name, number in cells.items():
                    if self._keeps(name):
                        mine[name] = mine.get(name, 0) + number
            for entry in entries:
                if entry.kind == "unfinished/1":
                    members = entry.members
                    place = (members["system"], members["version"], members["reason"])
                    self._unfinished[place] = self._unfinished.get(place, 0) + 1

    def answered(self, system: str, us: int, *, target_ms: int | None) -> None:
        """An answer left `us` after its request came."""
        with self._lock:
            self._add(system, "answered", us)
            if target_ms is not None:
                self._missed[system] = self._missed.get(system, 0) + (us > target_ms * 1000)

    def timed(self, system: str, name: str, us: int | None) -> None:
        """Another time of an answer; None where there is none."""
        if us is not None:
            with self._lock:
                self._add(system, name, us)

    def snapshot(self) -> Snapshot:
        """Everything, as it is now."""
        with self._lock:
            return Snapshot(
                self._since,
                {place: dict(cells) for place, cells in self._cells.items() if cells},
                dict(self._unfinished),
                {place: times.copy() for place, times in self._times.items()},
                dict(self._missed),
            )

    def _add(self, system: str, name: str, us: int) -> None:
        self._times.setdefault((system, name), Times()).add(us)

    def _keeps(self, name: str) -> bool:
        kept = self._kept.get(name)
        if kept is None:
            if len(self._kept) > 4096:  # names come from senders too: currencies
                self._kept.clear()
            kept = self._kept[name] = name in KEPT or name.startswith(_BEGINNINGS)
        return kept


_BEGINNINGS: Final = tuple(name for name in KEPT if name.endswith("."))
