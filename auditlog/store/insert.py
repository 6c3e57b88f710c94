"""INSERT of whole rows by driver SQL: on the writer's path the expression layer costs more than the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, TypeAlias

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql

# Rows of one statement on SQLite, the largest sizes first. Its driver lets go of the interpreter lock for each
# statement, and gets it back only when another thread lets go of it: with a statement a row the writer waits at each.
_TOGETHER = (128, 32, 8)


class SqliteInsert:
    """INSERT INTO … of many rows with few statements, for SQLite. `into`: "table (columns)"; `width`: of a row."""

    def __init__(self, into: str, width: int) -> None:
        one = f"({', '.join('?' * width)})"
        self._sql = {
            size: f"INSERT INTO {into} VALUES {', '.join([one] * size)}"  # noqa: S608 (our names)
            for size in (*_TOGETHER, 1)
        }

    def __call__(self, conn: Connection, values: Sequence[Sequence[Any]]) -> None:
        """Rows of values. Raises IntegrityError where a row is there already."""
        at, count = 0, len(values)
        for size in _TOGETHER:
            while count - at >= size:
                conn.exec_driver_sql(self._sql[size], tuple(chain.from_iterable(values[at : at + size])))
                at += size
        rest = [tuple(row) for row in values[at:]]
        if rest:
            conn.exec_driver_sql(self._sql[1], rest[0] if len(rest) == 1 else rest)


class RowInsert:
    """Inserts rows of one table, given as column → value; each column must be there."""

    def __init__(self, table: Table) -> None:
        names = [column.name for column in table.columns]
        self._values = itemgetter(*names)
        into = f"INSERT INTO {table.name} ({', '.join(names)}) "
        self._sqlite = SqliteInsert(f"{table.name} ({', '.join(names)})", len(names))
        self._one = f"{into}VALUES ({', '.join(['%s'] * len(names))})"
        dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
        types = [column.type.compile(dialect) for column in table.columns]
        # `%b`: as bytes, not as hex, which costs client and server four times as much.
        arrays = ", ".join(f"{'%b' if type_ == 'BYTEA' else '%s'}::{type_}[]" for type_ in types)
        self._many = f"{into}SELECT * FROM unnest({arrays})"  # noqa: S608 (our names)

    def __call__(self, conn: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Raises KeyError for a row without one of the columns, IntegrityError where a row is there already."""
        values = [self._values(row) for row in rows]
        if conn.dialect.name == "postgresql":
            if len(values) == 1:
                conn.exec_driver_sql(self._one, values[0])
            elif values:
                conn.exec_driver_sql(self._many, tuple([list(column) for column in zip(*values, strict=True)]))
            return
        self._sqlite(conn, values)


Row: TypeAlias = tuple[RowInsert, Mapping[str, Any]]
"""A row and where it goes."""


def insert_rows(conn: Connection, rows: Iterable[Row]) -> None:
    """Rows of several tables: one statement a table. Raises as RowInsert does."""
    tables: dict[RowInsert, list[Mapping[str, Any]]] = {}
    for insert, row in rows:
        tables.setdefault(insert, []).append(row)
    for insert, mine in tables.items():
        insert(conn, mine)
