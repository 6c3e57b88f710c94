"""Tallies: what the roll-up gained goes into the log as committed sums, so that figures outlive their records."""

from __future__ import annotations

import os
import uuid
from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from auditlog.core.counting import figures
from auditlog.core.counting.figures import Cells
from auditlog.core.counting.tally import SECRET_SIZE, cells_root, format_content
from auditlog.core.entries.record import Entry
from auditlog.core.errors import CannotRecord
from auditlog.store import log as log_store
from auditlog.store import tallies as store
from auditlog.store.insert import insert_rows
from auditlog.store.rollup import NO_VERSION
from auditlog.store.tallies import Due, Group, TallyRow
from auditlog.vault.seal import Prepared
from auditlog.writing.log import Sequenced, Unit
from home.greffier import Greffier

if TYPE_CHECKING:
    from sqlalchemy import Connection

_KEYS = 64
_TRIES = 5


class TalliedMeanwhile(Exception):
    """Another process tallied the same: look again at what is due."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What one tally says: its days, and the cells of each."""

    group: Group
    first: str
    last: str
    days: dict[str, Cells]

    @property
    def cells(self) -> Cells:
        """Summed over its days."""
        return figures.add(self.days.values())


@dataclass(frozen=True, slots=True)
class _Made:
    """A tally that is ready to be recorded. It counts entries since (log, index) and until an index of that log."""

    entry: Entry
    prepared: Prepared
    counted: int
    since: int
    until: int

    def row(self, place: tuple[int, int]) -> TallyRow:
        """Its row. The entry names no indices where they are those of another log than its own."""
        return replace(store.row_from(self.entry, place, self.counted), since=self.since, until=self.until)


def tally_pending(g: Greffier) -> int:
    """Tally everything that the log holds and no tally covers, for all systems; returns the number of tallies made.

    Raises CannotRecord where the log cannot be written. What a crash interrupts, the next call completes: each group
    of keys is tallied in one transaction. When it returns, all that the log held when it was called is tallied.
    """
    with g.reading() as conn:
        groups = store.due_groups(conn)
        size = _size(conn, g.log.number)
    made = 0
    while groups:
        chosen, groups = groups[:_KEYS], groups[_KEYS:]
        made += _tally(g, chosen)
    if made or _is_behind(g, size):
        _note_round(g, size)
    return made


def _tally(g: Greffier, groups: list[Group]) -> int:
    """One unit for some groups."""
    for _ in range(_TRIES):
        with g.reading() as conn:
            sizes = {log: _size(conn, log) for log in {group[0] for group in groups}}
            dues = [store.read_due(conn, group) for group in groups]
            counts = [(one, _range(conn, one.group)) for due in dues for one in split(due)]
        made = [_make(g, one, *range_) for one, range_ in counts]
        try:
            _record(g, made, dues, sizes)
        except TalliedMeanwhile:
            continue
        return len(made)
    raise CannotRecord("others tally the same at this moment: try again", cause="busy")


def split(due: Due) -> list[Counts]:
    """The tallies of a group: one a day; days that gained nothing but reviews go together by month.

    Otherwise a tally of such a day would tell the log's readers on which day a result was decided that was reviewed
    now, and where there was but one, which.
    """
    of_days: list[Counts] = []
    of_months: dict[str, dict[str, Cells]] = {}
    for day, cells in due.gained.items():
        if "decisions" in cells or "refusals" in cells:
            of_days.append(Counts(due.group, day, day, {day: cells}))
        else:
            of_months.setdefault(day[:7], {})[day] = cells
    for month, days in of_months.items():
        last = monthrange(int(month[:4]), int(month[5:]))[1]
        of_days.append(Counts(due.group, f"{month}-01", f"{month}-{last:02}", days))
    return of_days


def _size(conn: Connection, log: int) -> int:
    head = log_store.read_head(conn, log)
    return 0 if head is None else head.size


def _range(conn: Connection, group: Group) -> tuple[int, int]:
    """From where to where a further tally of a group counts, in the log whose entries it counts."""
    return store.counted_from(conn, group), _size(conn, group[0])


def _make(g: Greffier, counts: Counts, since: int, until: int) -> _Made:
    secret, cells = os.urandom(SECRET_SIZE), counts.cells
    entry_id = str(uuid.uuid4())
    several = counts.days if counts.first != counts.last else None
    content = format_content(cells, secret, several)
    prepared = g.vault.prepare(entry_id, {"cells": cells_root(cells, secret), "content": content, "parts": None})
    log, system, version, mode = counts.group
    entry = g.make(
        "tally/1",
        id=entry_id,
        level="day",
        system=system or None,
        version=None if version == NO_VERSION else version,
        mode=mode or None,
        first=counts.first,
        last=counts.last,
        since=since if log == g.log.number else None,
        until=until if log == g.log.number else None,
        commitments=prepared.commitments,
    )
    return _Made(entry, prepared, log, since, until)


def _record(g: Greffier, made: list[_Made], dues: list[Due], sizes: Mapping[int, int]) -> None:
    """`sizes`: number of a log → its size when the dues were read."""

    def apply(conn: Connection, sequenced: tuple[Sequenced, ...]) -> None:
        if not all(store.is_unchanged(conn, due) for due in dues):
            raise TalliedMeanwhile
        rows = [row for one in made for row in one.prepared.rows()]
        rows += store.tally_rows(one.row(at.place) for at, one in zip(sequenced, made, strict=True))
        insert_rows(conn, rows)
        for due in dues:
            store.note_tallied(conn, due, sizes[due.group[0]])

    if made:
        g.log.append(Unit(tuple(one.entry for one in made), apply)).result()


def _is_behind(g: Greffier, size: int) -> bool:
    with g.reading() as conn:
        return store.tallied_until(conn, g.log.number) < size


def _note_round(g: Greffier, until: int) -> None:
    with log_store.writing(g.engine) as conn:
        if store.tallied_until(conn, g.log.number) < until:
            store.note_round(conn, g.log.number, until)
