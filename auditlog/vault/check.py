"""The vault's part of `log fsck`: sealed rows, tags, keys, tombstones and query rows against entries and key slots."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Table, select

from auditlog.errors import AuditLogError, Erased
from auditlog.record import Entry, parse_entry
from auditlog.store.about import about_from, about_table
from auditlog.store.blobs import blob_table, find_blobs
from auditlog.store.decisions import (
    decision_table,
    find_reviews,
    review_row_from,
    review_table,
    reviewed_row,
    row_from,
)
from auditlog.store.log import entry_table, find_entry
from auditlog.store.sources import source_table
from auditlog.store.vault import SealedRow, find_erasure, find_sealed, sealed_table, subject_table
from auditlog.vault.check_erasures import erasure_differences, keys_without_order
from auditlog.vault.elsewhere import is_kept_elsewhere, source_differences
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
    """Every row of the vault's tables, and every entry of any log that should have some. Reads all, keeps nothing.

    With the erasure ledger, a key that was overwritten without an order is told from one that was erased. `stated`:
    records whose content was lost and said to be (`auditlog.vault.losses`).
    """
    unaccounted: list[str] = []
    tombstones: dict[str, str] = {}
    for place, entry in _entries(conn):
        if entry.kind == "erasure/1":
            tombstones[str(entry.members["record"])] = entry.id
        if entry.kind == "decision/1":
            yield from (Finding(*told) for told in source_differences(conn, vault, place, entry))
        if is_kept_elsewhere(conn, vault, entry):
            yield from _check_kept_elsewhere(conn, entry, place)
        elif entry.id in stated and find_sealed(conn, entry.id) is None:
            yield from _check_query_row(conn, entry, None)
        elif any(value is not None for value in entry.commitments.values()):
            yield from _check_record(conn, vault, place, entry, unaccounted)
    others = [*keys_without_order(conn, vault.keys, ledger, unaccounted)]
    others += erasure_differences(conn, tombstones, ledger)
    yield from (Finding(place, message) for place, message in others)
    for table, kind in (
        (sealed_table, None),
        (subject_table, None),
        (blob_table, None),
        (decision_table, "decision/1"),
        (review_table, "review/1"),
        (about_table, None),
        (source_table, "decision/1"),
    ):
        yield from _check_owners(conn, table, kind)
    yield from (Finding(place, message) for place, message in keys_without_record(conn))


def _entries(conn: Connection) -> Iterator[tuple[tuple[int, int], Entry]]:
    """What can be read; the rest is a finding of the log's own part."""
    columns = entry_table.c
    statement = select(columns.log, columns.idx, columns.data).order_by(columns.log, columns.idx)
    for log, index, data in conn.execute(statement.execution_options(yield_per=1000)):
        try:
            entry = parse_entry(data)
        except AuditLogError:
            continue
        if isinstance(entry, Entry):
            yield (log, index), entry


def _check_record(
    conn: Connection, vault: Vault, at: tuple[int, int], entry: Entry, unaccounted: list[str]
) -> Iterator[Finding]:
    """One entry that commits to something: its sealed row, tags and query row."""
    row = conn.execute(select(sealed_table).where(sealed_table.c.id == entry.id)).first()
    place = f"auditlog_sealed(id={entry.id})"
    erased = find_erasure(conn, entry.id) is not None
    if row is None:
        if not erased and _goes_unnamed(conn, entry):
            unaccounted.append(entry.id)
        elif not erased:
            yield Finding(place, "is missing, and no tombstone says why")
        yield from _check_query_row(conn, entry, None)
        return
    if erased:
        yield Finding(place, "is still there although a tombstone says that it was erased")
    try:
        opened = vault.open_row(SealedRow(row.id, row.slot, row.nonce, row.ciphertext), entry, conn=conn)
    except Erased:
        yield Finding(f"{place}.slot", "names a key that was erased; complete the erasure or correct the slot")
    except (AuditLogError, TypeError) as error:
        yield _unreadable(vault, SealedRow(row.id, row.slot, row.nonce, row.ciphertext), entry, error)
    else:
        for name in find_blobs(conn, entry.id).keys() - opened.names:
            yield Finding(f"{blob_table.name}(name={name})", "is no large value of its record")
        yield from _check_tags(conn, vault, opened)
        yield from _check_about(conn, entry, opened, at)
        yield from _check_query_row(conn, entry, _expected(entry, opened, at))
        asked = opened.asked
        wanted = None if asked is None else key_row(entry, opened.values, opened.secret, asked, opened.refs)
        yield from (Finding(place, message) for place, message in key_differences(conn, entry.id, wanted))


