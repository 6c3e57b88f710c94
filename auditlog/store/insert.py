"""INSERT of whole rows by driver SQL: on the writer's path the expression layer costs more than the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final, TypeAlias

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql

# Of one statement. The drivers let go of the interpreter lock, and must wait for it again, once a statement.
_ROWS: Final = 128


class RowInsert:
    """Inserts rows of one table, given as column → value; each column must be there."""

    def __init__(self, table: Table) -> None:
        names = [column.name for column in table.columns]
        self._values = itemgetter(*names)
        self._into = f"INSERT INTO {table.name} ({', '.join(names)}) "
        self._marks = f"({', '.join('?' * len(names))})"
        self._one = f"{self._into}VALUES {self._marks}".replace("?", "%s")
        dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
        arrays = ", ".join(f"%s::{column.type.compile(dialect)}[]" for column in table.columns)
        self._many = f"{self._into}SELECT * FROM unnest({arrays})"  # noqa: S608 (our names)

    def __call__(self, conn: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Raises KeyError for a row without one of the columns, IntegrityError where a row is there already."""
        values = [self._values(row) for row in rows]
        if conn.dialect.name == "postgresql":
            if len(values) == 1:
                conn.exec_driver_sql(self._one, values[0])
            elif values:
                conn.exec_driver_sql(self._many, tuple([list(column) for column in zip(*values, strict=True)]))
            return
        for low in range(0, len(values), _ROWS):
            part = values[low : low + _ROWS]
            conn.exec_driver_sql(self._sqlite(len(part)), tuple([value for row in part for value in row]))

    @lru_cache(maxsize=_ROWS * 16)  # noqa: B019 (one object a table, made at import)
    def _sqlite(self, rows: int) -> str:
        return f"{self._into}VALUES {', '.join([self._marks] * rows)}"


Row: TypeAlias = tuple[RowInsert, Mapping[str, Any]]
"""A row and where it goes."""


def insert_rows(conn: Connection, rows: Iterable[Row]) -> None:
    """Rows of several tables: one statement a table. Raises as RowInsert does."""
    tables: dict[RowInsert, list[Mapping[str, Any]]] = {}
    for insert, row in rows:
        tables.setdefault(insert, []).append(row)
    for insert, mine in tables.items():
        insert(conn, mine)
