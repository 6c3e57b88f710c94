"""When the person a record is about may see its result: at once, or only after an officer decided and told them.

The version says for each outcome whether a person decides first. The day on which somebody was told stands in the
review, sealed.
"""

from __future__ import annotations

from datetime import date
from typing import Final, cast

from auditlog.store import decisions as decision_store
from home import calendar
from home.greffier import Greffier
from registry.manifest import Manifest
from registry.store import systems as register_store
from service.records import reading

RESULT_KIND: Final = "decision/1"
RESULT_FIELDS: Final = ("outcome", "output")


def needs_review(manifest: Manifest, outcome: str | None) -> bool:
    """Whether a result waits for a review before it counts. An outcome that is not known here does not."""
    return outcome is not None and manifest.release_of(outcome) == "after_review"


def is_held(g: Greffier, record: reading.Record) -> bool:
    """Whether an officer still has the result: the version says so, and no review but a referral was made."""
    if record.entry.kind != RESULT_KIND:
        return False
    version = cast("int", record.entry.members["version"])
    with g.reading() as conn:
        if any(review["action"] != "refer" for review in decision_store.find_reviews(conn, record.entry.id)):
            return False
        manifest = register_store.read_version(conn, str(record.entry.members["system"]), version).manifest
    return needs_review(manifest, str(record.values["outcome"]))


def notified_day(g: Greffier, record_id: str) -> date | None:
    """The latest day on which the person was told of a decision about this record; None where nobody was told yet."""
    found: date | None = None
    today = calendar.today(g)
    for one in reviews_of(g, record_id):
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
    return not needs_review(manifest, cast("str | None", record.values.get("outcome"))) or _notified(g, record.entry.id)


def may_be_explained(g: Greffier, record_id: str) -> bool:
    """The same of a record that nobody has opened: what explains a result says what it was."""
    with g.reading() as conn:
        row = decision_store.find_decision(conn, record_id)
        if row is None:
            return True
        manifest = register_store.read_version(conn, row["system"], row["version"]).manifest
    return not needs_review(manifest, row["outcome"]) or _notified(g, record_id)


def may_be_written(g: Greffier, record_id: str) -> bool:
    """Whether a letter about a record says nothing that the person was not told: the result may be explained, and of
    the decision, where there is one, they were told."""
    latest = next(iter(reviews_of(g, record_id)[-1:]), None)
    if latest is None:
        return may_be_explained(g, record_id)
    day = latest.values.get("notified")
    told = isinstance(day, str) and date.fromisoformat(day) <= calendar.today(g)
    return told and latest.values.get("action") != "refer"


def _notified(g: Greffier, record_id: str) -> bool:
    return notified_day(g, record_id) is not None


def reviews_of(g: Greffier, record_id: str) -> list[reading.Record]:
    """The reviews of a record, oldest first: the program reads the day, and gives it to nobody."""
    with g.reading() as conn:
        ids = [str(row["id"]) for row in decision_store.find_reviews(conn, record_id)]
    found = {one.entry.id: one for one in reading.recount(g, ids)}
    return [found[id_] for id_ in ids if id_ in found]
