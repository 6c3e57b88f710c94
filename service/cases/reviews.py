"""The officer's part: look at a held result, then confirm, override, refer or release it (AI Act 14, 26(2))."""

from __future__ import annotations

import contextlib
import uuid
from datetime import date
from typing import TYPE_CHECKING

from auditlog.core.errors import Erased, FormatError
from auditlog.core.formats.canonical import Json
from auditlog.store import decisions as decision_store
from auditlog.store import log as log_store
from auditlog.writing.log import Sequenced, Unit
from casework.review import ACTIONS, MEMBERS, Action, Review
from home import calendar
from home.errors import KeyConflict, Refused, UsageError
from home.greffier import Greffier
from service.deciding import counting, idempotency
from service.explaining import new_decision
from service.records import blind_review, corrections, reading
from service.records.accesses import STAFF

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from auditlog.core.entries.record import Entry
    from auditlog.vault.seal import Prepared

__all__ = ("ACTIONS", "MEMBERS", "Action", "Review", "record_review", "show")
_TRIES = 5


def show(g: Greffier, reader: reading.Reader, record_id: str) -> dict[str, Json]:
    """The held result and its inputs, for the officer.

    A case that was drawn for a first judgement is shown without `outcome` and `output` to whoever decides, until one
    was given (see `first_judgement`); `first_judgement` says so. Raises Refused where the record is no decision,
    and for others than staff: nobody else is given a result that is held.
    """
    if reader.role not in STAFF:
        raise Refused("a result that is held is shown to staff only", reason="role", field="role")
    _demand_decision(reading.find(g, record_id))
    record = reading.open(g, reader, "review", record_id)
    return shown(g, record, blind=blind_review.is_due(g, reader, record_id))


def shown(g: Greffier, record: reading.Record, *, blind: bool) -> dict[str, Json]:
    """What an officer sees of a record that was opened just now; `blind`: without what the system made of it."""
    result: dict[str, Json] = {"outcome": record.values["outcome"], "output": record.values["output"]}
    return {
        "id": record.entry.id,
        "system": record.entry.members["system"],
        "version": record.entry.members["version"],
        "inputs": {name.removeprefix("in_"): value for name, value in record.values.items() if name.startswith("in_")},
        "first_judgement": blind,
        **({} if blind else result),
        "corrections": [
            {"time": one.time, "values": dict(one.values), "reasons": one.reasons} for one in corrections.of(g, record)
        ],
    }


def _demand_decision(found: reading.Found) -> None:
    if found.entry.kind != "decision/1":
        raise Refused("only a decision can be reviewed", reason="not_a_decision", field="id")


def record_review(g: Greffier, record_id: str, review: Review, *, key: idempotency.Key | None = None) -> str:
    """Record a review and release the result; returns the review's own id.

    The same review under the same `key` is recorded once. Raises UnknownRecord, Erased, KeyConflict, UsageError where
    `notified` lies in the future (in the agency's time zone), or Refused where the record is no decision, and where a
    result that was set aside would be released as it is (`service.explaining.new_decision`).
    """
    found = reading.find_live(g, record_id)
    _demand_decision(found)
    values: dict[str, Json] = {"reference": record_id, **{name: getattr(review, name) for name in MEMBERS}}
    review_id = str(uuid.uuid4()) if key is None else _id_of(g, key)
    if key is not None and _is_recorded(g, key, review_id, values):
        return review_id
    _demand_day_has_come(g, review)
    prepared = g.vault.prepare(review_id, values)
    entry = g.make("review/1", id=review_id, commitments=prepared.commitments)

    for _ in range(_TRIES):
        earlier = counting.earlier(g, found.entry)
        with contextlib.suppress(counting.ReviewedMeanwhile):
            try:
                g.log.append(_unit(entry, values, prepared, earlier)).result()
            except FormatError:
                # The same request, at the same moment, was the first.
                if key is None or not _is_recorded(g, key, review_id, values):
                    raise
            return review_id
    raise Refused("is being reviewed by others at this moment: look at it again", reason="reviewed", field="id")


def _demand_day_has_come(g: Greffier, review: Review) -> None:
    """Nobody has been told yet on a day to come: a plan that falls through would stand in a signed record."""
    if review.notified is None:
        return
    day = date.fromisoformat(review.notified)
    if day > calendar.today(g):
        message = "lies in the future: leave it out, and record it on the day itself"
        raise UsageError(message, field="notified")
    if calendar.is_too_far_back(g, day):
        raise UsageError("lies more than ten years back: look at its year", field="notified")


def _id_of(g: Greffier, key: idempotency.Key) -> str:
    """The id that a review under a key has: nobody can tell it without the installation's key."""
    return str(uuid.UUID(bytes=g.vault.key_tag(f"review {key.scope}", key.text)[:16], version=4))


def _is_recorded(g: Greffier, key: idempotency.Key, review_id: str, values: dict[str, Json]) -> bool:
    """Whether this review is in the log already. Raises KeyConflict where another one has its key, Erased."""
    with g.reading() as conn:
        if log_store.find_entry(conn, review_id) is None:
            return False
        there = decision_store.find_review(conn, review_id) is not None
    recorded = next(iter(reading.recount(g, [review_id])), None) if there else None
    if recorded is None:
        raise Erased("the decision was erased, and its review with it", field="id")
    if recorded.values != values:
        message = "was used before with another request: send a new key with a new request"
        raise KeyConflict(message, field=key.field)
    return True


def _unit(entry: Entry, values: dict[str, Json], prepared: Prepared, earlier: counting.Earlier) -> Unit:
    def rows(conn: Connection, sequenced: tuple[Sequenced, ...]) -> None:
        earlier.demand_unchanged(conn)
        if values["action"] == "release":
            new_decision.demand_decided(conn, str(values["reference"]))
        prepared.insert(conn)
        decision_store.insert_review(conn, decision_store.review_row_from(entry, values, sequenced[0].place))

    return Unit((entry,), rows, counts=lambda _: earlier.counts(entry, str(values["action"])))
