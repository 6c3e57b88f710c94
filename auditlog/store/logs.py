"""The logs of an installation, one after the other, and the keys that rotations added or retired.

Both tables are derived from entries (`genesis/1`, `freeze/1`, `rotation/1`) and written in their transactions, so that
opening an installation does not walk its log; `log fsck` computes them again. A log's first keys have no row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    insert,
    select,
    update,
)

from auditlog.core.errors import FormatError
from auditlog.core.formats.keyring import KeyRing, LogKey
from auditlog.core.formats.note import VerifierKey, format_vkey, parse_vkey
from auditlog.store import metadata

log_table = Table(
    "auditlog_log",
    metadata,
    Column("log", Integer, nullable=False, autoincrement=False),
    Column("origin", Text, nullable=False),
    Column("closed_at", BigInteger, nullable=True),
    PrimaryKeyConstraint("log", name="auditlog_log_pkey"),
    UniqueConstraint("origin", name="auditlog_log_origin"),
)
key_table = Table(
    "auditlog_key",
    metadata,
    Column("log", Integer, nullable=False),
    Column("vkey", Text, nullable=False),
    Column("valid_from", BigInteger, nullable=False),
    Column("valid_until", BigInteger, nullable=True),
    PrimaryKeyConstraint("log", "vkey", name="auditlog_key_pkey"),
)


@dataclass(frozen=True, slots=True)
class LogRow:
    """One log: its number, its origin, and its final size once nothing may follow (None while it is open)."""

    number: int
    origin: str
    closed_at: int | None


def read_logs(conn: Connection) -> list[LogRow]:
    """All logs, oldest first; the last one is in force."""
    return [LogRow(*row) for row in conn.execute(select(log_table).order_by(log_table.c.log))]


def insert_log(conn: Connection, number: int, origin: str) -> None:
    """In the transaction of its `genesis/1` entry."""
    conn.execute(insert(log_table), {"log": number, "origin": origin, "closed_at": None})


def close_log(conn: Connection, number: int, size: int) -> None:
    """In the transaction of its `freeze/1` entry, or of the genesis of the log that states its loss."""
    conn.execute(update(log_table).where(log_table.c.log == number).values(closed_at=size))


def closed_at(conn: Connection, number: int) -> int | None:
    """The final size of a log, or None while entries may follow."""
    # Driver SQL, since the writer asks it once a group.
    sign = "%s" if conn.dialect.name == "postgresql" else "?"
    return conn.exec_driver_sql(f"SELECT closed_at FROM auditlog_log WHERE log = {sign}", (number,)).scalar()  # noqa: S608 (our names)


def add_keys(conn: Connection, number: int, vkeys: Sequence[VerifierKey], *, valid_from: int) -> None:
    """In the transaction of the `rotation/1` entry that adds them: valid from the size that covers it."""
    rows = [{"log": number, "vkey": format_vkey(vkey), "valid_from": valid_from, "valid_until": None} for vkey in vkeys]
    conn.execute(insert(key_table), rows)


def retire_keys(conn: Connection, number: int, vkeys: Sequence[VerifierKey], *, valid_until: int) -> None:
    """In the transaction of the `rotation/1` entry that retires them: they sign no size from `valid_until` on."""
    for vkey in vkeys:
        where = (key_table.c.log == number, key_table.c.vkey == format_vkey(vkey))
        if conn.execute(update(key_table).where(*where).values(valid_until=valid_until)).rowcount == 0:
            first = {"log": number, "vkey": format_vkey(vkey), "valid_from": 0, "valid_until": valid_until}
            conn.execute(insert(key_table), first)


def with_rotations(conn: Connection, ring: KeyRing) -> KeyRing:
    """The ring with the sizes that the log's rotations gave its keys, and with the keys that they added.

    A key without a row keeps the sizes that the ring gives it: a database of before a rotation is then seen to be old,
    by the guard, and what was signed in what it lost stays verifiable.

    Raises FormatError for a row that holds no key.
    """
    stated: dict[VerifierKey, LogKey] = {}
    for text, first, last in conn.execute(
        select(key_table.c.vkey, key_table.c.valid_from, key_table.c.valid_until).order_by(
            key_table.c.log, key_table.c.valid_from, key_table.c.vkey
        )
    ):
        try:
            vkey = parse_vkey(text)
            stated[vkey] = LogKey(vkey, first, last)
        except FormatError as error:
            raise FormatError(f"holds no key ({error}): run `greffier log fsck`", field="auditlog_key") from error
    known = [stated.pop(key.vkey, key) for key in ring.keys]
    return KeyRing((*known, *sorted(stated.values(), key=lambda key: (key.vkey.name, key.valid_from, key.vkey.type))))
