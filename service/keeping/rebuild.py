"""`log import`: a home whose database is lost, cut, rolled back or damaged gets a new one from a copy of its log.

All that vouches for the log must agree before anything is replaced, and the new database passes the full check. What a
copy cannot give back (content, documents of the register) is kept where the old database still has it, else stated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command

from accounts.api_key_table import access_key
from accounts.salvage import salvage_accounts
from auditlog.core.entries.record import Entry, OpaqueEntry, format_time, parse_entry
from auditlog.core.errors import FormatError
from auditlog.core.formats.cosignature import parse_body
from auditlog.core.formats.keyring import KeyRing
from auditlog.core.formats.note import parse_note
from auditlog.peers.mirror import Progress, read_checkpoint
from auditlog.recovery import fsck
from auditlog.recovery.rebuild import Rebuilt, Wanted, rebuild_log
from auditlog.recovery.rebuilt_tree import NotRebuilt
from auditlog.recovery.salvage import copy_rows, salvage_content, without_content
from auditlog.store import log as log_store
from auditlog.store.engine import cannot_record, database_file, is_database_error
from auditlog.store.replacement import Old, moved_to, replacing
from auditlog.vault.ledger import Ledger
from auditlog.vault.losses import Losses
from auditlog.vault.seal import Vault
from auditlog.writing.guard import Guard
from auditlog.writing.log import Unit
from home.errors import Refused
from home.greffier import Greffier, guard_name
from home.settings import Settings
from service.cases import rebuild as cases
from service.keeping import migrate
from service.logs.mirror import Source
from service.systems import register_check, register_rebuild

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine


@dataclass(frozen=True, slots=True)
class Damaged:
    """A home without a usable database: what stands beside it, opened (see `service.damaged_home`)."""

    home: Path
    settings: Settings
    engine: Engine
    ring: KeyRing
    guard_dir: Path
    vault: Vault
    ledger: Ledger
    losses: Losses

    def guard(self, number: int) -> Guard:
        """The guard of log `number`."""
        return Guard(self.guard_dir / guard_name(number))


@dataclass(frozen=True, slots=True)
class LogOutcome:
    """One log: how many entries it has, the guard vouches for, came from the copy, and from the old database."""

    origin: str
    size: int
    guarded: int
    before: int | None
    from_copy: int
    from_old: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What an import did, or with `dry_run` would do.

    `content_lost`: records whose proof holds and whose content is gone. `register`: where register and log differ, for
    want of documents. `old_damage`: tables of the old database that could not be read whole.
    """

    dry_run: bool
    logs: tuple[LogOutcome, ...]
    content_kept: int
    content_lost: int
    content_left: Mapping[str, int]
    api_keys: int
    register: tuple[tuple[str, str], ...]
    old_damage: Mapping[str, str]
    moved_to: str | None


def rebuild(
    damaged: Damaged,
    sources: list[Source],
    *,
    now: datetime,
    keep: bool = True,
    documents: Path | None = None,
    progress: Progress = lambda _done, _all: None,
) -> Outcome:
    """Build the database anew from copies of this home's logs; with `keep=False` only say what that would give.

    Raises Refused where a copy does not reach the guard, contradicts it or the old database, or is of another log;
    CannotRecord where the database is in use. Then nothing was changed.
    """
    stamp = now.strftime("%Y%m%dT%H%M%SZ").lower()
    offered = _offered(sources)
    path = database_file(damaged.engine)
    existed = path is None or path.exists()
    try:
        with replacing(damaged.engine, stamp, keep=keep) as (new, old):
            command.upgrade(migrate.config(new), "head")
            built, lost = _build(damaged, new, old, offered, documents=documents, progress=progress)
    except NotRebuilt as error:
        raise Refused(str(error), reason="not_rebuilt") from error
    except Exception as error:
        if not is_database_error(error):
            raise
        raise cannot_record(error) from error
    if keep:
        damaged.losses.add(lost, format_time(now))
    there = moved_to(damaged.engine, stamp) if keep and existed else None
    return built.told(dry_run=not keep, moved_to=there)


def state_outage(g: Greffier, since: datetime) -> None:
    """The log says that it could not record; that it can say so shows that it records again."""
    entry = g.make("outage/1", cause="database", began=since, ended=g.clock(), boot=None)
    g.log.append(Unit((entry,))).result()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Built:
    logs: tuple[Rebuilt, ...]
    kept: int
    lost: int
    left: Mapping[str, int]
    api_keys: int
    register: tuple[tuple[str, str], ...]
    damage: Mapping[str, str]

    def told(self, *, dry_run: bool, moved_to: str | None) -> Outcome:
        return Outcome(
            dry_run=dry_run,
            logs=tuple(
                LogOutcome(log.origin, log.size, log.guarded, log.before, log.from_copy, log.from_old)
                for log in self.logs
            ),
            content_kept=self.kept,
            content_lost=self.lost,
            content_left=self.left,
            api_keys=self.api_keys,
            register=self.register,
            old_damage=self.damage,
            moved_to=moved_to,
        )


