"""The table of API keys. Functions take a connection and leave the transaction to their caller."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    LargeBinary,
    MetaData,
    Row,
    String,
    Table,
    Text,
    insert,
    select,
    update,
)

from accounts.roles import KEY_ROLES, parse_role
from accounts.token import ApiKey

metadata: Final = MetaData()

# Times are ISO 8601 text in UTC: SQLite and PostgreSQL then keep the same bytes.
access_key: Final = Table(
    "access_key",
    metadata,
    Column("prefix", String(12), primary_key=True),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("systems", Text, nullable=True),
    Column("created", String(20), nullable=False),
    Column("revoked", String(20), nullable=True),
    CheckConstraint("role IN (" + ", ".join(f"'{role}'" for role in KEY_ROLES) + ")", name="access_key_role"),
)


def insert_key(connection: Connection, key: ApiKey) -> None:
    """Keep a new key."""
    connection.execute(
        insert(access_key).values(
            prefix=key.prefix,
            digest=key.digest,
            role=key.role,
            systems=None if key.systems is None else json.dumps(list(key.systems)),
            created=format_time(key.created),
            revoked=None if key.revoked is None else format_time(key.revoked),
        )
    )


def find_key(connection: Connection, prefix: str) -> ApiKey | None:
    """The key of that prefix, revoked or not; None where there is none."""
    row = connection.execute(select(access_key).where(access_key.c.prefix == prefix)).one_or_none()
    return None if row is None else _key_from_row(row)


def list_keys(connection: Connection) -> list[ApiKey]:
    """All keys, the oldest first."""
    rows = connection.execute(select(access_key).order_by(access_key.c.created, access_key.c.prefix))
    return [_key_from_row(row) for row in rows]


def revoke_key(connection: Connection, prefix: str, when: datetime) -> bool:
    """Withdraw a key at once; False where no such key was in use. The row stays, so that lists tell what was."""
    statement = update(access_key).where(access_key.c.prefix == prefix, access_key.c.revoked.is_(None))
    return bool(connection.execute(statement.values(revoked=format_time(when))).rowcount)


def _key_from_row(row: Row[Any]) -> ApiKey:
    return ApiKey(
        prefix=row.prefix,
        digest=bytes(row.digest),
        role=parse_role(row.role),
        systems=None if row.systems is None else tuple(json.loads(row.systems)),
        created=parse_time(row.created),
        revoked=None if row.revoked is None else parse_time(row.revoked),
    )


def format_time(time: datetime) -> str:
    """A time as the tables of this folder have it, to the second."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str) -> datetime:
    """And back."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
