"""A backup: one SQLite file with what cannot be made again, from either database, in one snapshot.

Left out are rows that say in clear what is sealed, or that follow from what is here (`REBUILT`): an old backup then
holds of a record nothing but its ciphertext, which an erasure makes unreadable wherever it lies. What opens an account
stays where it is as well (`LEFT`), not whose it is. Record keys are in no database, and so in no backup of one.

Tables have columns without types: a value is kept as the database gave it. `greffier_backup` says whose it is and what
it holds, so that it is complete if that table is there: it is written last.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, MetaData, Table, func, inspect, select
from sqlalchemy.exc import DataError, IntegrityError

from auditlog.core.errors import FormatError
from auditlog.writing import durable

FORM: Final = "greffier-backup/1"
# Parents before the rows that refer to them.
KEPT: Final = (
    "access_account",
    "access_event",
    "registry_system",
    "registry_version",
    "registry_model",
    "registry_change",
    "registry_fitness",
    "registry_override",
    "registry_record",
    "registry_step",
    "registry_modification",
    "registry_answer",
    "registry_incident",
    "auditlog_log",
    "auditlog_key",
    "auditlog_entry",
    "auditlog_tile",
    "auditlog_head",
    "auditlog_timestamp",
    "auditlog_sealed",
    "auditlog_blob",
    "auditlog_blob_due",
    "auditlog_erasure",
    "auditlog_erasure_due",
    "auditlog_source",
    "auditlog_rollup",
    "auditlog_rollup_due",
    "auditlog_rollup_tallied",
    "auditlog_tally",
    "auditlog_tally_round",
    "auditlog_publication",
    "auditlog_published",
    "auditlog_sample",
    "auditlog_reconciliation",
    "auditlog_view",
    "casework_tracking",
    "casework_code",
)
REBUILT: Final = (
    "auditlog_subject",
    "auditlog_idempotency",
    "auditlog_decision",
    "auditlog_review",
    "auditlog_about",
    "auditlog_event",
    "casework_request",
    "casework_judgement",
    "registry_listing",
    "registry_word",
)
LEFT: Final = (
    "access_key",
    "access_secret",
    "access_recovery",
    "access_session",
    "access_attempt",
    "casework_try",
    "casework_assignment",
    "alembic_version",
)
# From the lists, which a test holds against the migrated database: a new package cannot be in one place only.
_PACKAGES: Final = tuple(sorted({f"{name.partition('_')[0]}_" for name in (*KEPT, *REBUILT, *LEFT)}))
_BATCH: Final = 1000
_ABOUT: Final = "greffier_backup"

Progress = Callable[[str, int, int], None]
"""Told the table, how many of its rows are done, and how many there are."""


@dataclass(frozen=True, slots=True)
class SavedLog:
    """One log of a backup: number, origin, and its signed size and root (hexadecimal)."""

    number: int
    origin: str
    size: int
    root: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup says of itself. `tables`: name → number of rows; `payloads`: where large contents lie."""

    created: str
    software: str
    revision: str
    agency: str
    origin: str
    payloads: str
    logs: tuple[SavedLog, ...]
    tables: Mapping[str, int]


def is_ours(name: str) -> bool:
    """Whether a table has a name of this program's, in this version or another; a schema may hold others' as well."""
    return name.startswith(_PACKAGES)


def write_backup(
    conn: Connection, path: Path, describe: Callable[[Mapping[str, int]], Manifest], progress: Progress
) -> Manifest:
    """Copy what is kept of the database behind `conn` (one read transaction) into a new file, mode 0600, synced.

    It gets its name when it is whole; a killed run leaves `.<name>.part`, which the next one takes away.
    `describe` gets the numbers of rows. Raises FormatError where a table is of no known sort, FileExistsError, OSError.
    """
    names = _known(conn)
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    durable.write_new(part, b"", 0o600)
    try:
        manifest = _write(conn, part, names, describe, progress)
        _name(part, path)
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF not in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}:
            raise
        raise OSError(errno.EIO, "the disk is full or fails") from error
    finally:
        part.unlink(missing_ok=True)
    durable.sync_folder(path.absolute().parent)
    return manifest


