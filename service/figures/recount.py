"""Tallies held against the records that they count, and sums of tallies against the tallies that they sum.

No record expires before this has said that its tally is right (`settle`): afterwards only the tally can be asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from auditlog.core.counting import figures
from auditlog.core.counting.cells import COUNTED_KINDS, key_of
from auditlog.core.counting.figures import Cells, Counted
from auditlog.core.counting.published import published_cells
from auditlog.core.counting.tally import cells_root, parse_content, parts_digest
from auditlog.core.entries.record import Entry, parse_entry
from auditlog.store import log as log_store
from auditlog.store import tallies as store
from auditlog.store.tallies import TallyRow
from home.errors import Refused
from home.greffier import Greffier
from service.deciding.counting import LiveCounts, Placed
from service.figures import tallies
from service.records import reading

_BATCH = 500


@dataclass(frozen=True, slots=True)
class Difference:
    """A cell of a tally that its records, or its parts, do not give."""

    tally: TallyRow
    cell: str
    stated: int
    counted: int


@dataclass(frozen=True, slots=True)
class Recount:
    """What a recount found. `partial`: tallies of which some records were erased, so that they bound what remains."""

    tallies: int
    partial: int
    differences: tuple[Difference, ...]


@dataclass(slots=True)
class _Sum:
    """What the live records give for one tally."""

    row: TallyRow
    cells: Cells
    whole: bool = True


def recount(g: Greffier, *, everything: bool = False) -> Recount:
    """Count again what tallies say, from live records: those that were not counted again yet, or all there are.

    Tallies that agree are noted as recounted. Raises CannotRecord where the database cannot be read, VaultError for
    content that does not open.
    """
    with g.reading() as conn:
        rows = store.day_tallies(conn) if everything else store.not_recounted(conn)
    # Where a day and a month both cover an entry, it counts for the day: that had decisions of its own then.
    sums = [_Sum(row, {}) for row in sorted(rows, key=lambda row: row.first != row.last)]
    for log in sorted({row.counted for row in rows}):
        _add_up(g, [one for one in sums if one.row.counted == log], log)
    differences: list[Difference] = []
    agreed: list[str] = []
    for one in sums:
        found = list(_compare(one, _content(g, one.row.id)))
        differences += found
        if not found:
            agreed.append(one.row.id)
    with log_store.writing(g.engine) as conn:
        store.note_recounted(conn, agreed)
    return Recount(len(sums), sum(not one.whole for one in sums), tuple(differences))


def recount_periods(g: Greffier) -> Recount:
    """Sums over a period against the day tallies that they sum: possible long after the records are gone."""
    with g.reading() as conn:
        rows = store.period_tallies(conn)
        parts = {row.id: store.parts_of(conn, row) for row in rows}
    differences: list[Difference] = []
    for row in rows:
        stated = _content(g, row.id)
        summed = published_cells(figures.add(_content(g, part.id) for part in parts[row.id]))
        named = _record(g, row.id).values["parts"] == parts_digest(part.id for part in parts[row.id])
        differences += _unequal(row, stated, summed)
        differences += [] if named else [Difference(row, "parts", 0, 0)]
    return Recount(len(rows), 0, tuple(differences))


def settle(g: Greffier) -> None:
    """Before records expire: tally what is pending, and recount. Raises Refused where a tally is not what its records
    give: they are all that can show what is right."""
    tallies.tally_pending(g)
    found = recount(g)
    if found.differences:
        one = found.differences[0]
        raise Refused(
            f"a tally of {one.tally.first} says something else than its records ({one.cell}): run `greffier tally "
            "recount`, and erase nothing until it is known why",
            reason="recount",
            field="tally",
        )


def _add_up(g: Greffier, sums: Sequence[_Sum], log: int) -> None:
    by_key: dict[tuple[str, str], list[_Sum]] = {}
    # Of an erased review nobody knows the decision: all tallies of its range may miss it, and are looked at once.
    by_range: dict[tuple[int, int | None], list[_Sum]] = {}
    for one in sums:
        by_key.setdefault((one.row.system, one.row.first[:7]), []).append(one)
        by_range.setdefault((one.row.since or 0, one.row.until), []).append(one)
    live = LiveCounts(g)
    entries = _entries(g, log, [one.row for one in sums])
    while some := list(islice(entries, _BATCH)):
        for placed, counts in live.of(some):
            if counts is None:
                if placed.entry.kind == "review/1":
                    for span in [span for span in by_range if _is_within(span, placed.place[1])]:
                        _miss(by_range.pop(span))
                else:
                    month = by_key.get((str(placed.entry.members["system"]), placed.entry.time[:7]), [])
                    _miss(islice((one for one in month if one.row.covers(key_of(placed.entry), placed.place)), 1))
                continue
            for key, cells in counts:
                _add(by_key.get((key.system, key.day[:7]), []), placed, (key, cells))


def _add(sums: Iterable[_Sum], placed: Placed, counted: Counted) -> None:
    key, cells = counted
    for one in sums:
        if one.row.covers(key, placed.place):
            one.cells = figures.add((one.cells, cells))
            return


def _miss(sums: Iterable[_Sum]) -> None:
    """The content of an entry was erased: these tallies miss it."""
    for one in sums:
        one.whole = False


def _is_within(span: tuple[int, int | None], index: int) -> bool:
    return span[0] <= index and (span[1] is None or index < span[1])


def _entries(g: Greffier, log: int, rows: Sequence[TallyRow]) -> Iterator[Placed]:
    """Entries of the counted kinds in the range that the tallies cover together."""
    since = min(row.since or 0 for row in rows)
    untils = [row.until for row in rows if row.until is not None]
    end = max(untils) if len(untils) == len(rows) else None
    with g.reading() as conn:
        for index, data in log_store.iterate_entries(conn, log, since, end):
            entry = parse_entry(data)
            if isinstance(entry, Entry) and entry.kind in COUNTED_KINDS:
                yield Placed(entry, (log, index))


def _record(g: Greffier, id_: str) -> reading.Record:
    return next(iter(reading.recount(g, [id_])))


def _content(g: Greffier, id_: str) -> Cells:
    """The cells of a tally, which are those that its entry commits to."""
    record = _record(g, id_)
    cells, secret, _ = parse_content(record.values["content"])
    if cells_root(cells, secret) != record.values["cells"]:
        return {"cells": 0}
    return cells


def _compare(one: _Sum, stated: Cells) -> Iterator[Difference]:
    if one.whole:
        yield from _unequal(one.row, stated, one.cells)
        return
    for cell in sorted(one.cells):
        if one.cells[cell] > stated.get(cell, 0):
            yield Difference(one.row, cell, stated.get(cell, 0), one.cells[cell])


def _unequal(row: TallyRow, stated: Cells, counted: Cells) -> Iterator[Difference]:
    for cell in sorted(stated.keys() | counted.keys()):
        if stated.get(cell, 0) != counted.get(cell, 0):
            yield Difference(row, cell, stated.get(cell, 0), counted.get(cell, 0))
