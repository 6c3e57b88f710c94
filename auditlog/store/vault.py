"""Rows of the vault: sealed content, the blind index, and which records were erased.

`auditlog_sealed.slot` names the key in the key store. `auditlog_erasure` is derivable from the log: it says in one look
which tombstone (`erasure/1` entry) a record has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    delete,
    select,
)

from auditlog.store import metadata
from auditlog.store.blobs import delete_blobs
from auditlog.store.insert import Row, RowInsert, insert_rows

sealed_table = Table(
    "auditlog_sealed",
    metadata,
    Column("id", Text, nullable=False),
    Column("slot", BigInteger, nullable=False),
    Column("nonce", LargeBinary, nullable=False),
    Column("ciphertext", LargeBinary, nullable=False),
    PrimaryKeyConstraint("id", name="auditlog_sealed_pkey"),
    UniqueConstraint("slot", name="auditlog_sealed_slot"),
)
subject_table = Table(
    "auditlog_subject",
    metadata,
    Column("tag", LargeBinary, nullable=False),
    Column("id", Text, nullable=False),
    Column("kind", Text, nullable=False, server_default="subject"),
    PrimaryKeyConstraint("tag", "id", name="auditlog_subject_pkey"),
    Index("auditlog_subject_id", "id"),
)
erasure_table = Table(
    "auditlog_erasure",
    metadata,
    Column("record", Text, nullable=False),
    Column("id", Text, nullable=False),
    PrimaryKeyConstraint("record", name="auditlog_erasure_pkey"),
    UniqueConstraint("id", name="auditlog_erasure_id"),
)

_insert_sealed = RowInsert(sealed_table)
_insert_subject = RowInsert(subject_table)
_insert_erasure = RowInsert(erasure_table)


@dataclass(frozen=True, slots=True)
class SealedRow:
    """One record's content: id of its entry, slot of its key, nonce (12 bytes), ciphertext."""

    id: str
    slot: int
    nonce: bytes
    ciphertext: bytes


def insert_sealed(conn: Connection, row: SealedRow, tags: Sequence[tuple[bytes, str]] = ()) -> None:
    """Content and its tags (32 bytes each, and its kind). Raises IntegrityError where the id or the slot is taken."""
    insert_rows(conn, sealed_rows(row, tags))


def sealed_rows(row: SealedRow, tags: Sequence[tuple[bytes, str]] = ()) -> list[Row]:
    """What `insert_sealed` inserts."""
    sealed = {"id": row.id, "slot": row.slot, "nonce": row.nonce, "ciphertext": row.ciphertext}
    rows: list[Row] = [(_insert_sealed, sealed)]
    for tag, kind in tags:
        rows.append((_insert_subject, {"tag": tag, "id": row.id, "kind": kind}))
    return rows


def find_sealed(conn: Connection, id_: str) -> SealedRow | None:
    """The sealed content of an entry, or None: never sealed, or erased (see `find_erasure`)."""
    row = conn.execute(select(sealed_table).where(sealed_table.c.id == id_)).one_or_none()
    return None if row is None else SealedRow(row.id, row.slot, bytes(row.nonce), bytes(row.ciphertext))


def iterate_sealed(conn: Connection) -> Iterator[SealedRow]:
    """All sealed rows in the order of their ids, read as a stream."""
    statement = select(sealed_table).order_by(sealed_table.c.id).execution_options(yield_per=500)
    for row in conn.execute(statement):
        yield SealedRow(row.id, row.slot, bytes(row.nonce), bytes(row.ciphertext))


def newest_sealed(conn: Connection, limit: int) -> list[SealedRow]:
    """The content under the highest slots: in a slot file, what was sealed last."""
    statement = select(sealed_table).order_by(sealed_table.c.slot.desc()).limit(limit)
    return [SealedRow(row.id, row.slot, bytes(row.nonce), bytes(row.ciphertext)) for row in conn.execute(statement)]


def slots_of(conn: Connection, ids: Sequence[str]) -> dict[str, int]:
    """Entry id → slot of its key, for those that have content."""
    rows = conn.execute(select(sealed_table.c.id, sealed_table.c.slot).where(sealed_table.c.id.in_(ids)))
    return {row.id: row.slot for row in rows}


def delete_sealed(conn: Connection, ids: Sequence[str]) -> None:
    """Content, large values and tags of these entries. Rows that are gone already are no error."""
    delete_blobs(conn, ids)
    conn.execute(delete(subject_table).where(subject_table.c.id.in_(ids)))
    conn.execute(delete(sealed_table).where(sealed_table.c.id.in_(ids)))


def ids_of_tag(conn: Connection, tag: bytes) -> list[str]:
    """Entries that the reference behind a tag leads to, in the order of their (random) ids."""
    rows = conn.execute(select(subject_table.c.id).where(subject_table.c.tag == tag).order_by(subject_table.c.id))
    return [row.id for row in rows]


def tags_of(conn: Connection, id_: str) -> list[tuple[bytes, str]]:
    """The tags of an entry with their kinds, in rising order."""
    rows = conn.execute(select(subject_table.c.tag, subject_table.c.kind).where(subject_table.c.id == id_))
    return sorted((bytes(row.tag), row.kind) for row in rows)


def iterate_subjects(conn: Connection) -> Iterator[tuple[bytes, str]]:
    """All (tag, entry id), read as a stream."""
    statement = select(subject_table).order_by(subject_table.c.id, subject_table.c.tag)
    for row in conn.execute(statement.execution_options(yield_per=500)):
        yield bytes(row.tag), row.id


def insert_erasure(conn: Connection, *, record: str, id_: str) -> None:
    """Note the tombstone `id_` of a record. Raises IntegrityError where it has one."""
    _insert_erasure(conn, [{"record": record, "id": id_}])


def find_erasure(conn: Connection, record: str) -> str | None:
    """The id of a record's tombstone, or None."""
    return conn.execute(select(erasure_table.c.id).where(erasure_table.c.record == record)).scalar_one_or_none()


def iterate_erasures(conn: Connection) -> Iterator[Mapping[str, str]]:
    """All (record, id of its tombstone), read as a stream."""
    statement = select(erasure_table).order_by(erasure_table.c.record).execution_options(yield_per=500)
    for row in conn.execute(statement):
        yield {"record": row.record, "id": row.id}
