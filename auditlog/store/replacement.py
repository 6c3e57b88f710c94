"""A database built anew beside the old one: all of it takes the old one's place at once, or nothing does.

SQLite: a new file, renamed over the old one, which keeps a name of its own (`<file>.before-import-<time>`). PostgreSQL:
one transaction that moves the old tables into a schema of their own (`before_import_<time>`) and makes new ones.
The old database is never deleted, and nobody else may use it meanwhile.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Engine, NullPool, Table, create_engine, event, inspect, select, text
from sqlalchemy.exc import DBAPIError

from auditlog.core.errors import CannotRecord
from auditlog.store.backup import is_ours
from auditlog.store.engine import database_file, open_engine, writing
from auditlog.writing import durable

_SIDES: Final = ("-wal", "-shm", "-journal")
_WAIT_MS: Final = 2_000


@dataclass(slots=True)
class Old:
    """The old database, for reading what is left of it. `damaged` names the tables that could not be read whole."""

    conn: Connection | None
    schema: str | None = None
    damaged: dict[str, str] = field(default_factory=dict)

    def rows(self, table: Table, *where: ColumnElement[bool]) -> Iterator[Mapping[str, Any]]:
        """Rows of a table in the order of its key, by the columns that it has there.

        What cannot be read is noted and left.
        """
        if self.conn is None:
            return
        try:
            names = self._columns(table)
            if not names:
                return
            keys = [column for column in table.primary_key.columns if column.name in names]
            statement = select(*[column for column in table.columns if column.name in names])
            statement = statement.where(*where).order_by(*keys)
            options: dict[str, Any] = {"yield_per": 500}
            if self.schema is not None:
                options["schema_translate_map"] = {None: self.schema}
            for row in self.conn.execute(statement, execution_options=options).mappings():
                yield dict(row)
        except DBAPIError as error:
            if self.schema is not None:
                raise
            self.damaged[table.name] = (str(error.orig).splitlines() or ["cannot be read"])[0]

    def _columns(self, table: Table) -> set[str]:
        assert self.conn is not None
        found = inspect(self.conn)
        if not found.has_table(table.name, schema=self.schema):
            return set()
        return {column["name"] for column in found.get_columns(table.name, schema=self.schema)}


class _RolledBack(Exception):
    """Nothing is kept."""


@contextlib.contextmanager
def replacing(engine: Engine, stamp: str, *, keep: bool) -> Iterator[tuple[Connection, Old]]:
    """(connection to an empty database, the old one). At the end the new one is in its place, or with `keep=False`
    everything is as it was; so it is when the block raises.

    `stamp` goes into the name of what is moved aside: digits and letters. Raises CannotRecord where someone else uses
    the database.
    """
    path = database_file(engine)
    with contextlib.suppress(_RolledBack):
        if path is None:
            with _replacing_schema(engine, stamp, keep) as pair:
                yield pair
        else:
            with _replacing_file(path, stamp, keep) as pair:
                yield pair


def moved_to(engine: Engine, stamp: str) -> str:
    """Where the old database is afterwards, for people."""
    path = database_file(engine)
    return f"the schema before_import_{stamp}" if path is None else f"{path.name}.before-import-{stamp}"


# --- SQLite -----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _replacing_file(path: Path, stamp: str, keep: bool) -> Iterator[tuple[Connection, Old]]:
    part = path.with_name(f"{path.name}.importing")
    _remove(part)
    made = open_engine(f"sqlite:///{part}")
    with _old_file(path) as held:
        try:
            with writing(made) as conn:
                yield conn, Old(held)
                if not keep:
                    raise _RolledBack
            with made.connect() as conn:
                conn.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            made.dispose()
            _swap(path, part, path.with_name(f"{path.name}.before-import-{stamp}"), held)
        finally:
            made.dispose()
            _remove(part)


@contextlib.contextmanager
def _old_file(path: Path) -> Iterator[Connection | None]:
    """The old file under an exclusive lock; None where there is none, or nothing of it can be read."""
    if not path.exists():
        yield None
        return
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool, hide_parameters=True)
    event.listen(engine, "connect", _set_exclusive)
    event.listen(engine, "begin", lambda conn: conn.exec_driver_sql("BEGIN"))
    try:
        try:
            conn = engine.connect()
            with conn.begin():
                conn.exec_driver_sql("SELECT count(*) FROM sqlite_master")
        except (DBAPIError, sqlite3.Error) as error:
            _demand_unused(error)
            yield None
            return
        with conn:
            yield conn
    finally:
        engine.dispose()


def _set_exclusive(connection: sqlite3.Connection, _record: object) -> None:
    """In this mode SQLite keeps the lock until the connection is closed, and lets nobody else in."""
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout={_WAIT_MS}").close()
    connection.execute("PRAGMA locking_mode=EXCLUSIVE").close()
    connection.execute("BEGIN IMMEDIATE").close()
    connection.execute("COMMIT").close()


def _demand_unused(error: DBAPIError | sqlite3.Error) -> None:
    original = error.orig if isinstance(error, DBAPIError) else error
    code = getattr(original, "sqlite_errorcode", 0) & 0xFF
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        message = "is in use: stop the server and every other command on this home, then import again"
        raise CannotRecord(message, cause="busy", field="database") from error


def _swap(path: Path, part: Path, aside: Path, held: Connection | None) -> None:
    """Put the new file in place. A crash before the rename leaves the old database whole, after it the new one."""
    if held is not None:
        # The write-ahead log goes into the file that it belongs to: beside the new one it would be taken for its own.
        # The journal that SQLite holds open from here on is empty, and goes when the connection is closed.
        held.rollback()
        held.connection.driver_connection.execute("PRAGMA journal_mode=DELETE").fetchall()  # type: ignore[union-attr]
    else:
        for end in _SIDES:
            side = path.with_name(path.name + end)
            if side.exists():
                side.rename(aside.with_name(aside.name + end))
    if path.exists():
        shutil.copymode(path, part)
        try:
            os.link(path, aside)
        except OSError:  # a file system without second names
            path.rename(aside)
    part.replace(path)
    durable.sync_folder(path.parent)


def _remove(path: Path) -> None:
    for end in ("", *_SIDES):
        path.with_name(path.name + end).unlink(missing_ok=True)


# --- PostgreSQL -------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _replacing_schema(engine: Engine, stamp: str, keep: bool) -> Iterator[tuple[Connection, Old]]:
    schema = f"before_import_{stamp}"
    with writing(engine) as conn:
        here = conn.execute(text("SELECT current_schema()")).scalar_one()
        names = [name for name in inspect(conn).get_table_names(schema=here) if is_ours(name)]
        conn.exec_driver_sql(f'CREATE SCHEMA "{schema}"')
        for name in sorted(names):
            conn.exec_driver_sql(f'ALTER TABLE "{here}"."{name}" SET SCHEMA "{schema}"')
        # The function that refuses changes to entries; the triggers of the old table go on using it.
        found = text(
            "SELECT 1 FROM pg_proc WHERE proname = 'auditlog_refuse' AND pronamespace = CAST(:s AS regnamespace)"
        )
        if conn.execute(found, {"s": here}).first() is not None:
            conn.exec_driver_sql(f'ALTER FUNCTION "{here}".auditlog_refuse() SET SCHEMA "{schema}"')
        yield conn, Old(conn, schema)
        if not keep:
            raise _RolledBack
