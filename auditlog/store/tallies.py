"""Rows of tallies: where each stands and what it covers, up to where a log is tallied, and what was published of them.

What a tally counts is sealed with its entry (`auditlog.core.counting.tally`); the rows here follow from the entries.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    and_,
    delete,
    func,
    select,
    update,
)

from auditlog.core.counting.figures import COUNTED_MODES, CellKey, Cells
from auditlog.core.entries.record import Entry
from auditlog.store import metadata
from auditlog.store.insert import Row, RowInsert
from auditlog.store.rollup import KEY, NO_VERSION, due_table, rollup_table, row_key, set_tallied, tallied_table

tally_table = Table(
    "auditlog_tally",
    metadata,
    Column("id", Text, nullable=False),
    Column("log", Integer, nullable=False),
    Column("idx", BigInteger, nullable=False),
    Column("level", Text, nullable=False),
    Column("system", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("mode", Text, nullable=False),
    Column("first", Text, nullable=False),
    Column("last", Text, nullable=False),
    Column("since", BigInteger, nullable=True),
    Column("until", BigInteger, nullable=True),
    Column("counted", Integer, nullable=False),
    Column("recounted", Integer, nullable=False),
    PrimaryKeyConstraint("id", name="auditlog_tally_pkey"),
    Index("auditlog_tally_days", "level", "first", "system"),
    Index("auditlog_tally_key", "counted", "system", "version", "mode", "first"),
)
round_table = Table(
    "auditlog_tally_round",
    metadata,
    Column("log", Integer, nullable=False),
    Column("until", BigInteger, nullable=False),
    PrimaryKeyConstraint("log", name="auditlog_tally_round_pkey"),
)

_insert_tally = RowInsert(tally_table)

Group = tuple[int, str, int, str]
"""The part of a roll-up's key that its days share: log, system, version, mode."""


@dataclass(frozen=True, slots=True)
class TallyRow:
    """A tally as its entry says, with its place. `counted`: the log whose entries it counts; 0 for a period."""

    id: str
    log: int
    idx: int
    level: str
    system: str
    version: int
    mode: str
    first: str
    last: str
    since: int | None
    until: int | None
    counted: int
    recounted: int = 0

    def covers(self, key: CellKey, place: tuple[int, int]) -> bool:
        """Whether what an entry at `place` (log, index) adds under `key` is counted here."""
        mine = (self.system, self.version, self.mode)
        theirs = (key.system, NO_VERSION if key.version is None else key.version, key.mode or "")
        within = self.since is None or self.until is None or self.since <= place[1] < self.until
        return mine == theirs and self.first <= key.day <= self.last and self.counted == place[0] and within


@dataclass(frozen=True, slots=True)
class Due:
    """What one group of keys gained since it was tallied: cells by day, and the sums to note once it is tallied.

    `tallies`: how many tallies of the group there are, by which a second writer of the same is noticed.
    """

    group: Group
    gained: dict[str, Cells]
    sums: dict[str, Cells]
    tallies: int


def row_from(entry: Entry, place: tuple[int, int], counted: int) -> TallyRow:
    """The row of the tally at `place` (log, index)."""
    of = entry.members
    return TallyRow(
        id=entry.id,
        log=place[0],
        idx=place[1],
        level=of["level"],
        system=of["system"] or "",
        version=NO_VERSION if of["version"] is None else of["version"],
        mode=of["mode"] or "",
        first=of["first"],
        last=of["last"],
        since=of["since"],
        until=of["until"],
        counted=counted,
    )


def tally_rows(rows: Iterable[TallyRow]) -> list[Row]:
    """What to insert, for a unit that gives its rows."""
    return [(_insert_tally, asdict(row)) for row in rows]


# --- what is due ------------------------------------------------------------------------------------------------------


def due_groups(conn: Connection) -> list[Group]:
    """Groups that gained something since they were tallied, in order."""
    columns = [due_table.c[name] for name in KEY[:4]]
    return [(row[0], row[1], row[2], row[3]) for row in conn.execute(select(*columns).distinct().order_by(*columns))]


def read_due(conn: Connection, group: Group) -> Due:
    """What a group gained, in one snapshot."""
    days = conn.execute(select(due_table.c.day).where(_is_group(due_table, group))).scalars().all()
    gained: dict[str, Cells] = {}
    sums: dict[str, Cells] = {}
    for day in sorted(days):
        now, before = (_cells(conn, table, group, day) for table in (rollup_table, tallied_table))
        more = {cell: number - before.get(cell, 0) for cell, number in now.items() if number != before.get(cell, 0)}
        sums[day] = now
        if more:
            gained[day] = more
    return Due(group, gained, sums, _tallies_of(conn, group))


def _cells(conn: Connection, table: Table, group: Group, day: str) -> Cells:
    columns = table.c
    statement = select(columns.cell, columns.number).where(_is_group(table, group), columns.day == day)
    return {row.cell: row.number for row in conn.execute(statement)}


