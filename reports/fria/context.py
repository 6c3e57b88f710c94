"""What the document of a fundamental rights impact assessment is made of (AI Act 27)."""

from __future__ import annotations

from dataclasses import dataclass

from registry.system import AISystem
from reports.agency import Agency, LogStamp


@dataclass(frozen=True, slots=True, kw_only=True)
class FriaPage:
    """The assessment of one system, by the elements of Article 27(1)(a) to (f)."""

    agency: Agency
    """Who made it: the deployer."""
    system: AISystem
    """The register's record; its member `fria` is there."""
    state: str
    """State code of the system."""
    version: int | None
    """The running version, or the newest one; None where none is registered."""
    url: str
    """Address of the system's page."""
    log: LogStamp
    """The log at the moment the document was made."""

    def __post_init__(self) -> None:
        if self.system.fria is None:
            raise ValueError("system: has no assessment")
