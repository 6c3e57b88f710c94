"""Lists of decisions: a filter as conditions, pages by cursor, and all rows as a stream.

They run by minute, then by place in the log: with a clock that never went back that is the order of the log, and each
filter has an index that ends in it, so that a page costs the same in a small log and in a large one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, FromClause, Select, Table, func, select, tuple_

from auditlog.core.errors import FormatError
from auditlog.store.cursor import ANY_REVIEW, NO_REVIEW, DecisionFilter, Page, format_cursor, given, parse_cursor
from auditlog.store.decisions import ORDER, decision_table

MAX_PAGE = 1000
_EQUAL = {"version", "mode", "outcome", "capture", "boot", "source", "currency"}


def list_decisions(conn: Connection, where: DecisionFilter, *, cursor: str | None = None, limit: int = 50) -> Page:
    """One page, newest first, each row with its latest `review` action.

    Raises FormatError for a limit outside 1 to 1,000 and for a cursor of another query.
    """
    check_limit(limit)
    order = _order(decision_table)
    if cursor is None:
        statement = _filtered(where)
    else:
        # The cursor lies below the period's end: with both, SQLite would begin at the end and walk up to the cursor.
        statement = _filtered(replace(where, until=None)).where(tuple_(*order) < tuple_(*parse_cursor(cursor, where)))
    statement = statement.order_by(*[column.desc() for column in order]).limit(limit + 1)
    rows = [dict(row) for row in conn.execute(statement).mappings()]
    last = rows[limit - 1] if len(rows) > limit else None
    return Page(tuple(rows[:limit]), None if last is None else format_cursor([last[name] for name in ORDER], where))


def iterate_decisions(conn: Connection, where: DecisionFilter | None = None) -> Iterator[dict[str, Any]]:
    """All rows that match, oldest first, read as a stream."""
    statement = _filtered(where or DecisionFilter()).order_by(*_order(decision_table))
    for row in conn.execute(statement.execution_options(yield_per=500)).mappings():
        yield dict(row)


def check_limit(limit: int) -> None:
    """Raise FormatError for a page that is too small or too large."""
    if not 1 <= limit <= MAX_PAGE:
        raise FormatError(f"must be 1 to {MAX_PAGE}", field="limit")


def more_than(conn: Connection, count: int) -> bool:
    """Whether there are more decisions than so many."""
    return conn.execute(select(decision_table.c.idx).limit(1).offset(count)).first() is not None


def iterate_batches(
    conn: Connection,
    where: DecisionFilter,
    names: Sequence[str],
    *,
    until: tuple[int, int] | None = None,
    size: int = 65_536,
) -> Iterator[Sequence[Sequence[Any]]]:
    """The columns `names` of all rows that match, oldest first, `size` rows at a time.

    `until`: the place (log, index) of the newest row to give, so that two readings have the same end.
    """
    statement = select(*[decision_table.c[name] for name in names]).where(*conditions(where, decision_table))
    if until is not None:
        statement = statement.where(tuple_(decision_table.c.log, decision_table.c.idx) <= tuple_(*until))
    statement = statement.order_by(*_order(decision_table)).execution_options(yield_per=size)
    yield from conn.execute(statement).partitions()


def first_ids(conn: Connection, where: DecisionFilter, most: int) -> list[str]:
    """The ids of the oldest decisions that match, in the order of the log, at most `most` of them."""
    statement = select(decision_table.c.id).where(*conditions(where, decision_table)).order_by(*_order(decision_table))
    return [str(id_) for id_ in conn.execute(statement.limit(most)).scalars()]


def _order(table: Table) -> list[Column[Any]]:
    return [table.c[name] for name in ORDER]


def _filtered(where: DecisionFilter) -> Select[Any]:
    return select(decision_table).where(*conditions(where, decision_table))


def conditions(where: DecisionFilter, table: FromClause) -> list[ColumnElement[bool]]:
    """A filter as conditions on a table with the columns of decisions."""
    columns = table.c
    found = [columns[name] == value for name, value in given(where).items() if name in _EQUAL]
    if where.system is not None:
        # Beside a boot a system finds nothing sooner, and SQLite would walk the system's records for it.
        found.append((columns.system if where.boot is None else func.coalesce(columns.system, "")) == where.system)
    if where.since is not None:
        found.append(columns.minute >= where.since)
    if where.until is not None:
        found.append(columns.minute < where.until)
    if where.review is not None:
        found.append(_reviewed(where.review, columns.review))
    for name, measured in (
        ("total_us", columns.total_us),
        ("tokens", columns.prompt_tokens + columns.output_tokens),
        ("cost", columns.cost_millionths),
    ):
        least, most = getattr(where, f"min_{name}"), getattr(where, f"max_{name}")
        found += [] if least is None else [measured >= least]
        found += [] if most is None else [measured <= most]
    return found


def _reviewed(asked: str, column: ColumnElement[Any]) -> ColumnElement[bool]:
    if asked == NO_REVIEW:
        return column.is_(None)
    return column.is_not(None) if asked == ANY_REVIEW else column == asked
