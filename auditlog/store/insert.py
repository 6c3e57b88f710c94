"""INSERT of whole rows by driver SQL: on the writer's path the expression layer costs more than the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, TypeAlias

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql


class RowInsert:
    """Inserts rows of one table, given as column → value; each column must be there."""

    def __init__(self, table: Table) -> None:
        names = [column.name for column in table.columns]
        self._values = itemgetter(*names)
        into = f"INSERT INTO {table.name} ({', '.join(names)}) "
        self._sqlite = f"{into}VALUES ({', '.join('?' * len(names))})"
        self._one = self._sqlite.replace("?", "%s")
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
        if values:
            conn.exec_driver_sql(self._sqlite, values[0] if len(values) == 1 else values)


Row: TypeAlias = tuple[RowInsert, Mapping[str, Any]]
"""A row and where it goes."""


def insert_rows(conn: Connection, rows: Iterable[Row]) -> None:
    """Rows of several tables: one statement a table. Raises as RowInsert does."""
    tables: dict[RowInsert, list[Mapping[str, Any]]] = {}
    for insert, row in rows:
        tables.setdefault(insert, []).append(row)
    for insert, mine in tables.items():
        insert(conn, mine)
