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

from auditlog.figures import Why
from auditlog.published import Publication
from auditlog.store import metadata
from auditlog.store.insert import Row, RowInsert

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


def publication_rows(row: PublicationRow, cells: Iterable[PublishedCell]) -> list[Row]:
    """What to insert of a publication."""
    of_cells: list[Row] = [(_insert_published, {"id": row.id, **asdict(cell)}) for cell in cells]
    return [(_insert_publication, asdict(row)), *of_cells]


def count_publications(conn: Connection) -> int:
    """How many there are: by it a second writer is noticed."""
    return conn.execute(select(func.count()).select_from(publication_table)).scalar_one()


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
