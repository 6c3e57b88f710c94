"""`greffier restore`: a home whose database is gone gets it back from a backup, with everything that was erased since
erased again before the log opens.

The backup gives entries and sealed content; keys, guard and ledger are the home's. What is rebuilt must pass the full
check before it takes its place. A backup that is older than the guard is restored all the same, since it has content
that nothing else has; its log stays closed until `log import` brings the entries that are missing, or `log succeed`
states that they are lost.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command

from auditlog.core.entries.record import Entry, OpaqueEntry, parse_entry
from auditlog.core.errors import AuditLogError, FormatError
from auditlog.recovery import fsck
from auditlog.recovery.fsck import Finding
from auditlog.recovery.rederive import drop_erased, rederive
from auditlog.store import log as log_store
from auditlog.store.atomic_create import building, demand_none
from auditlog.store.backup import Backup, Manifest, Progress
from auditlog.store.engine import cannot_record, is_database_error
from auditlog.vault import erasure
from casework.store.forgetting import forget
from home.errors import Refused, SettingsError, UsageError
from home.settings import SETTINGS_FILE, write_settings
from registry.errors import RegistryError
from registry.store import listing
from service.cases.rebuild import rebuild as rebuild_cases
from service.keeping import migrate
from service.keeping.rebuild import Damaged
from service.systems import register_check

if TYPE_CHECKING:
    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class RestoredLog:
    """One log: how many entries the backup has of it, and how many the guard vouches for."""

    number: int
    origin: str
    size: int
    guarded: int

    @property
    def missing(self) -> int:
        """Entries that were vouched for and are not in the backup."""
        return max(0, self.guarded - self.size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What a restore did. `opened`: records whose content opens; `erased`: orders of the ledger that it carried out;
    `erased_with_them`: contents about those, which went as well. `register`: where register and log differ."""

    created: str
    logs: tuple[RestoredLog, ...]
    opened: int
    erased: int
    erased_with_them: int
    register: tuple[tuple[str, str], ...] = ()

    @property
    def complete(self) -> bool:
        """Whether the log may go on as it is."""
        return not any(log.missing for log in self.logs)


@contextmanager
def opened_backup(path: Path) -> Iterator[Backup]:
    """A backup file. Raises UsageError for one that is none."""
    try:
        backup = Backup(path)
    except FormatError as error:
        raise UsageError(str(error)) from error
    try:
        yield backup
    finally:
        backup.close()


@contextmanager
def settled_home(home: Path, manifest: Manifest, database_url: str | None) -> Iterator[None]:
    """The home's settings: those that are there, or else the backup's, with this database."""
    there = (home / SETTINGS_FILE).exists()
    if there and database_url is not None:
        message = f"is a setting of this home: change it in {SETTINGS_FILE}, or leave the option out"
        raise UsageError(message, field="--database-url")
    try:
        for folder in (home, home / "models", home / "run"):
            folder.mkdir(parents=True, exist_ok=True)
        if not there:
            write_settings(home, manifest.agency, manifest.origin, database_url)
    except OSError as error:
        raise SettingsError(f"cannot be made in {home}: {error.strerror}", field="home") from error
    try:
        yield
    except BaseException:
        if not there:
            (home / SETTINGS_FILE).unlink(missing_ok=True)
        raise


def restore(damaged: Damaged, backup: Backup, progress: Progress = lambda _table, _done, _all: None) -> Restored:
    """Build the database from a backup. Raises Refused where what it gives does not hold, and CannotRecord where there
    is a database; then nothing was changed, but for keys that the ledger had ordered to be overwritten."""
    manifest = backup.manifest
    _demand_same(damaged, manifest)
    try:
        demand_none(damaged.engine)
        # The ledger first: whatever happens from here on, what was erased cannot be read any more.
        slots = damaged.ledger.slots()
        damaged.vault.keys.overwrite(slots)
        logs = tuple(_guarded(damaged, manifest))
        with building(damaged.engine) as conn:
            command.upgrade(migrate.config(conn), manifest.revision)
            backup.fill(conn, progress)
            command.upgrade(migrate.config(conn), "head")
            listing.complete(conn)
            told = rederive(conn, damaged.vault)
            erased = erasure.reapply(conn, damaged.vault.keys, damaged.ledger, new_id=_new_id, also=forget)
            gone = drop_erased(conn, damaged.ledger.slots())
            rebuild_cases(conn, damaged.vault)
            _check(conn, damaged, logs)
            register = _register(conn, damaged, logs)
    except FormatError as error:
        raise Refused(str(error), reason="not_rebuilt") from error
    except Exception as error:
        if not is_database_error(error):
            raise
        raise cannot_record(error) from error
    return Restored(
        created=manifest.created, logs=logs, opened=told.opened, erased=erased, erased_with_them=gone, register=register
    )


def _demand_same(damaged: Damaged, manifest: Manifest) -> None:
    """The backup is of this installation. Raises Refused."""
    settings = damaged.settings
    for name, mine, its in (
        ("agency", settings.agency, manifest.agency),
        ("origin", settings.origin, manifest.origin),
    ):
        if mine != its:
            raise Refused(
                f"is of {its}, and this home of {mine}: take its own backup", reason="not_rebuilt", field=name
            )
    if not migrate.is_known(manifest.revision):
        message = f"is at revision {manifest.revision}: restore it with the version of the program that wrote it"
        raise Refused(message, reason="not_rebuilt", field="--from")


def _guarded(damaged: Damaged, manifest: Manifest) -> Iterator[RestoredLog]:
    """Every log that has a guard or is in the backup."""
    saved = {log.number: log for log in manifest.logs}
    for number, log in saved.items():
        size, _ = damaged.guard(number).require(damaged.settings.origin_of(number))
        yield RestoredLog(number, log.origin, log.size, size)
    number = max(saved, default=0) + 1
    if damaged.guard(number).exists():
        raise Refused(
            f"is from before log {number} was opened: take a younger one, or `greffier log import` from a copy",
            reason="not_rebuilt",
            field="--from",
        )


def _check(conn: Connection, damaged: Damaged, logs: tuple[RestoredLog, ...]) -> None:
    """The full check, but for what the guard has beyond the backup. Raises Refused."""
    checked = [fsck.Checked(log.number, log.origin, damaged.guard(log.number)) for log in logs]
    stated = damaged.losses.read()
    found = fsck.fsck(conn, damaged.ring, checked, damaged.vault, ledger=damaged.ledger, stated=stated)
    older = any(log.missing for log in logs)
    wrong = [one for one in found if not (older and _is_older(one))]
    if wrong:
        raise Refused(
            f"what it gives does not pass the full check: {wrong[0].place}: {wrong[0].message} "
            f"({len(wrong)} finding(s)); take another backup",
            reason="not_rebuilt",
            field="--from",
        )


def _register(conn: Connection, damaged: Damaged, logs: tuple[RestoredLog, ...]) -> tuple[tuple[str, str], ...]:
    """Where register and log differ: said, and no reason to refuse what nothing else has."""
    entries = (one for log in logs for one in _entries(conn, log.number))
    try:
        return tuple(register_check.differences(conn, entries, damaged.home / "models"))
    except (AuditLogError, RegistryError) as error:
        return ((error.field or "registry", str(error)),)


def _entries(conn: Connection, number: int) -> Iterator[tuple[tuple[int, int], Entry | OpaqueEntry]]:
    for index, data in log_store.iterate_entries(conn, number):
        yield (number, index), parse_entry(data)


def _is_older(finding: Finding) -> bool:
    return finding.place == "guard" and finding.message.startswith("stands at")


def _new_id() -> str:
    return str(uuid.uuid4())
