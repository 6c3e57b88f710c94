"""Time-stamped checkpoints: a published note, verbatim, and the RFC 3161 response of an authority over its bytes.

One a tree size: the first token for a size is the one that says most, so it is never replaced.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Integer, LargeBinary, PrimaryKeyConstraint, Table, Text, select
from sqlalchemy import Row as SqlRow

from auditlog.store import metadata

timestamp_table = Table(
    "auditlog_timestamp",
    metadata,
    Column("log", Integer, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("note", LargeBinary, nullable=False),
    Column("token", LargeBinary, nullable=False),
    Column("time", Text, nullable=False),
    PrimaryKeyConstraint("log", "size", name="auditlog_timestamp_pkey"),
)

_INSERT = (
    "INSERT INTO auditlog_timestamp (log, size, note, token, time) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (log, size) DO NOTHING"
)


@dataclass(frozen=True, slots=True)
class StampedNote:
    """A checkpoint's note and the token over it. `time` is the token's, UTC: `YYYY-MM-DDTHH:MM:SSZ`."""

    log: int
    size: int
    note: bytes
    token: bytes
    time: str


def insert_timestamp(conn: Connection, stamped: StampedNote) -> bool:
    """Keep a token; False where this size has one already."""
    statement = _INSERT.replace("?", "%s") if conn.dialect.name == "postgresql" else _INSERT
    values = (stamped.log, stamped.size, stamped.note, stamped.token, stamped.time)
    return conn.exec_driver_sql(statement, values).rowcount == 1


def newest_timestamp(conn: Connection, log: int) -> StampedNote | None:
    """The one over the largest checkpoint of log `log`, or None."""
    columns = timestamp_table.c
    statement = select(timestamp_table).where(columns.log == log).order_by(columns.size.desc()).limit(1)
    return _stamped(conn.execute(statement).first())


def oldest_timestamp(conn: Connection, log: int, index: int) -> StampedNote | None:
    """The one over the smallest checkpoint that covers entry `index`: the earliest proven time. None without one."""
    columns = timestamp_table.c
    statement = select(timestamp_table).where(columns.log == log, columns.size > index).order_by(columns.size).limit(1)
    return _stamped(conn.execute(statement).first())


def iterate_timestamps(conn: Connection, log: int) -> Iterator[StampedNote]:
    """All of log `log` by rising size, read as a stream."""
    statement = select(timestamp_table).where(timestamp_table.c.log == log).order_by(timestamp_table.c.size)
    for row in conn.execute(statement.execution_options(yield_per=100)):
        stamped = _stamped(row)
        if stamped is not None:
            yield stamped


def _stamped(row: SqlRow[Any] | None) -> StampedNote | None:
    return None if row is None else StampedNote(row.log, row.size, bytes(row.note), bytes(row.token), row.time)
