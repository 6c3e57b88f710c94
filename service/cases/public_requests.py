"""The person's side of a request, without account: ask, follow it by its tracking code, add something, take it back.

Who gives the access code of a letter has shown who asks. Everybody else may ask as well: then an officer finds out,
and nothing about a record is said before. The tracking code is shown once; what it leads to is told to nobody else.
"""

from __future__ import annotations

import contextlib
import hmac
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final, cast

from auditlog.core.entries.vocabulary import PATTERNS
from auditlog.core.errors import Erased
from auditlog.core.formats.canonical import Json
from auditlog.vault.subjects import RULE, normalise
from casework.errors import CodeRejected
from casework.request import CHANNELS, IDENTITIES, RIGHTS, Channel, Identity, Request, Right, State, Taken, due_day
from casework.secret import REJECTED, TRACKING, draw_code, format_code, parse_code
from casework.store import requests as store
from casework.store import secrets
from home import calendar
from home.errors import UsageError, asked
from home.greffier import Greffier
from registry.errors import UnknownSystem
from registry.publication import NOT_YET, is_public
from service.cases import access_codes, code_attempts, request_steps, request_texts
from service.cases.request_steps import Words
from service.cases.request_texts import StepShown
from service.records import reading, release
from service.systems import register

MAX_TEXT: Final = 8000
MAX_CONTACT: Final = 1000
_MAX_REFERENCE: Final = 200
_SCOPE: Final = "tracking code"
_NO_DIGEST: Final = bytes(32)
# What of a step the person is shown in words: not who was given the work.
_TOLD: Final = frozenset({"received", "extended", "asked", "replied", "answered", "refused", "withdrawn"})


