"""Who works on which result, and what an officer judged before the result was shown. Functions take a connection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Final

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from casework.errors import TakenMeanwhile
from casework.store.tables import assignment_table, judgement_table

_CHUNK: Final = 500
_MEANWHILE: Final = "somebody else took it or passed it on meanwhile: look at the list again"


@dataclass(frozen=True, slots=True)
class Assignment:
    """Who works on a result, None for nobody. `version` rises with each change; one that was never assigned has 0."""

    record: str
    account: str | None
    version: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """What an officer judged of a record before its result was shown. `access`: the entry that commits to it."""

    record: str
    access: str
    day: str
    outcome: str
    account: str | None


def assignments(conn: Connection, records: Sequence[str]) -> dict[str, Assignment]:
    """Those of these records that were assigned once."""
    columns = assignment_table.c
    found = (
        row
        for some in _chunks(records)
        for row in conn.execute(select(assignment_table).where(columns.record.in_(some))).mappings()
    )
    return {row["record"]: Assignment(**row) for row in found}


def assign(conn: Connection, wanted: Assignment) -> None:
    """Put down who works on it; `wanted.version` is one more than was seen. Raises TakenMeanwhile."""
    columns = assignment_table.c
    if wanted.version == 1:
        try:
            with conn.begin_nested():
                conn.execute(insert(assignment_table).values(asdict(wanted)))
        except IntegrityError:
            raise TakenMeanwhile(_MEANWHILE, field="assignment") from None
        return
    statement = update(assignment_table).where(columns.record == wanted.record, columns.version == wanted.version - 1)
    if not conn.execute(statement.values(asdict(wanted))).rowcount:
        raise TakenMeanwhile(_MEANWHILE, field="assignment")


def insert_judgement(conn: Connection, judgement: Judgement) -> None:
    """The first judgement of a record. Raises TakenMeanwhile where it has one."""
    if find_judgements(conn, [judgement.record]):
        raise TakenMeanwhile("a first judgement was given meanwhile: look at the case again", field="id")
    conn.execute(insert(judgement_table).values(asdict(judgement)))


def find_judgements(conn: Connection, records: Sequence[str]) -> dict[str, Judgement]:
    """Those of these records that have one."""
    columns = judgement_table.c
    found = (
        row
        for some in _chunks(records)
        for row in conn.execute(select(judgement_table).where(columns.record.in_(some))).mappings()
    )
    return {row["record"]: Judgement(**row) for row in found}


def judgements_between(conn: Connection, first: date, last: date) -> list[Judgement]:
    """Those of these days, in the order of their records."""
    columns = judgement_table.c
    statement = select(judgement_table).where(columns.day >= first.isoformat(), columns.day <= last.isoformat())
    return [Judgement(**row) for row in conn.execute(statement.order_by(columns.record)).mappings()]


def all_judgements(conn: Connection) -> list[Judgement]:
    """All, in the order of their records."""
    statement = select(judgement_table).order_by(judgement_table.c.record)
    return [Judgement(**row) for row in conn.execute(statement).mappings()]


def replace_judgements(conn: Connection, judgements: Sequence[Judgement]) -> None:
    """Put these in the place of all that are there: for a database that is built anew."""
    conn.execute(delete(judgement_table))
    if judgements:
        conn.execute(insert(judgement_table), [asdict(one) for one in judgements])


def _chunks(records: Sequence[str]) -> list[Sequence[str]]:
    return [records[low : low + _CHUNK] for low in range(0, len(records), _CHUNK)]
