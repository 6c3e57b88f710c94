"""When the person was told of a decision: from then on the result may be shown to them, and an objection has its end.

The day stands in the review, sealed. Where a letter goes out later than it was decided, the review is recorded once
more, with the day.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import cast

from app.actions.cases import days, review
from app.actions.deciding import counting
from app.actions.explaining import fresh
from app.actions.records import reading
from app.errors import Refused, UsageError
from app.home import Greffier
from auditlog.store import decisions as decision_store
from auditlog.store.about import find_about
from auditlog.store.explanations import EXPLANATION
from registry.store import systems as register_store


def notified_day(g: Greffier, record_id: str) -> date | None:
    """The latest day on which the person was told of a decision about this record; None where nobody was told yet."""
    found: date | None = None
    today = days.today(g)
    for one in _reviews(g, record_id):
        day = one.values.get("notified")
        if one.values.get("action") == "refer":
            found = None
        elif isinstance(day, str) and date.fromisoformat(day) <= today:  # one to come is a plan
            found = date.fromisoformat(day)
    return found


def may_be_shown(g: Greffier, record: reading.Record) -> bool:
    """Whether the person may see output and outcome: at once where nobody decides first, else once they were told."""
    if record.entry.kind != "decision/1":
        return True
    version = cast("int", record.entry.members["version"])
    with g.reading() as conn:
        manifest = register_store.read_version(conn, str(record.entry.members["system"]), version).manifest
    return not counting.is_held(manifest, cast("str | None", record.values.get("outcome"))) or _is_told(
        g, record.entry.id
    )


def may_be_explained(g: Greffier, record_id: str) -> bool:
    """The same of a record that nobody has opened: what explains a result says what it was."""
    with g.reading() as conn:
        row = decision_store.find_decision(conn, record_id)
        if row is None:
            return True
        manifest = register_store.read_version(conn, row["system"], row["version"]).manifest
    return not counting.is_held(manifest, row["outcome"]) or _is_told(g, record_id)


def may_be_written(g: Greffier, record_id: str) -> bool:
    """Whether a letter about a record says nothing that the person was not told: the result may be explained, and of
    the decision, where there is one, they were told."""
    latest = next(iter(_reviews(g, record_id)[-1:]), None)
    if latest is None:
        return may_be_explained(g, record_id)
    day = latest.values.get("notified")
    told = isinstance(day, str) and date.fromisoformat(day) <= days.today(g)
    return told and latest.values.get("action") != "refer"


def _is_told(g: Greffier, record_id: str) -> bool:
    return notified_day(g, record_id) is not None


def notify(g: Greffier, record_id: str, day: date) -> str:
    """Record that the person was told on a day; returns the id of the review that says so.

    Raises UsageError for a day to come, Refused where nobody decided yet, and what `record_review` raises.
    """
    if day > days.today(g):
        raise UsageError("lies in the future: record it on the day itself", field="day")
    if days.is_too_far_back(g, day):
        raise UsageError("lies more than ten years back: look at its year", field="day")
    latest = next(iter(_reviews(g, record_id)[-1:]), None)
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
    if any((row.log, row.idx) > place and row.code in (fresh.WITHHELD, fresh.SET_ASIDE) for row in explained):
        message = "an explanation said since that a person must decide anew: record that decision, with its day"
        raise Refused(message, reason="fresh", field="id")


def _reviews(g: Greffier, record_id: str) -> list[reading.Record]:
    """The reviews of a record, oldest first: the program reads the day, and gives it to nobody."""
    with g.reading() as conn:
        ids = [str(row["id"]) for row in decision_store.find_reviews(conn, record_id)]
    found = {one.entry.id: one for one in reading.recount(g, ids)}
    return [found[id_] for id_ in ids if id_ in found]
