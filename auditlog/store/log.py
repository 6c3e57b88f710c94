"""Entries, tiles and signed heads in SQL.

Every column is derivable or signed: `log fsck` computes them all again. Statements on the writer's hot path are
driver SQL with positional parameters, since SQLAlchemy's expression layer costs more there than the database does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

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
)

from auditlog.core.entries.record import Entry, parse_entry
from auditlog.core.errors import NotFound
from auditlog.core.formats.merkle import ReadNodes
from auditlog.core.formats.tiles import TILE_WIDTH, Tile, nodes_reader
from auditlog.store import metadata
from auditlog.store.engine import open_engine, reading, writing
from auditlog.store.insert import SqliteInsert

__all__ = (
    "Connection",
    "Head",
    "HeadName",
    "StoredEntry",
    "entries_of_kinds",
    "entry_table",
    "find_entry",
    "head_table",
    "insert_entries",
    "iterate_entries",
    "lock_log",
    "open_engine",
    "read_edge",
    "read_entries",
    "read_head",
    "read_scattered",
    "read_tile",
    "reader",
    "reading",
    "taken_ids",
    "tile_table",
    "write_head",
    "write_tiles",
    "writing",
)

HASH_BYTES = 32
_BATCH = 1024
HeadName = Literal["integrated", "published"]

entry_table = Table(
    "auditlog_entry",
    metadata,
    Column("log", Integer, nullable=False),
    Column("idx", BigInteger, nullable=False),
    Column("id", Text, nullable=False),
    Column("data", LargeBinary, nullable=False),
    UniqueConstraint("id", name="auditlog_entry_id"),
    PrimaryKeyConstraint("log", "idx", name="auditlog_entry_pkey"),
)
tile_table = Table(
    "auditlog_tile",
    metadata,
    Column("log", Integer, nullable=False),
    Column("level", Integer, nullable=False),
    Column("idx", BigInteger, nullable=False),
    Column("hashes", LargeBinary, nullable=False),
    PrimaryKeyConstraint("log", "level", "idx", name="auditlog_tile_pkey"),
)
head_table = Table(
    "auditlog_head",
    metadata,
    Column("log", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("note", LargeBinary, nullable=False),
    PrimaryKeyConstraint("log", "name", name="auditlog_head_pkey"),
)


@dataclass(frozen=True, slots=True)
class Head:
    """The newest signed checkpoint of one name: tree size and the note's bytes."""

    size: int
    note: bytes


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """One entry as stored: log number, index, canonical bytes."""

    log: int
    index: int
    data: bytes


# --- the writer's statements ------------------------------------------------------------------------------------------

_HEAD = "SELECT size, note FROM auditlog_head WHERE log = ? AND name = ?"
_HEAD_INSERT = "INSERT INTO auditlog_head (log, name, size, note) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
_HEAD_UPDATE = "UPDATE auditlog_head SET size = ?, note = ? WHERE log = ? AND name = ? AND size = ?"
# Many rows in one VALUES cost SQLite twice as much as one statement that is run for each.
_insert_entries = SqliteInsert("auditlog_entry (log, idx, id, data)", 4)
# One statement for the whole group: psycopg would send one message a row otherwise. `%b`: as bytes, not as hex.
_ENTRIES_POSTGRESQL = (
    "INSERT INTO auditlog_entry (log, idx, id, data) "
    "SELECT %s::int, %s::bigint + o - 1, i, d FROM unnest(%s::text[], %b::bytea[]) WITH ORDINALITY AS u(i, d, o)"
)
_TILE = (
    "INSERT INTO auditlog_tile (log, level, idx, hashes) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (log, level, idx) DO UPDATE SET hashes = excluded.hashes"
)
# First key of the two-part advisory lock: "greffier" has no meaning to PostgreSQL, it only must not meet another use.
_ADVISORY = 0x67726566


def _is_postgresql(conn: Connection) -> bool:
    return conn.dialect.name == "postgresql"


def _sql(conn: Connection, statement: str) -> str:
    return statement.replace("?", "%s") if _is_postgresql(conn) else statement


def lock_log(conn: Connection, log: int) -> None:
    """Wait for the turn to write log `log`, until the transaction ends. SQLite took its lock at BEGIN IMMEDIATE."""
    if _is_postgresql(conn):
        conn.exec_driver_sql("SELECT pg_advisory_xact_lock(%s, %s)", (_ADVISORY, log))


def read_head(conn: Connection, log: int, name: HeadName = "integrated") -> Head | None:
    """The head of log `log`, or None before its first checkpoint."""
    row = conn.exec_driver_sql(_sql(conn, _HEAD), (log, name)).first()
    return None if row is None else Head(row[0], bytes(row[1]))


def write_head(conn: Connection, log: int, head: Head, *, old: Head | None, name: HeadName = "integrated") -> bool:
    """Compare-and-swap on the size: False when the stored head is no longer `old`."""
    if old is None:
        result = conn.exec_driver_sql(_sql(conn, _HEAD_INSERT), (log, name, head.size, head.note))
    else:
        result = conn.exec_driver_sql(_sql(conn, _HEAD_UPDATE), (head.size, head.note, log, name, old.size))
    return result.rowcount == 1


