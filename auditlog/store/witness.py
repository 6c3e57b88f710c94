"""A witness's own database: which logs it cosigns, and the newest checkpoint that it cosigned of each.

It is a file of its own, with a schema of its own: it is never restored from a backup (see `auditlog.peers.witness`), so
it must not share a database, nor its backups, with anything that is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    delete,
    func,
    select,
)
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import OperationalError

from auditlog.core.errors import FormatError
from auditlog.core.formats.keyring import KeyRing, LogKey
from auditlog.core.formats.note import format_vkey, parse_vkey

metadata = MetaData()
MAX_EVIDENCE = 16
"""Contradictions kept of one log: one proves it already, and a log must not fill the disk."""

state_table = Table(
    "witness_state",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("vkeys", Text, nullable=False),
    Column("serial", BigInteger, nullable=False),
    Column("digest", LargeBinary, nullable=False),
)
key_table = Table(
    "witness_log_key",
    metadata,
    Column("vkey", Text, primary_key=True),
    Column("origin", Text, nullable=False, index=True),
    Column("valid_from", BigInteger, nullable=False),
    Column("valid_until", BigInteger),
    Column("position", Integer, nullable=False),
)
seen_table = Table(
    "witness_seen",
    metadata,
    Column("origin", Text, primary_key=True),
    Column("hash", Text, nullable=False, unique=True),
    Column("size", BigInteger, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("note", LargeBinary, nullable=False),
)
evidence_table = Table(
    "witness_evidence",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("origin", Text, nullable=False, index=True),
    Column("time", BigInteger, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("cosigned", LargeBinary, nullable=False),
    Column("refused", LargeBinary, nullable=False),
)
_SEEN = select(*(seen_table.c[name] for name in ("origin", "size", "root", "time", "note")))


@dataclass(frozen=True, slots=True)
class Ledger:
    """The witness's keys as text, how many cosignings it has stored, and a digest over all of them (32 bytes)."""

    vkeys: str
    serial: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Seen:
    """The newest checkpoint that was cosigned of one log: its note holds the log's lines and the witness's own."""

    origin: str
    size: int
    root: bytes
    time: int
    note: bytes


@dataclass(frozen=True, slots=True)
class Evidence:
    """Two checkpoints of one log and size with different roots: the one that was cosigned, and the one refused."""

    origin: str
    time: int
    cosigned: bytes
    refused: bytes


def create_tables(conn: Connection, vkeys: str, digest: bytes) -> None:
    """Make the tables of a new witness in an empty database."""
    metadata.create_all(conn)
    conn.execute(state_table.insert().values(id=1, vkeys=vkeys, serial=0, digest=digest))


def read_ledger(conn: Connection) -> Ledger | None:
    """The ledger, or None in a database without one."""
    try:
        row = conn.execute(select(state_table.c.vkeys, state_table.c.serial, state_table.c.digest)).first()
    except OperationalError:  # an empty file in the database's place
        return None
    return None if row is None else Ledger(row[0], row[1], bytes(row[2]))


def write_ledger(conn: Connection, serial: int, digest: bytes) -> None:
    """Set serial and digest."""
    conn.execute(state_table.update().values(serial=serial, digest=digest))


def read_seen(conn: Connection, origin: str) -> Seen | None:
    """The newest checkpoint cosigned of this log, or None."""
    row = conn.execute(_SEEN.where(seen_table.c.origin == origin)).first()
    return None if row is None else _seen(row)


def find_note(conn: Connection, origin_hash: str) -> bytes | None:
    """The note of the log whose origin has this SHA-256 (64 hex digits), or None."""
    note = conn.execute(select(seen_table.c.note).where(seen_table.c.hash == origin_hash)).scalar()
    return None if note is None else bytes(note)


def all_seen(conn: Connection) -> list[Seen]:
    """The newest checkpoint cosigned of each log, by origin."""
    return [_seen(row) for row in conn.execute(_SEEN.order_by(seen_table.c.origin))]


def write_seen(conn: Connection, seen: Seen) -> None:
    """Keep this one as the newest of its log. The caller holds the write lock and has checked that it is."""
    hash_ = sha256(seen.origin.encode()).hexdigest()
    values = {"size": seen.size, "root": seen.root, "time": seen.time, "note": seen.note}
    statement = insert(seen_table).values(origin=seen.origin, hash=hash_, **values)
    conn.execute(statement.on_conflict_do_update(index_elements=["origin"], set_=values))


def read_keys(conn: Connection, origin: str | None = None) -> KeyRing:
    """The keys of one log, or of all that are cosigned; an empty ring for a log that is not."""
    table = key_table.c
    query = select(table.vkey, table.valid_from, table.valid_until).order_by(table.origin, table.position)
    if origin is not None:
        query = query.where(table.origin == origin)
    return KeyRing(tuple(LogKey(parse_vkey(row[0]), row[1], row[2]) for row in conn.execute(query)))


def replace_keys(conn: Connection, origin: str, keys: Sequence[LogKey]) -> None:
    """Set the keys of one log, in the order in which its ring has them."""
    conn.execute(delete(key_table).where(key_table.c.origin == origin))
    for position, key in enumerate(keys):
        if key.vkey.name != origin:
            raise FormatError("is of another log", field="keys")
        conn.execute(
            key_table.insert().values(
                vkey=format_vkey(key.vkey),
                origin=origin,
                valid_from=key.valid_from,
                valid_until=key.valid_until,
                position=position,
            )
        )


def add_evidence(conn: Connection, found: Evidence) -> None:
    """Keep a contradiction, unless there are enough of that log, or one of this checkpoint is kept."""
    table = evidence_table.c
    # Of the text: its signatures may differ each time it is signed.
    digest = sha256(found.refused.partition(b"\n\n")[0]).digest()
    count = conn.execute(select(func.count()).where(table.origin == found.origin)).scalar_one()
    same = select(func.count()).where(table.origin == found.origin, table.digest == digest)
    if count < MAX_EVIDENCE and not conn.execute(same).scalar_one():
        values = {"time": found.time, "digest": digest, "cosigned": found.cosigned, "refused": found.refused}
        conn.execute(evidence_table.insert().values(origin=found.origin, **values))


def all_evidence(conn: Connection) -> list[Evidence]:
    """Every contradiction kept, oldest first."""
    table = evidence_table.c
    query = select(table.origin, table.time, table.cosigned, table.refused).order_by(table.id)
    return [Evidence(row[0], row[1], bytes(row[2]), bytes(row[3])) for row in conn.execute(query)]


def _seen(row: Any) -> Seen:
    return Seen(row[0], row[1], bytes(row[2]), row[3], bytes(row[4]))
