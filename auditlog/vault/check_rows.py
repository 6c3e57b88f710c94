"""What the tables hold beside a batch of entries, read with one query a table: for the full check.

A query for each entry and table would cost many times what it costs to open the content.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

from sqlalchemy import Column, Connection, Row, RowMapping, Select, Table, select

from auditlog.core.entries.record import Entry, parse_entry
from auditlog.core.errors import AuditLogError
from auditlog.store.blobs import blob_table
from auditlog.store.decisions import decision_table, review_table, reviews_of
from auditlog.store.erasures import CHUNK, erased_among
from auditlog.store.idempotency import KeyRow, find_keys_of
from auditlog.store.log import entry_table
from auditlog.store.record_events import about_table
from auditlog.store.sources import SourceRow, find_sources
from auditlog.store.vault import sealed_table, subject_table

_FEW: Final = 10 * CHUNK
"""Rows about records that a batch holds at once: an access to a great many records has a row for each."""


class Placed(NamedTuple):
    """An entry, where it stands (log, index), and the id that its row bears."""

    place: tuple[int, int]
    entry: Entry
    id: str


def batches(conn: Connection) -> Iterator[list[Placed]]:
    """The entries of all logs in their order. What cannot be read is a finding of the log's own part."""
    columns = entry_table.c
    statement = select(columns.log, columns.idx, columns.id, columns.data).order_by(columns.log, columns.idx)
    rows = iter(conn.execute(statement.execution_options(yield_per=CHUNK)))
    while some := list(islice(rows, CHUNK)):
        yield [Placed((log, index), entry, id_) for log, index, id_, data in some if (entry := parsed(data))]


def parsed(data: bytes) -> Entry | None:
    """The entry, or None where this is none of a known kind."""
    try:
        entry = parse_entry(data)
    except AuditLogError:
        return None
    return entry if isinstance(entry, Entry) else None


class Beside:
    """The rows beside one batch of entries: by the entry's id, and nothing where there is none."""

    def __init__(self, conn: Connection, batch: Sequence[Placed]) -> None:
        self._conn = conn
        committing = [entry for _, entry, _ in batch if entry.commitments]
        ids = [entry.id for entry in committing]
        decisions = [entry.id for _, entry, _ in batch if entry.kind == "decision/1"]
        reviews = [entry.id for _, entry, _ in batch if entry.kind == "review/1"]
        self.sealed: Mapping[str, Row[Any]] = {row.id: row for row in conn.execute(_of(sealed_table, ids))}
        self.sources: Mapping[str, SourceRow] = find_sources(conn, decisions)
        self.keys: Mapping[str, KeyRow] = find_keys_of(conn, ids)
        self.decisions = {row["id"]: row for row in _mappings(conn, decision_table, decisions)}
        self.reviews = {row["id"]: row for row in _mappings(conn, review_table, reviews)}
        self.reviews_of = reviews_of(conn, decisions)
        tags = conn.execute(_of(subject_table, ids, subject_table.c.tag, subject_table.c.kind))
        self.tags = _grouped((row.id, (row.tag, row.kind)) for row in tags)
        blobs = conn.execute(_of(blob_table, ids, blob_table.c.name))
        self.blobs = _grouped((row.id, row.name) for row in blobs)
        self._about = self._few_about(ids)
        asked = {*ids, *(str(entry.members["record"]) for entry in committing if entry.kind == "correction/1")}
        asked.update(row["record"] for rows in (self._about or {}).values() for row in rows)
        self._asked: Collection[str] = {one for one in asked if isinstance(one, str)}
        self._erased = erased_among(conn, sorted(self._asked))

    def about(self, id_: str) -> Sequence[RowMapping]:
        """The rows that an entry about records has."""
        if self._about is None:
            return _mappings(self._conn, about_table, [id_])
        return self._about.get(id_, ())

    def is_erased(self, record: str) -> bool:
        """Whether a record has a tombstone, or will have one."""
        return record in self.erased([record])

    def erased(self, records: Collection[str]) -> set[str]:
        """Those of the records that were erased."""
        others = [record for record in records if record not in self._asked]
        found = self._erased.intersection(records)
        return found | erased_among(self._conn, others) if others else found

    def _few_about(self, ids: Sequence[str]) -> Mapping[str, list[RowMapping]] | None:
        """None where they are too many to hold at once."""
        rows = self._conn.execute(select(about_table).where(about_table.c.id.in_(ids)).limit(_FEW + 1)).mappings().all()
        return None if len(rows) > _FEW else _grouped((row["id"], row) for row in rows)


def _of(table: Table, ids: Sequence[str], *columns: Column[Any]) -> Select[Any]:
    return (select(table.c.id, *columns) if columns else select(table)).where(table.c.id.in_(ids))


def _mappings(conn: Connection, table: Table, ids: Sequence[str]) -> Sequence[RowMapping]:
    return conn.execute(_of(table, ids)).mappings().all() if ids else ()


def _grouped(pairs: Iterable[tuple[str, Any]]) -> dict[str, list[Any]]:
    grouped: dict[str, list[Any]] = {}
    for id_, one in pairs:
        grouped.setdefault(id_, []).append(one)
    return grouped