def insert_entries(conn: Connection, log: int, start: int, entries: Sequence[tuple[str, bytes]]) -> None:
    """Store (id, canonical bytes) at indices start, start+1, … ; IntegrityError when an index or id is taken."""
    if not entries:
        return
    if _is_postgresql(conn):
        ids, datas = zip(*entries, strict=True)
        conn.exec_driver_sql(_ENTRIES_POSTGRESQL, (log, start, list(ids), list(datas)))
        return
    rows = [(log, index, id_, data) for index, (id_, data) in enumerate(entries, start)]
    _insert_entries(conn, rows)


def write_tiles(conn: Connection, log: int, tiles: Sequence[tuple[int, int, bytes]]) -> None:
    """Store whole contents of tiles (level, index, hashes); a partial tile is replaced by its longer self."""
    if tiles:
        conn.exec_driver_sql(_sql(conn, _TILE), [(log, level, index, hashes) for level, index, hashes in tiles])


# --- reading ----------------------------------------------------------------------------------------------------------


def read_tile(conn: Connection, log: int, level: int, index: int, width: int) -> bytes:
    """The first `width` hashes (32 bytes each) of a tile. Raises NotFound where fewer are stored."""
    statement = _sql(conn, "SELECT hashes FROM auditlog_tile WHERE log = ? AND level = ? AND idx = ?")
    row = conn.exec_driver_sql(statement, (log, level, index)).first()
    hashes = b"" if row is None else bytes(row[0])
    if len(hashes) < width * HASH_BYTES:
        raise NotFound(f"log {log} stores no tile of width {width} there", field=f"tile {level}/{index}")
    return hashes[: width * HASH_BYTES]


def read_edge(conn: Connection, log: int, size: int) -> dict[int, bytes]:
    """The right-most partial tile of each level for a tree of `size` leaves; levels of width 0 are absent."""
    edge: dict[int, bytes] = {}
    level, count = 0, size
    while count:
        if width := count % TILE_WIDTH:
            edge[level] = read_tile(conn, log, level, count // TILE_WIDTH, width)
        level, count = level + 1, count // TILE_WIDTH
    return edge


def reader(conn: Connection, log: int, size: int) -> ReadNodes:
    """Nodes of the tree of `size` leaves, read tile by tile; each tile is read once."""
    seen: dict[Tile, bytes] = {}

    def read(tile: Tile) -> bytes:
        if tile not in seen:
            seen[tile] = read_tile(conn, log, tile.level, tile.index, tile.width)
        return seen[tile]

    return nodes_reader(read, size)


def read_entries(conn: Connection, log: int, start: int, end: int) -> list[bytes]:
    """Canonical bytes of entries start..end-1 in order. Raises NotFound at the first that is missing."""
    statement = "SELECT idx, data FROM auditlog_entry WHERE log = ? AND idx >= ? AND idx < ? ORDER BY idx"
    rows = conn.exec_driver_sql(_sql(conn, statement), (log, start, end)).all()
    for expected, row in enumerate(rows, start):
        if row[0] != expected:
            raise NotFound(f"log {log} lacks it", field=f"entry {expected}")
    if len(rows) < end - start:
        raise NotFound(f"log {log} lacks it", field=f"entry {start + len(rows)}")
    return [bytes(row[1]) for row in rows]


def read_scattered(conn: Connection, log: int, indices: Sequence[int]) -> dict[int, bytes]:
    """Canonical bytes of these entries by their index, wherever they stand; one that is missing is left out."""
    found: dict[int, bytes] = {}
    for start in range(0, len(indices), _BATCH):
        some = indices[start : start + _BATCH]
        query = select(entry_table.c.idx, entry_table.c.data).where(
            entry_table.c.log == log, entry_table.c.idx.in_(some)
        )
        found |= {row.idx: bytes(row.data) for row in conn.execute(query)}
    return found


def iterate_entries(conn: Connection, log: int, start: int = 0, end: int | None = None) -> Iterator[tuple[int, bytes]]:
    """(index, bytes) of entries start..end-1 (to the integrated size by default), read in batches."""
    if end is None:
        head = read_head(conn, log)
        end = 0 if head is None else head.size
    for low in range(start, end, _BATCH):
        yield from enumerate(read_entries(conn, log, low, min(low + _BATCH, end)), low)


def entries_of_kinds(conn: Connection, log: int, kinds: Collection[str]) -> Iterator[tuple[int, Entry]]:
    """(index, entry) of the known entries of these kinds, in order. Walks the whole log."""
    for index, data in iterate_entries(conn, log):
        entry = parse_entry(data)
        if isinstance(entry, Entry) and entry.kind in kinds:
            yield index, entry


def find_entry(conn: Connection, id_: str) -> StoredEntry | None:
    """The entry with this id, in whichever log it stands."""
    table = entry_table.c
    row = conn.execute(select(table.log, table.idx, table.data).where(table.id == id_)).first()
    return None if row is None else StoredEntry(row[0], row[1], bytes(row[2]))


def taken_ids(conn: Connection, ids: Sequence[str]) -> set[str]:
    """Those of `ids` that some log already holds."""
    found: set[str] = set()
    for low in range(0, len(ids), 500):
        query = select(entry_table.c.id).where(entry_table.c.id.in_(ids[low : low + 500]))
        found.update(conn.execute(query).scalars())
    return found
