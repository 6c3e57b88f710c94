"""Recording the day on which a person was told of a decision: from then on the result may be shown to them.

The day stands in the review, sealed. Where a letter goes out later than it was decided, the review is recorded once
more, with the day.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import cast

from auditlog.store import decisions as decision_store
from auditlog.store.explanations import EXPLANATION
from auditlog.store.record_events import find_about
from home import calendar
from home.errors import Refused, UsageError
from home.greffier import Greffier
from service.cases import reviews as review
from service.explaining import new_decision
from service.records import release


def notify(g: Greffier, record_id: str, day: date) -> str:
    """Record that the person was told on a day; returns the id of the review that says so.

    Raises UsageError for a day to come, Refused where nobody decided yet, and what `record_review` raises.
    """
    if day > calendar.today(g):
        raise UsageError("lies in the future: record it on the day itself", field="day")
    if calendar.is_too_far_back(g, day):
        raise UsageError("lies more than ten years back: look at its year", field="day")
    latest = next(iter(release.reviews_of(g, record_id)[-1:]), None)
    if latest is None or latest.values.get("action") == "refer":
        raise Refused("nobody decided yet: record the review first", reason="not_reviewed", field="id")
    _demand_no_doubt(g, record_id)
    said = review.Review(**{name: cast("str", latest.values[name]) for name in review.MEMBERS})
    return review.record_review(g, record_id, replace(said, notified=day.isoformat()))


def _demand_no_doubt(g: Greffier, record_id: str) -> None:
    """A decision that must be made anew is not told: the same review, recorded again, would stand for the new one."""
    with g.reading() as conn:
        explained = find_about(conn, record_id, EXPLANATION)
        reviews = decision_store.find_reviews(conn, record_id)
    place = (reviews[-1]["log"], reviews[-1]["idx"]) if reviews else (0, 0)
    if any(
        (row.log, row.idx) > place and row.code in (new_decision.WITHHELD, new_decision.SET_ASIDE) for row in explained
    ):
        message = "an explanation said since that a person must decide anew: record that decision, with its day"
        raise Refused(message, reason="fresh", field="id")
