"""What goes with a record that is erased: in the same transaction as its content."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, func, select, update

from casework.store.tables import ABOUT_A_RECORD, request_table


def forget(conn: Connection, records: Sequence[str]) -> None:
    """Delete what is here about these records or requests (some hundreds at most); a request about one of them stays,
    and names it no more."""
    for table, column in ABOUT_A_RECORD:
        conn.execute(delete(table).where(table.c[column].in_(records)))
    reference = request_table.c.reference
    conn.execute(update(request_table).where(reference.in_(records)).values(reference=None))


def count(conn: Connection, record: str) -> dict[str, int]:
    """Table → how many rows name this record."""
    places = [(table, table.c[column]) for table, column in ABOUT_A_RECORD]
    counts: dict[str, int] = {}
    for table, column in [*places, (request_table, request_table.c.reference)]:
        found = conn.execute(select(func.count()).select_from(table).where(column == record)).scalar_one()
        counts[table.name] = counts.get(table.name, 0) + found
    return counts


def tables() -> list[str]:
    """The tables that `forget` deletes from."""
    return [table.name for table, _ in ABOUT_A_RECORD]
