"""Keeping accounts: add, change, end, reset, find. The first administrator is added by the machine's owner.

The log tells of each of these (`log_check`): where it cannot record, no account is changed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from accounts import account_table, log_check, second_factor, secret_table, session_table
from accounts.account import Account, demand_end, demand_role, demand_systems, new_account
from accounts.account_table import Event, LoggedAs
from accounts.roles import Role
from accounts.second_factor import read_keys
from accounts.transactions import changing, note
from auditlog.core.errors import CannotRecord
from home.errors import UsageError
from home.greffier import Greffier

if TYPE_CHECKING:
    from sqlalchemy import Connection

SETUP_TIME: Final = timedelta(hours=72)
_SETUP_BYTES: Final = 10
_EVENTS: Final = 50


@dataclass(frozen=True, slots=True)
class Issued:
    """An account with the code for its first sign-in, which exists only here: hand it over, then forget it."""

    account: Account
    code: str = field(repr=False)
    until: datetime


@dataclass(frozen=True, slots=True)
class Condition:
    """How an account is: `ready` once its person has a password and a second factor; `codes`: recovery codes left."""

    account: Account
    in_use: bool
    ready: bool
    setup_until: datetime | None
    codes: int


def add(
    g: Greffier,
    *,
    login: str,
    name: str,
    role: str,
    systems: Sequence[str] = (),
    ends: date | None = None,
    by: str | None,
) -> Issued:
    """Make an account; no systems means all of them. `by`: the account that does it, None for a command.

    Raises UsageError for a login that there is already, and for what `new_account` refuses.
    """
    account = new_account(login, name, role, systems=systems, ends=ends, now=g.clock(), random=os.urandom)
    enter(g, account, by=by)
    return _issue(g, account)


def enter(g: Greffier, account: Account, *, by: str | None) -> None:
    """Keep an account that was made elsewhere, without anything that opens it. Raises UsageError, CannotRecord."""

    def rows(conn: Connection, told: LoggedAs) -> None:
        if account_table.find_account(conn, account.login) is not None:
            raise UsageError("is another account's, perhaps one that has ended: choose another", field="login")
        account_table.insert_account(conn, account, told)
        note(g, conn, account.id, "added", by)

    log_check.record(g, account, "added", rows)


def reset(g: Greffier, id_or_login: str, *, by: str | None) -> Issued:
    """Take password and second factor away, end all sessions, and give a code for a first sign-in.

    Raises UsageError for an account that is not there or not in use.
    """
    account = find(g, id_or_login)
    if not account.in_use(g.clock()):
        raise UsageError("has ended: give it a later last day first, or add another", field="login")

    def rows(conn: Connection, told: LoggedAs) -> None:
        account_table.update_account(conn, account, told)
        secret_table.end(conn, account.id)
        session_table.delete_sessions_of(conn, account.id)
        note(g, conn, account.id, "reset", by)

    log_check.record(g, account, "reset", rows)
    return _issue(g, account)


def end(g: Greffier, id_or_login: str, *, by: str | None) -> Account:
    """End an account at once, its sessions too. It stays in the list, since what it did stays.

    Raises UsageError, and CannotRecord where the log cannot tell of it: then it has not ended, and nothing opens it,
    since nobody who must go may stay because a disk is full.
    """
    account = find(g, id_or_login)
    if account.ended is not None:
        raise UsageError("has ended already", field="login")
    _demand_other(account, by)
    ended = replace(account, ended=g.clock())

    def rows(conn: Connection, told: LoggedAs) -> None:
        account_table.update_account(conn, ended, told)
        secret_table.end(conn, account.id)
        session_table.delete_sessions_of(conn, account.id)
        note(g, conn, account.id, "ended", by)

    try:
        log_check.record(g, ended, "ended", rows)
    except CannotRecord as error:
        _lock(g, account, by)
        message = f"{error}; nothing opens the account now, but it has not ended: end it again once the log records"
        raise CannotRecord(message, cause=error.cause) from error
    return ended


def _lock(g: Greffier, account: Account, by: str | None) -> None:
    """Take away what opens an account, of which no entry tells anyhow."""
    with changing(g) as conn:
        secret_table.end(conn, account.id)
        session_table.delete_sessions_of(conn, account.id)
        note(g, conn, account.id, "reset", by)


def change(
    g: Greffier,
    id_or_login: str,
    *,
    role: str | None = None,
    systems: Sequence[str] | None = None,
    ends: date | None = None,
    forever: bool = False,
    by: str | None,
) -> Account:
    """Change role, scope (an empty one: all systems) or last day (`forever`: none); what is None stays.

    The account's sessions end: nobody goes on with what they could before. Raises UsageError.
    """
    account = find(g, id_or_login)
    if account.ended is not None:
        raise UsageError("has ended: add another", field="login")
    _demand_other(account, by)
    changed = replace(
        account,
        role=account.role if role is None else demand_role(role),
        systems=account.systems if systems is None else demand_systems(systems),
        ends=None if forever else account.ends if ends is None else demand_end(ends, g.clock()),
    )

    def rows(conn: Connection, told: LoggedAs) -> None:
        account_table.update_account(conn, changed, told)
        session_table.delete_sessions_of(conn, account.id)
        note(g, conn, account.id, "changed", by)

    log_check.record(g, changed, "changed", rows)
    return changed


def find(g: Greffier, id_or_login: str) -> Account:
    """The account with this id or login, ended or not. Raises UsageError."""
    with g.reading() as conn:
        found = account_table.find_account(conn, id_or_login)
    if found is None:
        raise UsageError("no such account: `greffier account list` shows them", field="login")
    return found


def conditions(g: Greffier) -> list[Condition]:
    """All accounts, ended ones too, by login."""
    now = g.clock()
    with g.reading() as conn:
        found = []
        for account in account_table.list_accounts(conn):
            secret = secret_table.read_secret(conn, account.id)
            codes = secret_table.count_recovery(conn, account.id)
            ready = secret.password is not None
            found.append(Condition(account, account.in_use(now), ready, secret.setup_until, codes))
    return found


def condition(g: Greffier, id_or_login: str) -> Condition:
    """How one account is. Raises UsageError."""
    account = find(g, id_or_login)
    with g.reading() as conn:
        secret = secret_table.read_secret(conn, account.id)
        codes = secret_table.count_recovery(conn, account.id)
    return Condition(account, account.in_use(g.clock()), secret.password is not None, secret.setup_until, codes)


def names(g: Greffier) -> dict[str, Account]:
    """Id → account, of all there are and were: whose an id in a table is."""
    with g.reading() as conn:
        return {account.id: account for account in account_table.list_accounts(conn)}


def reaching(g: Greffier, system: str, role: Role) -> list[Account]:
    """The accounts in use of a role whose scope holds a system, by login: to whom work on it can be given."""
    now = g.clock()
    with g.reading() as conn:
        found = account_table.list_accounts(conn)
    return [one for one in found if one.role == role and one.in_use(now) and one.reaches(system)]


def events(g: Greffier, account: str) -> list[Event]:
    """What was done to an account and with it, the newest first; at most 50."""
    with g.reading() as conn:
        return account_table.list_events(conn, account, _EVENTS)


def _issue(g: Greffier, account: Account) -> Issued:
    code, until = second_factor.new_code(os.urandom, _SETUP_BYTES), g.clock() + SETUP_TIME
    digest = read_keys(g.home).digest("setup", account.id, second_factor.normal_code(code))
    with changing(g) as conn:
        secret_table.begin(conn, account.id, digest, until)
        session_table.delete_sessions_of(conn, account.id)
    return Issued(account, code, until)


def _demand_other(account: Account, by: str | None) -> None:
    """Nobody locks themselves out, or makes themselves something else: that takes a second administrator."""
    if account.id == by:
        raise UsageError("is your own account: ask another administrator, or the machine's owner", field="login")
