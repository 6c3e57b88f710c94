"""A change to what opens accounts and to their sessions: a transaction of its own, since no entry tells of it."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING

from accounts import account_table
from accounts.account_table import Event
from auditlog.store.engine import cannot_record, is_database_error, writing
from home.greffier import Greffier

if TYPE_CHECKING:
    from sqlalchemy import Connection


@contextlib.contextmanager
def changing(g: Greffier) -> Iterator[Connection]:
    """One write transaction. Raises CannotRecord where the database takes none."""
    try:
        with writing(g.engine) as conn:
            yield conn
    except Exception as error:
        if not is_database_error(error):
            raise
        raise cannot_record(error) from error


def note(g: Greffier, conn: Connection, account: str, what: str, actor: str | None) -> None:
    """Note who did what to an account (`account_table.EVENTS`)."""
    account_table.insert_event(conn, secrets.token_hex(16), Event(account, g.clock(), what, actor))
