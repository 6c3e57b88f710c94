"""What an evidence folder is made of, before it is one: its files, its decisions, and the period of a system."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from auditlog.core.formats.commitment import Opening
from auditlog.store import log as log_store
from reports.evidence_page.context import State
from service.records import reading


@dataclass(slots=True)
class Pack:
    """The files by path; `log`: number of a log that is exported into the folder `log` besides, with that head."""

    files: dict[str, bytes] = field(default_factory=dict)
    log: int | None = None
    head: log_store.HeadName = "integrated"


Opened = tuple[reading.Found, tuple[Opening, ...]]
"""An entry and what is opened of it."""


@dataclass(slots=True)
class Item:
    """One decision: whether its content may be given, and then the openings of it and of what is about it: reviews,
    corrections, explanations, findings."""

    found: reading.Found
    state: State = "open"
    openings: tuple[Opening, ...] = ()
    reviews: list[Opened] = field(default_factory=list)
    corrections: list[Opened] = field(default_factory=list)
    explanations: list[Opened] = field(default_factory=list)
    findings: list[Opened] = field(default_factory=list)
    tombstone: reading.Found | None = None

    @property
    def id(self) -> str:
        """The id of the decision."""
        return self.found.entry.id

    @property
    def about(self) -> dict[str, list[Opened]]:
        """What is about it, by what it is called in the names of files."""
        return {
            "review": self.reviews,
            "correction": self.corrections,
            "explanation": self.explanations,
            "finding": self.findings,
        }


@dataclass(frozen=True, slots=True)
class Period:
    """A system from day `first` to day `last` of UTC, both included: what the log says of the system until then, in
    its order, and the documents behind those entries by path, each held against its entry."""

    system: str
    first: date
    last: date
    told: tuple[reading.Found, ...]
    files: dict[str, bytes]
