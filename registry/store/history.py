"""Which entries of the log tell a system's history, so that it is read without walking the whole log."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, insert, select, tuple_

from registry.store.tables import CHANGE

Place = tuple[int, int]
"""Number of the log, and index in it."""


def add_changes(conn: Connection, slug: str, log: int, indices: Iterable[int]) -> None:
    """Note the entries of log `log` that changed a system, in the transaction that wrote them."""
    conn.execute(insert(CHANGE), [{"log": log, "idx": index, "slug": slug} for index in indices])


def list_changes(conn: Connection, slug: str) -> list[Place]:
    """Where a system's own entries stand, oldest first."""
    columns = CHANGE.c
    statement = select(columns.log, columns.idx).where(columns.slug == slug).order_by(columns.log, columns.idx)
    return [(row.log, row.idx) for row in conn.execute(statement)]


def newest_changes(conn: Connection, before: Place | None, limit: int) -> list[tuple[str, Place]]:
    """System and place of the entries of all systems before a place (None: from the newest one), newest first."""
    columns = CHANGE.c
    statement = select(columns.slug, columns.log, columns.idx).order_by(columns.log.desc(), columns.idx.desc())
    if before is not None:
        statement = statement.where(tuple_(columns.log, columns.idx) < tuple_(*before))
    return [(row.slug, (row.log, row.idx)) for row in conn.execute(statement.limit(limit))]


def all_changes(conn: Connection) -> dict[Place, str]:
    """Every noted entry with its system, for a full check."""
    return {(row.log, row.idx): row.slug for row in conn.execute(select(CHANGE))}
