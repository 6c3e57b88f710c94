"""What is handed to the log and what comes back: `Unit` in; `Sequenced`, `Integrated`, `Published`, three promises."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from auditlog.core.counting.figures import Counted
from auditlog.core.entries.record import Entry
from auditlog.core.formats.proof import LogProof
from auditlog.core.formats.tiles import NO_NODES, TILE_HEIGHT, TILE_WIDTH, Growth
from auditlog.store.insert import Row

_LEVELS = range(TILE_HEIGHT)

Place = tuple[int, int]
OnCommitted = Callable[[Sequence[Counted], Sequence[Entry]], None]
"""Hears the cells that a group added to the roll-up, and its entries, on the writer's thread: it returns at once."""


@dataclass(frozen=True, slots=True)
class Sequenced:
    """An entry with its place: durable, not yet vouched for. `log` is the number of its log."""

    log: int
    origin: str
    index: int
    entry: Entry

    @property
    def place(self) -> Place:
        """Number of the log, and index in it: unique in an installation."""
        return self.log, self.index


@dataclass(frozen=True, slots=True)
class Integrated:
    """Entries of one unit, covered by a signed checkpoint (`checkpoint`: the note's bytes) at or below the guard."""

    sequenced: tuple[Sequenced, ...]
    checkpoint: bytes
    size: int
    root: bytes
    paths: Callable[[int], tuple[bytes, ...]] = field(repr=False, compare=False)

    def proof(self, position: int = 0) -> LogProof:
        """The proof of entry number `position` of the unit, against this checkpoint; no database is read."""
        index = self.sequenced[position].index
        return LogProof(index, self.paths(index), self.checkpoint, None)


@dataclass(frozen=True, slots=True)
class Published:
    """Entries of one unit, covered by the public checkpoint (`checkpoint`: the note's bytes)."""

    sequenced: tuple[Sequenced, ...]
    checkpoint: bytes
    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Check:
    """What is asked inside the transaction before a unit's rows; `ask` raises where the unit must be dropped.

    Units of one group with equal keys are asked for once, as long as nothing in between ran statements of its own.
    """

    key: Hashable
    ask: Callable[[Connection], None]


@dataclass(frozen=True, slots=True)
class Unit:
    """What is recorded together: entries, and the row changes that belong to them, in one transaction.

    `apply` runs on the writer's thread inside the group's transaction; if it raises, this unit alone is dropped. It may
    run more than once, so it changes nothing but rows.

    A unit of a busy sort gives its new rows by `rows` (pure) instead, and what must hold by `check`: the writer inserts
    the rows of many units with one statement a table. Where that fails it takes the units one by one.

    `counts` (pure) gives the cells that the entries add to the roll-up, in the same transaction.
    """

    entries: tuple[Entry, ...]
    apply: Callable[[Connection, tuple[Sequenced, ...]], None] | None = None
    rows: Callable[[tuple[Sequenced, ...]], Sequence[Row]] | None = None
    check: Check | None = None
    counts: Callable[[tuple[Sequenced, ...]], Sequence[Counted]] | None = None


@dataclass(frozen=True, slots=True)
class LogState:
    """Whether the log records; if not, the `outage/1` cause and since when. Size and root of the integrated tree."""

    recording: bool
    cause: str | None
    since: datetime | None
    size: int
    root: bytes


class Paths:
    """Audit paths of the entries that a growth added, from the rows of its tiles: nothing is hashed.

    Callers on many threads share one object: they fill the same cache with the same values.
    """

    def __init__(self, growth: Growth) -> None:
        self._size = growth.size
        self._built = growth.built
        self._partial = growth.partial
        self._above: dict[int, tuple[bytes, ...]] = {}

    def __call__(self, index: int) -> tuple[bytes, ...]:
        """As `prove_inclusion(index, size, …)`."""
        tile, place = index >> TILE_HEIGHT, index & (TILE_WIDTH - 1)
        rows = self._built[0, tile]
        above = self._above.get(tile)
        if above is None:
            above = self._above[tile] = tuple(self._climb(tile, TILE_HEIGHT))
        if len(rows[0]) == TILE_WIDTH:
            return tuple([rows[k][place >> k ^ 1] for k in _LEVELS]) + above
        path: list[bytes] = []
        for level in _LEVELS:
            self._add_sibling(path, rows[level], place >> level, level)
        return tuple(path) + above

    def _climb(self, place: int, level: int) -> Iterator[bytes]:
        """The path from node (level, place) to the root; the levels of one tile share its rows."""
        path: list[bytes] = []
        while self._size - 1 >> level:
            tile_level, height = divmod(level, TILE_HEIGHT)
            width = TILE_WIDTH >> height
            # A tile whose first node is not full yet has no hash, and is not built.
            rows = self._built.get((tile_level, place // width), NO_NODES)
            self._add_sibling(path, rows[height], place % width, level)
            place, level = place >> 1, level + 1
        return iter(path)

    def _add_sibling(self, path: list[bytes], row: list[bytes], place: int, level: int) -> None:
        """The node beside number `place` of a row; the last one may be no full subtree, or have none beside it."""
        beside = place ^ 1
        if beside < len(row):
            path.append(row[beside])
        elif beside == len(row) and (partial := self._partial[level]) is not None:
            path.append(partial)
