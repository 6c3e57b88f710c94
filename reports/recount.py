"""A published report counted again: figures from its cells, cells against the log, sums against what entries say.

Needs the report's form for machines, and the log's entries from an export or a database: no record, and no vault. What
the entries say in clear (which system, which day, which reason) is counted as well, so that a sum which leaves
decisions out is found.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, cast

from auditlog.core.counting.figures import Figure, Why, figures
from auditlog.core.counting.published import SUMS, total_figures
from auditlog.core.counting.tally import ClosedCell, OpenedCell, commit_cell, parts_digest, root_of
from auditlog.core.entries.record import Entry
from auditlog.core.errors import AuditLogError
from auditlog.core.formats.commitment import Opening, verify_opening
from reports.errors import TwinError
from reports.json_twin import read_twin
from reports.log_evidence import (
    Found,
    check_correction,
    check_replays,
    check_running,
    check_versions,
    left_out,
    read_log,
)
from reports.transparency.context import Cell, OpenedTally, SystemFigures, TransparencyReport
from reports.transparency.marks import changed


@dataclass(frozen=True, slots=True)
class Recounted:
    """What was checked: the report, and how many of its cells are open, closed, and counted from the entries."""

    report: TransparencyReport
    opened: int
    closed: int
    counted: int
    partial: bool
    """The log given continues one that was not: what entries say in clear was not counted."""


def recount_report(data: bytes, entries: Iterable[Entry]) -> Recounted:
    """Check a report against the entries of the log (all of them, in their order; of earlier logs first).

    Raises TwinError whose text names the cell, the figure or the entry that is wrong.
    """
    report = _read_report(data)
    found = read_log(report, f"sha256:{sha256(data).hexdigest()}", entries)
    _demand_published(data, found)
    for tally in report.tallies:
        _check_entry(report, tally, found)
        if set(tally.parts) != found.before[tally.id]:
            raise TwinError(f"{tally.system or 'no system'}: it does not sum all tallies of these days, and no others")
    _check_nothing_left_out(report, found)
    counted = 0
    if not found.continues:
        counted = sum(_check_clear(tally, found, report.floor) for tally in report.tallies)
        check_correction(report, found)
        check_versions(report, found)
        check_replays(report, found)
        check_running(report, found)
    for tally in report.tallies:
        _check_sums(tally, report.floor)
    return _recounted(report, counted, partial=found.continues)


def check_alone(data: bytes, digest: str, entries: Iterable[Entry]) -> Recounted:
    """Check a report against some entries of its log alone: those of its sums, and its publication, which has `digest`.

    What takes the whole log is not checked: whether a sum leaves tallies out, and what entries say in clear. Raises as
    `recount_report`.
    """
    report = _read_report(data)
    found = read_log(report, digest, entries)
    _demand_published(data, found)
    for tally in report.tallies:
        _check_entry(report, tally, found)
        _check_sums(tally, report.floor)
    return _recounted(report, 0, partial=True)


def _read_report(data: bytes) -> TransparencyReport:
    """A published report whose figures follow from its cells."""
    report = read_twin(TransparencyReport, data)
    if report.draft:
        raise TwinError("is a draft: only a published report can be checked")
    for tally in report.tallies:
        _check_cells(tally)
    _check_figures(report)
    return report


def _demand_published(data: bytes, found: Found) -> None:
    """The log bears the digest of these bytes. Where it does not, a number that is not as marked is named."""
    if found.published:
        return
    for path in changed(json.loads(data)):
        raise TwinError(f"{path}: is not the number that was published")
    raise TwinError("was not published in this log: no entry bears its digest")


def _recounted(report: TransparencyReport, counted: int, *, partial: bool) -> Recounted:
    cells = [cell for tally in report.tallies for cell in tally.cells]
    closed = sum(cell.number is None for cell in cells)
    return Recounted(report, len(cells) - closed, closed, counted, partial)


def _name(tally: OpenedTally, cell: str) -> str:
    return f"{tally.system or 'no system'}, {cell}"


def _check_cells(tally: OpenedTally) -> None:
    """Each opened cell is what its commitment says, and all commitments together are the root."""
    shown = [_shown(tally, cell) for cell in tally.cells]
    try:
        root = root_of(shown)
    except AuditLogError as error:
        raise TwinError(f"{tally.system or 'no system'}: {error}") from None
    if root != tally.root:
        raise TwinError(f"{tally.system or 'no system'}: the cells are not those that the tally commits to")


def _shown(tally: OpenedTally, cell: Cell) -> OpenedCell | ClosedCell:
    if cell.number is None or cell.salt is None:
        if cell.number is not None or cell.salt is not None or cell.why not in ("small", "with"):
            raise TwinError(f"{_name(tally, cell.cell)}: is neither open nor closed")
        return ClosedCell(cell.cell, cell.commitment)
    try:
        made = commit_cell(bytes.fromhex(cell.salt), cell.cell, cell.number).hex()
    except (ValueError, AuditLogError):
        made = ""
    if made != cell.commitment or cell.why is not None:
        raise TwinError(f"{_name(tally, cell.cell)}: the number is not the one committed")
    return OpenedCell(cell.cell, cell.number, cell.salt)


def _open(tally: OpenedTally) -> dict[str, int]:
    return {cell.cell: cell.number for cell in tally.cells if cell.number is not None}


def _closed(tally: OpenedTally) -> dict[str, Why]:
    return {cell.cell: cast("Why", cell.why) for cell in tally.cells if cell.number is None}


def _bounds(cell: Cell | None, floor: int) -> tuple[int, int | None]:
    """What a cell has at least and at most (None: no end), by what is shown of it."""
    if cell is None:
        return 0, 0
    if cell.number is not None:
        return cell.number, cell.number
    return (1, floor - 1) if cell.why == "small" else (floor, None)


def _check_sums(tally: OpenedTally, floor: int) -> None:
    """Each whole can be the sum of its parts: also a closed cell says how large it is, about."""
    cells = {cell.cell: cell for cell in tally.cells}
    for whole, parts in SUMS:
        heads = tuple(part for part in parts if part.endswith("."))
        mine = [cells[name] for name in cells if name in parts or (heads and name.startswith(heads))]
        low, high = _bounds(cells.get(whole), floor)
        ends = [_bounds(cell, floor) for cell in mine]
        most = [end for _, end in ends if end is not None]
        too_few = len(most) == len(ends) and sum(most) < low
        if too_few or (high is not None and sum(least for least, _ in ends) > high):
            raise TwinError(f"{_name(tally, whole)}: cannot be the sum of its parts")


def _check_figures(report: TransparencyReport) -> None:
    """Every figure follows from the cells."""
    if len({system.slug for system in report.systems}) != len(report.systems):
        raise TwinError("shows one system twice")
    by_system = {tally.system: tally for tally in report.tallies}
    if len(by_system) != len(report.tallies):
        raise TwinError("has two sums of one system")
    for system in report.systems:
        _compare(system.slug, _figures_of(by_system.pop(system.slug, None), system, report.floor), system.figures)
    if by_system.keys() - {None}:
        raise TwinError(f"{min(str(slug) for slug in by_system if slug)}: has a sum, and no figures")
    closed = {cell for tally in report.tallies for cell in _closed(tally)}
    total = total_figures([_open(tally) for tally in report.tallies], closed)
    _compare("all systems together", total, report.total)


def _figures_of(tally: OpenedTally | None, system: SystemFigures, floor: int) -> list[Figure]:
    if tally is None:
        return figures({}, target_ms=system.target_ms, floor=floor)
    return figures(_open(tally), target_ms=system.target_ms, closed=_closed(tally), floor=floor)


def _compare(whose: str, made: Iterable[Figure], stated: Iterable[Figure]) -> None:
    stated = [*stated]
    by_name = {figure.name: figure for figure in stated}
    if len(by_name) != len(stated):
        raise TwinError(f"{whose}: has two figures of one name")
    for figure in made:
        if by_name.pop(figure.name, None) != figure:
            raise TwinError(f"{whose}, {figure.name}: is not what the cells give")
    if by_name:
        raise TwinError(f"{whose}, {min(by_name)}: no cell gives this figure")


def _check_entry(report: TransparencyReport, tally: OpenedTally, found: Found) -> None:
    """The tally stands in the log, for this system and period, with these cells and parts."""
    name, entry = tally.system or "no system", found.tallies.get(tally.id)
    if entry is None:
        raise TwinError(f"{name}: its tally is not in the log before the publication")
    members: Any = entry.members
    stated = members["level"], members["system"], members["first"], members["last"]
    if stated != ("period", tally.system, report.since.isoformat(), report.until.isoformat()):
        raise TwinError(f"{name}: its tally is of another system or period")
    for field_, value, salt in (
        ("cells", tally.root, tally.root_salt),
        ("parts", parts_digest(tally.parts), tally.parts_salt),
    ):
        try:
            verify_opening(Opening(field_, value, salt), entry.commitments[field_])
        except AuditLogError:
            raise TwinError(f"{name}: its {field_} are not those that the log commits to") from None


def _check_nothing_left_out(report: TransparencyReport, found: Found) -> None:
    told = {tally.system or "" for tally in report.tallies}
    missing = found.days.keys() - told
    # A report says how many systems it leaves out since they are not public; it does not say which. One that it names
    # is none of them, nor are requests that named no system.
    hidden = left_out(report, found)
    if len(hidden) <= report.not_shown:
        missing -= hidden
    if missing:
        raise TwinError(f"{min(missing) or 'no system'}: has tallies of these days, and no sum in the report")


def _check_clear(tally: OpenedTally, found: Found, floor: int) -> int:
    """What the entries say in clear; returns how many cells could be compared."""
    system, compared = tally.system or "", 0
    cells: Mapping[str, Cell] = {cell.cell: cell for cell in tally.cells}
    counts = {cell: number for (of, cell), number in found.clear.items() if of == system}
    for name in sorted({*counts, *(cell for cell in cells if cell == "decisions" or cell.startswith("refusals"))}):
        low, high = _bounds(cells.get(name), floor)
        number = counts.get(name, 0)
        compared += low == high
        if number < low or (high is not None and number > high):
            raise TwinError(f"{_name(tally, name)}: the log has {number} entries")
    return compared
