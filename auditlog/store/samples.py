"""Samples that were begun, each with the checkpoint that draws it, and counts of reconciliations with case systems.

A sample's row follows from its entries, but for `note`: the first public checkpoint that the sample's witness cosigned
in time. It is kept in the transaction that publishes it, since a later one takes its place within a minute.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import asdict, dataclass, replace

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    insert,
    select,
    update,
)

from auditlog.core.entries.record import Entry, parse_time
from auditlog.store import metadata
from auditlog.store.log import Head

sample_table = Table(
    "auditlog_sample",
    metadata,
    Column("id", Text, nullable=False),
    Column("log", Integer, nullable=False),
    Column("idx", BigInteger, nullable=False),
    Column("witness", Text, nullable=False),
    Column("not_before", Text, nullable=False),
    Column("size", BigInteger, nullable=True),
    Column("note", LargeBinary, nullable=True),
    Column("drawn", BigInteger, nullable=True),
    PrimaryKeyConstraint("id", name="auditlog_sample_pkey"),
)
reconciliation_table = Table(
    "auditlog_reconciliation",
    metadata,
    Column("id", Text, nullable=False),
    Column("minute", Text, nullable=False),
    Column("system", Text, nullable=True),
    Column("first_day", Text, nullable=False),
    Column("last_day", Text, nullable=False),
    Column("cases", BigInteger, nullable=False),
    Column("records", BigInteger, nullable=False),
    Column("without_record", BigInteger, nullable=False),
    Column("without_case", BigInteger, nullable=False),
    Column("used_before_review", BigInteger, nullable=False),
    PrimaryKeyConstraint("id", name="auditlog_reconciliation_pkey"),
)


@dataclass(frozen=True, slots=True)
class SampleRow:
    """One sample: log and index of its population entry; `note` (of `size` entries) draws it, `drawn` did (index)."""

    id: str
    log: int
    idx: int
    witness: str
    not_before: str
    size: int | None = None
    note: bytes | None = None
    drawn: int | None = None


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """Counts of one comparison with a case system: of a system (None: all), days of UTC, both included."""

    id: str
    minute: str
    system: str | None
    first_day: str
    last_day: str
    cases: int
    records: int
    without_record: int
    without_case: int
    used_before_review: int


def note_entry(rows: MutableMapping[str, SampleRow], log: int, index: int, entry: Entry) -> None:
    """What a `sample/1` entry makes of the rows (by id) of its log's samples; all but `note` follows from entries."""
    members = entry.members
    id_ = str(members["sample"])
    if members["stage"] == "population":
        rows.setdefault(id_, SampleRow(id_, log, index, members["witness"], members["not_before"]))
    elif id_ in rows and members["checkpoint"] is not None:
        rows[id_] = replace(rows[id_], size=members["checkpoint"]["size"], drawn=index)


def with_note(row: SampleRow, note: bytes | None) -> SampleRow:
    """The row with the checkpoint that draws it, where that is the one of a draw or there was no draw yet."""
    size = None if note is None else int(note.split(b"\n")[1])
    return row if size is None or row.size not in (None, size) else replace(row, size=size, note=note)


def insert_sample(conn: Connection, row: SampleRow) -> None:
    """In the transaction of its population entry."""
    conn.execute(insert(sample_table), asdict(row))


def find_sample(conn: Connection, id_: str) -> SampleRow | None:
    """One sample, or None."""
    row = conn.execute(select(sample_table).where(sample_table.c.id == id_)).mappings().one_or_none()
    return None if row is None else SampleRow(**row)


def list_samples(conn: Connection) -> list[SampleRow]:
    """All samples, oldest first."""
    statement = select(sample_table).order_by(sample_table.c.log, sample_table.c.idx)
    return [SampleRow(**row) for row in conn.execute(statement).mappings()]


def keep_checkpoint(conn: Connection, log: int, head: Head, cosigned: Mapping[str, int]) -> None:
    """Keep the checkpoint that is being published for the samples that waited for it.

    `cosigned`: name of a witness → time (POSIX seconds) of its cosignature on it. In the transaction that publishes.
    """
    columns = sample_table.c
    waiting = select(columns.id, columns.witness, columns.not_before).where(
        columns.log == log, columns.note.is_(None), columns.drawn.is_(None), columns.idx < head.size
    )
    for id_, witness, not_before in conn.execute(waiting).all():
        if cosigned.get(witness, 0) >= parse_time(not_before).timestamp():
            conn.execute(update(sample_table).where(columns.id == id_).values(size=head.size, note=head.note))


def mark_drawn(conn: Connection, id_: str, index: int) -> bool:
    """In the transaction of its draw entry; False where it was drawn meanwhile."""
    where = (sample_table.c.id == id_, sample_table.c.drawn.is_(None))
    return conn.execute(update(sample_table).where(*where).values(drawn=index)).rowcount == 1


def insert_reconciliation(conn: Connection, row: Reconciliation) -> None:
    """Counts that a report may show; they hold nothing of a case."""
    conn.execute(insert(reconciliation_table), asdict(row))


def list_reconciliations(
    conn: Connection, *, first_day: str = "0000-01-01", last_day: str = "9999-12-31"
) -> list[Reconciliation]:
    """Those whose days lie within these (both included), oldest first."""
    columns = reconciliation_table.c
    within = (columns.first_day >= first_day, columns.last_day <= last_day)
    statement = select(reconciliation_table).where(*within).order_by(columns.minute, columns.id)
    return [Reconciliation(**row) for row in conn.execute(statement).mappings()]
