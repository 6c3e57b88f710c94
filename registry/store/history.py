"""Which entries of the log tell a system's history, so that it is read without walking the whole log."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, insert, select

from registry.store.tables import CHANGE


def add_changes(conn: Connection, slug: str, indices: Iterable[int]) -> None:
    """Note the indices of entries that changed a system, in the transaction that wrote them."""
    conn.execute(insert(CHANGE), [{"idx": index, "slug": slug} for index in indices])


def list_changes(conn: Connection, slug: str) -> list[int]:
    """Indices of a system's own entries, oldest first."""
    return list(conn.execute(select(CHANGE.c.idx).where(CHANGE.c.slug == slug).order_by(CHANGE.c.idx)).scalars())


def all_changes(conn: Connection) -> dict[int, str]:
    """Every noted index with its system, for a full check."""
    return {row.idx: row.slug for row in conn.execute(select(CHANGE))}
