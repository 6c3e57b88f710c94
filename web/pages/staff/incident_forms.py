"""What the pages about incidents share: texts and times as they were typed, what is wrong with them, and words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any, Final

from accounts.caller import Known
from accounts.roles import ROUTES
from home.errors import UsageError
from home.greffier import Greffier
from registry import declaration
from registry.errors import FormatError
from registry.incident import DUTIES, RECIPIENTS, SEVERITIES
from registry.values import Text, Words
from service.systems import incident_clock, incidents, register
from web.pages.forms import text_of

MEMBERS: Final = tuple(declaration.fields(incidents.Facts))
NOTE: Final = Text(4000, lines=True)
WORDS: Final[Mapping[str, Mapping[str, Words]]] = {
    "duty": DUTIES.codes,
    "severity": SEVERITIES.codes,
    "recipient": RECIPIENTS.codes,
}
_MOST: Final = 1_000_000  # of a text as it is sent; one that its field does not take is a mistake at that field
_CLOCK: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


def may(staff: Known, route: str) -> bool:
    """Whether the account reaches the route."""
    return staff.role in ROUTES[route].roles


def names_of(g: Greffier, staff: Known) -> dict[str, Words]:
    """Every system that the account reaches, by its slug."""
    return {one.system.slug: one.system.name for one in register.list_systems(g) if staff.reaches(one.system.slug)}


def facts_of(form: dict[str, bytes]) -> tuple[dict[str, str], incidents.Facts | None, dict[str, str]]:
    """The texts about what happened as they were typed, the facts where they are sound, and the mistakes by field."""
    texts = {member.name: text_in(form, member.name) for member in MEMBERS}
    mistakes: dict[str, str] = {}
    for member in MEMBERS:
        if not texts[member.name] and member.presence == "required":
            mistakes[member.name] = "missing"
        mistakes |= unfit(member.name, texts[member.name], member.kind)
    values: dict[str, Any] = {name: text or None for name, text in texts.items()}
    return texts, None if mistakes else incidents.Facts(**values), mistakes


def text_in(form: dict[str, bytes], name: str) -> str:
    """A text of several lines, whose ends a browser sends as two characters."""
    return text_of(form, name, _MOST).replace("\r\n", "\n").replace("\r", "\n")


def unfit(name: str, text: str, kind: Any) -> dict[str, str]:
    """What is wrong with a text that is there. `kind`: the Text that its field takes."""
    try:
        if text:
            kind.parse(text, name)
    except FormatError:
        return {name: "too_long" if len(text) > kind.longest else "characters"}
    return {}


def aware_of(g: Greffier, day: str, clock: str) -> tuple[datetime | None, dict[str, str]]:
    """When the agency knew, in UTC, from what its clocks showed; or what is wrong with that."""
    on = day_of(day)
    mistakes = {"aware_day": "date"} if on is None else {}
    mistakes |= {} if _CLOCK.fullmatch(clock) else {"aware_time": "clock"}
    if mistakes or on is None:
        return None, mistakes
    try:
        return incident_clock.moment(g, on, time.fromisoformat(clock)), {}
    except UsageError:
        return None, {"aware_day": "date"}


def day_of(text: str) -> date | None:
    """The day that was typed; None for what is none."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
