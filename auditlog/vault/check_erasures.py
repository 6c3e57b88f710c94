"""The part of the full check about what is gone: keys, tombstones and orders against each other.

Each function yields (place, message).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

from sqlalchemy import Connection, func, select

from auditlog.core.errors import AuditLogError
from auditlog.store.erasures import Due, due_table, read_due
from auditlog.store.sources import source_table
from auditlog.store.vault import erasure_table
from auditlog.vault.key_store import KeyStore
from auditlog.vault.ledger import Erasure, Ledger


def keys_without_order(
    conn: Connection, keys: KeyStore, ledger: Ledger | None, unnamed: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Keys that were overwritten past the program; and content that is missing.

    What is about a record (`unnamed`: reviews, accesses, holds, corrections and replays without content) goes with it,
    and no tombstone names it: of those, no more can be gone than keys were overwritten by order for no record of their
    own.
    """
    try:
        erased = set(keys.erased())
        ordered = erased if ledger is None else ledger.slots()
    except AuditLogError as error:
        yield "erasures", str(error)
        return
    for slot in sorted(erased - ordered):
        yield f"key_store(slot={slot})", "was overwritten, and no erasure ordered it"
    elsewhere = select(source_table.c.id).where(source_table.c.committed.is_not(None))
    records = select(func.count()).select_from(erasure_table).where(erasure_table.c.record.not_in(elsewhere))
    if len(unnamed) > len(erased & ordered) - conn.execute(records).scalar_one():
        for id_ in unnamed:
            yield f"auditlog_sealed(id={id_})", "is missing: more of its kind lack content than were erased"


def erasure_differences(
    conn: Connection, tombstones: Mapping[str, str], ledger: Ledger | None
) -> Iterator[tuple[str, str]]:
    """Rows of `auditlog_erasure` and of what is due, against the log's tombstones (record → its id) and the ledger."""
    stored = {row.record: row.id for row in conn.execute(select(erasure_table))}
    due = {one.record: one for one in read_due(conn)}
    for record in sorted(tombstones.keys() | stored.keys() - due.keys()):
        place = f"{erasure_table.name}(record={record})"
        if record not in stored:
            yield place, "is missing, though the log has its tombstone"
        elif record not in tombstones:
            yield place, "has no tombstone in the log"
            yield f"{due_table.name}(record={record})", "is missing: the log has no tombstone for it"
        elif stored[record] != tombstones[record]:
            yield f"{place}.id", "is not the id of the tombstone"
    orders = _orders(ledger)
    for record, one in due.items():
        place = f"{due_table.name}(record={record})"
        if record in tombstones:
            yield place, "is there although the log has its tombstone"
        elif stored.get(record) != one.id:
            yield f"{place}.id", "is not that of an erasure"
            yield f"{erasure_table.name}(record={record}).id", "is not that of the tombstone that is due"
        elif orders is not None:
            yield from _due_differences(place, one, orders.get(record))


def _due_differences(place: str, due: Due, order: Erasure | None) -> Iterator[tuple[str, str]]:
    if order is None:
        yield place, "is of a record whose erasure nobody ordered"
        return
    wanted = {"ground": order.ground, "role": order.role, "day": order.time[:10]}
    found = asdict(due)
    for name, value in wanted.items():
        if found[name] != value:
            yield f"{place}.{name}", "is not what was ordered"


def _orders(ledger: Ledger | None) -> dict[str, Erasure] | None:
    """Record → its order; None where no ledger can be read (which `keys_without_order` tells)."""
    try:
        return None if ledger is None else {one.record: one for one in reversed(ledger.read())}
    except AuditLogError:
        return None
