"""What erasing takes: every row about a record, table by table; and the erasures whose tombstone is due.

A record that was erased alone gets its tombstone at once. Those of a set (a person's, a day's expired) get theirs with
the others of the day, in the order of their ids, so that the log does not say which belong together: until then they
wait in `auditlog_erasure_due`, whose rows name the tombstone that `auditlog_erasure` already points to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Final

from sqlalchemy import (
    Column,
    Connection,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    delete,
    func,
    select,
)

from auditlog.core.entries.kinds import KINDS
from auditlog.core.entries.record import parse_entry
from auditlog.store import metadata
from auditlog.store.blobs import blob_table, delete_blobs
from auditlog.store.decisions import decision_table, review_table
from auditlog.store.idempotency import idempotency_table
from auditlog.store.insert import RowInsert
from auditlog.store.log import find_entry
from auditlog.store.record_events import About, about_table
from auditlog.store.rollup import event_table
from auditlog.store.vault import erasure_table, sealed_table, subject_table

CHUNK: Final = 500
"""How many records go in one transaction, and how many values into one statement."""

RECORD_KINDS: Final = frozenset({"decision/1", "unfinished/1", "request/1", "incident/1"})
"""The kinds whose content is a record's own; of a request, its first step's; of an incident, each step's."""

due_table = Table(
    "auditlog_erasure_due",
    metadata,
    Column("record", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("ground", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("day", Text, nullable=False),
    PrimaryKeyConstraint("record", name="auditlog_erasure_due_pkey"),
    UniqueConstraint("id", name="auditlog_erasure_due_id"),
)

# THE table of what is about a record, and by which column: erasing, its preview and `erase --verify` read it.
ABOUT_A_RECORD: Final[tuple[tuple[Table, str], ...]] = (
    (blob_table, "id"),
    (sealed_table, "id"),
    (subject_table, "id"),
    (idempotency_table, "record"),
    (decision_table, "id"),
    (review_table, "decision_id"),
    (about_table, "record"),
)

_insert_due = RowInsert(due_table)


@dataclass(frozen=True, slots=True)
class Due:
    """An erased record whose tombstone `id` is not in the log yet. `day`: of the order (UTC)."""

    record: str
    id: str
    ground: str
    role: str
    day: str


def chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """Slices of CHUNK."""
    for low in range(0, len(ids), CHUNK):
        yield ids[low : low + CHUNK]


def with_content(conn: Connection, records: Sequence[str]) -> set[str]:
    """Those that have something to erase: sealed content, or a query row of content that lies with its client."""
    found: set[str] = set()
    for some in chunks(records):
        for table in (sealed_table, decision_table):
            found.update(conn.execute(select(table.c.id).where(table.c.id.in_(some))).scalars())
    return found


def belonging(conn: Connection, ids: Sequence[str]) -> set[str]:
    """Those that are no record of their own but are about one: reviews, and entries of `KINDS_ABOUT`."""
    found: set[str] = set()
    for some in chunks(ids):
        for table in (review_table, about_table):
            found.update(conn.execute(select(table.c.id).where(table.c.id.in_(some))).scalars())
    return found


def no_records(conn: Connection, ids: Sequence[str]) -> set[str]:
    """Those whose content is that of no record: figures, which outlive what they count, and accesses to nobody."""
    found: set[str] = set()
    for some in chunks(ids):
        decided = set(conn.execute(select(decision_table.c.id).where(decision_table.c.id.in_(some))).scalars())
        for id_ in set(some) - decided:
            stored = find_entry(conn, id_)
            if stored is not None and parse_entry(stored.data).kind not in RECORD_KINDS:
                found.add(id_)
    return found


def with_others(conn: Connection, records: Sequence[str]) -> set[str]:
    """Those that concern more than one person."""
    column = subject_table.c.id
    found: set[str] = set()
    for some in chunks(records):
        persons = select(column).where(column.in_(some), subject_table.c.kind == "subject")
        statement = persons.group_by(column).having(func.count() > 1)
        found.update(conn.execute(statement).scalars())
    return found


def erased_among(conn: Connection, records: Sequence[str]) -> set[str]:
    """Those that were erased."""
    column = erasure_table.c.record
    return {one for some in chunks(records) for one in conn.execute(select(column).where(column.in_(some))).scalars()}


def count_erasures(conn: Connection) -> int:
    """How many records were erased."""
    return conn.execute(select(func.count()).select_from(erasure_table)).scalar_one()


def about_among(conn: Connection, records: Sequence[str], kind: str) -> Iterator[About]:
    """The rows of one kind (such as `hold/1`) about these records, each record's oldest first."""
    columns = about_table.c
    for some in chunks(records):
        statement = select(about_table).where(columns.record.in_(some), columns.kind == kind)
        for row in conn.execute(statement.order_by(columns.log, columns.idx)).mappings():
            yield About(**row)


def about_only(conn: Connection, records: Sequence[str]) -> list[str]:
    """Entries that are about these records (CHUNK at most) and no other, in the order of their ids: they go, too."""
    mine, other = about_table.alias("mine"), about_table.alias("other")
    elsewhere = select(other.c.id).where(other.c.id == mine.c.id, other.c.record.not_in(records)).exists()
    entries = select(mine.c.id).where(mine.c.record.in_(records), ~elsewhere)
    reviews = select(review_table.c.id).where(review_table.c.decision_id.in_(records))
    return sorted({*conn.execute(entries).scalars(), *conn.execute(reviews).scalars()})


def count_about(conn: Connection, records: Sequence[str]) -> dict[str, int]:
    """Table → how many rows are about these records; what `about_only` gives is counted as rows of sealed content."""
    counts: dict[str, int] = {}
    for table, name in ABOUT_A_RECORD:
        column = table.c[name]
        numbers = [
            conn.execute(select(func.count()).select_from(table).where(column.in_(some))).scalar_one()
            for some in chunks(records)
        ]
        counts[table.name] = sum(numbers)
    return counts


def delete_about_records(conn: Connection, records: Sequence[str], entries: Sequence[str]) -> None:
    """Every row about these records, and the content of the entries that were only about them (`about_only`).

    Large values that lie in object storage are put down as due: they are deleted after the commit.
    """
    for some in chunks([*records, *entries]):
        delete_blobs(conn, some)
    for table, name in ABOUT_A_RECORD:
        for some in chunks(records):
            conn.execute(delete(table).where(table.c[name].in_(some)))
    for some in chunks(entries):
        conn.execute(delete(sealed_table).where(sealed_table.c.id.in_(some)))


def has_records(conn: Connection, system: str) -> bool:
    """Whether a system has decisions with content, or whose content lies elsewhere."""
    statement = select(decision_table.c.id).where(decision_table.c.system == system).limit(1)
    return conn.execute(statement).first() is not None


def recorded_until(conn: Connection, system: str, day: date) -> list[str]:
    """What a system recorded on a day (UTC) or before and still has content: decisions, and what never became one."""
    end = f"{day.isoformat()}U"
    decisions, events = decision_table.c, event_table.c
    finished = select(decisions.id).where(decisions.system == system, decisions.minute < end)
    others = select(events.id).join(sealed_table, sealed_table.c.id == events.id)
    others = others.where(events.kind == "unfinished/1", events.system == system, events.minute < end)
    return [*conn.execute(finished).scalars(), *conn.execute(others).scalars()]


def latest_minute(conn: Connection) -> str | None:
    """The latest minute that an entry of any log bears, or None: what a clock that went back wrote is no later."""
    times = [conn.execute(select(func.max(decision_table.c.minute))).scalar_one()]
    for kind in KINDS:  # each by the index
        statement = select(func.max(event_table.c.minute)).where(event_table.c.kind == kind)
        times.append(conn.execute(statement).scalar_one())
    return max((time for time in times if time is not None), default=None)


def insert_erasures(conn: Connection, due: Sequence[Due]) -> None:
    """Note records as erased, whose tombstones come later. Raises IntegrityError where one is noted already."""
    conn.execute(erasure_table.insert(), [{"record": one.record, "id": one.id} for one in due])
    _insert_due(conn, [asdict(one) for one in due])


def read_due(conn: Connection) -> list[Due]:
    """All whose tombstone is due, in the order of their ids."""
    return [Due(**row) for row in conn.execute(select(due_table).order_by(due_table.c.record)).mappings()]


def find_due(conn: Connection, record: str) -> Due | None:
    """The one of a record, or None."""
    row = conn.execute(select(due_table).where(due_table.c.record == record)).mappings().one_or_none()
    return None if row is None else Due(**row)


def delete_due(conn: Connection, records: Sequence[str]) -> int:
    """In the transaction that appends their tombstones; returns how many were still due."""
    column = due_table.c.record
    return sum(conn.execute(delete(due_table).where(column.in_(some))).rowcount for some in chunks(records))
