"""The tables of accounts and of what was done to them. Functions leave the transaction to their caller.

Who there is stands apart from what opens (`store_secrets`): a backup has the one, so that it still says whose an id
was, and not the other.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    ForeignKey,
    Index,
    Row,
    String,
    Table,
    Text,
    UniqueConstraint,
    insert,
    or_,
    select,
    update,
)

from accounts.account import Account
from accounts.api_key_table import format_time, metadata, parse_time
from accounts.roles import ACCOUNT_ROLES, parse_role

EVENTS: Final = ("added", "set_up", "changed", "reset", "ended", "signed_in", "password_changed", "codes_renewed")
"""What may have been done to an account, or with it."""

account_table: Final = Table(
    "access_account",
    metadata,
    Column("id", String(13), primary_key=True),
    Column("login", String(64), nullable=False),
    Column("name", String(100), nullable=False),
    Column("role", String(16), nullable=False),
    Column("systems", Text, nullable=True),
    Column("created", String(20), nullable=False),
    Column("ends", String(10), nullable=True),
    Column("ended", String(20), nullable=True),
    Column("pseudonym", String(36), nullable=True),
    Column("salt", String(64), nullable=True),
    CheckConstraint("role IN (" + ", ".join(f"'{role}'" for role in ACCOUNT_ROLES) + ")", name="access_account_role"),
    UniqueConstraint("login", name="uq_access_account_login"),
)
# `actor`: the account that did it, null for a command of the machine's owner.
event_table: Final = Table(
    "access_event",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("account", String(13), ForeignKey("access_account.id", name="fk_access_event_account"), nullable=False),
    Column("time", String(20), nullable=False),
    Column("what", String(20), nullable=False),
    Column("actor", String(13), nullable=True),
    Index("ix_access_event_account", "account", "time"),
)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that was done to an account. `what`: one of `EVENTS`; `actor` None: by a command."""

    account: str
    time: datetime
    what: str
    actor: str | None


@dataclass(frozen=True, slots=True)
class LoggedAs:
    """By what the log tells of an account (`account_told`): its name there, and the salt of the row's digest."""

    pseudonym: str
    salt: str


def insert_account(conn: Connection, account: Account, told: LoggedAs) -> None:
    """Keep a new account, in the transaction that writes its entry."""
    conn.execute(insert(account_table).values(id=account.id, **columns(account, told)))


def update_account(conn: Connection, account: Account, told: LoggedAs) -> None:
    """Keep an account as it is now, in the transaction that writes its entry."""
    conn.execute(update(account_table).where(account_table.c.id == account.id).values(**columns(account, told)))


def pseudonym_of(conn: Connection, account: str) -> str | None:
    """The name of an account in the log; None of one that the log does not tell of yet, or that there is not."""
    return conn.execute(select(account_table.c.pseudonym).where(account_table.c.id == account)).scalar_one_or_none()


def all_rows(conn: Connection) -> list[dict[str, Any]]:
    """Every row as it lies there, by id, for a full check."""
    return [dict(row) for row in conn.execute(select(account_table).order_by(account_table.c.id)).mappings()]


def find_account(conn: Connection, id_or_login: str) -> Account | None:
    """The account with this id or login, ended or not; no login reads like an id."""
    columns = account_table.c
    row = conn.execute(
        select(account_table).where(or_(columns.id == id_or_login, columns.login == id_or_login))
    ).one_or_none()
    return None if row is None else account_from_row(row)


def list_accounts(conn: Connection) -> list[Account]:
    """All accounts, ended ones too, by login."""
    return [account_from_row(row) for row in conn.execute(select(account_table).order_by(account_table.c.login))]


def insert_event(conn: Connection, id_: str, event: Event) -> None:
    """Note what was done."""
    conn.execute(
        insert(event_table).values(
            id=id_, account=event.account, time=format_time(event.time), what=event.what, actor=event.actor
        )
    )


def list_events(conn: Connection, account: str, limit: int) -> list[Event]:
    """The newest events of an account, the newest first."""
    columns = event_table.c
    rows = conn.execute(
        select(event_table).where(columns.account == account).order_by(columns.time.desc(), columns.id).limit(limit)
    )
    return [Event(row.account, parse_time(row.time), row.what, row.actor) for row in rows]


def columns(account: Account, told: LoggedAs) -> dict[str, Any]:
    """The columns of an account's row but its id."""
    return {
        "created": format_time(account.created),
        "pseudonym": told.pseudonym,
        "salt": told.salt,
        "login": account.login,
        "name": account.name,
        "role": account.role,
        "systems": None if account.systems is None else json.dumps(list(account.systems)),
        "ends": None if account.ends is None else account.ends.isoformat(),
        "ended": None if account.ended is None else format_time(account.ended),
    }


def account_from_row(row: Row[Any]) -> Account:
    """A row with the columns of `access_account`."""
    return Account(
        id=row.id,
        login=row.login,
        name=row.name,
        role=parse_role(row.role),
        systems=None if row.systems is None else tuple(json.loads(row.systems)),
        created=parse_time(row.created),
        ends=None if row.ends is None else date.fromisoformat(row.ends),
        ended=None if row.ended is None else parse_time(row.ended),
    )
