"""Questions about replays and self-tests. Both stand in clear in their entries; `auditlog_event` says where."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, func, select

from auditlog.core.entries.record import Entry, parse_entry
from auditlog.store.decisions import ORDER
from auditlog.store.log import entry_table
from auditlog.store.rollup import event_table

REPLAY = "replay/1"
SELFTEST = "selftest/1"


def count_verdicts(conn: Connection, since: str, until: str) -> dict[str, dict[str, int]]:
    """System → verdict → number of its replays from minute (or day) `since` on and before `until`."""
    columns = event_table.c
    where = (columns.kind == REPLAY, columns.minute >= since, columns.minute < until)
    statement = select(columns.system, columns.code, func.count()).where(*where).group_by(columns.system, columns.code)
    found: dict[str, dict[str, int]] = {}
    for system, verdict, number in conn.execute(statement):
        found.setdefault(system, {})[verdict] = number
    return found


def newest_entries(conn: Connection, kind: str, limit: int) -> Iterator[tuple[tuple[int, int], Entry]]:
    """The newest entries of a kind, newest first: place (log, index) and entry."""
    events, entries = event_table.c, entry_table.c
    statement = select(entries.log, entries.idx, entries.data).join_from(
        event_table, entry_table, (events.log == entries.log) & (events.idx == entries.idx)
    )
    statement = statement.where(events.kind == kind).order_by(*(events[name].desc() for name in ORDER))
    for log, index, data in conn.execute(statement.limit(limit)):
        entry = parse_entry(bytes(data))
        if isinstance(entry, Entry):
            yield (log, index), entry
