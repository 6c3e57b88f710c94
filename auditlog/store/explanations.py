"""Which explanations said that a person must decide anew. Verdicts stand in no entry; `auditlog_about` has them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from sqlalchemy import Connection, select

from auditlog.store.record_events import About, about_table
from auditlog.store.rollup import event_table

EXPLANATION: Final = "explanation/1"
FINDING: Final = "finding/1"


def iterate_explained(conn: Connection, verdicts: Sequence[str]) -> Iterator[About]:
    """The rows of all explanations with one of these verdicts, oldest first."""
    about, events = about_table.c, event_table.c
    # The index of events by kind: rows about records are many, and most are accesses.
    statement = select(about_table).join(event_table, events.id == about.id)
    statement = statement.where(events.kind == EXPLANATION, about.code.in_(verdicts))
    for row in conn.execute(statement.order_by(about.log, about.idx)).mappings():
        yield About(**row)
