"""The rows that follow from entries and sealed content, made again in the order of the entries.

Used where a database is built anew, before its log opens. What does not open (its key is gone, it was damaged) makes no
rows; the full check says afterwards whether that was right.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from auditlog.core.entries.record import Entry, parse_entry
from auditlog.core.errors import AuditLogError, Erased
from auditlog.store.decisions import decision_rows, insert_reviews, review_row_from
from auditlog.store.erasures import erased_among
from auditlog.store.idempotency import KeyRow, insert_keys
from auditlog.store.insert import Row, RowInsert, insert_rows
from auditlog.store.log import entry_table
from auditlog.store.record_events import About, about_from, about_rows
from auditlog.store.rollup import set_events
from auditlog.store.sources import find_sources
from auditlog.store.vault import SealedRow, delete_sealed, sealed_table, subject_table
from auditlog.vault.external_content import says_kept
from auditlog.vault.idempotency import key_row
from auditlog.vault.seal import Opened, Vault

_BATCH = 500

_insert_subject = RowInsert(subject_table)

Placed = tuple[tuple[int, int], Entry]
"""Place (log, index) and entry."""


@dataclass(slots=True)
class Rederived:
    """How many records opened, and how many did not: their key was erased, or they do not fit key and entry."""

    opened: int = 0
    erased: int = 0
    unreadable: int = 0


def rederive(conn: Connection, vault: Vault) -> Rederived:
    """Write tags, query rows, reviews, rows about records, keys of requests and events. Their tables are empty."""
    told = Rederived()
    for batch in _batches(conn):
        sealed = _sealed(conn, [entry.id for _, entry in batch])
        sources = find_sources(conn, [entry.id for _, entry in batch if entry.id not in sealed])
        made = _Made()
        for place, entry in batch:
            row = sealed.get(entry.id)
            if row is None:
                if says_kept(vault, entry, sources.get(entry.id)):
                    made.rows += decision_rows(entry, {}, place)
                continue
            opened = _open(conn, vault, row, entry, told)
            if opened is not None:
                made.add(vault, place, entry, opened)
        made.insert(conn)
        for log in sorted({place[0] for place, _ in batch}):
            set_events(conn, log, [(place[1], entry) for place, entry in batch if place[0] == log])
    return told


def drop_erased(conn: Connection, slots: Collection[int]) -> int:
    """Delete content whose key was overwritten by order: what was about an erased record and went with it unnamed.

    To be called when the orders themselves are carried out. Returns how many there were.
    """
    gone: list[str] = []
    ordered = sorted(slots)
    for low in range(0, len(ordered), _BATCH):
        statement = select(sealed_table.c.id).where(sealed_table.c.slot.in_(ordered[low : low + _BATCH]))
        gone += conn.execute(statement).scalars()
    for low in range(0, len(gone), _BATCH):
        delete_sealed(conn, gone[low : low + _BATCH])
    return len(gone)


def _batches(conn: Connection) -> Iterator[list[Placed]]:
    """By keyset, since the connection is written to meanwhile."""
    columns = entry_table.c
    for log in conn.execute(select(columns.log).distinct().order_by(columns.log)).scalars().all():
        last = -1
        while True:
            statement = select(columns.idx, columns.data).where(columns.log == log, columns.idx > last)
            found = conn.execute(statement.order_by(columns.idx).limit(_BATCH)).all()
            if not found:
                break
            last = found[-1].idx
            parsed = [((log, row.idx), parse_entry(bytes(row.data))) for row in found]
            yield [(place, entry) for place, entry in parsed if isinstance(entry, Entry)]


def _sealed(conn: Connection, ids: Sequence[str]) -> Mapping[str, SealedRow]:
    rows = conn.execute(select(sealed_table).where(sealed_table.c.id.in_(ids)))
    return {row.id: SealedRow(row.id, row.slot, bytes(row.nonce), bytes(row.ciphertext)) for row in rows}


def _open(conn: Connection, vault: Vault, row: SealedRow, entry: Entry, told: Rederived) -> Opened | None:
    try:
        opened = vault.open_row(row, entry, conn=conn)
    except Erased:
        told.erased += 1
    except AuditLogError:
        told.unreadable += 1
    else:
        told.opened += 1
        return opened
    return None


@dataclass(slots=True)
class _Made:
    """The rows that a batch makes: `about` and `reviews` but for those of records that are gone."""

    rows: list[Row] = field(default_factory=list)
    about: list[About] = field(default_factory=list)
    reviews: list[Mapping[str, Any]] = field(default_factory=list)
    keys: list[KeyRow] = field(default_factory=list)

    def add(self, vault: Vault, place: tuple[int, int], entry: Entry, opened: Opened) -> None:
        """What one entry and its content make."""
        self.rows += tag_rows(vault, opened)
        self.about += about_from(entry, opened.values, place)
        if entry.kind == "decision/1":
            self.rows += decision_rows(entry, opened.values, place)
        if entry.kind == "review/1":
            self.reviews.append(review_row_from(entry, opened.values, place))
        if opened.asked is not None:
            self.keys.append(key_row(entry, opened.values, opened.secret, opened.asked, opened.refs))

    def insert(self, conn: Connection) -> None:
        """Reviews come after the decisions of the batch."""
        gone = erased_among(conn, list({one.record for one in self.about}))
        insert_rows(conn, [*self.rows, *about_rows([one for one in self.about if one.record not in gone])])
        insert_reviews(conn, self.reviews)
        insert_keys(conn, self.keys)


def tag_rows(vault: Vault, opened: Opened) -> list[Row]:
    """The rows of the blind index for a record that was opened."""
    return [(_insert_subject, {**tag._asdict(), "id": opened.id}) for tag in vault.tags_of(opened)]
