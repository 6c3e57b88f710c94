"""The vault's part of `log fsck`: sealed rows, tags, keys, tombstones and query rows against entries and key slots."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import Connection

from auditlog.core.entries.record import Entry
from auditlog.core.errors import AuditLogError, Erased
from auditlog.store.blobs import blob_table
from auditlog.store.decisions import decision_table, review_row_from, review_table, reviewed_row, row_from
from auditlog.store.record_events import KINDS_ABOUT, about_from, about_table
from auditlog.store.vault import SealedRow, sealed_table
from auditlog.vault.check_erasures import erasure_differences, keys_without_order
from auditlog.vault.check_owners import Owners
from auditlog.vault.check_rows import Beside, batches
from auditlog.vault.external_content import says_kept, source_differences
from auditlog.vault.idempotency import key_differences, key_row, keys_without_record
from auditlog.vault.ledger import Ledger
from auditlog.vault.seal import Opened, Vault


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: where (table, row, column), and what."""

    place: str
    message: str


def check_vault(
    conn: Connection, vault: Vault, ledger: Ledger | None = None, *, stated: Collection[str] = ()
) -> Iterator[Finding]:
    """Every row of the vault's tables, and every entry of any log that should have some. Reads all, a batch at a time.

    With the erasure ledger, a key that was overwritten without an order is told from one that was erased. `stated`:
    records whose content was lost and said to be (`auditlog.vault.losses`).
    """
    run = _Run(conn, vault, stated)
    tombstones: dict[str, str] = {}
    owners = Owners()
    for batch in batches(conn):
        beside = Beside(conn, batch)
        owners.note(batch, beside)
        for place, entry, _ in batch:
            if entry.kind == "erasure/1":
                tombstones[str(entry.members["record"])] = entry.id
            yield from _check_entry(run, beside, place, entry)
    others = (
        keys_without_order(conn, vault.keys, ledger, run.unaccounted),
        erasure_differences(conn, tombstones, ledger),
        owners.strangers(conn),
        keys_without_record(conn),
    )
    yield from (Finding(place, message) for found in others for place, message in found)


@dataclass(frozen=True, slots=True)
class _Run:
    """One check. `unaccounted`: what has no content and goes with a record whose tombstone does not name it."""

    conn: Connection
    vault: Vault
    stated: Collection[str]
    unaccounted: list[str] = field(default_factory=list)


def _check_entry(run: _Run, beside: Beside, place: tuple[int, int], entry: Entry) -> Iterator[Finding]:
    source = beside.sources.get(entry.id)
    if entry.kind == "decision/1":
        yield from (Finding(*told) for told in source_differences(source, run.vault, place, entry))
    if says_kept(run.vault, entry, source):
        yield from _check_kept_elsewhere(beside, entry, place)
    elif entry.id in run.stated and entry.id not in beside.sealed:
        yield from _check_query_row(beside, entry, None)
    elif any(value is not None for value in entry.commitments.values()):
        yield from _check_record(run, beside, place, entry)


def _check_record(run: _Run, beside: Beside, at: tuple[int, int], entry: Entry) -> Iterator[Finding]:
    """One entry that commits to something: its sealed row, tags and query row."""
    row = beside.sealed.get(entry.id)
    place = f"auditlog_sealed(id={entry.id})"
    erased = beside.is_erased(entry.id)
    if row is None:
        if not erased and _goes_unnamed(beside, entry):
            run.unaccounted.append(entry.id)
        elif not erased:
            yield Finding(place, "is missing, and no tombstone says why")
        yield from _check_query_row(beside, entry, None)
        return
    if erased:
        yield Finding(place, "is still there although a tombstone says that it was erased")
    try:
        opened = run.vault.open_row(SealedRow(row.id, row.slot, row.nonce, row.ciphertext), entry, conn=run.conn)
    except Erased:
        yield Finding(f"{place}.slot", "names a key that was erased; complete the erasure or correct the slot")
    except (AuditLogError, TypeError) as error:
        yield _unreadable(run.vault, SealedRow(row.id, row.slot, row.nonce, row.ciphertext), entry, error)
    else:
        for name in set(beside.blobs.get(entry.id, ())) - opened.names:
            yield Finding(f"{blob_table.name}(name={name})", "is no large value of its record")
        yield from _check_tags(beside, run.vault, opened)
        yield from _check_about(beside, entry, opened, at)
        yield from _check_query_row(beside, entry, _expected(entry, opened, at))
        asked = opened.asked
        wanted = None if asked is None else key_row(entry, opened.values, opened.secret, asked, opened.refs)
        found = key_differences(entry.id, beside.keys.get(entry.id), wanted)
        yield from (Finding(place, message) for place, message in found)


