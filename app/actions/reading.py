"""The only way to plaintext: every reading of sealed content names its purpose (DESIGN §3, §5.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from app.errors import UnknownRecord
from app.home import Greffier
from auditlog.canonical import Json
from auditlog.checkpoint import Checkpoint, open_checkpoint
from auditlog.errors import AuditLogError, CannotRecord, Erased, FormatError
from auditlog.record import Entry, OpaqueEntry, parse_entry
from auditlog.store import log as log_store
from auditlog.vault.seal import Opened
from auditlog.vocabulary import PATTERNS

if TYPE_CHECKING:
    from sqlalchemy import Connection

_RESTORE = "run `greffier log fsck`, and restore the database from a good backup"
Purpose = Literal["receipt", "letter", "review", "erasure", "report", "repeat"]


@dataclass(frozen=True, slots=True)
class Found:
    """A record's entry and where it stands: number of the log, index in it."""

    entry: Entry
    log: int
    index: int


@dataclass(frozen=True, slots=True)
class Record:
    """A record with its content: entry, its place, and the committed values by field."""

    entry: Entry
    log: int
    index: int
    opened: Opened

    @property
    def values(self) -> dict[str, Json]:
        """Committed values by field name (`in_<field>`, `output`, …)."""
        return self.opened.values


def open(g: Greffier, purpose: Purpose, record_id: str) -> Record:  # noqa: A001 - DESIGN's name: reading.open(purpose, …)
    """Open a record's content; raises UnknownRecord, or auditlog's Erased or VaultError.

    The `access` entry that each reading of personal content leaves comes with the records issue, and goes here.
    """
    del purpose
    found = find(g, record_id)
    # An order counts from its line in the ledger on, also while the log cannot take the tombstone.
    if any(order.record == record_id for order in g.ledger.read()):
        raise Erased("the content was erased; its entry and proof remain", field="id")
    with g.reading() as conn:
        return Record(found.entry, found.log, found.index, g.vault.open(conn, record_id, found.entry))


def find(g: Greffier, record_id: str) -> Found:
    """A record without its content, in whichever log of this agency it stands; raises UnknownRecord."""
    found = None
    if PATTERNS["id"].fullmatch(record_id):
        with g.reading() as conn:
            found = log_store.find_entry(conn, record_id)
    if found is None:
        raise UnknownRecord("no record with this reference in the log of this agency: check the reference", field="id")
    return Found(known(found.data), found.log, found.index)


def head(
    g: Greffier, conn: Connection, *, log: int | None = None, covering: int = -1
) -> tuple[log_store.Head, Checkpoint]:
    """The integrated head and what it says, or the published one where that covers the entry `covering`.

    `log` is a number; by default that of the log in force.

    Raises CannotRecord where no head is stored that holds, or where a receipt would lean on one above the guard: what
    was committed and is not guarded yet may be taken back by nobody's fault.
    """
    number = g.log.number if log is None else log
    found = log_store.read_head(conn, number, "published") if covering >= 0 else None
    if found is None or found.size <= covering:
        found = log_store.read_head(conn, number)
        if found is not None and (covering >= 0 or g.problem is None):
            g.guard_of(number).wait_for(found.size)
    if found is None:
        raise CannotRecord(f"holds no signed head: {_RESTORE}", cause="database", field="database")
    try:
        return found, open_checkpoint(found.note, g.keys, origin=g.settings.origin_of(number)).checkpoint
    except AuditLogError as error:
        message = f"holds a head that is not the log's ({error}): {_RESTORE}"
        raise CannotRecord(message, cause="database", field="database") from error


def entry_at(conn: Connection, log: int, index: int) -> Entry:
    """The entry at an index; raises NotFound, FormatError for one of a kind that this version does not know."""
    return known(log_store.read_entries(conn, log, index, index + 1)[0])


def known(data: bytes) -> Entry:
    """An entry of a kind that this version knows; raises FormatError otherwise."""
    entry = parse_entry(data)
    if isinstance(entry, OpaqueEntry):
        raise FormatError("is of a kind that this version does not know: use a newer version", field="kind")
    return entry
