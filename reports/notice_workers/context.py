"""What the notice to workers is made of. Nothing in it names a worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from registry.system import AISystem
from reports.agency import Agency
from reports.law import LawAsks


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerNotice:
    """The notice about one system."""

    agency: Agency
    """The employer."""
    system: AISystem
    """The register's record."""
    url: str
    """The system's page in the register."""
    written: date
    """The day of the notice."""
    starts: date | None
    """The day on which it comes into use; None while that is not known."""
    data: tuple[Mapping[str, str], ...]
    """What its running or newest version reads, per language."""
    law: LawAsks
    """Whether AI Act 26(7) asks for it."""
