"""Holds on a record: its content must be kept (a claim, an inquiry, the archive) or may not be used (GDPR 18)."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from auditlog.core.entries.vocabulary import HOLD_GROUNDS, ROLES
from auditlog.core.formats.canonical import Json
from auditlog.store import record_events as about_store
from auditlog.vault.holds import demand_holdable, holds_in_force
from auditlog.writing.log import Sequenced, Unit
from home.errors import Refused, UsageError
from home.greffier import Greffier
from service.records import reading

if TYPE_CHECKING:
    from sqlalchemy import Connection

MAX_NOTE = 4000


def place(g: Greffier, record_id: str, *, ground: str, note: str | None = None, role: str = "administrator") -> str:
    """Keep a record's content until the hold is lifted; returns the id of the entry.

    The note is sealed. Raises UnknownRecord, Erased where its erasure was ordered, NotFound for what has no content
    of its own, Refused where this ground holds it already.
    """
    return _record(g, record_id, "placed", ground=ground, note=note, role=role)


def lift(g: Greffier, record_id: str, *, ground: str, note: str | None = None, role: str = "administrator") -> str:
    """End a hold; other grounds stay in force. Returns the id of the entry. Errors as `place`."""
    return _record(g, record_id, "lifted", ground=ground, note=note, role=role)


def in_force(g: Greffier, record_id: str) -> tuple[str, ...]:
    """The grounds that hold a record now, in the order of `vocabulary.HOLD_GROUNDS`. Raises UnknownRecord."""
    reading.find(g, record_id)
    with g.reading() as conn:
        held = holds_in_force(conn, record_id)
    return tuple(ground for ground in HOLD_GROUNDS if ground in held)


def _record(g: Greffier, record_id: str, action: str, *, ground: str, note: str | None, role: str) -> str:
    _check(ground, note, role)
    reading.find(g, record_id)
    hold_id = str(uuid.uuid4())
    values: dict[str, Json] = {"reference": record_id, "note": note}
    prepared = g.vault.prepare(hold_id, values)
    entry = g.make("hold/1", id=hold_id, action=action, ground=ground, role=role, commitments=prepared.commitments)

    def rows(conn: Connection, sequenced: tuple[Sequenced, ...]) -> None:
        demand_holdable(conn, g.ledger, record_id)
        if (ground in holds_in_force(conn, record_id)) == (action == "placed"):
            already = "holds it already" if action == "placed" else "does not hold it now"
            raise Refused(f"{already}: nothing is left to do", reason=f"hold_{action}", field="--ground")
        prepared.insert(conn)
        about_store.insert_about(conn, about_store.about_from(entry, values, sequenced[0].place))

    g.log.append(Unit((entry,), rows)).result()
    return hold_id


def _check(ground: str, note: str | None, role: str) -> None:
    if ground not in HOLD_GROUNDS:
        raise UsageError(f"must be one of {', '.join(HOLD_GROUNDS)}", field="--ground")
    if role not in ROLES:
        raise UsageError(f"must be one of {', '.join(ROLES)}", field="--as")
    if note is not None and not note.strip():
        raise UsageError("is empty: write the note, or leave it out", field="--note-file")
    if note is not None and len(note) > MAX_NOTE:
        raise UsageError(f"has more than {MAX_NOTE} characters; shorten it", field="--note-file")
