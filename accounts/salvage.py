"""Accounts of a damaged database, taken over into a new one of the same home, whose keys still open them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from sqlalchemy import Connection, Table, insert

from accounts.account_table import account_table, event_table
from accounts.secret_table import recovery_table, secret_table

Rows = Callable[[Table], Iterable[Mapping[str, object]]]
"""Those rows of a table that the old database still gives."""


def salvage_accounts(conn: Connection, rows: Rows) -> int:
    """Take over accounts with what opens them; returns how many. Nobody stays signed in.

    A row whose account cannot be read any more is left: its account has to be added, or reset, anew.
    """
    known = set()
    for row in rows(account_table):
        conn.execute(insert(account_table), dict(row))
        known.add(row["id"])
    for table in (event_table, secret_table, recovery_table):
        for row in rows(table):
            if row["account"] in known:
                conn.execute(insert(table), dict(row))
    return len(known)
