"""The engine: durability switches, transactions, and what an error of the database means for the log."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from auditlog.core.errors import CannotRecord, FormatError

_BACKENDS = ("sqlite", "postgresql")


def _says_no_row(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith("Row ")


# At DEBUG the library repeats each row that it reads: codes of outcomes, tags, and keys of a key store.
logging.getLogger("sqlalchemy.engine.Engine").addFilter(_says_no_row)


def open_engine(url: str) -> Engine:
    """An engine for `url` (`sqlite:///…` or `postgresql://…`, driven by psycopg), with durability switched on.

    SQLite: WAL, `synchronous=FULL` (one fsync a commit), foreign keys, deleted content zeroed. Raises FormatError for
    another URL, which is never repeated, since it may hold a password. What else is wrong, the first connection says.
    """
    try:
        target = make_url(url)
        known = target.get_backend_name() in _BACKENDS
    except ArgumentError:
        known = False
    if not known:
        raise FormatError("must be sqlite:///FILE or postgresql://USER@HOST/NAME", field="database_url")
    # Statements carry what people said: an error must not repeat them.
    if target.get_backend_name() == "postgresql":
        engine = create_engine(
            target.set(drivername="postgresql+psycopg"), pool_pre_ping=True, pool_size=8, hide_parameters=True
        )
        event.listen(engine, "connect", _set_options)
        return engine
    # Threads wait rather than fail when readers outnumber connections; a file is opened once per pooled connection.
    engine = create_engine(target, poolclass=QueuePool, pool_size=8, max_overflow=24, hide_parameters=True)
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "connect", _note_file)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def database_file(engine: Engine) -> Path | None:
    """Where an SQLite database lies; None for a server, or a database in memory."""
    name = engine.url.database if engine.dialect.name == "sqlite" else None
    return None if name in {None, "", ":memory:"} else Path(str(name))


def demand_file(engine: Engine) -> None:
    """Raise CannotRecord where an SQLite database is gone: opening it would make an empty one in its place."""
    path = database_file(engine)
    if path is not None and not path.exists():
        raise CannotRecord("its file is missing: put it back from a backup", cause="database", field="database")


def _set_pragmas(connection: sqlite3.Connection, _record: ConnectionPoolEntry) -> None:
    """Take transactions out of pysqlite's hands and switch on what the promises need."""
    connection.isolation_level = None
    for pragma in (
        "busy_timeout=10000",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "secure_delete=ON",
        # REPLACE must fire the triggers that forbid deleting an entry.
        "recursive_triggers=ON",
        "wal_autocheckpoint=2000",
        "cache_size=-16000",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _set_options(connection: Any, _record: ConnectionPoolEntry) -> None:
    """Wait for a turn as long as on SQLite, not for ever; and never take an unsynced commit for a durable one."""
    connection.execute("SET lock_timeout = '10s'")
    connection.execute(
        "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
    )
    connection.commit()


def _note_file(connection: sqlite3.Connection, record: ConnectionPoolEntry) -> None:
    """Remember which file was opened: SQLite goes on writing, content, into one that was deleted or replaced."""
    path = connection.execute("PRAGMA database_list").fetchone()[2]
    record.info["file"] = (path, _identity(path)) if path else None


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino)


def _begin_sqlite(conn: Connection) -> None:
    """A writer takes the lock at once: a read lock that is upgraded later fails under a second writer."""
    if not conn.get_execution_options().get("writing"):
        conn.exec_driver_sql("BEGIN")
        return
    file = conn.connection.info.get("file")
    if file is not None and _identity(file[0]) != file[1]:
        conn.invalidate()
        raise CannotRecord("the database file was removed or replaced while it was open: put it back", cause="database")
    conn.exec_driver_sql("BEGIN IMMEDIATE")


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One write transaction, committed at the end. On SQLite it holds the write lock from its beginning."""
    with engine.connect().execution_options(writing=True) as conn, conn.begin():
        yield conn


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One short read transaction over one snapshot."""
    options: dict[str, Any] = {}
    if engine.dialect.name == "postgresql":
        options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with engine.connect().execution_options(**options) as conn, conn.begin():
        yield conn


