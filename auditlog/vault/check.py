"""The vault's part of `log fsck`: sealed rows, tags, keys, tombstones and query rows against entries and key slots."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, func, select

from auditlog.errors import AuditLogError, Erased
from auditlog.record import Entry, parse_entry
from auditlog.store.decisions import (
    decision_table,
    find_reviews,
    review_row_from,
    review_table,
    reviewed_row,
    row_from,
)
from auditlog.store.log import entry_table, find_entry
from auditlog.store.vault import SealedRow, erasure_table, find_erasure, find_sealed, sealed_table, subject_table
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
        if entry.id in stated and find_sealed(conn, entry.id) is None:
            yield from _check_query_row(conn, entry, None)
        elif any(value is not None for value in entry.commitments.values()):
            yield from _check_record(conn, vault, place, entry, unaccounted)
    yield from _check_gone(conn, vault, ledger, unaccounted)
    yield from _check_erasures(conn, tombstones)
    for table, kind in (
        (sealed_table, None),
        (subject_table, None),
        (decision_table, "decision/1"),
        (review_table, "review/1"),
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
        if not erased and entry.kind == "review/1":
            # A review goes with the decision that it reviewed, and its tombstone does not name it.
            unaccounted.append(entry.id)
        elif not erased:
            yield Finding(place, "is missing, and no tombstone says why")
        yield from _check_query_row(conn, entry, None)
        return
    if erased:
        yield Finding(place, "is still there although a tombstone says that it was erased")
    try:
        opened = vault.open_row(SealedRow(row.id, row.slot, row.nonce, row.ciphertext), entry)
    except Erased:
        yield Finding(f"{place}.slot", "names a key that was erased; complete the erasure or correct the slot")
    except (AuditLogError, TypeError) as error:
        yield Finding(place, f"slot, nonce or ciphertext was changed: {error}")
    else:
        yield from _check_tags(conn, vault, opened)
        yield from _check_query_row(conn, entry, _expected(entry, opened, at))
        wanted = None if opened.asked is None else key_row(entry, opened.values, opened.secret, opened.asked)
        yield from (Finding(place, message) for place, message in key_differences(conn, entry.id, wanted))


def _check_tags(conn: Connection, vault: Vault, opened: Opened) -> Iterator[Finding]:
    wanted = set(vault.tags_for(opened.values))
    stored = set(conn.execute(select(subject_table.c.tag).where(subject_table.c.id == opened.id)).scalars())
    for tag in sorted(wanted - stored):
        yield Finding(f"auditlog_subject(tag={tag.hex()[:16]}…,id={opened.id})", "is missing")
    for tag in stored - wanted:
        name = tag.hex()[:16] if isinstance(tag, bytes) else "?"
        yield Finding(
            f"auditlog_subject(tag={name}…,id={opened.id}).tag", "is the tag of nobody whom the record concerns"
        )


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
        expected = reviewed_row(expected, find_reviews(conn, entry.id))
    for name in [column.name for column in table.columns]:
        if row[name] != expected[name] or type(row[name]) is not type(expected[name]):
            yield Finding(f"{place}.{name}", "is not what entry and content say")


def _check_gone(conn: Connection, vault: Vault, ledger: Ledger | None, unaccounted: list[str]) -> Iterator[Finding]:
    """Reviews without content were erased with their decisions only if as many keys were overwritten by order."""
    erased = set(_erased_slots(vault))
    if ledger is not None:
        try:
            ordered = ledger.slots()
        except AuditLogError as error:
            yield Finding("erasures", str(error))
            return
        for slot in sorted(erased - ordered):
            yield Finding(f"key_store(slot={slot})", "was overwritten, and no erasure ordered it")
        erased &= ordered
    tombstones = conn.execute(select(func.count()).select_from(erasure_table)).scalar_one()
    if len(unaccounted) > len(erased) - tombstones:
        for id_ in unaccounted:
            yield Finding(f"auditlog_sealed(id={id_})", "is missing: more reviews lack content than were erased")


def _erased_slots(vault: Vault) -> Iterator[int]:
    for slot in range(vault.keys.count()):
        try:
            vault.keys.read(slot)
        except Erased:
            yield slot
        except AuditLogError:
            continue


def _check_erasures(conn: Connection, tombstones: Mapping[str, str]) -> Iterator[Finding]:
    stored = {row.record: row.id for row in conn.execute(select(erasure_table))}
    for record in sorted(tombstones.keys() | stored.keys()):
        place = f"auditlog_erasure(record={record})"
        if record not in stored:
            yield Finding(place, "is missing, though the log has its tombstone")
        elif record not in tombstones:
            yield Finding(place, "has no tombstone in the log")
        elif stored[record] != tombstones[record]:
            yield Finding(f"{place}.id", "is not the id of the tombstone")


def _check_owners(conn: Connection, table: Table, kind: str | None) -> Iterator[Finding]:
    """Rows whose entry does not exist, or is of another kind, or has no content."""
    columns = list(table.primary_key.columns)
    for row in conn.execute(select(table).execution_options(yield_per=500)).mappings():
        found = find_entry(conn, row["id"])
        entry = None if found is None else _parse(found.data)
        wrong = entry is None or not entry.commitments or (kind is not None and entry.kind != kind)
        if not wrong and table is subject_table:
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
