"""What the transparency report of a period is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from reports.agency import Agency, LogStamp

Unit = Literal["count", "microseconds", "microjoules", "millionths", "parts_per_million"]
"""millionths are of the currency that the figure's name ends with."""

GROUPS = ("decisions", "outcomes", "refusals", "reviews", "latency", "tokens", "energy", "cost")
"""The first part of a figure's name, in the order in which the report shows them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number of the report, as auditlog.figures counts it."""

    name: str
    """"group" or "group.detail", such as "outcomes.grant", "energy.estimated", "cost.EUR"."""
    version: int
    """Version of the way of counting."""
    value: int | None
    """None where there was nothing to count or measure: shown in words, never as 0."""
    unit: Unit
    """Unit of the value."""

    def __post_init__(self) -> None:
        if self.group not in GROUPS:
            raise ValueError(f"name: begin with one of {', '.join(GROUPS)}")

    @property
    def group(self) -> str:
        """What it is about."""
        return self.name.partition(".")[0]

    @property
    def detail(self) -> str:
        """The code after the point, or an empty text."""
        return self.name.partition(".")[2]


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
    target_us: int | None
    """The time within which a result should be there, in microseconds; None where no target is set."""
    outcomes: Mapping[str, Mapping[str, str]]
    """Outcome code → words per language, for every code in the figures but the reserved ones."""
    figures: tuple[Figure, ...]
    """Its figures."""


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
    """Figures of all systems together; outcomes differ per system and are left out."""
    systems: tuple[SystemFigures, ...]
    """Each system of the register that ran or could run in the period."""
