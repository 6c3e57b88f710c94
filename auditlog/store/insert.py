"""INSERT of whole rows by driver SQL: on the writer's path the expression layer costs more than the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table


class RowInsert:
    """Inserts rows of one table, given as column → value; each column must be there."""

    def __init__(self, table: Table) -> None:
        self._columns = tuple(column.name for column in table.columns)
        marks = ", ".join("?" * len(self._columns))
        self._sqlite = f"INSERT INTO {table.name} ({', '.join(self._columns)}) VALUES ({marks})"  # noqa: S608 (our names)
        self._postgresql = self._sqlite.replace("?", "%s")

    def __call__(self, conn: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Raises KeyError for a row without one of the columns, IntegrityError where a row is there already."""
        if not rows:
            return
        statement = self._postgresql if conn.dialect.name == "postgresql" else self._sqlite
        values = [tuple(row[name] for name in self._columns) for row in rows]
        conn.exec_driver_sql(statement, values[0] if len(values) == 1 else values)
