"""What a database may still hold of deleted rows: free pages and write-ahead log on SQLite, dead rows on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection

from auditlog.store.engine import database_file
from auditlog.store.erasures import ABOUT_A_RECORD

Found = tuple[str, str, bool]
"""A place, what was found there, whether that is as it must be."""


def of(conn: Connection) -> Iterator[Found]:
    """What is found in the database behind a connection."""
    if conn.dialect.name == "postgresql":
        yield from _dead_rows(conn)
        return
    path = database_file(conn.engine)
    switched = conn.exec_driver_sql("PRAGMA secure_delete").scalar_one()
    yield "secure_delete", "deleted content is zeroed" if switched == 1 else "is off", switched == 1
    if path is None:
        return
    log = path.with_name(f"{path.name}-wal")
    size = log.stat().st_size if log.exists() else 0
    yield "write-ahead log", "empty" if not size else f"{size} bytes: stop what reads, then verify again", not size
    if not size:
        used, total = _free_pages(path)
        yield "free pages", f"{total}, all of them zeros" if not used else f"{used} of {total} are not zeros", not used


def _dead_rows(conn: Connection) -> Iterator[Found]:
    names = [table.name for table, _ in ABOUT_A_RECORD]
    statement = "SELECT coalesce(sum(n_dead_tup), 0) FROM pg_stat_user_tables WHERE relname = ANY(%s)"
    dead = conn.exec_driver_sql(statement, (names,)).scalar_one()
    yield "dead rows", "none is counted" if not dead else f"{dead}: run VACUUM on the auditlog tables", not dead


def _free_pages(path: Path) -> tuple[int, int]:
    """(free pages with content, all free pages) of an SQLite file, by its freelist (sqlite.org/fileformat2, 1.5)."""
    with path.open("rb") as file:
        header = file.read(100)
        size = int.from_bytes(header[16:18])
        size = 65_536 if size == 1 else size

        def page(number: int) -> bytes:
            file.seek((number - 1) * size)
            return file.read(size)

        pages, trunk, total = (int.from_bytes(header[at : at + 4]) for at in (28, 32, 36))
        used = 0
        for _ in range(total):
            if trunk == 0:
                break
            content = page(trunk)
            words = [int.from_bytes(content[at : at + 4]) for at in range(0, size, 4)]
            trunk, leaves = words[0], words[2 : 2 + words[1]]
            # Behind the leaves a trunk may still have the numbers of former ones.
            used += any(word > pages for word in words[2:])
            used += sum(bool(page(leaf).strip(b"\0")) for leaf in leaves)
        return used, total
