"""What the notice for people is made of (AI Act 26(11) for Annex III systems; otherwise plain information)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from registry.system import AISystem
from reports.agency import Agency
from reports.law import LawAsks


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """The words that the notice is built from; without a reference it is the notice as the system's page shows it."""

    system: Mapping[str, str]
    """Name of the system, per language."""
    application: Mapping[str, str]
    """What the person came for, to follow "For your": AISystem.notice.application."""
    estimates: Mapping[str, str]
    """What the system estimates, to follow "It estimates": AISystem.notice.estimates."""
    human: Literal["before", "on_request"]
    """Whether a member of staff looks at the result first, or only when asked."""
    url: str
    """Address of the system's page in the register."""
    phone: str
    """The agency's telephone number."""
    reference: str | None = None
    """Id of the record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeDecision:
    """The notice of one result: `Renderer.text("notice_decision", …)` makes it one paragraph."""

    notice: Notice
    """Its words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticePage:
    """The notice as a sheet that is handed over, sent or hung up: `Renderer.document("notice_decision", …)`."""

    agency: Agency
    """Who gives it."""
    notice: Notice
    """Its words."""
    written: date
    """The day on which it was made."""
    law: LawAsks
    """Whether AI Act 26(11) asks for it: of an Annex III system that makes or helps with decisions about people."""


def notice_of(system: AISystem, *, url: str, phone: str, reference: str | None = None) -> Notice | None:
    """The notice of a registered system, None where the register has none; `url` is its page in the register."""
    if system.notice is None:
        return None
    return Notice(
        system=system.name,
        application=system.notice.application,
        estimates=system.notice.estimates,
        human="before" if system.notice.human == "before" else "on_request",
        url=url,
        phone=phone,
        reference=reference,
    )
