"""All rows of figures, as a check of them needs them: by their keys, with nothing made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, delete, insert, select

from auditlog.store.publications import publication_table, published_table
from auditlog.store.rollup import KEY, due_table, rollup_table, tallied_table
from auditlog.store.tallies import round_table, tally_table

Key = tuple[int, str, int, str, str]
"""The key of a roll-up's row: log, system, version, mode, day."""


def all_rolled_up(conn: Connection) -> dict[tuple[Key, str], int]:
    """Key and cell → number, of the roll-up."""
    return _cells(conn, rollup_table)


def all_tallied(conn: Connection) -> dict[tuple[Key, str], int]:
    """Key and cell → number, of what tallies are said to hold."""
    return _cells(conn, tallied_table)


def all_due(conn: Connection) -> dict[Key, int]:
    """Key → the size of its log when it gained last, of those that are to be tallied."""
    rows = conn.execute(select(due_table))
    return {(row.log, row.system, row.version, row.mode, row.day): row.changed for row in rows}


def all_rounds(conn: Connection) -> dict[int, int]:
    """Log → the index below which everything is tallied."""
    return {row.log: row.until for row in conn.execute(select(round_table))}


def all_tallies(conn: Connection) -> dict[str, Mapping[str, Any]]:
    """Id → row."""
    return _by_id(conn, tally_table)


def all_publications(conn: Connection) -> dict[str, Mapping[str, Any]]:
    """Id → row."""
    return _by_id(conn, publication_table)


def all_published(conn: Connection) -> dict[str, dict[tuple[str, str], tuple[int, str | None]]]:
    """Id of a publication → (system, cell) → number, and why it stays closed."""
    found: dict[str, dict[tuple[str, str], tuple[int, str | None]]] = {}
    for row in conn.execute(select(published_table)):
        found.setdefault(row.id, {})[row.system, row.cell] = row.number, row.why
    return found


def replace_rolled_up(
    conn: Connection,
    rolled_up: Mapping[tuple[Key, str], int],
    tallied: Mapping[tuple[Key, str], int],
    due: Mapping[Key, int],
    rounds: Mapping[int, int],
) -> None:
    """These rows in the place of all that there are."""
    for table, cells in ((rollup_table, rolled_up), (tallied_table, tallied)):
        rows = [{**_named(key), "cell": cell, "number": number} for (key, cell), number in cells.items() if number]
        _replace(conn, table, rows)
    _replace(conn, due_table, [{**_named(key), "changed": changed} for key, changed in due.items()])
    _replace(conn, round_table, [{"log": log, "until": until} for log, until in rounds.items()])


def _replace(conn: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    conn.execute(delete(table))
    if rows:
        conn.execute(insert(table), list(rows))


def _named(key: Key) -> dict[str, Any]:
    return dict(zip(KEY, key, strict=True))


def _by_id(conn: Connection, table: Table) -> dict[str, Mapping[str, Any]]:
    return {str(row["id"]): dict(row) for row in conn.execute(select(table)).mappings()}


def _cells(conn: Connection, table: Table) -> dict[tuple[Key, str], int]:
    rows = conn.execute(select(table).execution_options(yield_per=1000))
    return {((row.log, row.system, row.version, row.mode, row.day), row.cell): row.number for row in rows}
