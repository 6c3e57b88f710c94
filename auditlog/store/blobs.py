"""Rows of large values: sealed beside the record, or the name under which object storage has them.

`auditlog_blob.data` is nonce and ciphertext; NULL where the object of that name lies in object storage. A name is
random, so that a store of objects groups nothing. `auditlog_blob_due` lists objects whose record is erased: they are
deleted after the erasure has committed (`auditlog.vault.blobs.sweep`), at the latest by the next start.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field

from sqlalchemy import Column, Connection, Index, LargeBinary, PrimaryKeyConstraint, Table, Text, delete, insert, select

from auditlog.store import metadata
from auditlog.store.insert import Row, RowInsert

blob_table = Table(
    "auditlog_blob",
    metadata,
    Column("name", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("data", LargeBinary, nullable=True),
    PrimaryKeyConstraint("name", name="auditlog_blob_pkey"),
    Index("auditlog_blob_id", "id"),
)
blob_due_table = Table(
    "auditlog_blob_due",
    metadata,
    Column("name", Text, nullable=False),
    PrimaryKeyConstraint("name", name="auditlog_blob_due_pkey"),
)

_insert_blob = RowInsert(blob_table)


@dataclass(frozen=True, slots=True)
class BlobRow:
    """One large value: its name, the id of its entry, nonce and ciphertext (None: in object storage)."""

    name: str
    id: str
    data: bytes | None = field(repr=False)


def blob_rows(blobs: Sequence[BlobRow]) -> list[Row]:
    """Rows for a unit that gives its rows."""
    return [(_insert_blob, asdict(blob)) for blob in blobs]


def find_blobs(conn: Connection, id_: str) -> dict[str, BlobRow]:
    """Name → row, of one entry."""
    rows = conn.execute(select(blob_table).where(blob_table.c.id == id_))
    return {row.name: BlobRow(row.name, row.id, None if row.data is None else bytes(row.data)) for row in rows}


def delete_blobs(conn: Connection, ids: Sequence[str]) -> None:
    """The rows of these entries; objects elsewhere are put down as due. Rows that are gone already are no error."""
    mine = blob_table.c.id.in_(ids)
    names = conn.execute(select(blob_table.c.name).where(mine, blob_table.c.data.is_(None))).scalars().all()
    if names:
        conn.execute(insert(blob_due_table), [{"name": name} for name in names])
    conn.execute(delete(blob_table).where(mine))


def due_objects(conn: Connection) -> list[str]:
    """Names of objects that must be deleted, in order."""
    return list(conn.execute(select(blob_due_table.c.name).order_by(blob_due_table.c.name)).scalars())


def delete_due(conn: Connection, names: Sequence[str]) -> None:
    """These objects are deleted."""
    conn.execute(delete(blob_due_table).where(blob_due_table.c.name.in_(names)))


def object_names(conn: Connection) -> Iterator[str]:
    """Names of all objects that live records have in object storage, read as a stream."""
    statement = select(blob_table.c.name).where(blob_table.c.data.is_(None)).order_by(blob_table.c.name)
    yield from conn.execute(statement.execution_options(yield_per=500)).scalars()