def _build(
    damaged: Damaged,
    new: Connection,
    old: Old,
    offered: Mapping[str, Source],
    *,
    documents: Path | None,
    progress: Progress,
) -> tuple[_Built, list[str]]:
    logs = _build_logs(damaged, new, old, offered, progress)
    content = salvage_content(new, old, damaged.vault, damaged.ledger)
    cases.salvage(new, old, damaged.vault)
    api_keys = copy_rows(new, old, access_key)
    salvage_accounts(new, old.rows)
    numbers = [log.number for log in logs]
    told = register_check.read_logged(_entries(new, numbers))
    register_rebuild.put_back(new, told, register_rebuild.find_documents(old, documents), damaged.home / "models")
    lost = _check(damaged, new, logs)
    different = register_check.differences(new, _entries(new, numbers), damaged.home / "models")
    built = _Built(
        logs=tuple(logs),
        kept=content.kept,
        lost=len(lost),
        left=dict(content.left),
        api_keys=api_keys,
        register=tuple(different),
        damage=dict(old.damaged),
    )
    return built, lost


def _build_logs(
    damaged: Damaged, new: Connection, old: Old, offered: Mapping[str, Source], progress: Progress
) -> list[Rebuilt]:
    """The newest log first: it says whether its predecessor was closed in order or lost in part."""
    built: list[Rebuilt] = []
    stated: tuple[int, bytes] | None = None
    for number in reversed(_numbers(damaged, old, offered)):
        origin = damaged.settings.origin_of(number)
        source = offered.get(origin)
        wanted = Wanted(
            number, origin, damaged.guard(number), None if source is None else source.read, stated, progress
        )
        log = rebuild_log(new, old, wanted, damaged.ring)
        built.append(log)
        before = log.predecessor
        stated = None if before is None or before.lost is None else (before.size, before.root)
    return built[::-1]


def _numbers(damaged: Damaged, old: Old, offered: Mapping[str, Source]) -> list[int]:
    """The logs of this home: those that have a guard. One that a copy or the old database has, and no guard, is not
    built: nothing would say how far it must reach."""
    name = damaged.settings.origin
    for origin in offered:
        if origin not in damaged.ring.origins:
            raise NotRebuilt(f"is a copy of {origin}, which is no log of this home", field="SOURCE")
    every = {origin: origin.removeprefix(f"{name}/") for origin in damaged.ring.origins}
    known = {int(number) for number in every.values() if number.isdecimal()}
    guarded = {number for number in known if damaged.guard(number).exists()}
    held = {row["log"] for row in old.rows(log_store.head_table)}
    copied = {int(every[origin]) for origin in offered}
    for number in sorted((held | copied) - guarded):
        raise NotRebuilt(
            f"is missing, so nothing says how far log {number} must reach: put the file back from guard_dir's own "
            "backup; if it is lost, run `greffier log succeed --reason loss`",
            field=f"guard {guard_name(number)}",
        )
    if not guarded:
        raise NotRebuilt("holds no guard of this home's logs: put it back from its own backup", field="guard_dir")
    return sorted(guarded)


def _check(damaged: Damaged, new: Connection, logs: list[Rebuilt]) -> list[str]:
    """The full check of what was built; returns the records without content. Raises NotRebuilt for all else."""
    checked = [fsck.Checked(log.number, log.origin, damaged.guard(log.number)) for log in logs]
    lost, others = without_content(fsck.fsck(new, damaged.ring, checked, damaged.vault, ledger=damaged.ledger))
    ordered = {erasure.record for erasure in damaged.ledger.read()}
    others = [one for one in others if not any(record in one.place for record in ordered)]
    if others:
        raise NotRebuilt(
            f"what it gives does not pass the full check: {others[0].place}: {others[0].message} "
            f"({len(others)} finding(s))",
            field="SOURCE",
        )
    return lost


def _offered(sources: list[Source]) -> dict[str, Source]:
    """The copies by the origin that their checkpoint names."""
    found = {}
    for source in sources:
        note = read_checkpoint(source.read)
        try:
            found[parse_body(parse_note(note).text).origin] = source
        except FormatError as error:
            raise Refused(f"is no copy of a log ({error})", reason="not_rebuilt", field="SOURCE") from error
    return found


def _entries(new: Connection, numbers: list[int]) -> Iterator[tuple[tuple[int, int], Entry | OpaqueEntry]]:
    for number in numbers:
        for index, data in log_store.iterate_entries(new, number):
            yield (number, index), parse_entry(data)
