"""Holds on a record: what keeps its content from being erased, or from being used (GDPR 18)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import Connection

from auditlog.store.about import About, find_about

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
