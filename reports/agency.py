"""Who speaks in a document, and the stamp of the log that it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """A body outside the agency to which a person can complain."""

    name: Mapping[str, str]
    """Its name, per language."""
    about: Literal["personal_data", "ai_systems", "fundamental_rights"]
    """What it watches over (GDPR 77, AI Act 85, AI Act 77)."""
    contact: str
    """Address of its site, or a telephone number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agency:
    """The agency's profile: no letter goes out without it."""

    name: Mapping[str, str]
    """Legal name, per language."""
    address: tuple[str, ...]
    """Postal address, line by line."""
    phone: str
    """Telephone number as people dial it."""
    email: str
    """E-mail address for questions and requests."""
    dpo: str
    """How to reach the data protection officer (GDPR 37(7))."""
    authorities: tuple[Authority, ...]
    """Where a person can complain; at least the one for personal data."""
    objection_route: Mapping[str, str]
    """How to object to a decision, as one or more whole sentences, per language."""
    objection_weeks: int
    """Term for an objection, in weeks from the day on which the decision was sent."""
    court: Mapping[str, str]
    """Which court, and when, as one or more whole sentences, per language."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogStamp:
    """The state of the log that a document was made from."""

    origin: str
    """The log's name, as in its checkpoint."""
    size: int
    """Number of entries."""
    root: str
    """Root hash, base64 as in the checkpoint."""
