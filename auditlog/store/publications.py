"""What was published: the document's bytes, and of each sum in it which cells were opened.

Later publications are held against these rows, so that what they say more is no small number.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import cast

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    func,
    select,
)

from auditlog.core.counting.figures import Why
from auditlog.core.counting.published import Publication
from auditlog.core.entries.record import Entry, parse_entry
from auditlog.store import metadata
from auditlog.store.insert import Row, RowInsert
from auditlog.store.log import entry_table

publication_table = Table(
    "auditlog_publication",
    metadata,
    Column("id", Text, nullable=False),
    Column("log", Integer, nullable=False),
    Column("idx", BigInteger, nullable=False),
    Column("document", Text, nullable=False),
    Column("first", Text, nullable=False),
    Column("last", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    PrimaryKeyConstraint("id", name="auditlog_publication_pkey"),
    Index("auditlog_publication_place", "document", "log", "idx"),
)
published_table = Table(
    "auditlog_published",
    metadata,
    Column("id", Text, nullable=False),
    Column("system", Text, nullable=False),
    Column("cell", Text, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("why", Text, nullable=True),
    PrimaryKeyConstraint("id", "system", "cell", name="auditlog_published_pkey"),
)

_insert_publication = RowInsert(publication_table)
_insert_published = RowInsert(published_table)


@dataclass(frozen=True, slots=True)
class PublishedCell:
    """One cell of a publication: its number, and why it stayed closed, or None. An empty system is none registered."""

    system: str
    cell: str
    number: int
    why: Why | None


@dataclass(frozen=True, slots=True)
class PublicationRow:
    """A document with its place (log, idx), the days that it is about, and its bytes."""

    id: str
    log: int
    idx: int
    document: str
    first: str
    last: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Listed:
    """A publication as its entry says: place, days, which edition of these days, minute, and digest of the bytes."""

    id: str
    log: int
    idx: int
    first: str
    last: str
    edition: int
    minute: str
    digest: str


def publication_rows(row: PublicationRow, cells: Iterable[PublishedCell]) -> list[Row]:
    """What to insert of a publication."""
    of_cells: list[Row] = [(_insert_published, {"id": row.id, **asdict(cell)}) for cell in cells]
    return [(_insert_publication, asdict(row)), *of_cells]


def count_publications(conn: Connection) -> int:
    """How many there are: by it a second writer is noticed."""
    return conn.execute(select(func.count()).select_from(publication_table)).scalar_one()


def list_publications(conn: Connection, document: str) -> list[Listed]:
    """Every publication of a sort, oldest first; of each which edition of its days it is, from 1 on."""
    columns = publication_table.c
    statement = (
        select(columns.id, columns.log, columns.idx, columns.first, columns.last, entry_table.c.data)
        .join_from(
            publication_table,
            entry_table,
            (columns.log == entry_table.c.log) & (columns.idx == entry_table.c.idx),
        )
        .where(columns.document == document)
        .order_by(columns.log, columns.idx)
    )
    found: list[Listed] = []
    editions: dict[tuple[str, str], int] = {}
    for row in conn.execute(statement):
        days = row.first, row.last
        editions[days] = editions.get(days, 0) + 1
        entry = parse_entry(bytes(row.data))
        digest = str(entry.members["digest"]) if isinstance(entry, Entry) else ""
        minute = entry.time if isinstance(entry, Entry) else ""
        found.append(Listed(row.id, row.log, row.idx, row.first, row.last, editions[days], minute, digest))
    return found


def body_of(conn: Connection, id_: str) -> bytes | None:
    """The bytes of a publication, or None."""
    found = conn.execute(select(publication_table.c.body).where(publication_table.c.id == id_)).scalar_one_or_none()
    return None if found is None else bytes(found)


def newest_body(conn: Connection, document: str) -> bytes | None:
    """The bytes of the newest publication of a sort, or None."""
    columns = publication_table.c
    statement = (
        select(columns.body).where(columns.document == document).order_by(columns.log.desc(), columns.idx.desc())
    )
    found = conn.execute(statement.limit(1)).scalar_one_or_none()
    return None if found is None else bytes(found)


def publications_of(conn: Connection, system: str, *, year: str) -> Sequence[Publication]:
    """What was published of a system about days of a year, oldest first."""
    of, cells = publication_table.c, published_table.c
    statement = (
        select(of.id, of.first, of.last, cells.cell, cells.number, cells.why)
        .join(published_table, cells.id == of.id)
        .where(cells.system == system, of.first >= f"{year}-01-01", of.last <= f"{year}-12-31")
        .order_by(of.log, of.idx)
    )
    found: dict[str, tuple[str, str, dict[str, int], dict[str, Why]]] = {}
    for row in conn.execute(statement):
        _, _, numbers, closed = found.setdefault(row.id, (row.first, row.last, {}, {}))
        numbers[row.cell] = row.number
        if row.why is not None:
            closed[row.cell] = cast("Why", row.why)
    return [Publication(*one) for one in found.values()]
