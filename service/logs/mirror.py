"""Keeping copies of other logs: from a server, an export, another mirror, or the home of a device."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from auditlog.core.checking.audit import CHECKPOINT, ReadFile
from auditlog.core.entries.record import Entry
from auditlog.core.errors import AuditLogError, CannotRecord, FormatError, VerifyError
from auditlog.core.formats.cosignature import parse_body
from auditlog.core.formats.keyring import KeyRing
from auditlog.core.formats.note import parse_note
from auditlog.peers.evidence import format_seconds
from auditlog.peers.fetch import HttpSource, Unreachable, folder_source
from auditlog.peers.mirror import Mirror, Progress, Refused, last_entry, list_mirrors, read_checkpoint
from auditlog.store.engine import cannot_record, database_file, is_database_error, open_engine, reading
from auditlog.store.files import file_reader, heads
from auditlog.writing.guard import Guard
from home.errors import UsageError, asked
from home.greffier import guard_name
from home.settings import SETTINGS_FILE, read_settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

_MIRRORED = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Source:
    """One log as someone offers it. `place`: address or folder, for people."""

    place: str
    read: ReadFile


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one log. `before`: entries that were held; `problem`: why it was refused, with the evidence."""

    origin: str
    size: int
    before: int
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """One log that is mirrored. Times are UTC; `state` is ok or refused, with the sentence."""

    origin: str
    size: int | None
    last_entry: str | None
    last_seen: str | None
    source: str
    state: str
    problem: str | None
    evidence: int


def mirror(
    sources: list[Source], root: Path, ring: KeyRing | None, *, now: int, progress: Progress = lambda _done, _all: None
) -> list[Taken]:
    """Take over what each source has more than the copies below `root`.

    `ring` holds the keys of the logs; without it those with which a copy was made before. A log that contradicts its
    copy is refused, and the others go on. Raises UsageError, Unreachable, Withheld.
    """
    if not sources:
        raise UsageError("holds no log as yet", field="SOURCE")
    demand_folder(root)
    taken = []
    for source in sources:
        origin = _origin(read_checkpoint(source.read), source.place)
        held = Mirror(root, origin)
        keys = _keys(held, ring)
        before = _size(held, keys)
        try:
            found = held.update(source.read, keys, source=source.place, now=now, progress=progress)
        except Refused as error:
            taken.append(Taken(origin, before, before, str(error)))
        except OSError as error:
            raise cannot_write(error, "--to") from error
        else:
            taken.append(Taken(origin, found.checkpoint.size, before))
    return taken


@contextlib.contextmanager
def open_source(source: str, *, database: Engine | None = None) -> Iterator[list[Source]]:
    """The logs at an address or in a folder. `database` is that of a home, which the caller has opened.

    Raises UsageError where there is no log.
    """
    if "://" in source:
        with asked(), HttpSource(source) as server:
            yield [Source(server.url, server.read)]
        return
    folder = Path(source)
    if database is not None:
        with _home_logs(folder, database) as logs:
            yield logs
    elif (folder / CHECKPOINT).is_file():
        yield [Source(str(folder), folder_source(folder))]
    else:
        found = sorted(path.parent for path in folder.glob(f"*/{CHECKPOINT}") if _MIRRORED.fullmatch(path.parent.name))
        if not found:
            raise UsageError("must be an address, an export, a folder of mirrors, or a home", field="SOURCE")
        yield [Source(str(path), folder_source(path)) for path in found]


def is_home(source: str) -> bool:
    """Whether a source is the folder of an installation."""
    return "://" not in source and (Path(source) / SETTINGS_FILE).is_file()


@contextlib.contextmanager
def readable_database(engine: Engine) -> Iterator[Engine]:
    """The database itself, or a copy of it where it lies on a medium that cannot be written: SQLite must write."""
    path = database_file(engine)
    if path is None or os.access(path.parent, os.W_OK):
        yield engine
        return
    with tempfile.TemporaryDirectory(prefix="greffier-mirror-") as folder:
        for end in ("", "-wal"):
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(path.with_name(path.name + end), Path(folder) / (path.name + end))
        copy = open_engine(f"sqlite:///{Path(folder) / path.name}")
        try:
            yield copy
        finally:
            copy.dispose()


def cannot_write(error: OSError, option: str) -> CannotRecord:
    """What was verified cannot be kept: nobody's log is to blame."""
    sentence = f"cannot be written to ({error.strerror}): make room there, or name another folder"
    return CannotRecord(sentence, cause="disk_full", field=option)


def demand_folder(root: Path) -> None:
    """Make the folder of the mirrors. Raises UsageError where it cannot be one."""
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot be a folder of mirrors: {error.strerror}; name another one", field="--to") from None


def list_kept(root: Path) -> list[Kept]:
    """Every log that is mirrored below `root`, by origin. Raises UsageError for what is no folder."""
    if root.exists() and not root.is_dir():
        raise UsageError("is no folder: give the folder of the mirrors", field="mirrors")
    kept = []
    for held in list_mirrors(root):
        with contextlib.suppress(FormatError):
            kept.append(_kept(held))
    return kept


def _kept(held: Mirror) -> Kept:
    status = held.status()
    assert status is not None, "list_mirrors found it"
    ring = held.ring()
    size = None if ring is None or held.checkpoint() is None else _size(held, ring)
    newest = last_entry(held, size) if size else None
    return Kept(
        origin=held.origin,
        size=size,
        last_entry=newest.time if isinstance(newest, Entry) else None,
        last_seen=None if status.seen is None else format_seconds(status.seen),
        source=status.source,
        state="ok" if status.refused is None else f"refused {format_seconds(status.refused)}",
        problem=status.sentence,
        evidence=len(list(held.folder.glob("evidence-*.json"))),
    )


@contextlib.contextmanager
def _home_logs(home: Path, engine: Engine) -> Iterator[list[Source]]:
    """The logs of a home, as they stand in its database; nothing that its guard does not vouch for."""
    folder = home / read_settings(home).guard_dir
    try:
        with readable_database(engine) as usable, reading(usable) as conn:
            found = heads(conn)
            for number, head in found.items():
                _demand_guard(Guard(folder / guard_name(number)), head.size)
            yield [Source(str(home), file_reader(conn, number, head)) for number, head in found.items()]
    except Exception as error:
        if not is_database_error(error):
            raise
        raise cannot_record(error) from error


def _demand_guard(guard: Guard, size: int) -> None:
    guarded = guard.read()
    if guarded is not None and guarded[0] < size:
        message = "does not vouch for the newest entries as yet: start the device's program once, then try again"
        raise Unreachable(message, field=guard.path.name)


def _origin(note: bytes, place: str) -> str:
    """What a checkpoint says it is of; whether that is true its signatures say later."""
    try:
        return parse_body(parse_note(note).text).origin
    except FormatError as error:
        raise VerifyError(f"serves no checkpoint ({error}): check the address", field=place) from error


def _keys(held: Mirror, ring: KeyRing | None) -> KeyRing:
    known = held.ring()
    if ring is not None and held.origin in ring.origins:
        return ring.of(held.origin)
    if known is None:
        raise UsageError(
            f"its keys are needed the first time: give --vkey FILE or --policy FILE that names {held.origin}",
            field="--vkey",
        )
    return known


def _size(held: Mirror, ring: KeyRing) -> int:
    try:
        known = held.known(ring)
    except AuditLogError as error:
        raise FormatError(f"its checkpoint does not hold ({error}): move the copy away, then mirror again") from error
    return 0 if known is None else known.checkpoint.size
