"""What a person may ask, the steps of such a request, and its clock. Pure.

The clock is that of GDPR 12(3): an answer without undue delay, at most one calendar month after receipt; two further
months where the request is complex or there are many, said with reasons within the first month. Article 86 of the AI
Act sets none of its own, so a request for an explanation runs on the same clock.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass, replace
from datetime import date
from typing import Final, Literal, get_args

from casework.errors import StepRefused

Right = Literal["explain", "look_again", "correct", "access", "object"]
"""AI Act 86 and GDPR 15(1)(h); GDPR 22(3); GDPR 16; GDPR 15; GDPR 21."""
Channel = Literal["web", "phone", "post", "counter", "representative"]
Step = Literal["received", "assigned", "extended", "asked", "replied", "answered", "refused", "withdrawn"]
"""`asked`: the agency needs to know more (GDPR 12(6)), and `replied`: the person said more; the clock runs on."""
State = Literal["open", "answered", "refused", "withdrawn"]
Refusal = Literal["not_identified", "unfounded", "excessive", "not_ours", "exempted_by_law", "rights_of_others"]
"""GDPR 12(6); 12(5); 12(5); the record is not ours; AI Act 86(2) or GDPR 23; GDPR 15(4)."""
Delay = Literal["complex", "many"]
"""The two reasons of GDPR 12(3) for more time."""
Identity = Literal["code", "checked", "not_needed", "unchecked"]
"""How it is known who asks: by the access code of a letter; an officer checked; the answer holds nothing about a
person; not yet."""

RIGHTS: Final[tuple[Right, ...]] = get_args(Right)
CHANNELS: Final[tuple[Channel, ...]] = get_args(Channel)
REFUSALS: Final[tuple[Refusal, ...]] = get_args(Refusal)
DELAYS: Final[tuple[Delay, ...]] = get_args(Delay)
IDENTITIES: Final[tuple[Identity, ...]] = get_args(Identity)

# State → the steps that may follow, and the state after each.
STEPS: Final[dict[State, dict[Step, State]]] = {
    "open": {
        "assigned": "open",
        "extended": "open",
        "asked": "open",
        "replied": "open",
        "answered": "answered",
        "refused": "refused",
        "withdrawn": "withdrawn",
    },
    "answered": {},
    "refused": {},
    "withdrawn": {},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """One step as its entry commits to it. `day`: of the first step, when the request was received.

    `account`: who took it, None for the person; `assignee`: who works on the request from then on.
    """

    request: str
    step: Step
    day: date
    right: Right
    reference: str | None
    system: str | None
    channel: Channel
    lang: str
    identity: Identity
    due: date
    ground: Refusal | Delay | None
    explanation: str | None
    assignee: str | None
    account: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as it stands. Days are of the agency's calendar.

    `reference`: the record that it is about; None where the person named none, or where it was erased. `system`: of
    that record, or as the person chose it. `account`: who works on it. `delay`: why it was given more time. `closed`:
    the day of its last step. `version` rises with each step: two officers cannot both answer.
    """

    id: str
    right: Right
    channel: Channel
    state: State
    received: date
    due: date
    extended: bool
    reference: str | None
    system: str | None
    account: str | None
    lang: str
    version: int
    identity: Identity = "unchecked"
    delay: Delay | None = None
    refusal: Refusal | None = None
    closed: date | None = None

    def overdue(self, today: date) -> bool:
        """Whether its answer should have been there."""
        return self.state == "open" and today > self.due

    @property
    def in_time(self) -> bool | None:
        """Whether it was closed by the day on which that was due; None while it is open."""
        return None if self.closed is None else self.closed <= self.due


def due_day(received: date, *, extended: bool = False) -> date:
    """The last day for an answer: one calendar month after receipt, three where it was extended.

    Where that month has no such day, its last day (Regulation 1182/71, Article 3(2)(c)).
    """
    months = 3 if extended else 1
    year, month = divmod(received.year * 12 + received.month - 1 + months, 12)
    return date(year, month + 1, min(received.day, calendar.monthrange(year, month + 1)[1]))


def next_state(request: Request, step: Step, today: date) -> State:
    """The state after a step. Raises StepRefused, with what can be done instead."""
    following = STEPS[request.state].get(step)
    if following is None:
        raise StepRefused(f"is {request.state} already: nothing can follow", field="state")
    if step == "extended":
        if request.extended:
            raise StepRefused("has been given more time once; answer or refuse it (GDPR 12(3))", field="step")
        if today > due_day(request.received):
            raise StepRefused("may be given more time within its first month only (GDPR 12(3))", field="step")
    if step == "answered" and request.identity == "unchecked":
        raise StepRefused(
            "say how you know who asks, or that the answer holds nothing about a person (GDPR 12(6))", field="identity"
        )
    return following


def received_as(taken: Taken) -> Request:
    """The request after its first step."""
    return Request(
        id=taken.request,
        right=taken.right,
        channel=taken.channel,
        state="open",
        received=taken.day,
        due=taken.due,
        extended=False,
        reference=taken.reference,
        system=taken.system,
        account=taken.assignee,
        lang=taken.lang,
        version=1,
        identity=taken.identity,
    )


def after(request: Request, taken: Taken) -> Request:
    """The request after one more step, which was allowed when it was taken."""
    state = STEPS[request.state].get(taken.step, request.state)
    refusal = taken.ground if taken.step == "refused" and taken.ground in REFUSALS else request.refusal
    delay = taken.ground if taken.step == "extended" and taken.ground in DELAYS else request.delay
    return replace(
        request,
        state=state,
        due=taken.due,
        extended=request.extended or taken.step == "extended",
        reference=taken.reference,
        system=taken.system,
        account=taken.assignee,
        version=request.version + 1,
        identity=taken.identity,
        delay=delay,
        refusal=refusal,
        closed=None if state == "open" else taken.day,
    )
