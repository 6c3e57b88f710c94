"""What the notice of an incident is made of: that of a deployer (AI Act 26(5)); `incident_report` builds on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from reports.agency import Agency, LogStamp

Recipient = str
"""Code of a recipient, as the component `incidents` has words for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToTell:
    """Somebody who must be told."""

    recipient: Recipient
    """Who, as code."""
    by: date | None
    """The last day; None where the law says "immediately" or "without undue delay"."""
    article: str
    """The rule."""
    done: date | None
    """The day on which it was done; None where it was not yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentFacts:
    """What is known, in the officer's words, without names of persons."""

    what: str
    """What happened."""
    harm: str
    """What harm it did, or may do."""
    persons: str
    """Whom it touches; empty where nothing is known yet."""
    cause: str
    """What is known of the cause; empty where nothing is known yet."""
    measures: str
    """What was done about it; empty where nothing was done yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentPage:
    """One incident with a system, as the agency tells it as deployer."""

    agency: Agency
    """Who tells it."""
    id: str
    """The id that all entries of the incident have."""
    name: Mapping[str, str]
    """Name of the system, per language."""
    url: str
    """Address of its page."""
    version: int | None
    """Its version; None where none ran."""
    manifest: str | None
    """Digest of that version, "sha256:…"."""
    provider: str
    """Name and contact of the provider."""
    purpose: Mapping[str, str]
    """What the system is for, per language."""
    risk_class: tuple[str, ...]
    """Points of Annexes III and I that the register names."""
    duty: Literal["risk", "serious", "provider"]
    """AI Act 26(5) with 79(1); 26(5) with 3(49); 73."""
    severity: Literal["death", "widespread", "infrastructure", "other"]
    """How grave it is, by which the terms of Article 73 differ."""
    aware: datetime
    """When the agency became aware of it."""
    facts: IncidentFacts
    """What is known."""
    state: str
    """State code of the system now."""
    capture: str
    """How its results are recorded, as code of the register."""
    to_tell: tuple[ToTell, ...]
    """Who must be told, in the order of the law."""
    closed: bool
    """Whether the incident is closed."""
    log: LogStamp
    """The log at the moment the document was made."""
