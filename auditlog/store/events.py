"""Lists of entries that are no decisions: refusals, outages, states and the rest, as the writer noted them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select, tuple_

from auditlog.core.entries.record import Entry, parse_entry
from auditlog.store.cursor import DecisionFilter, Page, format_cursor, parse_cursor
from auditlog.store.decisions import ORDER
from auditlog.store.listing import check_limit
from auditlog.store.log import entry_table
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


def first_minute(conn: Connection) -> str | None:
    """The earliest minute of an entry that is no decision."""
    return conn.execute(select(func.min(event_table.c.minute))).scalar_one_or_none()


def minutes_of(conn: Connection, since: str, until: str) -> set[str]:
    """The minutes from `since` on and before `until` (minutes or days) that have an entry, decisions left out."""
    minute = event_table.c.minute
    return set(conn.execute(select(minute).where(minute >= since, minute < until).distinct()).scalars())


def entries_of(conn: Connection, kinds: Collection[str], since: str, until: str) -> Iterator[Entry]:
    """The entries of some kinds from minute (or day) `since` on and before `until`, in the order of the logs."""
    events, entries = event_table.c, entry_table.c
    statement = select(entries.data).join_from(
        event_table, entry_table, (events.log == entries.log) & (events.idx == entries.idx)
    )
    where = (events.kind.in_(kinds), events.minute >= since, events.minute < until)
    for (data,) in conn.execute(statement.where(*where).order_by(events.log, events.idx)):
        entry = parse_entry(bytes(data))
        if isinstance(entry, Entry):
            yield entry


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
