"""The sentence that goes with each result: that AI was used, and what a person may ask (AI Act 26(11), CONTENT)."""

from __future__ import annotations

from app.home import Greffier
from registry.system import AISystem
from reports.notice_decision.context import NoticeDecision


def notice(g: Greffier, system: AISystem, reference: str, lang: str) -> str:
    """The notice of one result in one language, as plain text."""
    context = NoticeDecision(
        application=_text(system.notice.application, lang),
        system=_text(system.name, lang),
        estimates=_text(system.notice.estimates, lang),
        human=system.notice.human,
        url=f"{g.settings.base_url}/register/{system.slug}",
        phone=g.profile.phone if g.profile else "",
        reference=reference,
    )
    return g.renderer.notice(context, lang)


def _text(by_language: dict[str, str], lang: str) -> str:
    return by_language.get(lang) or next(iter(by_language.values()))
