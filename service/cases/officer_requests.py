"""The officer's side of requests: the list with its days, what was written, and the steps.

Who may: roles and scope of systems; a request that names no system is for those whose account reaches all. Each step
says which version of the request was looked at, so that two officers cannot both answer. What is shown leaves an
access in the log first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from auditlog.store.explanations import EXPLANATION
from auditlog.store.record_events import find_about
from casework.errors import TakenMeanwhile
from casework.request import DELAYS, IDENTITIES, REFUSALS, RIGHTS, STEPS, Request, Step
from casework.store import requests as store
from home import calendar
from home.errors import Refused, UnknownRecord, UsageError
from home.greffier import Greffier
from service.cases import officers, public_requests, request_steps, request_texts
from service.cases.request_steps import Words
from service.cases.request_texts import StepShown
from service.records import reading, release
from service.records.accesses import STAFF

ACTING: Final = frozenset({"administrator", "officer", "approver", "privacy_officer"})
MOST: Final = 1000
_Seen = tuple[str, int, Sequence[str] | None]
"""Id and version of the request as the officer saw it, and the officer's scope."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A request as an officer sees it. `contact`: how to reach the person; `hint`: the reference as it was typed, where
    it led to no record."""

    request: Request
    text: str = field(repr=False)
    contact: str | None = field(repr=False)
    hint: str | None = field(repr=False)
    steps: tuple[StepShown, ...] = field(repr=False)
    overdue: bool


def queue(
    g: Greffier,
    reader: reading.Reader,
    *,
    systems: Sequence[str] | None = None,
    account: str | None = None,
    state: str | None = "open",
    right: str | None = None,
    limit: int = 200,
) -> list[Request]:
    """Requests, due first first; None for any state. That they were listed is in the log first.

    Raises Refused for others than staff, UsageError, CannotRecord.
    """
    _demand(reader, STAFF)
    for name, value, allowed in (("state", state, STEPS), ("right", right, RIGHTS)):
        if value is not None and value not in allowed:
            raise UsageError(f"must be one of {', '.join(allowed)}", field=name)
    if not 1 <= limit <= MOST:
        raise UsageError(f"must be 1 to {MOST}", field="limit")
    with g.reading() as conn:
        found: list[Request] = store.list_requests(
            conn,
            state=state,  # type: ignore[arg-type] # one of the table's, as was just checked
            systems=systems,
            account=account,
            right=right,
            limit=limit,
        )
    found = [one for one in found if not g.ledger.names(one.id)]
    held = reading.note_scope(g, reader, "request", [one.id for one in found], {"requests": state})
    return [one for one in found if one.id not in held]


def show(g: Greffier, reader: reading.Reader, request_id: str, *, systems: Sequence[str] | None = None) -> Shown:
    """One request with all that was written; the access is in the log first.

    Raises UnknownRecord (of one that is out of scope as well), Erased, Refused for others than staff.
    """
    _demand(reader, STAFF)
    request = find(g, request_id, systems)
    story = request_texts.open_story(g, reader, request_id)
    contact, hint = (story.contact.get(name) for name in ("reach", "reference"))
    return Shown(
        request,
        story.text,
        contact if isinstance(contact, str) else None,
        hint if isinstance(hint, str) else None,
        story.steps,
        request.overdue(calendar.today(g)),
    )


def find(g: Greffier, request_id: str, systems: Sequence[str] | None = None) -> Request:
    """A request without what was written. Raises UnknownRecord, also where the scope does not reach it; Erased."""
    with g.reading() as conn:
        request = store.find_request(conn, request_id)
    if request is None:
        reading.find_live(g, request_id)
        raise UnknownRecord("no request has this id", field="id")
    if systems is not None and request.system not in systems:
        raise UnknownRecord("no request has this id", field="id")
    return request


def assign(
    g: Greffier,
    reader: reading.Reader,
    request_id: str,
    *,
    version: int,
    to: str | None,
    reference: str | None = None,
    system: str | None = None,
    identity: str | None = None,
    note: str | None = None,
    systems: Sequence[str] | None = None,
) -> Request:
    """Say who works on it, None for nobody; and what an officer found out: the record that it is about, its system, how
    it is known who asks. `to`: an officer's account that is in use, whose scope holds the system. `note`: how that was
    found out, sealed.

    Raises UnknownRecord, UsageError, and as every step: StepRefused, TakenMeanwhile, Refused, Erased, CannotRecord.
    """
    _demand(reader, ACTING)
    changes: dict[str, Any] = {"assignee": to}
    if reference is not None:
        found = reading.find_live(g, reference)
        if found.entry.kind != "decision/1":
            raise UsageError("is the id of no decision", field="reference")
        if systems is not None and found.entry.members["system"] not in systems:
            raise UsageError("is of a system that this account does not reach", field="reference")
        changes |= {"reference": reference, "system": str(found.entry.members["system"])}
    elif system is not None:
        if find(g, request_id, systems).reference is not None:
            # Else who answers for another system would come to read the record.
            raise UsageError("follows from the decision that the request is about: leave it out", field="system")
        changes["system"] = public_requests.known_system(g, system)
    if to is not None:
        of = changes["system"] if "system" in changes else find(g, request_id, systems).system
        officers.demand(g, to, of)
    return _step(
        g, reader, (request_id, version, systems), "assigned", text=note, changes=changes | _identity(identity)
    )


def extend(
    g: Greffier,
    reader: reading.Reader,
    request_id: str,
    *,
    version: int,
    ground: str,
    text: str,
    systems: Sequence[str] | None = None,
) -> Request:
    """Two months more, once, within the first month, for one of the two reasons of GDPR 12(3), told to the person."""
    if ground not in DELAYS:
        raise UsageError(f"must be one of {', '.join(DELAYS)}", field="ground")
    return _step(g, reader, (request_id, version, systems), "extended", text=_needed(text), changes={"ground": ground})


def ask(
    g: Greffier,
    reader: reading.Reader,
    request_id: str,
    *,
    version: int,
    text: str,
    systems: Sequence[str] | None = None,
) -> Request:
    """Ask the person for more (GDPR 12(6)); the clock runs on."""
    return _step(g, reader, (request_id, version, systems), "asked", text=_needed(text), changes={})


def answer(
    g: Greffier,
    reader: reading.Reader,
    request_id: str,
    *,
    version: int,
    text: str,
    explanation: str | None = None,
    identity: str | None = None,
    systems: Sequence[str] | None = None,
) -> Request:
    """Answer. `explanation`: the id of an explanation of the record that the request is about.

    Raises StepRefused where nobody knows who asks, unless `identity` says so now; UsageError for an explanation of
    something else, and for one of a result that the person was not told yet.
    """
    if explanation is not None:
        _demand_explanation(g, find(g, request_id, systems), explanation)
    changes = {"explanation": explanation, **_identity(identity)}
    return _step(g, reader, (request_id, version, systems), "answered", text=_needed(text), changes=changes)


def refuse(
    g: Greffier,
    reader: reading.Reader,
    request_id: str,
    *,
    version: int,
    ground: str,
    text: str,
    systems: Sequence[str] | None = None,
) -> Request:
    """Refuse, with one of the grounds that the law has, and say why; where to complain stands in every answer."""
    if ground not in REFUSALS:
        raise UsageError(f"must be one of {', '.join(REFUSALS)}", field="ground")
    return _step(g, reader, (request_id, version, systems), "refused", text=_needed(text), changes={"ground": ground})


def demand_acting(reader: reading.Reader) -> None:
    """Raise Refused for a role that answers no requests."""
    _demand(reader, ACTING)


def _step(
    g: Greffier, reader: reading.Reader, seen: _Seen, step: Step, *, text: str | None, changes: Mapping[str, Any]
) -> Request:
    demand_acting(reader)
    request_id, version, systems = seen
    request = find(g, request_id, systems)
    if request.version != version:
        raise TakenMeanwhile("somebody else took a step meanwhile: look at the request again", field="version")
    account = reader.account or reader.role
    return request_steps.take(g, request, step, calendar.today(g), Words(text=text), **changes, account=account)


def _identity(identity: str | None) -> dict[str, Any]:
    if identity is None:
        return {}
    if identity not in IDENTITIES or identity in ("code", "unchecked"):
        raise UsageError("must be one of checked, not_needed", field="identity")
    return {"identity": identity}


def _demand_explanation(g: Greffier, request: Request, explanation: str) -> None:
    with g.reading() as conn:
        ids = {row.id for row in find_about(conn, request.reference or "", EXPLANATION)}
    if explanation not in ids:
        raise UsageError("is no explanation of the record that this request is about", field="explanation")
    if not release.may_be_explained(g, request.reference or ""):
        message = "says what came out, and the person was not told of the decision yet: record the day of that first"
        raise UsageError(message, field="told")


def _needed(text: str) -> str:
    public_requests.check_text(text, needed=True)
    return text


def _demand(reader: reading.Reader, roles: frozenset[str]) -> None:
    if reader.role not in roles:
        raise Refused("is for those who answer requests", reason="role", field="role")
