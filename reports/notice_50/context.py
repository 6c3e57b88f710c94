"""What the notices of Article 50 are made of: those that a system needs, each ready to be shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from reports.agency import Agency
from reports.law import LawAsks

Sort = Literal["talks", "marking", "emotion_or_biometric", "deep_fake", "public_text"]
"""AI Act 50(1); 50(2); 50(3); 50(4) first and second subparagraph."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One notice, and where it is shown."""

    sort: Sort
    """Which one."""
    law: LawAsks
    """Whether its paragraph asks for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Article50:
    """The notices of one system."""

    agency: Agency
    """Who uses it."""
    system: Mapping[str, str]
    """Its name, per language."""
    url: str
    """Its page in the register."""
    check_url: str
    """Where marked text is checked against the log."""
    written: date
    """The day on which this was made."""
    notices: tuple[Shown, ...]
    """Those that it needs, in the order of the article; none where it needs none."""
    unknown: bool
    """Whether the register lacks a fact on which one of them hangs."""
    responsible: str
    """Who answers for text that is published: a unit and how to reach it."""
