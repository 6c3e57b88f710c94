"""Holds on a record: what keeps its content from being erased, or from being used (GDPR 18)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import Connection

from auditlog.core.errors import Erased, NotFound
from auditlog.store.erasures import about_among, belonging, no_records, with_content
from auditlog.store.record_events import About, find_about
from auditlog.store.vault import find_erasure
from auditlog.vault.ledger import Ledger

HOLD_KIND: Final = "hold/1"
RESTRICTION: Final = "restriction"


def in_force(rows: Iterable[About]) -> set[str]:
    """The grounds that hold a record, from its `hold/1` rows in the order of the log: of each ground the last counts.

    Pure. Rows of other kinds are passed over.
    """
    last = {row.code: row.action for row in rows if row.kind == HOLD_KIND and row.code is not None}
    return {ground for ground, action in last.items() if action == "placed"}


def holds_in_force(conn: Connection, record: str) -> set[str]:
    """The grounds (`vocabulary.HOLD_GROUNDS`) that hold a record now; inside the writer's transaction, for good."""
    return in_force(find_about(conn, record, HOLD_KIND))


def holds_among(conn: Connection, records: Sequence[str]) -> dict[str, set[str]]:
    """Record → the grounds that hold it now, for those of these records that are held."""
    rows: dict[str, list[About]] = {}
    for row in about_among(conn, records, HOLD_KIND):
        rows.setdefault(row.record, []).append(row)
    held = {record: in_force(mine) for record, mine in rows.items()}
    return {record: grounds for record, grounds in held.items() if grounds}


def demand_holdable(conn: Connection, ledger: Ledger, record: str) -> None:
    """Inside the writer's transaction, before a hold: raise Erased where its erasure was ordered, NotFound where there
    is nothing to hold. An order counts from its line in the ledger on, since it cannot be taken back.
    """
    if ledger.names(record) or find_erasure(conn, record) is not None:
        raise Erased("the content was erased; its entry and proof remain", field="id")
    if belonging(conn, [record]) or not with_content(conn, [record]) or no_records(conn, [record]):
        raise NotFound("this log holds no content for it that could be held", field="id")
