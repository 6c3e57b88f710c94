"""Query rows over decisions and their reviews: what lists, filters and figures read.

Each column follows from an entry and its opened values (`row_from`, `review_row_from`, both pure), so `log fsck` can
compute every one again. A review adds a row, and shows on its decision's row as long as it is the latest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    bindparam,
    delete,
    select,
    text,
    update,
)

from auditlog.core.counting.cells import minutes_between
from auditlog.core.entries.record import Entry
from auditlog.core.entries.vocabulary import ENERGY_METHODS, REVIEW_ACTIONS
from auditlog.core.errors import FormatError, NotFound
from auditlog.core.formats.canonical import Json
from auditlog.store import metadata
from auditlog.store.insert import Row, RowInsert

_NUMBERS = ("prompt_tokens", "output_tokens", "queue_us", "first_us", "total_us", "energy_uj", "cost_millionths")
_USAGE = {*_NUMBERS, "energy_method", "currency", "tariff_valid_from"}
_MORE_USAGE = {"busy_us", "cached_tokens"}

ORDER = ("minute", "log", "idx")
"""Lists run so (see `listing`), and each index of a filter ends in it."""
HELD, EXTERNAL = "held", "external"
"""Where a decision's content is: sealed here, or with the client who committed to it."""

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
    Column("capture", Text, nullable=False),
    Column("boot", Text, nullable=True),
    Column("source", Text, nullable=True),
    Column("n", BigInteger, nullable=False),
    Column("content", Text, nullable=False),
    Column("review", Text, nullable=True),
    Column("reviewed", Text, nullable=True),
    Column("waited", BigInteger, nullable=True),
    PrimaryKeyConstraint("id", name="auditlog_decision_pkey"),
    Index("auditlog_decision_idx", "log", "idx"),
    Index("auditlog_decision_minute", *ORDER),
    Index("auditlog_decision_system", "system", *ORDER),
    Index("auditlog_decision_outcome", "system", "outcome", *ORDER),
    *(
        Index(f"auditlog_decision_{name}", *columns, *ORDER, sqlite_where=text(where), postgresql_where=text(where))
        for name, columns, where in (
            ("boot", ("boot",), "boot IS NOT NULL"),
            ("source", ("source",), "source IS NOT NULL"),
            ("reviewed", ("system", "review"), "review IS NOT NULL"),
            ("waiting", ("system",), "review IS NULL"),
        )
    ),
)
review_table = Table(
    "auditlog_review",
    metadata,
    Column("id", Text, nullable=False),
    Column("log", Integer, nullable=False),
    Column("idx", BigInteger, nullable=False),
    Column("decision_id", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("minute", Text, nullable=False),
    PrimaryKeyConstraint("id", name="auditlog_review_pkey"),
    Index("auditlog_review_decision", "decision_id", "log", "idx"),
)

_NOT_REVIEWED = dict.fromkeys(("review", "reviewed", "waited"))

_insert_decision = RowInsert(decision_table)
_insert_review = RowInsert(review_table)


def row_from(entry: Entry, values: Mapping[str, Json], place: tuple[int, int]) -> dict[str, Any]:
    """The row of the decision at `place` (log, index), as long as nobody reviewed it: column → value.

    Without values the content is `external`: the client who committed to it kept it, and usage is not known here.
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
        **{name: entry.members[name] for name in ("capture", "boot", "source", "n")},
        "content": HELD if values else EXTERNAL,
        **_NOT_REVIEWED,
    }


def review_row_from(entry: Entry, values: Mapping[str, Json], place: tuple[int, int]) -> dict[str, Any]:
    """The row of the review at `place` (log, index): column → value. Raises FormatError with the field's name."""
    action, reference = values.get("action"), values.get("reference")
    if action not in REVIEW_ACTIONS:
        raise FormatError(f"must be one of {', '.join(REVIEW_ACTIONS)}", field="action")
    if not isinstance(reference, str):
        raise FormatError("must be the id of the decision", field="reference")
    return {
        "id": entry.id,
        "log": place[0],
        "idx": place[1],
        "decision_id": reference,
        "action": action,
        "minute": entry.time,
    }


def reviewed_row(row: Mapping[str, Any], reviews: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The row of a decision with what its reviews (rows, oldest first) make of it: action and minute of the latest,
    and how long (minutes) the result waited for the first."""
    if not reviews:
        return {**row, **_NOT_REVIEWED}
    first, latest = reviews[0], reviews[-1]
    waited = minutes_between(row["minute"], first["minute"])
    return {**row, "review": latest["action"], "reviewed": latest["minute"], "waited": waited}


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
    show_review(conn, row["decision_id"])


def insert_reviews(conn: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Reviews (500 at most) of a database that is built anew. One whose decision is not there went with it."""
    columns = decision_table.c
    reviewed = list({row["decision_id"] for row in rows})
    stored = conn.execute(select(decision_table).where(columns.id.in_(reviewed))).mappings()
    decisions = {row["id"]: dict(row) for row in stored}
    _insert_review(conn, [row for row in rows if row["decision_id"] in decisions])
    shown = []
    for id_, reviews in reviews_of(conn, list(decisions)).items():
        row = reviewed_row(decisions[id_], reviews)
        shown.append({"of": id_, **{name: row[name] for name in _NOT_REVIEWED}})
    if shown:
        conn.execute(update(decision_table).where(columns.id == bindparam("of")), shown)


def show_review(conn: Connection, id_: str) -> None:
    """Bring the row of a decision in step with the rows of its reviews; one that is gone is no error."""
    row = find_decision(conn, id_)
    if row is not None:
        row = reviewed_row(row, find_reviews(conn, id_))
        shown = {name: row[name] for name in _NOT_REVIEWED}
        conn.execute(update(decision_table).where(decision_table.c.id == id_).values(shown))


def delete_decision(conn: Connection, id_: str) -> None:
    """The query rows of a decision and of its reviews."""
    delete_decisions(conn, [id_])


def delete_decisions(conn: Connection, ids: Sequence[str]) -> None:
    """The query rows of decisions and of their reviews. Rows that are gone already are no error."""
    conn.execute(delete(review_table).where(review_table.c.decision_id.in_(ids)))
    conn.execute(delete(decision_table).where(decision_table.c.id.in_(ids)))


def find_decision(conn: Connection, id_: str) -> dict[str, Any] | None:
    """One row with its latest `review` action, or None."""
    row = conn.execute(select(decision_table).where(decision_table.c.id == id_)).mappings().one_or_none()
    return None if row is None else dict(row)


def find_reviews(conn: Connection, decision_id: str) -> list[dict[str, Any]]:
    """The review rows of a decision, oldest first."""
    statement = select(review_table).where(review_table.c.decision_id == decision_id).order_by(*_place(review_table))
    return [dict(row) for row in conn.execute(statement).mappings()]


def reviews_of(conn: Connection, decision_ids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """As `find_reviews`, for several decisions (500 at most): those without a review are left out."""
    statement = select(review_table).where(review_table.c.decision_id.in_(decision_ids))
    found: dict[str, list[dict[str, Any]]] = {}
    for row in conn.execute(statement.order_by(*_place(review_table))).mappings():
        found.setdefault(row["decision_id"], []).append(dict(row))
    return found


def find_review(conn: Connection, id_: str) -> dict[str, Any] | None:
    """One review row, or None."""
    row = conn.execute(select(review_table).where(review_table.c.id == id_)).mappings().one_or_none()
    return None if row is None else dict(row)


def iterate_reviews(conn: Connection) -> Iterator[dict[str, Any]]:
    """All review rows, oldest first, read as a stream."""
    statement = select(review_table).order_by(*_place(review_table)).execution_options(yield_per=500)
    for row in conn.execute(statement).mappings():
        yield dict(row)


def _place(table: Table) -> tuple[Column[int], Column[int]]:
    """The order of entries: log after log."""
    return table.c.log, table.c.idx


def _usage(values: Mapping[str, Json]) -> dict[str, Json]:
    usage = values.get("usage")
    if usage is None:
        return {}
    if not isinstance(usage, dict) or usage.keys() - _MORE_USAGE != _USAGE:
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
