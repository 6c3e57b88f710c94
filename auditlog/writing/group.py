"""A group on its way into the database: indices, entries and the rows of every unit, in the writer's transaction."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from traceback import extract_tb

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from auditlog.core.counting.figures import Counted
from auditlog.core.errors import CannotRecord, FormatError
from auditlog.core.formats.merkle import leaf_hash
from auditlog.core.formats.tiles import Growth, grow
from auditlog.store.engine import cannot_record, is_database_error, outage_cause, reading
from auditlog.store.insert import Row, insert_rows
from auditlog.store.log import insert_entries, taken_ids
from auditlog.store.rollup import add_counts, set_events
from auditlog.writing.head import Tip
from auditlog.writing.ticket import Ticket, settle
from auditlog.writing.unit import Integrated, OnCommitted, Sequenced, Unit

logger = logging.getLogger(__name__)

FREEZE = "freeze/1"
ROTATION = "rotation/1"


class UnitFailed(Exception):
    """One unit is at fault, and goes without the others."""

    def __init__(self, waiting: Waiting, error: Exception) -> None:
        super().__init__(str(error))
        self.waiting = waiting
        self.error = error


class RowsFailed(Exception):
    """Rows of several units were refused together: which unit is at fault is not known."""


@dataclass(slots=True, eq=False)
class Waiting:
    """A queued unit, the bytes of its entries, its caller's ticket, and, once sequenced, its entries' places."""

    unit: Unit
    size: int
    ticket: Ticket[Integrated]
    sequenced: tuple[Sequenced, ...] = ()


def holds(group: list[Waiting], kind: str) -> bool:
    """Whether an entry of this kind is in the group."""
    return any(entry.kind == kind for waiting in group for entry in waiting.unit.entries)


def until_freeze(group: list[Waiting]) -> tuple[list[Waiting], list[Waiting]]:
    """The group up to a unit that freezes the log, and what comes after it, too late."""
    for position, waiting in enumerate(group, 1):
        if holds([waiting], FREEZE):
            return group[:position], group[position:]
    return group, []


def sequence(conn: Connection, group: list[Waiting], tip: Tip, *, log: int, origin: str) -> Growth:
    """Give every entry its index, insert them, and grow the tree."""
    index = tip.size
    rows: list[tuple[str, bytes]] = []
    for waiting in group:
        entries = waiting.unit.entries
        waiting.sequenced = tuple([Sequenced(log, origin, place, entry) for place, entry in enumerate(entries, index)])
        rows += [(entry.id, entry.data) for entry in entries]
        index += len(entries)
    insert_entries(conn, log, tip.size, rows)
    return grow(tip.size, tip.edge, [leaf_hash(data) for _, data in rows], tip.rows)


def apply_rows(conn: Connection, group: list[Waiting], *, singly: bool = False) -> list[Counted]:
    """The rows of every unit, and what its entries add to the roll-up, which is returned.

    Raises UnitFailed for what a unit did wrong, and outages of the database as they are.

    Units that only give rows are inserted together. RowsFailed: do the group again, `singly`, to find the one at fault.
    """
    asked: set[Hashable] = set()
    together: list[Row] = []
    counted: list[Counted] = []
    for waiting in group:
        unit = waiting.unit
        with _blamed(waiting):
            if unit.counts is not None:
                counted += unit.counts(waiting.sequenced)
            if unit.check is not None and unit.check.key not in asked:
                unit.check.ask(conn)
                asked.add(unit.check.key)
            rows = unit.rows(waiting.sequenced) if unit.rows is not None else ()
            if singly:
                insert_rows(conn, rows)
        if not singly:
            together += rows
        if unit.apply is not None:
            _insert_together(conn, together)
            together, asked = [], set()
            with _blamed(waiting):
                unit.apply(conn, waiting.sequenced)
    _insert_together(conn, together)
    _roll_up(conn, group, counted)
    return counted


def tell(told: OnCommitted, counted: list[Counted], group: list[Waiting]) -> None:
    """Tell who listens. The group is integrated: nothing that goes wrong there is anything of the log's."""
    try:
        told(counted, [entry for waiting in group for entry in waiting.unit.entries])
    except Exception as error:
        # Not `exception`: whatever it is, its message may quote what it was told.
        logger.error("what a group added could not be counted (%s)", type(error).__qualname__)  # noqa: TRY400 (it may hold values)


def _roll_up(conn: Connection, group: list[Waiting], counted: list[Counted]) -> None:
    """After all units: a table that is locked or full here is an outage, and no unit's fault."""
    sequenced = [one for waiting in group for one in waiting.sequenced]
    if sequenced:
        log, size = sequenced[0].log, sequenced[-1].index + 1
        set_events(conn, log, [(one.index, one.entry) for one in sequenced])
        add_counts(conn, log, counted, size=size)


@contextmanager
def _blamed(waiting: Waiting) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if outage_cause(error) is not None:
            raise
        # A table that is missing fails this unit at each try; its statement is nothing for callers to see.
        broken = is_database_error(error) and not isinstance(error, IntegrityError)
        raise UnitFailed(waiting, cannot_record(error) if broken else error) from error


def _insert_together(conn: Connection, rows: list[Row]) -> None:
    try:
        insert_rows(conn, rows)
    except Exception as error:
        if outage_cause(error) is not None:
            raise
        raise RowsFailed from error


def reject_taken(engine: Engine, group: list[Waiting]) -> list[Waiting]:
    """Tell units whose ids are in the log, or twice in the group; return the others (all, if none can be named)."""
    try:
        with reading(engine) as conn:
            seen = taken_ids(conn, [entry.id for waiting in group for entry in waiting.unit.entries])
    except SQLAlchemyError:
        return group
    remaining: list[Waiting] = []
    for waiting in group:
        ids = [entry.id for entry in waiting.unit.entries]
        if len(set(ids)) < len(ids) or not seen.isdisjoint(ids):
            taken = FormatError("is in the log already: use a new random id", field="id")
            settle([(waiting.ticket, taken)])
        else:
            seen.update(ids)
            remaining.append(waiting)
    return remaining


def report_failure(failure: CannotRecord, error: Exception) -> None:
    """Tell the operator. Kind and place only: a database's own message may quote the row, and so what a person said."""
    logger.error("the log cannot record (%s): %s", failure.cause, failure)
    places = " ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in extract_tb(error.__traceback__)[-5:])
    logger.info("it failed with %s at %s", type(error).__qualname__, places)