def _unreadable(vault: Vault, row: SealedRow, entry: Entry, error: Exception) -> Finding:
    """What is wrong with content that does not open: where the rest of it does, one of its large values."""
    try:
        vault.open_row(row, entry)
    except (AuditLogError, TypeError):
        return Finding(f"{sealed_table.name}(id={row.id})", f"slot, nonce or ciphertext was changed: {error}")
    return Finding(f"{blob_table.name}(id={row.id})", str(error))


def _check_kept_elsewhere(beside: Beside, entry: Entry, at: tuple[int, int]) -> Iterator[Finding]:
    """A decision whose content its sender kept: it has a query row until it is erased, and nothing to open."""
    if entry.id in beside.sealed:
        yield Finding(f"{sealed_table.name}(id={entry.id})", "is there although its sender kept the content")
    expected = None if beside.is_erased(entry.id) else row_from(entry, {}, at)
    yield from _check_query_row(beside, entry, expected)


def _goes_unnamed(beside: Beside, entry: Entry) -> bool:
    """Whether it goes with the record that it is about, whose tombstone does not name it."""
    if entry.kind == "correction/1":
        return beside.is_erased(str(entry.members["record"]))
    if entry.kind == "notice/1" and entry.members["duty"] != "affected_person":
        return False  # a notice to many is about no record, and nothing takes it away
    return entry.kind == "review/1" or entry.kind in KINDS_ABOUT


def _check_about(beside: Beside, entry: Entry, opened: Opened, at: tuple[int, int]) -> Iterator[Finding]:
    """The rows that an entry about a record makes; one about an erased record is gone."""
    if entry.kind not in KINDS_ABOUT:
        return
    try:
        made = {one.record: one for one in about_from(entry, opened.values, at)}
    except AuditLogError as error:
        yield Finding(f"{about_table.name}(id={entry.id})", str(error))
        return
    stored = {str(row["record"]): row for row in beside.about(entry.id)}
    erased = beside.erased(made.keys() | stored.keys())
    for record in sorted(made.keys() | stored.keys()):
        place, row = f"{about_table.name}(id={entry.id},record={_text(record)})", stored.get(record)
        expected = None if record in erased else made.get(record)
        if expected is None and row is not None:
            yield Finding(place, "is of a record that it is not about, or that was erased")
        elif expected is not None and row is None:
            yield Finding(place, "is missing")
        elif expected is not None and row is not None:
            for name, value in asdict(expected).items():
                if row[name] != value or type(row[name]) is not type(value):
                    yield Finding(f"{place}.{name}", "is not what entry and content say")


def _check_tags(beside: Beside, vault: Vault, opened: Opened) -> Iterator[Finding]:
    wanted = {tag.tag: tag.kind for tag in vault.tags_of(opened)}
    stored = dict(beside.tags.get(opened.id, ()))
    for tag in sorted(wanted.keys() - stored.keys()):
        yield Finding(f"auditlog_subject(tag={tag.hex()[:16]}…,id={opened.id})", "is missing")
    for tag, kind in stored.items():
        name = tag.hex()[:16] if isinstance(tag, bytes) else "?"
        place = f"auditlog_subject(tag={name}…,id={opened.id})"
        if tag not in wanted:
            yield Finding(f"{place}.tag", "is the tag of nobody whom the record concerns")
        elif kind != wanted[tag]:
            yield Finding(f"{place}.kind", "is not what the tag stands for")


def _expected(entry: Entry, opened: Opened, at: tuple[int, int]) -> Mapping[str, Any] | None:
    if entry.kind == "decision/1":
        return row_from(entry, opened.values, at)
    if entry.kind == "review/1":
        return review_row_from(entry, opened.values, at)
    return None


def _check_query_row(beside: Beside, entry: Entry, expected: Mapping[str, Any] | None) -> Iterator[Finding]:
    """The query row of an entry is what its opened values and the rows of its reviews make; without content none."""
    if entry.kind not in ("decision/1", "review/1"):
        return
    decided = entry.kind == "decision/1"
    table, rows = (decision_table, beside.decisions) if decided else (review_table, beside.reviews)
    place = f"{table.name}(id={entry.id})"
    row = rows.get(entry.id)
    if expected is None:
        if row is not None:
            yield Finding(place, "is there although the content is gone")
        return
    if row is None:
        yield Finding(place, "is missing")
        return
    if decided:
        try:
            expected = reviewed_row(expected, beside.reviews_of.get(entry.id, ()))
        except AuditLogError:
            return  # a row of a review has no form: it is named by itself
    for name in [column.name for column in table.columns]:
        if row[name] != expected[name] or type(row[name]) is not type(expected[name]):
            yield Finding(f"{place}.{name}", "is not what entry and content say")


def _text(value: object) -> str:
    return value.hex()[:16] + "…" if isinstance(value, bytes) else str(value)
