"""Query rows over decisions and their reviews: what lists, filters and figures read.

Each column follows from an entry and its opened values (`row_from`, `review_row_from`, both pure), so `log fsck` can
compute every one again. A review adds a row and changes none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Select,
    Table,
    Text,
    delete,
    select,
    tuple_,
)

from auditlog.canonical import Json
from auditlog.errors import FormatError, NotFound
from auditlog.record import Entry
from auditlog.store import metadata
from auditlog.store.cursor import DecisionFilter, Page, format_cursor, parse_cursor
from auditlog.store.insert import Row, RowInsert
from auditlog.vocabulary import ENERGY_METHODS, REVIEW_ACTIONS

MAX_PAGE = 1000
_NUMBERS = ("prompt_tokens", "output_tokens", "queue_us", "first_us", "total_us", "energy_uj", "cost_millionths")
_USAGE = {*_NUMBERS, "energy_method", "currency", "tariff_valid_from"}

decision_table = Table(
    "auditlog_decision",
    metadata,
    Column("id", Text, nullable=False),
    Column("log", Integer, nullable=False),
    Column("idx", BigInteger, nullable=False),
    Column("system", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("mode", Text, nullable=False),
    Column("minute", Text, nullable=False),
    Column("outcome", Text, nullable=True),
    Column("prompt_tokens", BigInteger, nullable=True),
    Column("output_tokens", BigInteger, nullable=True),
    Column("queue_us", BigInteger, nullable=True),
    Column("first_us", BigInteger, nullable=True),
    Column("total_us", BigInteger, nullable=True),
    Column("energy_uj", BigInteger, nullable=True),
    Column("energy_method", Text, nullable=True),
    Column("cost_millionths", BigInteger, nullable=True),
    Column("currency", Text, nullable=True),
    PrimaryKeyConstraint("id", name="auditlog_decision_pkey"),
    Index("auditlog_decision_idx", "log", "idx"),
    Index("auditlog_decision_system", "system", "log", "idx"),
    Index("auditlog_decision_outcome", "outcome", "log", "idx"),
    Index("auditlog_decision_minute", "minute"),
)
review_table = Table(
    "auditlog_review",
    metadata,
    Column("id", Text, nullable=False),
    Column("log", Integer, nullable=False),
    Column("idx", BigInteger, nullable=False),
    Column("decision_id", Text, nullable=False),
    Column("action", Text, nullable=False),
    PrimaryKeyConstraint("id", name="auditlog_review_pkey"),
    Index("auditlog_review_decision", "decision_id", "log", "idx"),
)

_insert_decision = RowInsert(decision_table)
_insert_review = RowInsert(review_table)


def row_from(entry: Entry, values: Mapping[str, Json], place: tuple[int, int]) -> dict[str, Any]:
    """The row of the decision at `place` (log, index): column → value.

    Raises FormatError, with the field's name, for values of another shape.
    """
    usage = _usage(values)
    method, currency = usage.get("energy_method"), usage.get("currency")
    if method is not None and method not in ENERGY_METHODS:
        raise FormatError(f"must be one of {', '.join(ENERGY_METHODS)}", field="usage.energy_method")
    return {
        "id": entry.id,
        "log": place[0],
        "idx": place[1],
        "system": entry.members["system"],
        "version": entry.members["version"],
        "mode": entry.members["mode"],
        "minute": entry.time,
        "outcome": _text(values.get("outcome"), "outcome"),
        **{name: _number(usage.get(name), f"usage.{name}") for name in _NUMBERS},
        "energy_method": method,
        "currency": _text(currency, "usage.currency"),
    }


def review_row_from(entry: Entry, values: Mapping[str, Json], place: tuple[int, int]) -> dict[str, Any]:
    """The row of the review at `place` (log, index): column → value. Raises FormatError with the field's name."""
    action, reference = values.get("action"), values.get("reference")
    if action not in REVIEW_ACTIONS:
        raise FormatError(f"must be one of {', '.join(REVIEW_ACTIONS)}", field="action")
    if not isinstance(reference, str):
        raise FormatError("must be the id of the decision", field="reference")
    return {"id": entry.id, "log": place[0], "idx": place[1], "decision_id": reference, "action": action}


def usage_from(row: Mapping[str, Any]) -> dict[str, Any]:
    """The part of `usage` that a row holds, as the figures read it."""
    return {name: row[name] for name in (*_NUMBERS, "energy_method", "currency")}


def insert_decision(conn: Connection, row: Mapping[str, Any]) -> None:
    """In the transaction that stores the entry."""
    _insert_decision(conn, [row])


def decision_rows(entry: Entry, values: Mapping[str, Json], place: tuple[int, int]) -> list[Row]:
    """What `insert_decision` inserts of `row_from`, for a unit that gives its rows."""
    return [(_insert_decision, row_from(entry, values, place))]


