"""What the accessibility statement is made of: the model of Implementing Decision (EU) 2018/1523."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from reports.agency import Agency


@dataclass(frozen=True, slots=True, kw_only=True)
class NotAccessible:
    """Something that not everybody can use."""

    what: Mapping[str, str]
    """What, per language."""
    why: Literal["non_compliance", "disproportionate_burden", "out_of_scope"]
    """The ground: (a), (b) or (c) of the model."""
    instead: Mapping[str, str]
    """What can be used instead, per language; empty where there is nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accessibility:
    """The statement of the site and of the documents that it offers."""

    agency: Agency
    """Whose site."""
    location: str
    """Its address."""
    status: Literal["full", "partial", "none"]
    """How far it complies. "full" only where a person has audited it."""
    audited: date | None
    """The day of the audit by a person; None where there was none."""
    auditor: str
    """Who audited it; empty where nobody did."""
    report: str | None
    """Address of the report of that audit."""
    findings: tuple[NotAccessible, ...]
    """What is not accessible."""
    prepared: date | None
    """The day on which the statement was made; None where the agency has not made its own."""
    reviewed: date | None
    """The day on which it was last looked at; None where nobody did."""
    enforcement: Mapping[str, str]
    """To whom one can turn if our answer does not help, as whole sentences per language; empty: not stated yet."""
    enforcement_url: str | None
    """Its address."""

    def __post_init__(self) -> None:
        if self.status == "full" and (self.audited is None or self.findings):
            raise ValueError("status: full needs an audit by a person, and no findings")
