"""A published report counted again: figures from its cells, cells against the log, sums against what entries say.

Needs the report's form for machines, and the log's entries from an export or a database: no record, and no vault. What
the entries say in clear (which system, which day, which reason) is counted as well, so that a sum which leaves
decisions out is found.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, cast

from auditlog.commitment import Opening, verify_opening
from auditlog.errors import AuditLogError
from auditlog.figures import COUNTED_MODES, Figure, Why, figures
from auditlog.published import SUMS, total_figures
from auditlog.record import Entry
from auditlog.tally import ClosedCell, OpenedCell, commit_cell, parts_digest, root_of
from reports.errors import TwinError
from reports.transparency.context import Cell, OpenedTally, SystemFigures, TransparencyReport
from reports.twin import read_twin


@dataclass(frozen=True, slots=True)
class Recounted:
    """What was checked: the report, and how many of its cells are open, closed, and counted from the entries."""

    report: TransparencyReport
    opened: int
    closed: int
    counted: int
    partial: bool
    """The log given continues one that was not: what entries say in clear was not counted."""


@dataclass(slots=True)
class _Found:
    """What the log has about the report."""

    tallies: dict[str, Entry] = field(default_factory=dict)
    before: dict[str, set[str]] = field(default_factory=dict)
    days: dict[str, set[str]] = field(default_factory=dict)
    clear: dict[tuple[str, str], int] = field(default_factory=dict)
    versions: dict[str, set[int]] = field(default_factory=dict)
    replays: dict[str, dict[str, int]] = field(default_factory=dict)
    published: bool = False
    continues: bool = False


def recount_report(data: bytes, entries: Iterable[Entry]) -> Recounted:
    """Check a report against the entries of the log (all of them, in their order; of earlier logs first).

    Raises TwinError whose text names the cell, the figure or the entry that is wrong.
    """
    report = read_twin(TransparencyReport, data)
    if report.draft:
        raise TwinError("is a draft: only a published report can be checked")
    for tally in report.tallies:
        _check_cells(tally)
    _check_figures(report)
    found = _read(report, f"sha256:{sha256(data).hexdigest()}", entries)
    if not found.published:
        raise TwinError("was not published in this log: no entry bears its digest")
    for tally in report.tallies:
        _check_entry(report, tally, found)
    _check_nothing_left_out(report, found)
    counted = 0
    if not found.continues:
        counted = sum(_check_clear(tally, found, report.floor) for tally in report.tallies)
        _check_versions(report, found)
        _check_replays(report, found)
    for tally in report.tallies:
        _check_sums(tally, report.floor)
    cells = [cell for tally in report.tallies for cell in tally.cells]
    closed = sum(cell.number is None for cell in cells)
    return Recounted(report, len(cells) - closed, closed, counted, found.continues)


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


def _read(report: TransparencyReport, digest: str, entries: Iterable[Entry]) -> _Found:
    """One pass over the log, up to the publication."""
    found, first, last = _Found(), report.since.isoformat(), report.until.isoformat()
    wanted = {tally.id for tally in report.tallies}
    for place, entry in enumerate(entries):
        members: Any = entry.members
        day = entry.time[:10]
        if place == 0 and entry.kind == "genesis/1":
            found.continues = members["predecessor"] is not None
        elif entry.kind == "publication/1" and members["digest"] == digest:
            found.published = (members["first"], members["last"]) == (first, last)
            break
        elif entry.kind == "tally/1":
            _read_tally(found, entry, wanted, (first, last))
        elif entry.kind == "replay/1" and first <= day <= last:
            mine = found.replays.setdefault(members["system"], {})
            mine[members["verdict"]] = mine.get(members["verdict"], 0) + 1
        elif entry.kind == "refused/1" and first <= day <= last:
            for cell in ("refusals", f"refusals.{members['reason']}"):
                key = members["system"] or "", cell
                found.clear[key] = found.clear.get(key, 0) + 1
        elif entry.kind == "decision/1" and first <= day <= last and members["mode"] in COUNTED_MODES:
            key = members["system"], "decisions"
            found.clear[key] = found.clear.get(key, 0) + 1
            found.versions.setdefault(members["system"], set()).add(members["version"])
    return found


def _read_tally(found: _Found, entry: Entry, wanted: set[str], days: tuple[str, str]) -> None:
    members: Any = entry.members
    system = members["system"] or ""
    if entry.id in wanted:
        found.tallies[entry.id] = entry
        # Up to here: what was tallied later is no part of it.
        found.before[entry.id] = set(found.days.get(system, ()))
    in_days = days[0] <= members["first"] and members["last"] <= days[1]
    if members["level"] == "day" and in_days and members["mode"] in (None, *COUNTED_MODES):
        found.days.setdefault(system, set()).add(entry.id)


def _check_entry(report: TransparencyReport, tally: OpenedTally, found: _Found) -> None:
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
    if set(tally.parts) != found.before[tally.id]:
        raise TwinError(f"{name}: it does not sum all tallies of these days, and no others")


def _check_nothing_left_out(report: TransparencyReport, found: _Found) -> None:
    told = {tally.system or "" for tally in report.tallies}
    for system in sorted(found.days.keys() - told):
        raise TwinError(f"{system or 'no system'}: has tallies of these days, and no sum in the report")


def _check_versions(report: TransparencyReport, found: _Found) -> None:
    for system in report.systems:
        if system.versions != tuple(sorted(found.versions.get(system.slug, ()))):
            raise TwinError(f"{system.slug}: gave results by other versions than those named")


def _check_replays(report: TransparencyReport, found: _Found) -> None:
    stated = {one.system: dict(one.counts) for one in report.replays}
    if len(stated) != len(report.replays):
        raise TwinError("shows the replays of one system twice")
    for system in sorted(stated.keys() | found.replays.keys()):
        if stated.get(system) != found.replays.get(system):
            raise TwinError(f"{system}: the log has other replays of these days")


def _check_clear(tally: OpenedTally, found: _Found, floor: int) -> int:
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
