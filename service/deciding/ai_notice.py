"""The sentence that goes with each result: that AI was used, and what a person may ask (AI Act 26(11), CONTENT)."""

from __future__ import annotations

from home.greffier import Greffier
from registry.system import AISystem
from reports.notice_decision.context import NoticeDecision, notice_of


def notice(g: Greffier, system: AISystem, reference: str, lang: str) -> str:
    """The notice of one result in one language, as plain text; empty where the register has no words for it."""
    words = notice_of(
        system, url=system_url(g, system.slug), phone=g.profile.phone if g.profile else "", reference=reference
    )
    return "" if words is None else g.renderer.text("notice_decision", NoticeDecision(notice=words), lang)


def system_url(g: Greffier, slug: str) -> str:
    """Address of a system's page in the register."""
    return f"{g.settings.base_url}/register/{slug}"
