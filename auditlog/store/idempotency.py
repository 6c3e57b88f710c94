"""Keys under which a client asked once: which record a key led to, so that a repeated request gets the same answer.

A key may hold a person's name: only its keyed tag is here, and a keyed digest of what was asked with it
(`auditlog.vault.idempotency`). A row goes when its record is erased.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    LargeBinary,
    PrimaryKeyConstraint,
    Row,
    Table,
    Text,
    UniqueConstraint,
    delete,
    select,
)

from auditlog.store import metadata
from auditlog.store.insert import RowInsert

idempotency_table = Table(
    "auditlog_idempotency",
    metadata,
    Column("tag", LargeBinary, nullable=False),
    Column("record", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    PrimaryKeyConstraint("tag", name="auditlog_idempotency_pkey"),
    UniqueConstraint("record", name="auditlog_idempotency_record"),
)

_insert = RowInsert(idempotency_table)


@dataclass(frozen=True, slots=True)
class KeyRow:
    """One key: its tag (32 bytes), the id of its record, and the digest of what was asked with it (32 bytes)."""

    tag: bytes
    record: str
    digest: bytes


def insert_key(conn: Connection, row: KeyRow) -> None:
    """In the transaction that stores the record. Raises IntegrityError where tag or record has a row."""
    insert_keys(conn, [row])


def insert_keys(conn: Connection, rows: Sequence[KeyRow]) -> None:
    """As `insert_key`, of several records."""
    _insert(conn, [{"tag": row.tag, "record": row.record, "digest": row.digest} for row in rows])


def find_key(conn: Connection, tag: bytes) -> KeyRow | None:
    """The row of a tag, or None: never used, or its record was erased."""
    row = conn.execute(select(idempotency_table).where(idempotency_table.c.tag == tag)).one_or_none()
    return None if row is None else _row(row)


def find_key_of(conn: Connection, record: str) -> KeyRow | None:
    """The row of a record, or None: it was asked for without a key."""
    row = conn.execute(select(idempotency_table).where(idempotency_table.c.record == record)).one_or_none()
    return None if row is None else _row(row)


def find_keys_of(conn: Connection, records: Sequence[str]) -> dict[str, KeyRow]:
    """The rows of these records (500 at most) that have one."""
    rows = conn.execute(select(idempotency_table).where(idempotency_table.c.record.in_(records)))
    return {row.record: _row(row) for row in rows}


def delete_key_of(conn: Connection, record: str) -> None:
    """In the transaction that erases the record. No row is no error."""
    conn.execute(delete(idempotency_table).where(idempotency_table.c.record == record))


def _row(row: Row[Any]) -> KeyRow:
    # As they are: SQLite keeps what it was given, and the full check wants to see that.
    return KeyRow(row.tag, row.record, row.digest)
