"""The part of the full check about rows that belong to no entry with content.

While the entries are gone through, the rows that belong to them are counted. A table that has as many is done with;
only where it has more are its rows gone through.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from sqlalchemy import Connection, RowMapping, Table, distinct, func, select

from auditlog.store.blobs import blob_table
from auditlog.store.decisions import decision_table, review_table
from auditlog.store.erasures import CHUNK
from auditlog.store.log import entry_table
from auditlog.store.record_events import about_table
from auditlog.store.sources import source_table
from auditlog.store.vault import sealed_table, subject_table
from auditlog.vault.check_rows import Beside, Placed, parsed

_OWNED: Final[tuple[tuple[Table, str | None], ...]] = (
    (sealed_table, None),
    (subject_table, None),
    (blob_table, None),
    (decision_table, "decision/1"),
    (review_table, "review/1"),
    (about_table, None),
    (source_table, "decision/1"),
)
_OF_CONTENT: Final = (subject_table, about_table, blob_table)


class Owners:
    """Counts, table by table, the rows that have their entry."""

    def __init__(self) -> None:
        self._owned: Counter[Table] = Counter()

    def note(self, batch: Sequence[Placed], beside: Beside) -> None:
        """Every batch of entries once."""
        for _, entry, id_ in batch:
            if id_ != entry.id or not entry.commitments:
                continue
            self._owned[decision_table] += id_ in beside.decisions
            self._owned[review_table] += id_ in beside.reviews
            self._owned[source_table] += id_ in beside.sources
            if id_ in beside.sealed:
                self._owned[sealed_table] += 1
                self._owned[subject_table] += len(beside.tags.get(id_, ()))
                self._owned[blob_table] += len(beside.blobs.get(id_, ()))
                self._owned[about_table] += len(beside.about(id_))

    def strangers(self, conn: Connection) -> Iterator[tuple[str, str]]:
        """(place, message) of rows whose entry does not exist, or is of another kind, or has no content."""
        ids = entry_table.c.id
        count, different = conn.execute(select(func.count(ids), func.count(distinct(ids)))).one()
        for table, kind in _OWNED:
            rows = conn.execute(select(func.count()).select_from(table)).scalar_one()
            # Two entries of one id would count its rows twice.
            if rows != self._owned[table] or count != different:
                yield from _strangers(conn, table, kind)


def _strangers(conn: Connection, table: Table, kind: str | None) -> Iterator[tuple[str, str]]:
    rows = iter(conn.execute(select(table).execution_options(yield_per=CHUNK)).mappings())
    while some := list(islice(rows, CHUNK)):
        owned = _owned(conn, table, kind, some)
        for row in some:
            if row["id"] not in owned:
                key = ",".join(f"{column.name}={_text(row[column.name])}" for column in table.primary_key.columns)
                yield f"{table.name}({key})", "belongs to no entry with content"


def _owned(conn: Connection, table: Table, kind: str | None, rows: Sequence[RowMapping]) -> set[object]:
    ids = list({row["id"] for row in rows if isinstance(row["id"], str)})
    statement = select(entry_table.c.id, entry_table.c.data).where(entry_table.c.id.in_(ids))
    entries = {row.id: parsed(row.data) for row in conn.execute(statement)}
    owned: set[object] = {
        id_ for id_, one in entries.items() if one and one.commitments and (kind is None or one.kind == kind)
    }
    if table in _OF_CONTENT:
        owned &= set(conn.execute(select(sealed_table.c.id).where(sealed_table.c.id.in_(ids))).scalars())
    return owned


def _text(value: object) -> str:
    return value.hex()[:16] + "…" if isinstance(value, bytes) else str(value)
