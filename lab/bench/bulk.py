"""Bulk loading: rows by column in one go, on SQLite without a journal, on PostgreSQL by COPY; indices afterwards.

For databases of the benchmarks alone: what is killed half-way is lost.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any

from sqlalchemy import Connection, Engine, PrimaryKeyConstraint, Table, UniqueConstraint

_CACHE_KIB = 2_500_000


def insert_columns(conn: Connection, table: Table, columns: Mapping[str, Any]) -> None:
    """Rows given as column → values (a list or range, all of one length) or one value for all of them.

    What the table has no column for is left out; a column that is not given is a KeyError.
    """
    names = [column.name for column in table.columns]
    count = max((len(one) for one in columns.values() if isinstance(one, list | range)), default=0)
    if not count:
        return
    given = [columns[name] for name in names]
    rows = zip(*[one if isinstance(one, list | range) else repeat(one, count) for one in given], strict=False)
    driver: Any = conn.connection.driver_connection
    if conn.dialect.name == "sqlite":
        places = ", ".join("?" * len(names))
        driver.executemany(f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({places})", rows)  # noqa: S608 (our names)
        return
    with driver.cursor() as cursor, cursor.copy(f"COPY {table.name} ({', '.join(names)}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


@contextlib.contextmanager
def loading(engine: Engine, tables: Sequence[Table]) -> Iterator[Connection]:
    """One transaction to load these tables in. What orders rows is taken away before, and made again in the end."""
    indices = [index for table in tables for index in sorted(table.indexes, key=lambda one: str(one.name))]
    with engine.connect().execution_options(writing=True) as conn:
        if conn.dialect.name == "sqlite":
            driver: Any = conn.connection.driver_connection
            for pragma in ("journal_mode=OFF", "synchronous=OFF", f"cache_size=-{_CACHE_KIB}"):
                driver.execute(f"PRAGMA {pragma}").close()
        with conn.begin():
            if conn.dialect.name == "postgresql":
                conn.exec_driver_sql("SET LOCAL maintenance_work_mem = '512MB'")
            for index in indices:
                index.drop(conn)
            constraints = list(_constraints(tables)) if conn.dialect.name == "postgresql" else []
            for constraint in constraints:
                conn.exec_driver_sql(f"ALTER TABLE {constraint.table.name} DROP CONSTRAINT {constraint.name}")
            yield conn
            for constraint in constraints:
                kind = "PRIMARY KEY" if isinstance(constraint, PrimaryKeyConstraint) else "UNIQUE"
                columns = ", ".join(constraint.columns.keys())
                added = f"ADD CONSTRAINT {constraint.name} {kind} ({columns})"
                conn.exec_driver_sql(f"ALTER TABLE {constraint.table.name} {added}")
            for index in indices:
                index.create(conn)
        conn.invalidate()
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
            conn.exec_driver_sql(f"VACUUM (ANALYZE) {', '.join(table.name for table in tables)}")


def _constraints(tables: Sequence[Table]) -> Iterator[PrimaryKeyConstraint | UniqueConstraint]:
    for table in tables:
        yield from [one for one in table.constraints if isinstance(one, PrimaryKeyConstraint | UniqueConstraint)]
