"""Proof that a record was erased: what this installation could still hold of it, place by place, and what is beyond it.

The id itself stays where it must: in the entry, its tombstone, the table that links the two, the ledger, and exports of
the log. Everything else about it must be gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from auditlog.core.errors import AuditLogError
from auditlog.store import erasures as store
from auditlog.store import log as log_store
from auditlog.store import residue
from auditlog.store.engine import database_file
from auditlog.store.vault import find_erasure
from casework.store import forgetting
from home.greffier import Greffier
from registry.errors import RegistryError
from registry.store import systems as register_store
from service.erasing import erase
from service.records import reading

if TYPE_CHECKING:
    from sqlalchemy import Connection

_BLOCK: Final = 1 << 20
_PARQUET: Final = b"PAR1"
_PLACED: Final = b"log,idx,"
# What no program on this machine can undo, and until when it lasts.
BEYOND: Final = (
    ("replicas of the key store", "until each has taken over the overwritten slot; archives of it must not exist"),
    ("copy-on-write file systems, snapshots, spare cells of flash memory", "until they reuse the block of the slot"),
    (
        "file-level copies of the database from before",
        "until they are deleted: content in them cannot be read any more, tags and codes of outcomes can",
    ),
    ("exports, evidence and access files outside the home", "until they are deleted"),
    ("receipts and letters in someone's hands", "for as long as they are kept: each opens its entry"),
)
_BEYOND_POSTGRESQL: Final = (
    ("archived write-ahead log and replicas of PostgreSQL", "until they are recycled or have replayed the deletion"),
    (
        "free space in pages of PostgreSQL",
        "until other rows take it, or until VACUUM FULL: tags and codes of outcomes, no content",
    ),
)


@dataclass(frozen=True, slots=True)
class Verified:
    """`checked`: place → what was found to be as it must; `left`: place → what is still there.

    `beyond`: place → until when it may hold something. `tombstone`: its entry's id; None while it is due.
    """

    record: str
    ground: str
    tombstone: str | None
    checked: dict[str, str]
    left: dict[str, str]
    beyond: dict[str, str]

    @property
    def gone(self) -> bool:
        """Whether nothing is left here."""
        return not self.left


def verify(g: Greffier, record_id: str) -> Verified:
    """Look everywhere. Raises UnknownRecord; what was never erased has everything left."""
    record = reading.find(g, record_id)
    erase.after(g)
    found = dict[str, str]()
    left = dict[str, str]()
    with g.reading() as conn:
        ground, tombstone, wrong = _tombstone(conn, record_id)
        if wrong is not None:
            left["tombstone"] = wrong
        _sort(_rows(conn, record_id), found, left)
        _sort(residue.of(conn), found, left)
    _sort(_keys(g, record_id), found, left)
    _sort(_files(g, record), found, left)
    beyond = dict(BEYOND if g.engine.dialect.name == "sqlite" else (*BEYOND, *_BEYOND_POSTGRESQL))
    beyond |= _provider(g, record)
    return Verified(record_id, ground, tombstone, found, left, beyond)


def _provider(g: Greffier, record: reading.Found) -> dict[str, str]:
    """Who was sent the input, where the model runs elsewhere (GDPR 17(2), 19)."""
    members = record.entry.members
    if members.get("boot") is None or members.get("version") is None:
        return {}
    try:
        with g.reading() as conn:
            version = register_store.read_version(conn, str(members["system"]), cast("int", members["version"]))
    except RegistryError:
        return {}
    remote = version.manifest.remote
    until = "until it has deleted the request: tell it of the erasure; its terms say what it keeps"
    return {} if remote is None else {f"{remote.provider}, which was asked through the gateway": until}


Found = tuple[str, str, bool]
"""A place, what was found there, whether that is as it must be."""


def _sort(found: Iterator[Found], good: dict[str, str], bad: dict[str, str]) -> None:
    for place, what, sound in found:
        (good if sound else bad)[place] = what


def _tombstone(conn: Connection, record_id: str) -> tuple[str, str | None, str | None]:
    """Ground, id of the tombstone where it is in the log, and what is wrong."""
    due = store.find_due(conn, record_id)
    if due is not None:
        return due.ground, None, None
    id_ = find_erasure(conn, record_id)
    stored = None if id_ is None else log_store.find_entry(conn, id_)
    if stored is None:
        return "", None, "there is none: the record was not erased"
    entry = reading.known(stored.data)
    if entry.kind != "erasure/1" or entry.members["record"] != record_id:
        return "", None, "the one that is noted is of another record"
    return str(entry.members["ground"]), entry.id, None


def _rows(conn: Connection, record_id: str) -> Iterator[Found]:
    for table, count in {**store.count_about(conn, [record_id]), **forgetting.count(conn, record_id)}.items():
        yield table, "no row" if count == 0 else f"{count} row{'' if count == 1 else 's'}", count == 0


def _keys(g: Greffier, record_id: str) -> Iterator[Found]:
    try:
        ordered, erased = g.ledger.slots(), set(g.record_keys.erased())
        named = any(order.record == record_id for order in g.ledger.read())
    except AuditLogError as error:
        yield "key store", str(error), False
        return
    missing = len(ordered - erased)
    yield "ledger of erasures", "names the record" if named else "does not name the record", named
    yield (
        "key store",
        "every slot that an erasure named is overwritten" if not missing else f"{missing} named slots still hold keys",
        not missing,
    )


def _files(g: Greffier, record: reading.Found) -> Iterator[Found]:
    """Files of the home that name the record: documents, exports of results, receipts, leftovers."""
    database = database_file(g.engine)
    own = {g.ledger.path.resolve()}
    if database is not None:
        own |= {database.with_name(database.name + end).resolve() for end in ("", "-wal", "-shm", "-journal")}
    naming = 0
    for path in sorted(g.home.rglob("*")):
        if path.is_symlink() or not path.is_file() or path.suffix == ".gguf" or path.resolve() in own:
            continue
        if "entries" in path.parts and "tile" in path.parts:
            continue  # bundles of an exported log: entries and tombstones
        if _holds(path, record):
            naming += 1
            # The name of a file may be a person's; a number and its folder are enough to find it.
            yield f"file {naming} that names the record", f"in {path.parent.relative_to(g.home)}/", False
    if not naming:
        yield "other files under the home", "none names the record", True


def _holds(path: Path, record: reading.Found) -> bool:
    needles = [record.entry.id.encode("ascii")]
    try:
        with path.open("rb") as file:
            begin = file.read(len(_PLACED))
            if begin.startswith(_PARQUET):
                return _in_parquet(path, record)
            if begin == _PLACED:  # what a technical reader exports has places and no ids
                needles.append(f"\n{record.log},{record.index},".encode("ascii"))
            tail, longest = begin, max(map(len, needles))
            while block := file.read(_BLOCK):
                if any(needle in tail + block for needle in needles):
                    return True
                tail = (tail + block)[-longest:]
    except OSError:
        return True  # what cannot be read cannot be vouched for
    return False


def _in_parquet(path: Path, record: reading.Found) -> bool:
    """Its texts are compressed: its rows are read."""
    from auditlog.store import parquet  # noqa: PLC0415 (a portal need not hold its libraries in memory)

    return parquet.names(path, record.entry.id, (record.log, record.index))