def _is_group(table: Table, group: Group) -> Any:
    return and_(*(table.c[name] == value for name, value in zip(KEY[:4], group, strict=True)))


def _of_group(group: Group) -> Any:
    columns = tally_table.c
    names = zip((columns.counted, columns.system, columns.version, columns.mode), group, strict=True)
    return and_(columns.level == "day", *(column == value for column, value in names))


def _tallies_of(conn: Connection, group: Group) -> int:
    return conn.execute(select(func.count()).select_from(tally_table).where(_of_group(group))).scalar_one()


def tallied_until(conn: Connection, log: int) -> int:
    """Everything of this log below that index is tallied."""
    return conn.execute(select(round_table.c.until).where(round_table.c.log == log)).scalar_one_or_none() or 0


def counted_from(conn: Connection, group: Group) -> int:
    """The index from which further tallies of a group count: after the last round, and after its last ones."""
    until = conn.execute(select(func.max(tally_table.c.until)).where(_of_group(group))).scalar_one_or_none()
    return max(until or 0, tallied_until(conn, group[0]))


def is_unchanged(conn: Connection, due: Due) -> bool:
    """Whether nobody tallied this group since `due` was read."""
    return _tallies_of(conn, due.group) == due.tallies


def note_tallied(conn: Connection, due: Due, size: int) -> None:
    """In the transaction of the tallies: what they hold, and that nothing is due that the log held at `size`."""
    log, system, version, mode = due.group
    key = None if version == NO_VERSION else version
    places = {day: row_key(log, CellKey(system, key, mode or None, day)) for day in due.sums}
    set_tallied(conn, [(*places[day], cell, number) for day, of in due.sums.items() for cell, number in of.items()])
    conn.execute(
        delete(due_table).where(
            _is_group(due_table, due.group), due_table.c.day.in_(list(due.sums)), due_table.c.changed <= size
        )
    )


def note_round(conn: Connection, log: int, until: int) -> None:
    """Everything of this log below `until` is tallied now."""
    if conn.execute(update(round_table).where(round_table.c.log == log).values(until=until)).rowcount == 0:
        conn.execute(round_table.insert().values(log=log, until=until))


# --- reading ----------------------------------------------------------------------------------------------------------


def tallies_of_days(conn: Connection, first: str, last: str) -> list[TallyRow]:
    """The day tallies (of modes that enter figures) of a period of whole months, in the order of the log."""
    columns = tally_table.c
    days = (columns.level == "day", columns.first >= first, columns.last <= last)
    statement = select(tally_table).where(*days, columns.mode.in_(("", *COUNTED_MODES)))
    return [TallyRow(**row) for row in conn.execute(statement.order_by(columns.log, columns.idx)).mappings()]


def day_tallies(conn: Connection) -> list[TallyRow]:
    """All of them, in the order of the log."""
    columns = tally_table.c
    statement = select(tally_table).where(columns.level == "day").order_by(columns.log, columns.idx)
    return [TallyRow(**row) for row in conn.execute(statement).mappings()]


def period_tallies(conn: Connection) -> list[TallyRow]:
    """All sums over periods, in the order of the log."""
    columns = tally_table.c
    statement = select(tally_table).where(columns.level == "period").order_by(columns.log, columns.idx)
    return [TallyRow(**row) for row in conn.execute(statement).mappings()]


def parts_of(conn: Connection, period: TallyRow) -> list[TallyRow]:
    """The day tallies that a sum over a period sums: those of its system and days that stand before it."""
    rows = tallies_of_days(conn, period.first, period.last)
    return [row for row in rows if row.system == period.system and (row.log, row.idx) < (period.log, period.idx)]


def not_recounted(conn: Connection) -> list[TallyRow]:
    """Day tallies that were not held against their records yet, in the order of the log."""
    columns = tally_table.c
    statement = select(tally_table).where(columns.level == "day", columns.recounted == 0)
    return [TallyRow(**row) for row in conn.execute(statement.order_by(columns.log, columns.idx)).mappings()]


def note_recounted(conn: Connection, ids: Sequence[str]) -> None:
    """These were held against their records, and agree."""
    for low in range(0, len(ids), 500):
        chosen = tally_table.c.id.in_(ids[low : low + 500])
        conn.execute(update(tally_table).where(chosen).values(recounted=1))


def recounted_until(conn: Connection, log: int) -> int:
    """Everything of this log below that index is tallied and recounted."""
    columns = tally_table.c
    open_ = and_(columns.level == "day", columns.recounted == 0, columns.counted == log)
    first = conn.execute(select(func.min(columns.since)).where(open_)).scalar_one_or_none()
    whole = conn.execute(select(columns.id).where(open_, columns.since.is_(None)).limit(1)).first()
    until = tallied_until(conn, log)
    return 0 if whole is not None else until if first is None else min(until, first)