def insert_review(conn: Connection, row: Mapping[str, Any]) -> None:
    """In the transaction that stores the entry. Raises NotFound where the decision is not there (or was erased)."""
    found = conn.execute(select(decision_table.c.id).where(decision_table.c.id == row["decision_id"])).first()
    if found is None:
        raise NotFound("no such decision; it may have been erased meanwhile", field="reference")
    _insert_review(conn, [row])


def delete_decision(conn: Connection, id_: str) -> None:
    """The query rows of a decision and of its reviews."""
    conn.execute(delete(review_table).where(review_table.c.decision_id == id_))
    conn.execute(delete(decision_table).where(decision_table.c.id == id_))


def find_decision(conn: Connection, id_: str) -> dict[str, Any] | None:
    """One row with its latest `review` action, or None."""
    row = conn.execute(_rows().where(decision_table.c.id == id_)).mappings().one_or_none()
    return None if row is None else dict(row)


def find_reviews(conn: Connection, decision_id: str) -> list[dict[str, Any]]:
    """The review rows of a decision, oldest first."""
    statement = select(review_table).where(review_table.c.decision_id == decision_id).order_by(*_place(review_table))
    return [dict(row) for row in conn.execute(statement).mappings()]


def find_review(conn: Connection, id_: str) -> dict[str, Any] | None:
    """One review row, or None."""
    row = conn.execute(select(review_table).where(review_table.c.id == id_)).mappings().one_or_none()
    return None if row is None else dict(row)


def list_decisions(conn: Connection, where: DecisionFilter, *, cursor: str | None = None, limit: int = 50) -> Page:
    """One page, newest first, each row with its latest `review` action.

    Raises FormatError for a limit outside 1 to 1,000 and for a cursor of another query.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise FormatError(f"must be 1 to {MAX_PAGE}", field="limit")
    statement = _filtered(where).order_by(decision_table.c.log.desc(), decision_table.c.idx.desc()).limit(limit + 1)
    if cursor is not None:
        statement = statement.where(tuple_(*_place(decision_table)) < tuple_(*parse_cursor(cursor, where)))
    rows = [dict(row) for row in conn.execute(statement).mappings()]
    more = len(rows) > limit
    last = rows[min(limit, len(rows)) - 1] if more else None
    return Page(tuple(rows[:limit]), None if last is None else format_cursor((last["log"], last["idx"]), where))


def iterate_decisions(conn: Connection, where: DecisionFilter | None = None) -> Iterator[dict[str, Any]]:
    """All rows that match, oldest first, read as a stream."""
    statement = _filtered(where or DecisionFilter()).order_by(*_place(decision_table))
    for row in conn.execute(statement.execution_options(yield_per=500)).mappings():
        yield dict(row)


def iterate_reviews(conn: Connection) -> Iterator[dict[str, Any]]:
    """All review rows, oldest first, read as a stream."""
    statement = select(review_table).order_by(*_place(review_table)).execution_options(yield_per=500)
    for row in conn.execute(statement).mappings():
        yield dict(row)


def stored_columns(row: Mapping[str, Any]) -> dict[str, Any]:
    """A read row without what reading added: what `row_from` gave."""
    return {column.name: row[column.name] for column in decision_table.columns}


def _place(table: Table) -> tuple[Column[int], Column[int]]:
    """The order of entries: log after log."""
    return table.c.log, table.c.idx


def _rows() -> Select[Any]:
    latest = (
        select(review_table.c.action)
        .where(review_table.c.decision_id == decision_table.c.id)
        .order_by(review_table.c.log.desc(), review_table.c.idx.desc())
        .limit(1)
        .scalar_subquery()
        .label("review")
    )
    return select(decision_table, latest)


def _filtered(where: DecisionFilter) -> Select[Any]:
    columns = decision_table.c
    statement = _rows()
    for name in ("system", "version", "mode", "outcome"):
        wanted = getattr(where, name)
        if wanted is not None:
            statement = statement.where(columns[name] == wanted)
    if where.since is not None:
        statement = statement.where(columns.minute >= where.since)
    if where.until is not None:
        statement = statement.where(columns.minute < where.until)
    return statement


def _usage(values: Mapping[str, Json]) -> dict[str, Json]:
    usage = values.get("usage")
    if usage is None:
        return {}
    if not isinstance(usage, dict) or usage.keys() != _USAGE:
        raise FormatError(f"must be an object with {', '.join(sorted(_USAGE))}", field="usage")
    return usage


def _number(value: Json, field: str) -> int | None:
    if value is not None and (type(value) is not int or value < 0):
        raise FormatError("must be a whole number of 0 or more, or null", field=field)
    return value if isinstance(value, int) else None


def _text(value: Json, field: str) -> str | None:
    if value is not None and not isinstance(value, str):
        raise FormatError("must be a string or null", field=field)
    return value
