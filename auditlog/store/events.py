"""Lists of entries that are no decisions: refusals, outages, states and the rest, as the writer noted them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, select, tuple_

from auditlog.store.cursor import DecisionFilter, Page, format_cursor, parse_cursor
from auditlog.store.decisions import ORDER
from auditlog.store.listing import check_limit
from auditlog.store.rollup import event_table


def list_events(conn: Connection, where: DecisionFilter, *, cursor: str | None = None, limit: int = 50) -> Page:
    """One page of the entries of `where.kind`, newest first. Errors as `list_decisions`."""
    check_limit(limit)
    order = [event_table.c[name] for name in ORDER]
    statement = select(event_table)
    if cursor is not None:
        statement = statement.where(tuple_(*order) < tuple_(*parse_cursor(cursor, where)))
        where_below = replace(where, until=None)
    else:
        where_below = where
    statement = statement.where(*_conditions(where_below))
    statement = statement.order_by(*[column.desc() for column in order]).limit(limit + 1)
    rows = [dict(row) for row in conn.execute(statement).mappings()]
    last = rows[limit - 1] if len(rows) > limit else None
    return Page(tuple(rows[:limit]), None if last is None else format_cursor([last[name] for name in ORDER], where))


def iterate_events(
    conn: Connection, where: DecisionFilter, names: Sequence[str], *, size: int = 65_536
) -> Iterator[Sequence[Sequence[Any]]]:
    """The columns `names` of all of them, oldest first, `size` rows at a time."""
    statement = select(*[event_table.c[name] for name in names]).where(*_conditions(where))
    statement = statement.order_by(*[event_table.c[name] for name in ORDER]).execution_options(yield_per=size)
    yield from conn.execute(statement).partitions()


def _conditions(where: DecisionFilter) -> list[ColumnElement[bool]]:
    columns = event_table.c
    found: list[ColumnElement[bool]] = [columns.kind == where.kind]
    if where.system is not None:
        found.append(columns.system == where.system)
    if where.reason is not None:
        found.append(columns.code == where.reason)
    if where.since is not None:
        found.append(columns.minute >= where.since)
    if where.until is not None:
        found.append(columns.minute < where.until)
    return found
