"""The roll-up that the writer keeps: cells per log, system, version, mode and day, and one row for each other entry.

Both follow from the log: `auditlog_event` from the entries alone, `auditlog_rollup` from entries and what they commit
to (`auditlog.core.counting.cells`). They outlive the content: of an erased record it stays known that it was counted.
In key columns an empty text stands for no system or no mode, -1 for no version.

`auditlog_rollup_due` names the keys that changed since they were last tallied, and the size of the log at the last such
change; `auditlog_rollup_tallied` has what earlier tallies hold of each cell.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Index, Integer, PrimaryKeyConstraint, Table, Text, func, select

from auditlog.core.counting.figures import CellKey, Cells, Counted
from auditlog.core.entries.record import Entry, OpaqueEntry
from auditlog.store import metadata

NO_VERSION = -1
MAX_NUMBER = 2**62 - 1
"""A sum stays at this: what a sender states must never keep the writer from writing, nor turn a number into a float."""

EVENT_CODES = {
    "refused/1": "reason",
    "unfinished/1": "reason",
    "outage/1": "cause",
    "state/1": "to",
    "system/1": "action",
    "pulse/1": "recording",
    "erasure/1": "ground",
    "hold/1": "action",
    "access/1": "purpose",
    "tally/1": "level",
    "sample/1": "stage",
    "publication/1": "document",
    "freeze/1": "reason",
    "selftest/1": "determinism",
    "replay/1": "verdict",
    "finding/1": "rule",
    "fitness/1": "verdict",
    "override/1": "ground",
    "modification/1": "substantial",
}
"""Kind → the member that its row has as `code`; rows of other kinds have none."""


def _key() -> list[Column[Any]]:
    return [
        Column("log", Integer, nullable=False),
        Column("system", Text, nullable=False),
        Column("version", BigInteger, nullable=False),
        Column("mode", Text, nullable=False),
        Column("day", Text, nullable=False),
    ]


KEY = ("log", "system", "version", "mode", "day")

rollup_table = Table(
    "auditlog_rollup",
    metadata,
    *_key(),
    Column("cell", Text, nullable=False),
    Column("number", BigInteger, nullable=False),
    PrimaryKeyConstraint(*KEY, "cell", name="auditlog_rollup_pkey"),
    Index("auditlog_rollup_day", "day", "system"),
    Index("auditlog_rollup_cell", "cell", "day", postgresql_ops={"cell": "text_pattern_ops"}),
)
tallied_table = Table(
    "auditlog_rollup_tallied",
    metadata,
    *_key(),
    Column("cell", Text, nullable=False),
    Column("number", BigInteger, nullable=False),
    PrimaryKeyConstraint(*KEY, "cell", name="auditlog_rollup_tallied_pkey"),
)
due_table = Table(
    "auditlog_rollup_due",
    metadata,
    *_key(),
    Column("changed", BigInteger, nullable=False),
    PrimaryKeyConstraint(*KEY, name="auditlog_rollup_due_pkey"),
)
event_table = Table(
    "auditlog_event",
    metadata,
    Column("id", Text, nullable=False),
    Column("log", Integer, nullable=False),
    Column("idx", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("minute", Text, nullable=False),
    Column("system", Text, nullable=True),
    Column("code", Text, nullable=True),
    PrimaryKeyConstraint("log", "idx", name="auditlog_event_pkey"),
    Index("auditlog_event_kind", "kind", "minute"),
)


class _Upsert:
    """Inserts rows, or sets what is there (`adding`: adds to it), by driver SQL as the writer needs it."""

    def __init__(self, table: Table, *, adding: bool = False) -> None:
        names = [column.name for column in table.columns]
        key = [column.name for column in table.primary_key.columns]
        into = f"INSERT INTO {table.name} ({', '.join(names)}) "
        then = f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET "
        new = {name: f"excluded.{name}" for name in names if name not in key}
        least = {name: f"{{least}}({table.name}.{name} + {value}, {MAX_NUMBER})" for name, value in new.items()}
        then += ", ".join(f"{name} = {value}" for name, value in (least if adding else new).items())
        self._sqlite = f"{into}VALUES ({', '.join('?' * len(names))}){then.format(least='MIN')}"
        types = ["text" if isinstance(table.c[name].type, Text) else "bigint" for name in names]
        arrays = ", ".join(f"%s::{type_}[]" for type_ in types)
        self._postgresql = f"{into}SELECT * FROM unnest({arrays}){then.format(least='LEAST')}"  # noqa: S608 (our names)

    def __call__(self, conn: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        if not rows:
            return
        if conn.dialect.name == "postgresql":
            conn.exec_driver_sql(self._postgresql, tuple([list(column) for column in zip(*rows, strict=True)]))
        else:
            conn.exec_driver_sql(self._sqlite, list(rows))


_add_cells = _Upsert(rollup_table, adding=True)
_set_due = _Upsert(due_table)
_set_events = _Upsert(event_table)
set_tallied = _Upsert(tallied_table)


def row_key(log: int, key: CellKey) -> tuple[int, str, int, str, str]:
    """The key columns of a roll-up's row."""
    return log, key.system, NO_VERSION if key.version is None else key.version, key.mode or "", key.day


