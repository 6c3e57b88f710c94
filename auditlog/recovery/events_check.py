"""What `fsck` checks of the rows of entries that are no decisions: each is what its entry says, and none is missing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, RowMapping, select

from auditlog.core.entries.record import Entry, OpaqueEntry, parse_entry
from auditlog.core.errors import AuditLogError
from auditlog.store.log import entry_table
from auditlog.store.rollup import event_row, event_table
from auditlog.vault.check import Finding

_NAMES = [column.name for column in event_table.columns]
_PARTS = 500


def check_events(conn: Connection, number: int) -> Iterator[Finding]:
    """What is wrong with the rows of one log. What an entry itself lacks is the tree's part of the check."""
    columns = entry_table.c
    statement = select(columns.idx, columns.data).where(columns.log == number).order_by(columns.idx)
    rows = _rows(conn, number)
    row = next(rows, None)
    for index, data in conn.execute(statement.execution_options(yield_per=_PARTS)):
        while row is not None and row["idx"] < index:
            yield Finding(_place(number, row["idx"]), "belongs to no entry")
            row = next(rows, None)
        mine = row if row is not None and row["idx"] == index else None
        if mine is not None:
            row = next(rows, None)
        try:
            entry = parse_entry(bytes(data))
        except (AuditLogError, TypeError):
            continue
        yield from _compare(_place(number, index), _expected(number, index, entry), mine)
    while row is not None:
        yield Finding(_place(number, row["idx"]), "belongs to no entry")
        row = next(rows, None)


def _rows(conn: Connection, number: int) -> Iterator[RowMapping]:
    columns = event_table.c
    statement = select(event_table).where(columns.log == number).order_by(columns.idx)
    yield from conn.execute(statement.execution_options(yield_per=_PARTS)).mappings()


def _expected(number: int, index: int, entry: Entry | OpaqueEntry) -> tuple[Any, ...] | None:
    """None for decisions, and for kinds that this version does not know."""
    if not isinstance(entry, Entry) or entry.kind == "decision/1":
        return None
    return event_row(number, index, entry)


def _compare(place: str, expected: tuple[Any, ...] | None, row: RowMapping | None) -> Iterator[Finding]:
    if expected is None:
        if row is not None:
            yield Finding(place, "is of an entry that has no row here")
        return
    if row is None:
        yield Finding(place, "is missing")
        return
    for name, value in zip(_NAMES, expected, strict=True):
        if row[name] != value or type(row[name]) is not type(value):
            yield Finding(f"{place}.{name}", "is not what the entry says")


def _place(number: int, index: int) -> str:
    return f"{event_table.name}(log={number},idx={index})"
