"""The only way to plaintext: every reading of sealed content names reader and purpose (DESIGN §3, §5.2).

Content is given after its `access` entry is integrated. What was erased, what does not open, and what may not be used
(GDPR 18) leaves no entry, since nothing was given.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from auditlog.core.entries.record import Entry, OpaqueEntry, parse_entry
from auditlog.core.entries.vocabulary import PATTERNS, Purpose
from auditlog.core.errors import AuditLogError, CannotRecord, Erased, FormatError, KeptElsewhere
from auditlog.core.formats.canonical import Json
from auditlog.core.formats.checkpoint import Checkpoint, open_checkpoint
from auditlog.store import log as log_store
from auditlog.store import vault as vault_store
from auditlog.store.erasures import with_content
from auditlog.vault.external_content import is_kept_elsewhere
from auditlog.vault.seal import Opened
from home.errors import UnknownRecord, UsageError
from home.greffier import Greffier
from service.records import accesses
from service.records.accesses import CLI, Reader

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = (
    "CLI",
    "Found",
    "Purpose",
    "Reader",
    "Record",
    "behind",
    "entry_at",
    "find",
    "find_live",
    "head",
    "known",
    "note_scope",
    "open",
    "open_many",
    "recount",
    "withheld",
)
_TRIES = 3
_RESTORE = "run `greffier log fsck`, and restore the database from a good backup"


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


def open(  # noqa: A001 - DESIGN's name
    g: Greffier,
    reader: Reader,
    purpose: Purpose,
    record_id: str,
    *,
    scope: Json = None,
    also: accesses.Also | None = None,
) -> Record:
    """Open a record's content for `reader`; the access is in the log when this returns.

    `scope`: what is said with it, sealed; `also` writes rows that follow from the access, in its transaction.

    Raises UnknownRecord, Erased or VaultError, Refused under a restriction, CannotRecord where the log cannot take the
    entry. What is about another record (a review) is read as content of that record.
    """
    found = find_live(g, record_id)
    with g.reading() as conn:
        ids = accesses.concerned(conn, found.entry)
        accesses.demand(conn, reader, purpose, ids)
        record = _open(g, conn, found)
    accesses.note(g, reader, purpose, ids, scope=scope, also=also)
    return record


def open_many(g: Greffier, reader: Reader, purpose: Purpose, ids: Iterable[str], *, scope: Json = None) -> list[Record]:
    """As `open`, of many records in the order given; those that were erased, or never here, are left out.

    One access entry a record for up to 16 of them, else one for a set; `scope`: the question that led to them. None of
    them is given where one cannot be; where nothing is left, nothing is noted.
    """
    wanted = [*dict.fromkeys(ids)]
    for attempt in range(_TRIES):
        records, about = _read_many(g, reader, purpose, wanted)
        try:
            if records:
                accesses.note(g, reader, purpose, sorted(about), scope=scope)
        except Erased:
            # One of them was erased meanwhile: what is left is read anew.
            if attempt + 1 == _TRIES:
                raise
            continue
        break
    return records


def _read_many(g: Greffier, reader: Reader, purpose: Purpose, ids: Sequence[str]) -> tuple[list[Record], set[str]]:
    """Those that are there, and the records that their accesses are about."""
    records, about = [], set()
    with g.reading() as conn:
        for id_ in ids:
            found = _find(conn, id_)
            try:
                _demand_live(g, conn, id_)
                behind = accesses.concerned(conn, found.entry)
                accesses.demand(conn, reader, purpose, behind)
                records.append(_open(g, conn, found))
            except (Erased, KeptElsewhere):
                continue
            about.update(behind)
    return records, about


def note_scope(g: Greffier, reader: Reader, purpose: Purpose, ids: Sequence[str], scope: Json) -> frozenset[str]:
    """Note that columns with content of these records are given: rows of a query, an export, ids of a look-up.

    Returns those whose use is restricted (GDPR 18): they are not noted, and nothing of their content may be given.
    """
    held = withheld(g, reader, purpose, ids)
    accesses.note(g, reader, purpose, [id_ for id_ in ids if id_ not in held], scope=scope)
    return held


def withheld(g: Greffier, reader: Reader, purpose: Purpose, ids: Sequence[str]) -> frozenset[str]:
    """Those of these records whose content may not be given for this purpose now (GDPR 18)."""
    with g.reading() as conn:
        return accesses.withheld(conn, reader, purpose, ids)


def behind(g: Greffier, record: Record, ids: Iterable[str]) -> list[Record]:
    """What was written about a record that was opened just now: its reviews, corrections, holds, by their ids.

    Whoever may read a record may read these, and its access entry is theirs. Erased ones are left out. Raises
    UsageError for an entry that is not about this record alone.
    """
    many = []
    for id_ in ids:
        with g.reading() as conn:
            if not with_content(conn, [id_]):
                continue
            found = _find(conn, id_)
            if accesses.concerned(conn, found.entry) != [record.entry.id]:
                raise UsageError("is not about this record", field="id")
            many.append(_open(g, conn, found))
    return many


def recount(g: Greffier, ids: Iterable[str]) -> Iterator[Record]:
    """The program's own reading: nobody sees the content, so no access is noted.

    Records that were erased are left out, and those whose content was never here.

    Only for the actions that `tests/promises/test_reading.py` lists.
    """
    for id_ in ids:
        try:
            with g.reading() as conn:
                _demand_live(g, conn, id_)
                record = _open(g, conn, _find(conn, id_))
        except (Erased, KeptElsewhere):
            continue
        yield record


def find_live(g: Greffier, record_id: str) -> Found:
    """A record without its content, which was not erased. Raises UnknownRecord, Erased."""
    found = find(g, record_id)
    with g.reading() as conn:
        _demand_live(g, conn, record_id)
    return found


def _demand_live(g: Greffier, conn: Connection, record_id: str) -> None:
    # An order counts from its line in the ledger on, also while the log cannot take the tombstone.
    if g.ledger.names(record_id) or vault_store.find_erasure(conn, record_id) is not None:
        raise Erased("the content was erased; its entry and proof remain", field="id")


def _open(g: Greffier, conn: Connection, found: Found) -> Record:
    if is_kept_elsewhere(conn, g.vault, found.entry):
        raise KeptElsewhere("its sender kept the content, and committed to it: ask there", field="id")
    return Record(found.entry, found.log, found.index, g.vault.open(conn, found.entry.id, found.entry))


def find(g: Greffier, record_id: str) -> Found:
    """A record without its content, in whichever log of this agency it stands; raises UnknownRecord."""
    with g.reading() as conn:
        return _find(conn, record_id)


def _find(conn: Connection, record_id: str) -> Found:
    found = log_store.find_entry(conn, record_id) if PATTERNS["id"].fullmatch(record_id) else None
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
