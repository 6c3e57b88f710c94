"""What is handed to the log and what comes back: `Unit` in; `Sequenced`, `Integrated`, `Published`, three promises."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from auditlog.merkle import Node, ReadNodes, prove_inclusion
from auditlog.proof import LogProof
from auditlog.record import Entry
from auditlog.tiles import Growth, nodes_reader


@dataclass(frozen=True, slots=True)
class Sequenced:
    """An entry with its place: durable, not yet vouched for."""

    origin: str
    index: int
    entry: Entry


@dataclass(frozen=True, slots=True)
class Integrated:
    """Entries of one unit, covered by a signed checkpoint (`checkpoint`: the note's bytes) at or below the guard."""

    sequenced: tuple[Sequenced, ...]
    checkpoint: bytes
    size: int
    root: bytes
    nodes: ReadNodes = field(repr=False, compare=False)

    def proof(self, position: int = 0) -> LogProof:
        """The proof of entry number `position` of the unit, against this checkpoint; no database is read."""
        index = self.sequenced[position].index
        return LogProof(index, prove_inclusion(index, self.size, self.nodes), self.checkpoint, None)


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


def path_nodes(growth: Growth) -> ReadNodes:
    """Nodes on the paths of the entries just added: all lie in changed tiles or the edge. Each is hashed once."""
    tiles = {(level, growth.size >> 8 * (level + 1)): content for level, content in growth.edge.items()}
    tiles.update({(level, index): content for level, index, content in growth.tiles})
    read = nodes_reader(lambda tile: tiles[tile.level, tile.index], growth.size)
    seen: dict[Node, bytes] = {}

    def read_nodes(nodes: Sequence[Node]) -> list[bytes]:
        missing = [node for node in nodes if node not in seen]
        if missing:
            seen.update(zip(missing, read(missing), strict=True))
        return [seen[node] for node in nodes]

    return read_nodes
