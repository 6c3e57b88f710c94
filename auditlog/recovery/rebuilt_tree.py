"""The tables of one log as its entries are written into an empty database: entries, tiles, and roots on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeGuard

from sqlalchemy import Connection

from auditlog.core.entries.lineage import Lineage
from auditlog.core.entries.record import Entry, OpaqueEntry, parse_entry
from auditlog.core.errors import FormatError, VerifyError
from auditlog.core.formats.merkle import EMPTY_ROOT, leaf_hash
from auditlog.core.formats.tiles import grow, root_from_edge
from auditlog.store.insert import insert_rows
from auditlog.store.log import insert_entries, write_tiles
from auditlog.store.samples import SampleRow, note_entry
from auditlog.store.sources import source_row


class NotRebuilt(VerifyError):
    """The copy is not enough, or not this log's: nothing was changed."""


@dataclass
class RebuiltTree:
    """The tree as it grows, and what its entries say of the log itself.

    `marks`: sizes at which something vouches for a root; `roots` has those that were reached. `tombstones`: record →
    id of its `erasure/1` entry. `samples`: what the entries make of their rows.
    """

    conn: Connection
    number: int
    marks: frozenset[int]
    size: int = 0
    edge: Mapping[int, bytes] = field(default_factory=dict)
    roots: dict[int, bytes] = field(default_factory=lambda: {0: EMPTY_ROOT})
    lineage: Lineage = field(default_factory=Lineage)
    tombstones: dict[str, str] = field(default_factory=dict)
    samples: dict[str, SampleRow] = field(default_factory=dict)

    def add(self, entries: list[bytes]) -> None:
        """Store entries, cut where a root is needed."""
        while entries:
            cut = min((mark - self.size for mark in self.marks if mark > self.size), default=len(entries))
            self._store(entries[:cut])
            entries = entries[cut:]

    def _store(self, entries: list[bytes]) -> None:
        read = [self._read(index, data) for index, data in enumerate(entries, self.size)]
        rows = [(str(entry.id), entry.data) for entry in read]
        insert_entries(self.conn, self.number, self.size, rows)
        places = enumerate(read, self.size)
        insert_rows(self.conn, [source_row(one, (self.number, at)) for at, one in places if _is_from_elsewhere(one)])
        growth = grow(self.size, self.edge, [leaf_hash(data) for data in entries])
        write_tiles(self.conn, self.number, growth.tiles)
        self.size, self.edge = growth.size, growth.edge
        self.roots[self.size] = root_from_edge(self.size, self.edge)

    def _read(self, index: int, data: bytes) -> Entry | OpaqueEntry:
        try:
            entry = parse_entry(data)
        except FormatError as error:
            raise NotRebuilt(f"is not a proper entry: {error}", field=f"entry {index}") from error
        if entry.id is None:
            raise NotRebuilt("has no id, so this program did not write it", field=f"entry {index}")
        self.lineage.add(index, entry)
        if isinstance(entry, Entry) and entry.kind == "erasure/1":
            self.tombstones[str(entry.members["record"])] = entry.id
        elif isinstance(entry, Entry) and entry.kind == "sample/1":
            note_entry(self.samples, self.number, index, entry)
        return entry


def _is_from_elsewhere(entry: Entry | OpaqueEntry) -> TypeGuard[Entry]:
    return isinstance(entry, Entry) and entry.kind == "decision/1" and entry.members["source"] is not None
