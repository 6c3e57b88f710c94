"""What instructions for use are made of (AI Act 13): those that the agency owes as provider of a system."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from registry.system import AISystem
from reports.agency import Agency, LogStamp
from reports.system_page.context import Repeated, TestReport, VersionFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSpec:
    """One detail that goes in."""

    label: Mapping[str, str]
    """What it is called, per language."""
    id: str
    """Its name in requests."""
    type: str
    """What a value must be, as one line of JSON Schema."""
    values: tuple[str, ...]
    """The values that it may have, where they are listed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionChange:
    """A version that was registered."""

    version: int
    """Its number."""
    registered: date
    """The day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instructions:
    """Instructions for use of one system, by the points of Article 13(3)."""

    agency: Agency
    """The provider."""
    role: Literal["provider", "both"]
    """Whether it uses the system itself as well."""
    system: AISystem
    """The register's record."""
    version: VersionFacts
    """The version that they are about."""
    inputs: tuple[InputSpec, ...]
    """What goes in, in the order of the manifest."""
    test: TestReport | None
    """Its newest test on invented cases, where it counts."""
    repeated: Repeated | None
    """How exactly it repeats a result; None where no model is known."""
    changes: tuple[VersionChange, ...]
    """All versions, the newest first."""
    url: str
    """Address of the system's page."""
    log: LogStamp
    """The log at the moment the document was made."""
