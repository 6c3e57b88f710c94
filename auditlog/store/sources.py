"""Which record has number `n` of a source: systems elsewhere count what they send, and each number counts once.

Source, number and id stand in clear in the entry (`decision/1`), so these rows say nothing that the log does not say,
and they stay when the content of a record is erased: a number that comes again must not make a second record. One
column does not follow from the log: `committed` seals the statement that the sender kept the content to itself
(`auditlog.vault.external_content`). It is null where the content was handed in, to be sealed here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    select,
    update,
)

from auditlog.core.entries.record import Entry
from auditlog.store import metadata
from auditlog.store.insert import Row, RowInsert

source_table = Table(
    "auditlog_source",
    metadata,
    Column("source", Text, nullable=False),
    Column("n", BigInteger, nullable=False),
    Column("id", Text, nullable=False),
    Column("log", Integer, nullable=False),
    Column("idx", BigInteger, nullable=False),
    Column("committed", LargeBinary, nullable=True),
    PrimaryKeyConstraint("source", "n", name="auditlog_source_pkey"),
    UniqueConstraint("id", name="auditlog_source_id"),
)

_insert_source = RowInsert(source_table)

Number = tuple[str, int]
"""A source, and its number."""


class NumberTaken(Exception):
    """A number of a source got its record meanwhile."""


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One number: the id of its record, and where its entry stands."""

    source: str
    n: int
    id: str
    log: int
    idx: int
    committed: bytes | None

    @property
    def number(self) -> Number:
        """What is used once."""
        return self.source, self.n


def source_row(entry: Entry, place: tuple[int, int], committed: bytes | None = None) -> Row:
    """The row of a decision made elsewhere, for a unit that gives its rows. `place`: number of the log, index in it."""
    members = entry.members
    values = {"source": members["source"], "n": members["n"], "id": entry.id, "log": place[0], "idx": place[1]}
    return _insert_source, {**values, "committed": committed}


def set_committed(conn: Connection, id_: str, committed: bytes) -> None:
    """Put back what an older database says of a record: its sender kept the content."""
    conn.execute(update(source_table).where(source_table.c.id == id_).values(committed=committed))


def insert_source(conn: Connection, row: SourceRow) -> None:
    """One row, for a database that is built anew. Raises IntegrityError where the number or the id has one."""
    _insert_source(conn, [{name: getattr(row, name) for name in SourceRow.__dataclass_fields__}])


def find_numbers(conn: Connection, numbers: Sequence[Number]) -> dict[Number, SourceRow]:
    """Those of the numbers that have a record."""
    by_source: dict[str, list[int]] = {}
    for source, n in numbers:
        by_source.setdefault(source, []).append(n)
    found: dict[Number, SourceRow] = {}
    for source, wanted in by_source.items():
        statement = select(source_table).where(source_table.c.source == source, source_table.c.n.in_(wanted))
        for row in conn.execute(statement):
            found[source, row.n] = _row(row)
    return found


def demand_free(conn: Connection, numbers: Sequence[Number]) -> None:
    """Asked inside the transaction that records them. Raises NumberTaken."""
    if find_numbers(conn, numbers):
        raise NumberTaken


def find_source(conn: Connection, id_: str) -> SourceRow | None:
    """The row of a record, or None: it was made here."""
    row = conn.execute(select(source_table).where(source_table.c.id == id_)).one_or_none()
    return None if row is None else _row(row)


def find_sources(conn: Connection, ids: Sequence[str]) -> dict[str, SourceRow]:
    """The rows of these records (500 at most) that have one."""
    return {row.id: _row(row) for row in conn.execute(select(source_table).where(source_table.c.id.in_(ids)))}


def numbers_of(conn: Connection, source: str) -> Iterator[int]:
    """The numbers of a source that have a record, rising, read as a stream."""
    statement = select(source_table.c.n).where(source_table.c.source == source).order_by(source_table.c.n)
    yield from conn.execute(statement.execution_options(yield_per=1000)).scalars()


def iterate_sources(conn: Connection) -> Iterator[SourceRow]:
    """All rows by source and number, read as a stream."""
    statement = select(source_table).order_by(source_table.c.source, source_table.c.n)
    for row in conn.execute(statement.execution_options(yield_per=1000)):
        yield _row(row)


def _row(row: Any) -> SourceRow:
    # `committed` as it is: SQLite keeps what it was given, and the full check wants to see that.
    return SourceRow(row.source, row.n, row.id, row.log, row.idx, row.committed)
