"""Sums over records for whoever runs the installation: what was used, how long it took, what did not end well.

Amounts come from the roll-up and outlive their records; times come from the rows of decisions, so those of erased
records are gone. A period is from one minute (`YYYY-MM-DDTHH:MMZ`) or day of UTC up to another, which is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, case, func, literal, select

from auditlog.core.counting.figures import Cells
from auditlog.store.decisions import decision_table
from auditlog.store.rollup import NO_VERSION, event_table, rollup_table

Place = tuple[str, int | None, str]
"""Slug of the system (empty: none that is registered), version, mode (empty where an entry has none)."""


@dataclass(frozen=True, slots=True)
class Timings:
    """Times of one system's decisions, summed in µs, each beside the number of decisions that have it.

    `tokens_us`: from the first token to the last, over `tokens` gaps between two. `device_us`: `total_us` of all that
    have it, whatever waited beside it. `slower`: decisions whose `total_us` is above the target that was asked about.
    """

    decisions: int
    queue_us: int
    first_us: int
    total_us: int
    tokens_us: int
    tokens: int
    slower: int


def amounts(conn: Connection, first: str, until: str, cells: Sequence[str]) -> dict[Place, Cells]:
    """The sums of cells by place over the days from `first` up to `until`. `cells`: names; one that ends in a dot
    stands for all that begin so."""
    columns = rollup_table.c
    wanted = [columns.cell.startswith(name, autoescape=True) for name in cells if name.endswith(".")]
    wanted.append(columns.cell.in_([name for name in cells if not name.endswith(".")]))
    statement = select(columns.system, columns.version, columns.mode, columns.cell, func.sum(columns.number))
    chosen = wanted[0]
    for one in wanted[1:]:
        chosen = chosen | one
    statement = statement.where(columns.day >= first, columns.day < until, chosen)
    found: dict[Place, Cells] = {}
    for row in conn.execute(statement.group_by(columns.system, columns.version, columns.mode, columns.cell)):
        system, version, mode, cell, number = row
        place = (system, None if version == NO_VERSION else version, mode)
        found.setdefault(place, {})[cell] = int(number)
    return found


def by_day(conn: Connection, system: str, version: int, first: str, until: str) -> dict[str, Cells]:
    """Day → cells of one version over the days from `first` up to `until`, whatever their mode."""
    columns = rollup_table.c
    statement = select(columns.day, columns.cell, func.sum(columns.number)).where(
        columns.system == system, columns.version == version, columns.day >= first, columns.day < until
    )
    found: dict[str, Cells] = {}
    for day, cell, number in conn.execute(statement.group_by(columns.day, columns.cell)):
        found.setdefault(day, {})[cell] = int(number)
    return found


def by_hour(conn: Connection, system: str, version: int, first: str, until: str) -> dict[str, Cells]:
    """Hour (`YYYY-MM-DDTHH`) → decisions and tokens of one version, of records that were not erased."""
    columns = decision_table.c
    hour = func.substr(columns.minute, 1, 13)
    sums = (func.count(), func.sum(columns.prompt_tokens), func.sum(columns.output_tokens))
    statement = select(hour, *sums).where(
        columns.system == system, columns.version == version, columns.minute >= first, columns.minute < until
    )
    names = ("decisions", "tokens.prompt", "tokens.output")
    return {
        found: {name: int(number or 0) for name, number in zip(names, numbers, strict=True)}
        for found, *numbers in conn.execute(statement.group_by(hour))
    }


def timings(conn: Connection, system: str, first: str, until: str, *, target_us: int | None) -> Timings:
    """The times of one system's decisions that ran here or through the gateway."""
    columns = decision_table.c
    several = columns.output_tokens > 1
    slower = literal(0) if target_us is None else case((columns.total_us > target_us, 1), else_=0)
    sums = (
        func.sum(columns.queue_us),
        func.sum(columns.first_us),
        func.sum(columns.total_us),
        func.sum(case((several, columns.total_us - columns.first_us), else_=0)),
        func.sum(case((several, columns.output_tokens - 1), else_=0)),
        func.sum(slower),
    )
    statement = select(func.count(columns.total_us), *sums).where(
        columns.system == system, columns.minute >= first, columns.minute < until, columns.capture != "external"
    )
    return Timings(*(int(number or 0) for number in conn.execute(statement).one()))


def unfinished(conn: Connection, first: str, until: str) -> dict[tuple[str, str], int]:
    """(System, reason) → how many numbers were taken without a decision."""
    columns = event_table.c
    statement = select(columns.system, columns.code, func.count()).where(
        columns.kind == "unfinished/1", columns.minute >= first, columns.minute < until
    )
    return {
        (system or "", code or ""): int(number)
        for system, code, number in conn.execute(statement.group_by(columns.system, columns.code))
    }