def cell_key(row: Any) -> CellKey:
    """The reverse of `row_key`, of a row with the columns of a key."""
    return CellKey(row.system, None if row.version == NO_VERSION else row.version, row.mode or None, row.day)


def add_counts(conn: Connection, log: int, many: Iterable[Counted], *, size: int) -> None:
    """Add cells to the roll-up of a log that stands at `size` then: one statement a table, each key and cell once."""
    sums: dict[tuple[Any, ...], int] = {}
    keys: set[tuple[int, str, int, str, str]] = set()
    for key, cells in many:
        place = row_key(log, key)
        keys.add(place)
        for cell, number in cells.items():
            whole = (*place, cell)
            sums[whole] = sums.get(whole, 0) + number
    # In the order of the key: two writers of two logs never wait for each other crosswise.
    _add_cells(conn, [(*whole, min(number, MAX_NUMBER)) for whole, number in sorted(sums.items())])
    _set_due(conn, [(*place, size) for place in sorted(keys)])


def set_events(conn: Connection, log: int, entries: Iterable[tuple[int, Entry | OpaqueEntry]]) -> None:
    """A row for each entry (index, entry) of a known kind that is no decision; one that is there is replaced."""
    known = [(index, entry) for index, entry in entries if isinstance(entry, Entry) and entry.kind != "decision/1"]
    _set_events(conn, [event_row(log, index, entry) for index, entry in known])


def count_events(conn: Connection, log: int, *, until: int) -> int:
    """How many of the entries below the index `until` have a row."""
    columns = event_table.c
    statement = select(func.count()).where(columns.log == log, columns.idx < until)
    return int(conn.execute(statement).scalar_one())


def ids_of_kind(conn: Connection, kind: str) -> list[str]:
    """The entries of one kind (other than decisions), in the order of the logs."""
    columns = event_table.c
    statement = select(columns.id).where(columns.kind == kind).order_by(columns.log, columns.idx)
    return [*conn.execute(statement).scalars()]


def event_row(log: int, index: int, entry: Entry) -> tuple[Any, ...]:
    """The row of an entry that is no decision, in the order of the columns."""
    members, code = entry.members, EVENT_CODES.get(entry.kind)
    coded = None if code is None else members[code]
    return entry.id, log, index, entry.kind, entry.time, members.get("system"), coded


def iterate_rollup(
    conn: Connection, first: str | None = None, last: str | None = None
) -> Iterator[tuple[int, CellKey, Cells]]:
    """(log, key, cells) of all keys of the days `first` to `last`, both included, in the order of their keys."""
    columns = rollup_table.c
    statement = select(rollup_table).order_by(*(columns[name] for name in KEY), columns.cell)
    if first is not None:
        statement = statement.where(columns.day >= first)
    if last is not None:
        statement = statement.where(columns.day <= last)
    place: tuple[int, CellKey] | None = None
    cells: Cells = {}
    for row in conn.execute(statement.execution_options(yield_per=1000)):
        found = (row.log, cell_key(row))
        if found != place:
            if place is not None:
                yield (*place, cells)
            place, cells = found, {}
        cells[row.cell] = row.number
    if place is not None:
        yield (*place, cells)
