"""Rows of requests. Functions take a connection and leave the transaction to their caller."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import date
from typing import Any, Final

from sqlalchemy import Connection, Select, delete, insert, select, update

from casework.errors import TakenMeanwhile
from casework.request import Request, State
from casework.store.tables import request_table

_DAYS: Final = ("received", "due", "closed")


def insert_request(conn: Connection, request: Request) -> None:
    """A new one. Raises IntegrityError where its id is taken."""
    conn.execute(insert(request_table).values(row_of(request)))


def update_request(conn: Connection, request: Request) -> None:
    """The request after a step. Raises TakenMeanwhile unless it stood at the version before, and where it is gone."""
    columns = request_table.c
    statement = update(request_table).where(columns.id == request.id, columns.version == request.version - 1)
    if not conn.execute(statement.values(row_of(request))).rowcount:
        raise TakenMeanwhile("somebody else took a step meanwhile: look at the request again", field="version")


def find_request(conn: Connection, id_: str) -> Request | None:
    """One, or None: never made, or erased."""
    row = conn.execute(select(request_table).where(request_table.c.id == id_)).mappings().one_or_none()
    return None if row is None else request_of(row)


def list_requests(
    conn: Connection,
    *,
    state: State | None = None,
    systems: Sequence[str] | None = None,
    account: str | None = None,
    right: str | None = None,
    limit: int = 200,
) -> list[Request]:
    """Those that match, due first first. `systems`: None for all; with a scope, those without a system are left out."""
    columns = request_table.c
    statement = select(request_table)
    if state is not None:
        statement = statement.where(columns.state == state)
    if systems is not None:
        statement = statement.where(columns.system.in_(systems))
    if account is not None:
        statement = statement.where(columns.account == account)
    if right is not None:
        statement = statement.where(columns.right_code == right)
    return _read(conn, statement.order_by(columns.due, columns.id).limit(limit))


def about_record(conn: Connection, record: str) -> list[Request]:
    """The requests about one record, oldest first."""
    columns = request_table.c
    return _read(conn, select(request_table).where(columns.reference == record).order_by(columns.received, columns.id))


def received_between(conn: Connection, first: date, last: date) -> list[Request]:
    """Those that were received on these days, in the order of their ids."""
    columns = request_table.c
    statement = select(request_table).where(columns.received >= first.isoformat(), columns.received <= last.isoformat())
    return _read(conn, statement.order_by(columns.id))


def closed_until(conn: Connection, day: date) -> list[str]:
    """The ids of those that were closed on that day or before."""
    columns = request_table.c
    statement = select(columns.id).where(columns.closed <= day.isoformat()).order_by(columns.id)
    return [*conn.execute(statement).scalars()]


def all_requests(conn: Connection) -> Iterator[Request]:
    """All, in the order of their ids, read as a stream."""
    statement = select(request_table).order_by(request_table.c.id).execution_options(yield_per=500)
    for row in conn.execute(statement).mappings():
        yield request_of(row)


def replace_requests(conn: Connection, requests: Sequence[Request]) -> None:
    """Put these in the place of all that are there: for a database that is built anew."""
    conn.execute(delete(request_table))
    if requests:
        conn.execute(insert(request_table), [row_of(one) for one in requests])


def row_of(request: Request) -> dict[str, Any]:
    """Column → value."""
    row = asdict(request)
    row["right_code"] = row.pop("right")
    return row | {name: None if row[name] is None else row[name].isoformat() for name in _DAYS}


def request_of(row: Mapping[Any, Any]) -> Request:
    """What `row_of` made."""
    values = dict(row)
    values["right"] = values.pop("right_code")
    values |= {name: None if values[name] is None else date.fromisoformat(values[name]) for name in _DAYS}
    return Request(**values)


def _read(conn: Connection, statement: Select[Any]) -> list[Request]:
    return [request_of(row) for row in conn.execute(statement).mappings()]
