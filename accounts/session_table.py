"""The tables of sessions and of tries to sign in. No backup has them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    case,
    delete,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from accounts.account import Account
from accounts.account_table import account_from_row, account_table
from accounts.api_key_table import format_time, metadata, parse_time

Stage = Literal["full", "first"]
STAGES: Final[tuple[Stage, ...]] = ("full", "first")
"""`first`: may set up a password and a second factor, and nothing else."""

session_table: Final = Table(
    "access_session",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("account", String(13), ForeignKey("access_account.id", name="fk_access_session_account"), nullable=False),
    Column("stage", String(8), nullable=False),
    Column("created", String(20), nullable=False),
    Column("seen", String(20), nullable=False),
    CheckConstraint("stage IN ('full', 'first')", name="access_session_stage"),
    Index("ix_access_session_account", "account"),
)
# `bucket`: the keyed digest of a login that was tried, whether there is one or not, or of an address.
attempt_table: Final = Table(
    "access_attempt",
    metadata,
    Column("bucket", LargeBinary, primary_key=True),
    Column("since", String(20), nullable=False),
    Column("tries", Integer, nullable=False),
)


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session and the account as it is now."""

    account: Account
    stage: Stage
    created: datetime
    seen: datetime


def insert_session(conn: Connection, digest: bytes, account: str, stage: Stage, now: datetime) -> None:
    """Keep a new session."""
    time = format_time(now)
    conn.execute(insert(session_table).values(digest=digest, account=account, stage=stage, created=time, seen=time))


def find_session(conn: Connection, digest: bytes) -> SessionRow | None:
    """The session of that digest, whether it is still good or not."""
    columns = session_table.c
    joined = session_table.join(account_table, columns.account == account_table.c.id)
    row = conn.execute(
        select(account_table, columns.stage, columns.created.label("began"), columns.seen)
        .select_from(joined)
        .where(columns.digest == digest)
    ).one_or_none()
    if row is None:
        return None
    stage: Stage = "full" if row.stage == "full" else "first"
    return SessionRow(account_from_row(row), stage, parse_time(row.began), parse_time(row.seen))


def see_session(conn: Connection, digest: bytes, now: datetime) -> None:
    """It was used."""
    conn.execute(update(session_table).where(session_table.c.digest == digest).values(seen=format_time(now)))


def delete_session(conn: Connection, digest: bytes) -> None:
    """End one session."""
    conn.execute(delete(session_table).where(session_table.c.digest == digest))


def delete_sessions_of(conn: Connection, account: str, *, but: bytes = b"") -> int:
    """End all sessions of an account but one; returns how many."""
    columns = session_table.c
    return conn.execute(delete(session_table).where(columns.account == account, columns.digest != but)).rowcount


def delete_old_sessions(conn: Connection, seen_before: datetime, created_before: datetime) -> None:
    """Forget sessions that are over."""
    columns = session_table.c
    over = or_(columns.seen < format_time(seen_before), columns.created < format_time(created_before))
    conn.execute(delete(session_table).where(over))


def count_attempt(conn: Connection, bucket: bytes, now: datetime, since: datetime) -> tuple[int, datetime]:
    """Count a try in this bucket; returns how many there were since the first of them, and when that was.

    A first one from before `since` is forgotten.
    """
    columns = attempt_table.c
    make = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    old = columns.since < format_time(since)
    statement = make(attempt_table).values(bucket=bucket, since=format_time(now), tries=1)
    row = conn.execute(
        statement.on_conflict_do_update(
            index_elements=["bucket"],
            set_={
                "tries": case((old, 1), else_=columns.tries + 1),
                "since": case((old, format_time(now)), else_=columns.since),
            },
        ).returning(columns.tries, columns.since)
    ).one()
    return row.tries, parse_time(row.since)


def forget_attempts(conn: Connection, bucket: bytes) -> None:
    """Of somebody who has signed in."""
    conn.execute(delete(attempt_table).where(attempt_table.c.bucket == bucket))


def forget_old_attempts(conn: Connection, since: datetime) -> None:
    """Of buckets that count no longer."""
    conn.execute(delete(attempt_table).where(attempt_table.c.since < format_time(since)))