def _unreadable(vault: Vault, row: SealedRow, entry: Entry, error: Exception) -> Finding:
    """What is wrong with content that does not open: where the rest of it does, one of its large values."""
    try:
        vault.open_row(row, entry)
    except (AuditLogError, TypeError):
        return Finding(f"{sealed_table.name}(id={row.id})", f"slot, nonce or ciphertext was changed: {error}")
    return Finding(f"{blob_table.name}(id={row.id})", str(error))


def _check_kept_elsewhere(conn: Connection, entry: Entry, at: tuple[int, int]) -> Iterator[Finding]:
    """A decision whose content its sender kept: it has a query row until it is erased, and nothing to open."""
    if find_sealed(conn, entry.id) is not None:
        yield Finding(f"{sealed_table.name}(id={entry.id})", "is there although its sender kept the content")
    erased = find_erasure(conn, entry.id) is not None
    yield from _check_query_row(conn, entry, None if erased else row_from(entry, {}, at))


def _goes_unnamed(conn: Connection, entry: Entry) -> bool:
    """Whether it goes with the record that it is about, whose tombstone does not name it."""
    if entry.kind == "correction/1":
        return find_erasure(conn, str(entry.members["record"])) is not None
    return entry.kind in ("review/1", "access/1", "hold/1")


def _check_about(conn: Connection, entry: Entry, opened: Opened, at: tuple[int, int]) -> Iterator[Finding]:
    """The rows that an access, hold or correction makes; one about an erased record is gone."""
    if entry.kind not in ("access/1", "hold/1", "correction/1"):
        return
    try:
        made = {one.record: one for one in about_from(entry, opened.values, at)}
    except AuditLogError as error:
        yield Finding(f"{about_table.name}(id={entry.id})", str(error))
        return
    rows = conn.execute(select(about_table).where(about_table.c.id == entry.id)).mappings()
    stored = {str(row["record"]): row for row in rows}
    for record in sorted(made.keys() | stored.keys()):
        place, row = f"{about_table.name}(id={entry.id},record={_text(record)})", stored.get(record)
        expected = None if find_erasure(conn, record) is not None else made.get(record)
        if expected is None and row is not None:
            yield Finding(place, "is of a record that it is not about, or that was erased")
        elif expected is not None and row is None:
            yield Finding(place, "is missing")
        elif expected is not None and row is not None:
            for name, value in asdict(expected).items():
                if row[name] != value or type(row[name]) is not type(value):
                    yield Finding(f"{place}.{name}", "is not what entry and content say")


def _check_tags(conn: Connection, vault: Vault, opened: Opened) -> Iterator[Finding]:
    wanted = {tag.tag: tag.kind for tag in vault.tags_of(opened)}
    columns = subject_table.c
    rows = conn.execute(select(columns.tag, columns.kind).where(columns.id == opened.id))
    stored = {row.tag: row.kind for row in rows}
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


def _check_query_row(conn: Connection, entry: Entry, expected: Mapping[str, Any] | None) -> Iterator[Finding]:
    """The query row of an entry is what its opened values and the rows of its reviews make; without content none."""
    if entry.kind not in ("decision/1", "review/1"):
        return
    table = decision_table if entry.kind == "decision/1" else review_table
    place = f"{table.name}(id={entry.id})"
    row = conn.execute(select(table).where(table.c.id == entry.id)).mappings().first()
    if expected is None:
        if row is not None:
            yield Finding(place, "is there although the content is gone")
        return
    if row is None:
        yield Finding(place, "is missing")
        return
    if table is decision_table:
        try:
            expected = reviewed_row(expected, find_reviews(conn, entry.id))
        except AuditLogError:
            return  # a row of a review has no form: it is named by itself
    for name in [column.name for column in table.columns]:
        if row[name] != expected[name] or type(row[name]) is not type(expected[name]):
            yield Finding(f"{place}.{name}", "is not what entry and content say")


def _check_owners(conn: Connection, table: Table, kind: str | None) -> Iterator[Finding]:
    """Rows whose entry does not exist, or is of another kind, or has no content."""
    columns = list(table.primary_key.columns)
    for row in conn.execute(select(table).execution_options(yield_per=500)).mappings():
        found = find_entry(conn, row["id"])
        entry = None if found is None else _parse(found.data)
        wrong = entry is None or not entry.commitments or (kind is not None and entry.kind != kind)
        if not wrong and table in (subject_table, about_table, blob_table):
            wrong = conn.execute(select(sealed_table.c.id).where(sealed_table.c.id == row["id"])).first() is None
        if wrong:
            key = ",".join(f"{column.name}={_text(row[column.name])}" for column in columns)
            yield Finding(f"{table.name}({key})", "belongs to no entry with content")


def _parse(data: bytes) -> Entry | None:
    try:
        entry = parse_entry(data)
    except AuditLogError:
        return None
    return entry if isinstance(entry, Entry) else None


def _text(value: object) -> str:
    return value.hex()[:16] + "…" if isinstance(value, bytes) else str(value)
