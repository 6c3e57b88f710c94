"""What the transparency report of a period is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from auditlog.core.counting.figures import Figure
from registry.parts.money import Tariff
from reports.agency import Agency, LogStamp
from reports.transparency.uptime import Running


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
    """Its figures, in the order of auditlog.core.counting.figures."""
    elsewhere: tuple[str, ...] = field(default=(), metadata={"omitted": True})
    """Organisations that ran the AI model of a version that gave results here, by name."""
    tariff: Tariff | None = field(default=None, metadata={"omitted": True})
    """What the agency pays for results, as the register says at the end of the period."""


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
    """The `tally/1` entry of a period, opened: what `cells` and `parts` stand for (`auditlog.core.counting.tally`)."""

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
class Requests:
    """What people asked about one system by one right, of requests received in the period. None: not shown."""

    right: Literal["explain", "look_again", "correct", "access", "object"]
    """Which right."""
    system: str | None
    """Short name; None where the person named no system."""
    name: Mapping[str, str]
    """Its name, per language; empty where there is none."""
    received: int | None
    """Requests that came in."""
    answered: int | None
    """Of them: answered."""
    refused: int | None
    """Of them: refused, with a ground."""
    withdrawn: int | None
    """Of them: withdrawn by the person."""
    open: int | None
    """Of them: still open."""
    extended: int | None
    """Of them: given more time (GDPR 12(3))."""
    in_time: int | None
    """Of them: answered or refused by the day on which that was due."""
    late: int | None
    """Of them: answered, refused or still open after that day."""
    days_median: int | None
    """Half of those that are closed took at most so many days."""
    days_p90: int | None
    """90 in 100 of them took at most so many days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """Why this report takes the place of an earlier one of the same days."""

    edition: int
    """The how-manieth of these days: 2 or more."""
    corrects: str
    """Digest of the one before, "sha256:…", as the log has it."""
    published: date
    """The day on which that was published."""
    note: Mapping[str, str]
    """What was wrong, and is right now, per language."""


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
    requests: tuple[Requests, ...] = field(default=(), metadata={"omitted": True})
    """What people asked, by system and right. Counted by the agency: the log has these numbers closed."""
    running: Running | None = field(default=None, metadata={"omitted": True})
    """When the program ran; None where there was no log yet."""
    not_shown: int = field(default=0, metadata={"omitted": True})
    """How many systems the log has results or replays of in these days that are not public (AI Act 49(4)): nothing here
    counts them."""
    correction: Correction | None = field(default=None, metadata={"omitted": True})
    """Set where this report corrects an earlier one."""
    marks: Mapping[str, str] = field(default_factory=dict, metadata={"omitted": True})
    """A mark for each number that nothing else gives again (see `reports.transparency.marks`)."""
