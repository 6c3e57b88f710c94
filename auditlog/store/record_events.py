"""What was done about a record: accesses, holds, corrections, replays, explanations, findings, notices, and the later
steps of a request; most entries do not name it in clear.

One row for each entry and record; reviews have a table of their own (`decisions`). Each column follows from the entry
and its opened values. The rows of a record go when it is erased, and so does the content behind them that is about no
other record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    select,
)

from auditlog.core.entries.record import Entry
from auditlog.core.entries.vocabulary import REQUEST_STEPS
from auditlog.core.errors import FormatError
from auditlog.core.formats.canonical import Json
from auditlog.store import metadata
from auditlog.store.decisions import review_table
from auditlog.store.insert import Row, RowInsert, insert_rows

about_table = Table(
    "auditlog_about",
    metadata,
    Column("id", Text, nullable=False),
    Column("record", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("log", Integer, nullable=False),
    Column("idx", BigInteger, nullable=False),
    Column("minute", Text, nullable=False),
    Column("code", Text, nullable=True),
    Column("action", Text, nullable=True),
    Column("role", Text, nullable=False),
    PrimaryKeyConstraint("id", "record", name="auditlog_about_pkey"),
    Index("auditlog_about_record", "record", "kind", "log", "idx"),
)

_insert_about = RowInsert(about_table)

KINDS_ABOUT = ("access/1", "hold/1", "correction/1", "replay/1", "explanation/1", "finding/1", "request/1", "notice/1")


@dataclass(frozen=True, slots=True)
class About:
    """One entry about one record. `code`: purpose of an access, ground of a hold, verdict of a replay or explanation,
    rule of a finding, step of a request, duty of a notice.

    `action`: whether a hold was placed or lifted; why a replay or explanation was made. The `role` of what was measured
    is the program's; of a step, the person's or an officer's.
    """

    id: str
    record: str
    kind: str
    log: int
    idx: int
    minute: str
    code: str | None
    action: str | None
    role: str


_COLUMNS = tuple([field.name for field in fields(About)])


def about_from(entry: Entry, values: Mapping[str, Json], place: tuple[int, int]) -> list[About]:
    """The rows of an entry of one of `KINDS_ABOUT` at `place` (log, index), one for each record.

    Pure; none for entries of other kinds, for a replay or explanation whose record was erased before, and for the first
    step of a request, which is a record of its own. Raises FormatError, with the field's name, for values of another
    shape.
    """
    if entry.kind == "correction/1":
        records: list[str] = [str(entry.members["record"])]
    elif entry.kind == "hold/1":
        records = [_id(values.get("reference"), "reference")]
    elif entry.kind == "access/1":
        records = ids_of(values)
    elif entry.kind in ("replay/1", "explanation/1", "finding/1"):
        return _measured(entry, values, place)
    elif entry.kind == "request/1":
        return _step(entry, values, place)
    elif entry.kind == "notice/1":
        return _notice(entry, values, place)
    else:
        return []
    members = entry.members
    code, action = members.get("purpose", members.get("ground")), members.get("action")
    return [
        About(entry.id, record, entry.kind, *place, entry.time, code, action, str(members["role"]))
        for record in records
    ]


def _measured(entry: Entry, values: Mapping[str, Json], place: tuple[int, int]) -> list[About]:
    members, reference = entry.members, values.get("reference")
    if reference is None:
        return []
    if entry.kind == "finding/1":
        code, action = str(members["rule"]), None
    else:
        # The verdict of an explanation is committed: it would hint at the outcome.
        verdict = values.get("verdict") if entry.kind == "explanation/1" else members["verdict"]
        if not isinstance(verdict, str):
            raise FormatError("must be a verdict", field="verdict")
        code, action = verdict, str(members["cause"])
    return [About(entry.id, _id(reference, "reference"), entry.kind, *place, entry.time, code, action, "program")]


def _step(entry: Entry, values: Mapping[str, Json], place: tuple[int, int]) -> list[About]:
    request, step = _id(values.get("request"), "request"), values.get("step")
    if step not in REQUEST_STEPS:
        raise FormatError("must be a step of a request", field="step")
    if request == entry.id:
        return []
    role = "person" if values.get("account") is None else "officer"
    return [About(entry.id, request, entry.kind, *place, entry.time, str(step), None, role)]


def _notice(entry: Entry, values: Mapping[str, Json], place: tuple[int, int]) -> list[About]:
    """None for a notice to many, which is about no record."""
    reference = values.get("reference")
    if reference is None:
        return []
    duty = str(entry.members["duty"])
    return [About(entry.id, _id(reference, "reference"), entry.kind, *place, entry.time, duty, None, "program")]


def ids_of(values: Mapping[str, Json]) -> list[str]:
    """The records that an `access/1` is about, from its opened values."""
    kept = values.get("ids")
    listed = kept.get("ids") if isinstance(kept, dict) else None
    if not isinstance(listed, list):
        raise FormatError("must hold the ids of the records", field="ids")
    return [_id(one, "ids") for one in listed]


def _id(value: Json, field: str) -> str:
    if not isinstance(value, str):
        raise FormatError("must be the id of a record", field=field)
    return value


def about_rows(many: Sequence[About]) -> list[Row]:
    """What `insert_about` inserts, for a unit that gives its rows."""
    return [(_insert_about, {name: getattr(one, name) for name in _COLUMNS}) for one in many]


def insert_about(conn: Connection, many: Sequence[About]) -> None:
    """In the transaction that stores the entries."""
    insert_rows(conn, about_rows(many))


def find_about(conn: Connection, record: str, kind: str | None = None) -> list[About]:
    """The rows of a record, oldest first; `kind` such as `hold/1`."""
    columns = about_table.c
    statement = select(about_table).where(columns.record == record).order_by(columns.log, columns.idx)
    if kind is not None:
        statement = statement.where(columns.kind == kind)
    return [About(**row) for row in conn.execute(statement).mappings()]


def records_behind(conn: Connection, id_: str) -> list[str]:
    """The records that an entry is about, in rising order: none for one that is a record itself."""
    about = select(about_table.c.record).where(about_table.c.id == id_)
    reviewed = select(review_table.c.decision_id).where(review_table.c.id == id_)
    return sorted({*conn.execute(about).scalars(), *conn.execute(reviewed).scalars()})


def read_on(conn: Connection, record: str, role: str, day: str) -> bool:
    """Whether an access of this role to the record is noted for that day (UTC, YYYY-MM-DD)."""
    columns = about_table.c
    statement = select(columns.id).where(
        columns.record == record,
        columns.kind == "access/1",
        columns.role == role,
        columns.minute >= day,
        columns.minute < f"{day}U",
    )
    return conn.execute(statement.limit(1)).first() is not None


def accesses_for(conn: Connection, purpose: str) -> list[str]:
    """The accesses for one purpose, in the order of the logs."""
    columns = about_table.c
    statement = select(columns.id).where(columns.kind == "access/1", columns.code == purpose)
    return [*dict.fromkeys(conn.execute(statement.order_by(columns.log, columns.idx)).scalars())]