def empty_write_ahead_log(engine: Engine) -> bool:
    """Let go of what was deleted: SQLite's write-ahead log keeps old pages, in clear, until it is emptied.

    False where a reader or writer was in the way for as long as the busy timeout, or the disk failed; calling again is
    safe. PostgreSQL recycles its own (True, nothing done): what that leaves is stated in docs/trust.md.
    """
    if engine.dialect.name != "sqlite":
        return True
    try:
        connection = engine.raw_connection()
        try:
            cursor = connection.cursor()
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            row = cursor.fetchone()  # (busy, pages in the log, pages moved)
            cursor.close()
        finally:
            connection.close()
    except (DBAPIError, sqlite3.Error):
        return False
    return row is not None and row[0] == 0


def let_go_of_deleted(engine: Engine, tables: Sequence[str]) -> bool:
    """After an erasure: SQLite's write-ahead log is emptied, PostgreSQL's dead rows of these tables are vacuumed.

    PostgreSQL's planner keeps values of rows as statistics, so it looks at these tables again, too. False where that
    could not be done now (a reader in the way, no right to these tables); calling again is safe.
    """
    if engine.dialect.name != "postgresql":
        return empty_write_ahead_log(engine)
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
            for table in tables:
                conn.exec_driver_sql(f"VACUUM (ANALYZE) {table}")
    except DBAPIError:
        return False
    return True


_SQLITE_CAUSES: Mapping[int, str] = {
    sqlite3.SQLITE_FULL: "disk_full",
    sqlite3.SQLITE_READONLY: "unwritable",
    sqlite3.SQLITE_PERM: "unwritable",
    sqlite3.SQLITE_IOERR: "unwritable",
    sqlite3.SQLITE_CANTOPEN: "database",
    sqlite3.SQLITE_BUSY: "database",
    sqlite3.SQLITE_LOCKED: "database",
    sqlite3.SQLITE_CORRUPT: "database",
    sqlite3.SQLITE_NOTADB: "database",
    sqlite3.SQLITE_PROTOCOL: "database",
}
_POSTGRESQL_CAUSES: Sequence[tuple[str, str]] = (
    ("53100", "disk_full"),
    ("25006", "unwritable"),
    ("58", "unwritable"),
    ("08", "database"),
    ("53", "database"),
    ("55P03", "database"),
    ("57", "database"),
    ("40", "database"),
    ("XX", "database"),
)


def outage_cause(error: BaseException) -> str | None:
    """The `outage/1` cause when the database itself failed; None when a caller's statement was at fault."""
    if not isinstance(error, DBAPIError):
        return "database" if isinstance(error, sqlite3.OperationalError) else None
    original = cast("Any", error.orig)
    if isinstance(original, sqlite3.Error):
        code = getattr(original, "sqlite_errorcode", None)
        return None if code is None else _SQLITE_CAUSES.get(code & 0xFF)
    state = getattr(original, "sqlstate", None)
    if state is None:
        # The connection broke before the server could say anything.
        return "database" if type(original).__name__ == "OperationalError" else None
    return next((cause for prefix, cause in _POSTGRESQL_CAUSES if state.startswith(prefix)), None)


def is_database_error(error: BaseException) -> bool:
    """Whether the database said it, about itself or about a statement (a table is missing, a value does not fit)."""
    return isinstance(error, DBAPIError | sqlite3.Error)


def does_not_fit(error: BaseException) -> bool:
    """Whether a value is none that the database has, such as a text with NUL (PostgreSQL). Nothing is wrong with it."""
    return isinstance(error, DataError)


def cannot_record(error: Exception) -> CannotRecord:
    """`error` as the CannotRecord that callers are told, in one line with the fix."""
    if isinstance(error, CannotRecord):
        return error
    cause = outage_cause(error) or "unknown"
    if isinstance(error, DBAPIError):
        # A driver's further lines may quote the row.
        reason = (str(error.orig).splitlines() or [type(error.orig).__name__])[0]
        return CannotRecord(f"cannot be used now ({reason}): {_FIXES[cause]}", cause=cause, field="database")
    return CannotRecord(f"the log cannot record now ({error}): nothing was decided or released", cause=cause)


_FIXES: Mapping[str, str] = {
    "disk_full": "free some space, then try again",
    "unwritable": "check its disk and the program's rights, then try again",
    "database": "check that it is there and runs; if it is damaged, restore it from a good backup",
    "unknown": "it has not this program's schema; restore it from a good backup",
}