def _write(
    conn: Connection,
    path: Path,
    names: Sequence[str],
    describe: Callable[[Mapping[str, int]], Manifest],
    progress: Progress,
) -> Manifest:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as file:
        # Nobody else sees the file before it is whole, and it is synced then.
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-16000"):
            file.execute(f"PRAGMA {pragma}")
        file.execute("BEGIN")
        reflected = MetaData()
        counts = {name: _copy_out(conn, file, _reflect(conn, reflected, name), progress) for name in names}
        manifest = describe(counts)
        file.execute(f"CREATE TABLE {_ABOUT} (name, value)")
        rows = {"form": FORM, **{name: _text(value) for name, value in asdict(manifest).items()}}
        file.executemany(f"INSERT INTO {_ABOUT} VALUES (?, ?)", rows.items())  # noqa: S608 (our name)
        file.execute("COMMIT")
    _sync(path)
    return manifest


class Backup:
    """A backup file, open for reading."""

    def __init__(self, path: Path) -> None:
        """Raises FormatError for a file that is no whole backup."""
        if not path.is_file():
            raise FormatError("there is no such file: name a backup that `greffier backup` wrote", field="--from")
        try:
            self._file = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
            self.manifest = self._read_manifest()
        except (sqlite3.Error, ValueError, KeyError, TypeError):
            message = "is no whole backup of this program: take another one, from `greffier backup`"
            raise FormatError(message, field="--from") from None

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read_manifest(self) -> Manifest:
        found = dict(self._file.execute(f"SELECT name, value FROM {_ABOUT}").fetchall())  # noqa: S608 (our name)
        if found.pop("form", None) != FORM:
            raise ValueError
        logs = tuple(SavedLog(**log) for log in json.loads(found.pop("logs")))
        return Manifest(logs=logs, tables=json.loads(found.pop("tables")), **found)

    def fill(self, conn: Connection, progress: Progress) -> None:
        """Put all rows into the empty tables of a database at the backup's revision.

        Raises FormatError where the file is damaged, or has other tables or columns.
        """
        reflected = MetaData()
        for name, count in self.manifest.tables.items():
            if name not in KEPT:
                raise FormatError("holds a table that no backup has", field="--from")
            done = 0
            table = _reflect(conn, reflected, name)
            for rows in self._rows(table):
                try:
                    conn.execute(table.insert(), rows)
                except (IntegrityError, DataError):
                    raise FormatError(f"is damaged: {name} has rows that cannot be", field="--from") from None
                done += len(rows)
                progress(name, done, count)
            if done != count:
                raise FormatError(f"is damaged: {name} has {done} of its {count} rows", field="--from")

    def _rows(self, table: Table) -> Iterator[list[dict[str, Any]]]:
        names = [column.name for column in table.columns]
        try:
            cursor = self._file.execute(f"SELECT {', '.join(names)} FROM {table.name}")  # noqa: S608 (our names)
            while rows := cursor.fetchmany(_BATCH):
                yield [dict(zip(names, row, strict=True)) for row in rows]
        except sqlite3.Error:
            raise FormatError(f"is damaged in {table.name}: take an older backup", field="--from") from None


def _known(conn: Connection) -> list[str]:
    found = set(inspect(conn).get_table_names())
    unknown = found - {*KEPT, *REBUILT, *LEFT}
    strangers = sorted(name for name in unknown if is_ours(name))
    if strangers:
        raise FormatError(f"has a table that no backup knows: {strangers[0]}", field="database")
    return [name for name in KEPT if name in found]


def _reflect(conn: Connection, into: MetaData, name: str) -> Table:
    return Table(name, into, autoload_with=conn, resolve_fks=False)


def _copy_out(conn: Connection, file: sqlite3.Connection, table: Table, progress: Progress) -> int:
    names = [column.name for column in table.columns]
    whole = conn.execute(select(func.count()).select_from(table)).scalar_one()
    file.execute(f"CREATE TABLE {table.name} ({', '.join(names)})")
    into = f"INSERT INTO {table.name} VALUES ({', '.join('?' * len(names))})"  # noqa: S608 (our names)
    keys = list(table.primary_key.columns)
    count = 0
    result = conn.execute(select(table).order_by(*keys).execution_options(yield_per=_BATCH))
    for rows in result.partitions():
        file.executemany(into, [tuple(row) for row in rows])
        count += len(rows)
        progress(table.name, count, whole)
    return count


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _name(part: Path, path: Path) -> None:
    """Never over a file that is there."""
    try:
        path.hardlink_to(part)
    except FileExistsError:
        raise
    except OSError:  # a file system without second names
        if path.exists():
            raise
        part.rename(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


__all__: Sequence[str] = (
    "FORM",
    "KEPT",
    "LEFT",
    "REBUILT",
    "Backup",
    "Manifest",
    "SavedLog",
    "is_ours",
    "write_backup",
)
