"""A database that is built whole where there is none: all of it comes to be at once, or nothing does.

SQLite: a file beside the place, synced and then renamed into it. PostgreSQL: one transaction.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, inspect

from auditlog.core.errors import CannotRecord
from auditlog.store.backup import is_ours
from auditlog.store.engine import database_file, open_engine, writing
from auditlog.writing import durable

_SIDES: Final = ("-wal", "-shm", "-journal")


def demand_none(engine: Engine) -> None:
    """Raises CannotRecord where there is a database of this program, or what another left, in the place."""
    path = database_file(engine)
    if path is not None:
        there = [file.name for file in (path, *_sides(path)) if file.exists()]
    else:
        with engine.connect() as conn:
            there = sorted(name for name in inspect(conn).get_table_names() if is_ours(name))
    if there:
        message = f"holds {there[0]} already: move it away, or name another database"
        raise CannotRecord(message, cause="database", field="database")


@contextlib.contextmanager
def building(engine: Engine) -> Iterator[Connection]:
    """A connection to an empty database, which stands in its place at the end; nothing does where the block raises."""
    demand_none(engine)
    path = database_file(engine)
    if path is None:
        with writing(engine) as conn:
            yield conn
        return
    part = path.with_name(f"{path.name}.restoring")
    _remove(part)
    path.parent.mkdir(parents=True, exist_ok=True)
    made = open_engine(f"sqlite:///{part}")
    try:
        with writing(made) as conn:
            yield conn
        with made.connect() as conn:
            conn.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        made.dispose()
        # A crash before the rename leaves no database, after it the whole one.
        part.rename(path)
        durable.sync_folder(path.parent)
    finally:
        made.dispose()
        _remove(part)


def _sides(path: Path) -> list[Path]:
    return [path.with_name(path.name + end) for end in _SIDES]


def _remove(path: Path) -> None:
    for file in (path, *_sides(path)):
        file.unlink(missing_ok=True)
