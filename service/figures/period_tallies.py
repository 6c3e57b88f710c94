"""The sum of a system's day tallies over a period: a `tally/1` entry of its own, opened but for what stays closed."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from auditlog.core.counting import figures
from auditlog.core.counting.figures import Cells, Why
from auditlog.core.counting.published import published_cells
from auditlog.core.counting.tally import (
    SECRET_SIZE,
    cell_salt,
    cells_root,
    commit_cell,
    format_content,
    parse_content,
    parts_digest,
)
from auditlog.core.entries.record import Entry
from auditlog.core.formats.commitment import open_field
from auditlog.store.rollup import NO_VERSION
from auditlog.store.tallies import TallyRow
from auditlog.vault.seal import Prepared
from home.greffier import Greffier
from reports.transparency.context import Cell, OpenedTally
from service.records import reading


@dataclass(frozen=True, slots=True)
class Sums:
    """Published cells of one system over a period, the versions that gave results, and the tallies behind it."""

    cells: Cells = field(default_factory=dict)
    versions: frozenset[int] = frozenset()
    parts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Opened:
    """A period's tally that is ready to be recorded, and what a report shows of it."""

    entry: Entry
    prepared: Prepared
    opened: OpenedTally


def cells_of(record: reading.Record) -> Cells:
    """The cells of a tally."""
    return parse_content(record.values["content"])[0]


def sum_parts(g: Greffier, rows: Iterable[TallyRow]) -> dict[str, Sums]:
    """Day tallies summed by system; an empty slug: requests that named no registered system."""
    by_id = {row.id: row for row in rows}
    cells: dict[str, list[Cells]] = {}
    versions: dict[str, set[int]] = {}
    for record in reading.recount(g, by_id):
        row, mine = by_id[record.entry.id], cells_of(record)
        cells.setdefault(row.system, []).append(mine)
        if row.version != NO_VERSION and "decisions" in mine:
            versions.setdefault(row.system, set()).add(row.version)
    parts = {slug: tuple(sorted(id_ for id_, row in by_id.items() if row.system == slug)) for slug in cells}
    return {
        slug: Sums(published_cells(figures.add(many)), frozenset(versions.get(slug, ())), parts[slug])
        for slug, many in cells.items()
    }


def make(g: Greffier, slug: str, days: tuple[date, date], sums: Sums, closed: Mapping[str, Why]) -> Opened:
    """The entry of one system's sum, sealed, with the openings of its cells but for those in `closed`."""
    secret, entry_id = os.urandom(SECRET_SIZE), str(uuid.uuid4())
    root, parts = cells_root(sums.cells, secret), parts_digest(sums.parts)
    content = format_content(sums.cells, secret)
    prepared = g.vault.prepare(entry_id, {"cells": root, "content": content, "parts": parts})
    entry = g.make(
        "tally/1",
        id=entry_id,
        level="period",
        system=slug or None,
        version=None,
        mode=None,
        first=days[0].isoformat(),
        last=days[1].isoformat(),
        since=None,
        until=None,
        commitments=prepared.commitments,
    )
    opened = OpenedTally(
        id=entry_id,
        system=slug or None,
        root=root,
        root_salt=open_field(prepared.secret, "cells", root).salt,
        cells=tuple(_cell(cell, sums.cells[cell], secret, closed.get(cell)) for cell in sorted(sums.cells)),
        parts=sums.parts,
        parts_salt=open_field(prepared.secret, "parts", parts).salt,
    )
    return Opened(entry, prepared, opened)


def _cell(cell: str, number: int, secret: bytes, why: Why | None) -> Cell:
    salt = cell_salt(secret, cell)
    commitment = commit_cell(salt, cell, number).hex()
    if why is not None:
        return Cell(cell=cell, commitment=commitment, number=None, salt=None, why=why)
    return Cell(cell=cell, commitment=commitment, number=number, salt=salt.hex(), why=None)