@dataclass(frozen=True, slots=True)
class Opened:
    """A new request. The tracking code exists here alone: show it once."""

    request: Request
    tracking_code: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class RequestIds:
    """What a new request is known by: its id, and its tracking code as it was drawn."""

    id: str
    tracking: str = field(repr=False)

    def opened(self, request: Request) -> Opened:
        """The request with its code, as it is printed."""
        return Opened(request, format_code(self.tracking))


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What the person sees of the request. `steps` have no accounts; `answer` is the text of the last one, where it was
    answered or refused, and `explanation` the id of the explanation that it gives; `letter`: the letter with it may be
    read now. `erased`: the result that it was about was erased meanwhile. `objection_until`: the last day for an
    objection, which runs on whatever is asked."""

    right: Right
    channel: Channel
    state: State
    lang: str
    system: str | None
    received: date
    due: date
    overdue: bool
    extended: bool
    delay: str | None
    identity: Identity
    refusal: str | None
    closed: date | None
    objection_until: date | None
    erased: bool
    answer: str | None = field(repr=False)
    explanation: str | None
    letter: bool
    steps: tuple[StepShown, ...] = field(repr=False)


def open_request(
    g: Greffier,
    *,
    right: str,
    channel: str,
    lang: str,
    text: str,
    reference: str | None = None,
    code: str | None = None,
    system: str | None = None,
    contact: str | None = None,
    subject: str | None = None,
    identity: str | None = None,
    received: date | None = None,
    account: str | None = None,
    bucket: str | None = None,
    drawn: RequestIds | None = None,
) -> Opened:
    """Take a request in; it is in the log when this returns, and its clock runs from `received`.

    `reference` with its access `code` shows who asks; without, it is a hint for the officer. Of staff who write down
    what came by phone, post or at the counter: `account`, `identity` (how it is known who asks), and the day. `drawn`:
    see `sent`, by default at random. Raises UsageError, CodeRejected, TooMany, CannotRecord.
    """
    today = calendar.today(g)
    known = _checked_identity(identity, account)
    _check_codes(("right", right, RIGHTS), ("channel", channel, CHANNELS), ("lang", lang, g.renderer.languages))
    check_text(text)
    if contact is not None and len(contact) > MAX_CONTACT:
        raise UsageError(f"must have at most {MAX_CONTACT} characters", field="contact")
    day = _checked_day(g, received, today, account)
    record = _record_of(g, reference, code, account, bucket)
    slug = _system_of(g, record, system, account)
    drawn = drawn or RequestIds(request_steps.new_id(), draw_code(TRACKING, os.urandom))
    first = Taken(
        request=drawn.id,
        step="received",
        day=day,
        right=cast("Right", right),
        reference=None if record is None else record.entry.id,
        system=slug,
        channel=cast("Channel", channel),
        lang=lang,
        identity="code" if code is not None else known,
        due=due_day(day),
        ground=None,
        explanation=None,
        assignee=None,
        account=account,
    )
    words = Words(text=text, contact=_contact(contact, reference, record), subjects=_subjects(g, record, subject))
    digest = _digest(g, drawn.tracking)
    request = request_steps.begin(g, first, words, lambda conn: secrets.insert_tracking(conn, first.request, digest))
    return drawn.opened(request)


def status(g: Greffier, tracking_code: str, *, bucket: str | None = None) -> Status:
    """How a request stands, with what was written; the person's access is in the log first (once a day).

    Raises CodeRejected for a code that opens nothing, of whatever reason; TooMany, CannotRecord.
    """
    return _status(g, find(g, tracking_code, bucket=bucket))


def reply(g: Greffier, tracking_code: str, text: str, *, bucket: str | None = None) -> Status:
    """Add something to a request. Raises StepRefused where it is closed, UsageError, and as `status`."""
    request = find(g, tracking_code, bucket=bucket)
    check_text(text, needed=True)
    return _status(g, request_steps.take(g, request, "replied", calendar.today(g), Words(text=text)))


def withdraw(g: Greffier, tracking_code: str, *, bucket: str | None = None) -> Status:
    """Take a request back. Raises StepRefused where it is closed, and as `status`."""
    request = find(g, tracking_code, bucket=bucket)
    return _status(g, request_steps.take(g, request, "withdrawn", calendar.today(g), Words()))


def find(g: Greffier, tracking_code: str, *, bucket: str | None = None) -> Request:
    """The request that a tracking code opens: nothing of what was written. Raises CodeRejected, TooMany."""
    typed = parse_code(tracking_code, TRACKING)
    counted = code_attempts.count(g, None, bucket)
    wanted = _digest(g, typed)
    with g.reading() as conn:
        id_, kept = secrets.find_tracking(conn, wanted) or ("", _NO_DIGEST)
        request = store.find_request(conn, id_)
    if not hmac.compare_digest(wanted, kept) or request is None or g.ledger.names(request.id):
        raise CodeRejected(REJECTED, field="code")
    code_attempts.take_back(g, counted)
    return request


def _status(g: Greffier, request: Request) -> Status:
    try:
        story = request_texts.open_story(g, access_codes.READER, request.id)
    except Erased:  # at this moment
        raise CodeRejected(REJECTED, field="code") from None
    # A reference that somebody read out proves nothing: until it is known who asks, nothing of the record is told.
    known = request.identity in ("code", "checked")
    told = release.notified_day(g, request.reference) if known and request.reference is not None else None
    end = story.steps[-1] if request.state in ("answered", "refused") else None
    return Status(
        right=request.right,
        channel=request.channel,
        state=request.state,
        lang=request.lang,
        system=request.system if known else story.asked_about,
        received=request.received,
        due=request.due,
        overdue=request.overdue(calendar.today(g)),
        extended=request.extended,
        delay=request.delay,
        identity=request.identity,
        refusal=request.refusal,
        closed=request.closed,
        objection_until=None if told is None else calendar.objection_end(g, told),
        erased=known and request.reference is None and story.referred,
        answer=None if end is None else end.text,
        explanation=None if end is None else end.explanation,
        letter=end is not None and end.explanation is not None and has_letter(g, request),
        steps=tuple(_without_account(one) for one in story.steps if one.step in _TOLD),
    )


def has_letter(g: Greffier, request: Request) -> bool:
    """Whether the letter about its record may go to whoever has the tracking code: it is known that the record is
    theirs, and the letter says nothing that they were not told."""
    if request.state != "answered" or request.identity not in ("code", "checked") or request.reference is None:
        return False
    return release.may_be_written(g, request.reference)


def _without_account(step: StepShown) -> StepShown:
    return StepShown(step.step, step.day, step.ground, step.text, step.explanation, None)


def _check_codes(*given: tuple[str, str, Sequence[str]]) -> None:
    for name, value, allowed in given:
        if value not in allowed:
            raise UsageError(f"must be one of {', '.join(allowed)}", field=name)


def check_text(text: str, *, needed: bool = False) -> None:
    """Raise UsageError for a text that is too long, or empty where one is needed."""
    if len(text) > MAX_TEXT:
        raise UsageError(f"must have at most {MAX_TEXT} characters", field="text")
    if needed and not text.strip():
        raise UsageError("must not be empty", field="text")


def _checked_identity(identity: str | None, account: str | None) -> Identity:
    if identity is None:
        return "unchecked"
    if account is None or identity not in IDENTITIES or identity == "code":
        message = "is for staff who write a request down: checked, not_needed or unchecked"
        raise UsageError(message, field="identity")
    return cast("Identity", identity)


def _checked_day(g: Greffier, received: date | None, today: date, account: str | None) -> date:
    if received is None:
        return today
    if account is None or received > today or calendar.is_too_far_back(g, received):
        message = "is a day up to today, of the last ten years, and for staff who write a request down"
        raise UsageError(message, field="received")
    return received


def _record_of(
    g: Greffier, reference: str | None, code: str | None, account: str | None, bucket: str | None
) -> reading.Found | None:
    """The record that it is about: named by staff, or shown by its code; else nobody says whether there is one."""
    if reference is not None and len(reference) > _MAX_REFERENCE:
        raise UsageError(f"must have at most {_MAX_REFERENCE} characters", field="reference")
    if code is not None:
        if reference is None:
            raise UsageError("goes with the access code: both are on the letter", field="reference")
        try:
            return reading.find_live(g, access_codes.check_code(g, reference, code, bucket=bucket))
        except Erased:  # at this moment
            raise CodeRejected(REJECTED, field="code") from None
    code_attempts.count_request(g, bucket)
    if account is None or reference is None:
        return None
    if PATTERNS["id"].fullmatch(reference) is None:
        raise UsageError("is no id of a record", field="reference")
    return reading.find_live(g, reference)


def _system_of(g: Greffier, record: reading.Found | None, system: str | None, account: str | None) -> str | None:
    if record is not None:
        return str(record.entry.members["system"])
    return None if system is None else known_system(g, system, staff=account is not None)


def known_system(g: Greffier, system: str, *, staff: bool = True) -> str:
    """A system that people can know of. Raises UsageError; a draft is as if it were not there, and to everybody but
    staff so is one of which nothing is public."""
    with contextlib.suppress(UnknownSystem):
        shown = register.show(g, system)
        if shown.state not in NOT_YET if staff else is_public(shown.system, shown.state):
            return system
    raise UsageError("is none that the public register has", field="system")


def _contact(contact: str | None, reference: str | None, record: reading.Found | None) -> Mapping[str, Json] | None:
    """How the person is reached; and the reference as it was given, where it leads to no record yet."""
    given: dict[str, Json] = {"reach": contact, "reference": None if record is not None else reference}
    return given if any(given.values()) else None


def _subjects(g: Greffier, record: reading.Found | None, subject: str | None) -> tuple[str, ...]:
    """Whom the request concerns: so it is found, and goes, with what else there is of them."""
    if subject is not None:
        with asked("subject"):
            normalise(subject)
        return (subject,)
    if record is None:
        return ()
    for opened in reading.recount(g, [record.entry.id]):
        found = opened.values.get("subjects")
        # As they lie in the record they are normalised, and sealing does that itself.
        return tuple(str(one).removeprefix(RULE) for one in found) if isinstance(found, list) else ()
    return ()


def _digest(g: Greffier, code: str) -> bytes:
    return g.vault.key_tag(_SCOPE, code)
