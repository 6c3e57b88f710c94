"""What is handed to the log and what comes back: `Unit` in; `Sequenced`, `Integrated`, `Published`, three promises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from auditlog.merkle import Node, node_hash
from auditlog.proof import LogProof
from auditlog.record import Entry
from auditlog.tiles import Growth, nodes_reader

Place = tuple[int, int]


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
class Unit:
    """What is recorded together: entries, and the row changes that belong to them, in one transaction.

    `apply` runs on the writer's thread inside the group's transaction; if it raises, this unit alone is dropped. It may
    run more than once, so it changes nothing but rows.
    """

    entries: tuple[Entry, ...]
    apply: Callable[[Connection, tuple[Sequenced, ...]], None] | None = None


@dataclass(frozen=True, slots=True)
class LogState:
    """Whether the log records; if not, the `outage/1` cause and since when. Size and root of the integrated tree."""

    recording: bool
    cause: str | None
    since: datetime | None
    size: int
    root: bytes


class Paths:
    """Audit paths of the entries that a growth added; their nodes lie in changed tiles or the edge, hashed once each.

    Callers on many threads share one object: they fill the same cache with the same values.
    """

    def __init__(self, growth: Growth) -> None:
        tiles = {(level, growth.size >> 8 * (level + 1)): content for level, content in growth.edge.items()}
        tiles.update({(level, index): content for level, index, content in growth.tiles})
        self._size = growth.size
        self._read = nodes_reader(lambda tile: tiles[tile.level, tile.index], growth.size)
        self._seen: dict[Node, bytes] = {}
        self._border: list[bytes] = []

    def __call__(self, index: int) -> tuple[bytes, ...]:
        """As `prove_inclusion(index, size, …)`, but one look-up a level: a group's proofs differ in few nodes."""
        border = self._border or self._find_border()
        path: list[bytes] = []
        place, last, level = index, self._size - 1, 0
        while last:
            if place & 1:
                path.append(self._node(level, place - 1))
            elif place + 1 < last:
                path.append(self._node(level, place + 1))
            elif place < last:
                path.append(border[level])
            place, last, level = place >> 1, last >> 1, level + 1
        return tuple(path)

    def _find_border(self) -> list[bytes]:
        """By level, the root over the right-most leaves, which may be no full subtree."""
        last = self._size - 1
        border = [self._node(0, last)]
        for level in range(last.bit_length()):
            place = last >> level
            border.append(node_hash(self._node(level, place - 1), border[-1]) if place & 1 else border[-1])
        self._border = border
        return border

    def _node(self, level: int, place: int) -> bytes:
        found = self._seen.get((level, place))
        if found is None:
            found = self._seen[level, place] = self._read([(level, place)])[0]
        return found
