"""What the logging statement is made of: what the log holds, how it is checked, and what it does not show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from reports.agency import Agency, LogStamp


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedSystem:
    """One system, and how its results come into the log."""

    name: Mapping[str, str]
    """Its name, per language."""
    url: str
    """Its page."""
    capture: Literal["runtime", "gateway", "external", "none"]
    """How its results are recorded."""
    content_months: int | None
    """For how many months the content is kept; None where the register does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """Another organisation that confirms the log."""

    name: str
    """Its name, as in the policy."""
    organisation: str
    """Who runs it, as the policy says; empty where it does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggingStatement:
    """What is logged, how to verify it, keys, witnesses and limits, of the log in force."""

    agency: Agency
    """Whose log."""
    log: LogStamp
    """The log at the moment the document was made."""
    address: str
    """Where the public checkpoint is."""
    entries_public: bool
    """Whether everybody may read the entries; otherwise auditors may."""
    keys: tuple[str, ...]
    """The verifier keys of the log, one a line, as in a C2SP file."""
    witnesses: tuple[Witness, ...]
    """Who confirms the log; none where no policy names any."""
    quorum: int
    """How many of them must have confirmed before the log counts as published."""
    pace_minutes: int
    """How often the public checkpoint is renewed at most, in minutes."""
    timestamped: bool
    """Whether a time-stamping authority (RFC 3161) is set up."""
    newest_stamp: datetime | None
    """When it stamped the newest checkpoint that has a time stamp; None where none was received."""
    kinds: Mapping[str, tuple[str, ...]]
    """Group of kinds of entry → the kinds, each once, as their names stand in the log."""
    systems: tuple[LoggedSystem, ...]
    """The systems of the register that the public may see."""
