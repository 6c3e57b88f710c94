"""By what a system is found: the words of its public record, folded, and the codes of each facet. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Final

from registry.parts.hosting import CAPTURES
from registry.parts.people import ROLES
from registry.parts.subjects import THEMES
from registry.publication import public_system
from registry.system import AISystem
from registry.values import Words

LONGEST: Final = 40
_WORD: Final = re.compile(r"[^\W_]+")
RISKS: Final[dict[str, Words]] = {
    "high_risk": {"en": "High risk", "nl": "Hoog risico"},
    "exit_6_3": {"en": "Named in Annex III, not high risk", "nl": "Genoemd in bijlage III, geen hoog risico"},
    "article_50": {"en": "People must be told (Article 50)", "nl": "Mensen moeten het weten (artikel 50)"},
    "other": {"en": "Other", "nl": "Overig"},
}
FACETS: Final[dict[str, Words]] = {
    "state": {"en": "State", "nl": "Status"},
    "theme": {"en": "Theme", "nl": "Thema"},
    "risk": {"en": "Class of risk", "nl": "Risicoklasse"},
    "role": {"en": "Our role", "nl": "Onze rol"},
    "owner": {"en": "Unit", "nl": "Afdeling"},
    "capture": {"en": "How it is recorded", "nl": "Hoe het wordt vastgelegd"},
}
_STATES: Final[dict[str, Words]] = {
    "draft": {"en": "draft", "nl": "concept"},
    "in_review": {"en": "in review", "nl": "wordt beoordeeld"},
    "approved": {"en": "approved, not in use yet", "nl": "goedgekeurd, nog niet in gebruik"},
    "pilot": {"en": "pilot", "nl": "proef"},
    "active": {"en": "in use", "nl": "in gebruik"},
    "suspended": {"en": "stopped", "nl": "stopgezet"},
    "retired": {"en": "out of use", "nl": "buiten gebruik"},
}


def fold(text: str) -> Iterator[str]:
    """The words of a text in lower case without accents, each once and cut to 40 characters."""
    plain = unicodedata.normalize("NFKD", text)
    plain = "".join(character for character in plain if not unicodedata.combining(character)).casefold()
    yield from dict.fromkeys(word[:LONGEST] for word in _WORD.findall(plain))


def words_of(system: AISystem) -> dict[str, bool]:
    """Every word by which the public may find it; true where the name or the short name has it.

    What is withheld, until whenever, is no way to find a system.
    """
    shown = public_system(system, date.min)
    texts = [*_texts(shown)]
    found = dict.fromkeys((word for text in texts for word in fold(text)), False)
    return found | dict.fromkeys((word for text in (shown.slug, *shown.name.values()) for word in fold(text)), True)


def _texts(system: AISystem) -> Iterator[str]:
    for words in (system.summary, system.purpose, system.affected_persons):
        yield from (words or {}).values()
    yield system.owner.unit
    yield system.provider.name
    if system.supplier is not None:
        yield system.supplier.name
    for theme in system.themes or ():
        yield from THEMES.codes[theme].values()
    for one in system.identifiers or ():
        yield one.value


def themes_of(system: AISystem) -> tuple[str, ...]:
    """The themes that the public may see."""
    return public_system(system, date.min).themes or ()


def risks_of(system: AISystem) -> tuple[str, ...]:
    """Codes of its class: of RISKS, and each point of Annexes I and III that it names."""
    named = system.classification
    found = ["high_risk"] if system.high_risk else []
    if named.exit_6_3 is not None:
        found.append("exit_6_3")
    use = public_system(system, date.min).use
    told = use is not None and (
        use.talks_with_people or bool(use.generates) or use.emotion_or_biometric or use.deep_fakes or use.publishes_text
    )
    if told:
        found.append("article_50")
    return (*(found or ["other"]), *named.annex_iii, *named.annex_i)


def label_of(facet: str, code: str) -> Words:
    """What people read for a code of a facet; a unit, and a point of an annex, are called what they are called."""
    codes = {"state": _STATES, "theme": THEMES.codes, "risk": RISKS, "role": ROLES.codes, "capture": CAPTURES.codes}
    known = codes.get(facet, {}).get(code)
    return known or {"en": code, "nl": code}


def known(facet: str, codes: Iterable[str]) -> bool:
    """Whether a facet may have these codes."""
    lists = {"state": _STATES, "theme": THEMES.codes, "role": ROLES.codes, "capture": CAPTURES.codes}
    if facet == "risk":
        return all(code in RISKS or re.fullmatch(r"I{1,3}\.[A-Z0-9a-z.]{1,8}", code) for code in codes)
    return facet == "owner" or all(code in lists[facet] for code in codes)
