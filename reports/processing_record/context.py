"""What the extract for the record of processing is made of: one activity for each system that reads personal data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from registry.system import AISystem
from reports.agency import Agency

Words = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """One sort of data that goes in or comes out."""

    label: Words
    """What it is called, per language."""
    source: Words | None
    """Where it comes from, per language; None for what the system makes."""
    data_class: str
    """`personal`, `special` or `criminal`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """One processing activity."""

    system: AISystem
    """The register's record: purpose, persons, recipients, transfers, security, processors, legal basis, periods."""
    url: str
    """Its page in the register."""
    state: str
    """Its state in the register."""
    categories: tuple[Category, ...]
    """The personal data, from its version and the register (GDPR 30(1)(c))."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessingRecord:
    """The extract of one agency."""

    agency: Agency
    """The controller, with its data protection officer (GDPR 30(1)(a))."""
    written: date
    """The day on which it was made."""
    activities: tuple[Activity, ...]
    """By name of the system."""
    without: tuple[Words, ...]
    """Names of systems that read no personal data, by the register."""
