"""The demo's notices: staff are told before a system comes to their work, people when it helps to decide about them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Final

from home import calendar
from home.greffier import Greffier
from service.disclosing import notices
from service.systems import duties, register

SLUG: Final = "social-loan-check"
_BEFORE: Final = timedelta(days=14)
_SHOWN_BY: Final = {"26.7": "worker_notice", "26.11": "notice_given"}


def workers(g: Greffier) -> None:
    """The advisers were told at a meeting, two weeks before the system came to their work (AI Act 26(7))."""
    notices.given(g, SLUG, duty="workers", channel="meeting", day=_before_the_use(g))


def person(g: Greffier, record_id: str, step: Callable[[str, bool, str], None]) -> None:
    """Somebody was told at the counter that the system helps to decide (AI Act 26(11)); then both duties are met."""
    notices.given(g, SLUG, duty=notices.AFFECTED, channel="counter", day=calendar.today(g), reference=record_id)
    found = {
        duty.id: all(item.found for item in duty.evidence if item.code == _SHOWN_BY[duty.id])
        for duty in duties.of_system(g, SLUG, evidence=True).duties
        if duty.id in _SHOWN_BY and duty.applies != "no"
    }
    held = found.keys() == _SHOWN_BY.keys() and all(found.values())
    seen = "in the log, to whom is sealed; `greffier duties` finds what 26(7) and 26(11) ask for"
    step("advisers and an applicant were told of the AI", held, seen if held else f"not found: {found}")


def _before_the_use(g: Greffier) -> date:
    first, today = register.show(g, SLUG).system.first_use, calendar.today(g)
    return today if first is None else min(today, first - _BEFORE)
