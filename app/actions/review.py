"""The officer's part: look at a held result, then confirm, override, refer or release it (AI Act 14, 26(2))."""

from __future__ import annotations

import contextlib
import uuid
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Literal, get_args

from app.actions import corrections, counting, reading
from app.actions.accesses import STAFF
from app.errors import Refused, UsageError
from app.home import Greffier
from auditlog.canonical import Json
from auditlog.log import Sequenced, Unit
from auditlog.store import decisions as decision_store

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from auditlog.record import Entry
    from auditlog.vault.seal import Prepared

_TRIES = 5
Action = Literal["confirm", "override", "refer", "release"]


@dataclass(frozen=True, slots=True)
class Review:
    """What the officer decided; every member is committed, none is in clear. `notified`: a date, YYYY-MM-DD."""

    action: str
    decision: str
    reasons: str
    text: str | None = None
    effect: str | None = None
    notified: str | None = None

    def __post_init__(self) -> None:
        if self.action not in get_args(Action):
            raise UsageError(f"must be one of {', '.join(get_args(Action))}", field="action")
        if self.notified is not None and not _is_date(self.notified):
            raise UsageError("must be a date, YYYY-MM-DD", field="notified")


def _is_date(text: str) -> bool:
    """Whether a day of the calendar is written in the one form that a letter reads again."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def show(g: Greffier, reader: reading.Reader, record_id: str) -> dict[str, Json]:
    """The held result and its inputs, for the officer. Raises Refused where the record is no decision, and for others
    than staff: nobody else is given a result that is held."""
    if reader.role not in STAFF:
        raise Refused("a result that is held is shown to staff only", reason="role", field="role")
    _demand_decision(reading.find(g, record_id))
    record = reading.open(g, reader, "review", record_id)
    return {
        "id": record_id,
        "system": record.entry.members["system"],
        "version": record.entry.members["version"],
        "inputs": {name.removeprefix("in_"): value for name, value in record.values.items() if name.startswith("in_")},
        "outcome": record.values["outcome"],
        "output": record.values["output"],
        "corrections": [
            {"time": one.time, "values": dict(one.values), "reasons": one.reasons} for one in corrections.of(g, record)
        ],
    }


def _demand_decision(found: reading.Found) -> None:
    if found.entry.kind != "decision/1":
        raise Refused("only a decision can be reviewed", reason="not_a_decision", field="id")


def record_review(g: Greffier, record_id: str, review: Review) -> str:
    """Record a review and release the result; returns the review's own id.

    Raises UnknownRecord, Erased, or Refused where the record is no decision.
    """
    found = reading.find_live(g, record_id)
    _demand_decision(found)
    review_id = str(uuid.uuid4())
    values: dict[str, Json] = {
        "reference": record_id,
        "action": review.action,
        "decision": review.decision,
        "reasons": review.reasons,
        "text": review.text,
        "effect": review.effect,
        "notified": review.notified,
    }
    prepared = g.vault.prepare(review_id, values)
    entry = g.make("review/1", id=review_id, commitments=prepared.commitments)

    for _ in range(_TRIES):
        earlier = counting.earlier(g, found.entry)
        with contextlib.suppress(counting.ReviewedMeanwhile):
            g.log.append(_unit(entry, values, prepared, earlier)).result()
            return review_id
    raise Refused("is being reviewed by others at this moment: look at it again", reason="reviewed", field="id")


def _unit(entry: Entry, values: dict[str, Json], prepared: Prepared, earlier: counting.Earlier) -> Unit:
    def rows(conn: Connection, sequenced: tuple[Sequenced, ...]) -> None:
        earlier.demand_unchanged(conn)
        prepared.insert(conn)
        decision_store.insert_review(conn, decision_store.review_row_from(entry, values, sequenced[0].place))

    return Unit((entry,), rows, counts=lambda _: earlier.counts(entry, str(values["action"])))
