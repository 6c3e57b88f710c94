"""What the access file of one person is made of. Other people in a record are counted and never named, and staff stand
in it by role."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeAlias

from reports.agency import Agency, LogStamp

Json: TypeAlias = bool | int | float | str | list[Any] | dict[str, Any] | None
Words: TypeAlias = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """One reading of a record."""

    day: date
    """The day."""
    role: str
    """In which role."""
    purpose: str
    """What for: a code of the log's vocabulary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldValue:
    """One detail that a record holds."""

    label: Words
    """What it is called, per language."""
    value: Json
    """The value."""
    words: Words | None
    """How it reads, per language; None where the version has no words for it."""
    source: Words | None
    """Where it came from, per language; None where no register says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What a member of staff did with a result."""

    day: date
    """The day."""
    action: str
    """confirm, override, refer or release."""
    decision: str
    """The decision, as recorded."""
    reasons: str | None
    """The reasons, as recorded."""
    sent: str | None
    """The text that went out, as recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrected:
    """What was put right."""

    day: date
    """The day."""
    values: tuple[tuple[Words, Json], ...]
    """Label and right value of each."""
    reasons: str
    """Why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldRecord:
    """One result about the person."""

    id: str
    """Its reference."""
    day: date
    """The day on which it was recorded."""
    system: Words
    """Name of the system, per language."""
    url: str
    """The system's page in the register."""
    version: int
    """The version that gave it."""
    here: bool
    """Whether its content is here; else whoever sent it kept that."""
    restricted: bool
    """Whether its use is restricted (GDPR 18)."""
    held: bool
    """Whether an officer still has the result: then it is not shown yet."""
    values: tuple[HeldValue, ...]
    """What the system read."""
    outcome: Words | None
    """The result in words, per language; None where it is not shown, or has none."""
    text: str | None
    """What the system wrote; None where it wrote nothing, or where that is not shown."""
    others: int
    """How many other people it is about."""
    decisions: tuple[Decided, ...]
    """What staff did, oldest first."""
    explanations: tuple[date, ...]
    """Days on which the result was explained."""
    corrections: tuple[Corrected, ...]
    """What was put right."""
    accesses: tuple[Looked, ...]
    """Who looked, oldest first."""
    log: int
    """Number of the log."""
    index: int
    """Number of its entry there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestStep:
    """One step of something the person asked."""

    day: date
    """The day."""
    step: str
    """A code of `auditlog.core.entries.vocabulary.REQUEST_STEPS`."""
    text: str | None
    """What was written in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonRequest:
    """Something that the person asked."""

    steps: tuple[RequestStep, ...]
    """Its steps, the first one first."""
    accesses: tuple[Looked, ...]
    """Who looked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessFile:
    """The file of one person, who is not named in it."""

    agency: Agency
    """Who holds it."""
    written: date
    """The day on which it was made."""
    records: tuple[HeldRecord, ...]
    """In the order of the log."""
    requests: tuple[PersonRequest, ...]
    """In the order of the log."""
    log: LogStamp
    """The log at that moment."""
