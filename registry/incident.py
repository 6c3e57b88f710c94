"""Incidents that others must know of: whom to tell, in which order, and until when (AI Act 26(5), 73). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

from registry.declaration import declared
from registry.errors import FormatError, TransitionRefused
from registry.values import Code, Text

DUTIES: Final = Code(
    {
        "risk": {"en": "a risk (AI Act 26(5), 79(1))", "nl": "een risico (AI-verordening 26 lid 5, 79 lid 1)"},
        "serious": {"en": "a serious incident (AI Act 26(5))", "nl": "een ernstig incident (AI-verordening 26 lid 5)"},
        "provider": {"en": "a report as provider (AI Act 73)", "nl": "een melding als aanbieder (AI-verordening 73)"},
    }
)
SEVERITIES: Final = Code(
    {
        "death": {"en": "a person died, or may have because of it", "nl": "iemand is overleden, mogelijk hierdoor"},
        "widespread": {"en": "a widespread infringement", "nl": "een wijdverbreide inbreuk"},
        "infrastructure": {
            "en": "a serious disruption of critical infrastructure (3(49)(b))",
            "nl": "een ernstige verstoring van kritieke infrastructuur (3 punt 49 onder b)",
        },
        "other": {
            "en": "other harm to health, fundamental rights, property or the environment",
            "nl": "andere schade aan gezondheid, grondrechten, eigendom of milieu",
        },
    }
)
RECIPIENTS: Final = Code(
    {
        "provider": {"en": "the provider", "nl": "de aanbieder"},
        "importer": {"en": "the importer or distributor", "nl": "de importeur of distributeur"},
        "authority": {"en": "the market surveillance authority", "nl": "de markttoezichtautoriteit"},
    }
)
# Days from awareness: AI Act 73(2), 73(3), 73(4).
DAYS: Final = {"other": 15, "widespread": 2, "infrastructure": 2, "death": 10}
_PARAGRAPH: Final = {"other": "73(2)", "widespread": "73(3)", "infrastructure": "73(3)", "death": "73(4)"}
# In the order in which they are told (26(5), third sentence); an importer or distributor only where there is one.
_ORDER: Final = {
    "risk": ("provider", "authority"),
    "serious": ("provider", "authority"),
    "provider": ("authority",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentFacts:
    """What is known, as it is told to others; it is sealed. No name of a person belongs in it."""

    what: str = field(metadata=declared(Text(4000, lines=True), en="What happened", nl="Wat er is gebeurd"))
    harm: str = field(
        metadata=declared(Text(4000, lines=True), en="Harm, or what may come", nl="Schade, of wat dreigt")
    )
    persons: str | None = field(
        metadata=declared(Text(2000, lines=True), en="Who is affected", nl="Wie het raakt", presence="nullable"),
    )
    cause: str | None = field(
        metadata=declared(Text(4000, lines=True), en="Likely cause", nl="Vermoedelijke oorzaak", presence="nullable"),
    )
    measures: str | None = field(
        metadata=declared(Text(4000, lines=True), en="What was done", nl="Wat is gedaan", presence="nullable"),
    )


@dataclass(frozen=True, slots=True)
class Notification:
    """Somebody was told, or could not be reached."""

    recipient: str
    day: date
    reached: bool


@dataclass(frozen=True, slots=True)
class Due:
    """One telling that the law asks for. `by`: the last day, None for "without undue delay" or "immediately" alone.

    `done`: the day on which it was done.
    """

    recipient: str
    article: str
    immediately: bool
    by: date | None
    done: date | None

    def overdue(self, today: date) -> bool:
        """Whether the last day has passed and nobody was told."""
        return self.done is None and self.by is not None and today > self.by


def clock(duty: str, severity: str, aware: date, told: Sequence[Notification]) -> tuple[Due, ...]:
    """Who must be told, in order, from the day on which the agency knew.

    A deployer that cannot reach the provider has the provider's clock (26(5), last sentence: Article 73 by analogy).
    The clock of 73 begins with awareness, since when the link became likely is not known to the program.
    """
    takes_over = duty == "serious" and _unreached(told)
    found = []
    for recipient in _recipients(duty, told):
        reporting = recipient == "authority" and (duty == "provider" or takes_over)
        by = aware + timedelta(days=DAYS[severity]) if reporting else None
        article = f"26(5), {_PARAGRAPH[severity]}" if takes_over and reporting else _article(duty, severity)
        found.append(Due(recipient, article, duty != "risk", by, _done(recipient, told)))
    return tuple(found)


def check_notification(duty: str, told: Sequence[Notification], now: Notification, aware: date) -> None:
    """Whether this may be noted next. Raises TransitionRefused where the order of Article 26(5) is not kept, or the day
    is before the agency knew."""
    DUTIES.parse(duty, "duty")
    RECIPIENTS.parse(now.recipient, "recipient")
    if now.day < aware:
        raise FormatError("is before the day on which the agency knew; write that day or a later one", field="day")
    if duty == "provider" and now.recipient != "authority":
        raise TransitionRefused("is not told under Article 73; tell the authority", field="recipient")
    first_provider = duty == "serious" and now.recipient != "provider"
    if first_provider and not any(one.recipient == "provider" for one in told):
        raise TransitionRefused(
            "comes after the provider (AI Act 26(5)): note first that the provider was told, or could not be reached",
            field="recipient",
        )
    if not now.reached and now.recipient == "authority":
        raise FormatError("cannot be an authority that was not reached; write who was", field="reached")


def open_tellings(dues: Sequence[Due]) -> tuple[Due, ...]:
    """Those that are not done."""
    return tuple(due for due in dues if due.done is None)


def _recipients(duty: str, told: Sequence[Notification]) -> tuple[str, ...]:
    """An importer or distributor is told between provider and authority, where there is one."""
    order = _ORDER[duty]
    if duty != "provider" and any(one.recipient == "importer" for one in told):
        return (order[0], "importer", *order[1:])
    return order


def _unreached(told: Sequence[Notification]) -> bool:
    tries = [one for one in told if one.recipient == "provider"]
    return bool(tries) and not any(one.reached for one in tries)


def _done(recipient: str, told: Sequence[Notification]) -> date | None:
    """The first day on which it was told. A provider that could not be reached is dealt with once that was tried."""
    days = [one.day for one in told if one.recipient == recipient and (one.reached or recipient == "provider")]
    return min(days, default=None)


def _article(duty: str, severity: str) -> str:
    return {"risk": "26(5)", "serious": "26(5)", "provider": _PARAGRAPH[severity]}[duty]
