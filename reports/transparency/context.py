"""What the transparency report of a period is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from auditlog.figures import Figure
from reports.agency import Agency, LogStamp


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemFigures:
    """One system in the period."""

    slug: str
    """Its short name in the register."""
    name: Mapping[str, str]
    """Its name, per language."""
    url: str
    """Its page in the register."""
    state: str
    """State code at the end of the period."""
    versions: tuple[int, ...]
    """The versions that gave results in the period."""
    target_ms: int | None
    """The time within which a result should be there, in milliseconds; None where no target is set."""
    outcomes: Mapping[str, Mapping[str, str]]
    """Outcome code → words per language, for every code in the figures but the reserved ones."""
    figures: tuple[Figure, ...]
    """Its figures, in the order of auditlog.figures."""
    elsewhere: tuple[str, ...] = field(default=(), metadata={"omitted": True})
    """Organisations that ran the AI model of a version that gave results here, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One cell of an opened sum."""

    cell: str
    """Its name."""
    commitment: str
    """64 hex digits."""
    number: int | None
    """None where it stays closed."""
    salt: str | None
    """64 hex digits; None where it stays closed."""
    why: str | None
    """Why it stays closed: "small", or "with" another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedTally:
    """The `tally/1` entry of a period, opened: what `cells` and `parts` stand for (see auditlog.tally)."""

    id: str
    """Of the entry in the log."""
    system: str | None
    """Short name; None for requests that named no registered system."""
    root: str
    """The Merkle root over the cells: the value of its commitment `cells`."""
    root_salt: str
    """The salt that opens that commitment."""
    cells: tuple[Cell, ...]
    """All cells, in the order of their names."""
    parts: tuple[str, ...]
    """The ids of the tallies that it sums, in rising order."""
    parts_salt: str
    """The salt that opens its commitment `parts`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The log held against the list of a case system. A number that is None is small, or would tell a small one."""

    made: date
    """On which day."""
    system: str | None
    """Short name; None where it was about all systems."""
    since: date
    """First day that it is about."""
    until: date
    """Last day, included."""
    cases: int | None
    """Cases in the list."""
    records: int | None
    """Results in the log."""
    without_record: int | None
    """Cases of which the log has no result."""
    without_case: int | None
    """Results that no case is about."""
    used_before_review: int | None
    """Results that were used before a member of staff had looked, where that has to be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replays:
    """How the replays of one system's recorded results ended in the period. Their entries say it in clear."""

    system: str
    """Short name."""
    name: Mapping[str, str]
    """Its name, per language; empty where the register has it no more."""
    counts: Mapping[str, int]
    """Verdict code → number, the strongest first; none of them zero."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransparencyReport:
    """What the agency's systems did in a period."""

    agency: Agency
    """Whose systems."""
    since: date
    """First day."""
    until: date
    """Last day, included."""
    log: LogStamp
    """The log that was counted."""
    floor: int
    """Numbers from 1 to below this one are not shown."""
    total: tuple[Figure, ...]
    """Figures of all systems together; outcomes and targets differ per system, so those two are not shown here."""
    systems: tuple[SystemFigures, ...]
    """Each system of the register that ran or could run in the period."""
    comparisons: tuple[Comparison, ...]
    """Comparisons with case systems about days of the period, oldest first."""
    draft: bool
    """Whether it was not published: then nothing in the log stands behind it."""
    tallies: tuple[OpenedTally, ...]
    """The sums in the log that these figures come from, one a system. None in a draft."""
    replays: tuple[Replays, ...] = field(default=(), metadata={"omitted": True})
    """Systems of which recorded results were run again, by short name. Reports from before there were any lack it."""
