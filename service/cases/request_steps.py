"""The entries of a request: each step is one, with what was written sealed, and the request's row beside it.

The first step's entry is the request: its id is the request's, its content is a record of its own, found by the
person's reference and erased like any other. The later ones are about it, and go with it.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from auditlog.core.entries.record import Entry
from auditlog.core.errors import FormatError
from auditlog.core.formats.canonical import Json
from auditlog.store.record_events import about_from, insert_about
from auditlog.vault.holds import demand_holdable
from auditlog.writing.log import Sequenced, Unit
from casework.request import Request, Step, Taken, after, due_day, next_state, received_as
from casework.store import requests as store
from home.greffier import Greffier

if TYPE_CHECKING:
    from sqlalchemy import Connection

KIND: Final = "request/1"
_DAYS: Final = ("day", "due")
_FACTS: Final = tuple(one.name for one in fields(Taken))


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What is sealed of a step beside its facts. `subjects`: references of persons, of a first step only."""

    text: str | None = field(default=None, repr=False)
    contact: Mapping[str, Json] | None = field(default=None, repr=False)
    subjects: tuple[str, ...] = field(default=(), repr=False)


Rows = Callable[["Connection"], None]


def begin(g: Greffier, first: Taken, words: Words, also: Rows) -> Request:
    """Put the first step into the log; `first.request` is its new id. `also` writes rows in the same transaction.

    Raises Erased where the record that it is about was erased meanwhile, CannotRecord.
    """
    request = received_as(first)

    def rows(conn: Connection) -> None:
        store.insert_request(conn, request)
        also(conn)

    entry, write = _sealed(g, first.request, first, words, rows)
    g.log.append(Unit((entry,), lambda conn, sequenced: write(conn, sequenced[0]))).result()
    return request


@dataclass(frozen=True, slots=True)
class Prepared:
    """A later step that is ready for the log: the request after it, its entry, and the rows that it writes."""

    request: Request
    entry: Entry
    write: Callable[[Connection, Sequenced], None]


def take(g: Greffier, request: Request, step: Step, today: date, words: Words, **changes: Any) -> Request:
    """Put a later step into the log; `changes`: members of `Taken` that it changes. Raises what `prepare` raises."""
    ready = prepare(g, request, step, today, words, **changes)
    g.log.append(Unit((ready.entry,), lambda conn, sequenced: ready.write(conn, sequenced[0]))).result()
    return ready.request


def prepare(g: Greffier, request: Request, step: Step, today: date, words: Words, **changes: Any) -> Prepared:
    """A later step that goes into the log by itself (`take`), or with what it belongs to.

    Raises StepRefused; once it is written TakenMeanwhile where another step came first, Erased, CannotRecord.
    """
    taken = _taken(request, step, today, changes)
    # The step that answers may be the one that proves who asks.
    next_state(replace(request, identity=taken.identity), step, today)
    following = after(request, taken)

    def rows(conn: Connection) -> None:
        demand_holdable(conn, g.ledger, request.id)
        store.update_request(conn, following)

    return Prepared(following, *_sealed(g, str(uuid.uuid4()), taken, words, rows))


def new_id() -> str:
    """A random id for a request."""
    return str(uuid.uuid4())


def facts(values: Mapping[str, Json]) -> Taken:
    """The step that opened values tell of. Raises FormatError for values of another shape."""
    try:
        found: dict[str, Any] = {name: values[name] for name in _FACTS}
        return Taken(**found | {name: date.fromisoformat(found[name]) for name in _DAYS})
    except (KeyError, TypeError, ValueError):
        raise FormatError("is no step of a request", field="step") from None


def _taken(request: Request, step: Step, today: date, changes: Mapping[str, Any]) -> Taken:
    kept: dict[str, Any] = {
        "request": request.id,
        "step": step,
        "day": today,
        "right": request.right,
        "reference": request.reference,
        "system": request.system,
        "channel": request.channel,
        "lang": request.lang,
        "identity": request.identity,
        "due": due_day(request.received, extended=True) if step == "extended" else request.due,
        "ground": None,
        "explanation": None,
        "assignee": request.account,
        "account": None,
    }
    return Taken(**kept | dict(changes))


def _sealed(
    g: Greffier, id_: str, taken: Taken, words: Words, also: Rows
) -> tuple[Entry, Callable[[Connection, Sequenced], None]]:
    values: dict[str, Json] = {
        **{name: getattr(taken, name) for name in _FACTS if name not in _DAYS},
        **{name: getattr(taken, name).isoformat() for name in _DAYS},
        "text": words.text,
        "contact": None if words.contact is None else dict(words.contact),
    }
    prepared = g.vault.prepare(id_, values, words.subjects)
    entry = g.make(KIND, id=id_, commitments=prepared.commitments)

    def write(conn: Connection, sequenced: Sequenced) -> None:
        if taken.reference is not None:
            demand_holdable(conn, g.ledger, taken.reference)
        prepared.insert(conn)
        insert_about(conn, about_from(entry, values, sequenced.place))
        also(conn)

    return entry, write
