"""What the transparency report of a period is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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
    total: tuple[Figure, ...]
    """Figures of all systems together; outcomes and targets differ per system, so those two are not shown here."""
    systems: tuple[SystemFigures, ...]
    """Each system of the register that ran or could run in the period."""
