"""`/console/requests`: what people asked, by the day on which an answer is due, and one request with its steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import HTMLResponse, Response

from accounts import administration
from accounts.caller import Known
from auditlog.core.errors import NotFound
from casework.errors import StepRefused, TakenMeanwhile
from casework.request import DELAYS, REFUSALS
from casework.request import Request as Asked
from home import calendar
from home.errors import Refused, Unfinished, UnknownRecord, UsageError
from home.greffier import Greffier
from registry.values import Words
from service.cases import answer_drafts, correction_requests, officer_requests
from service.systems import register
from web.auth import Installation, SignedIn, authorize, reader_of
from web.pages.form_state import Filled
from web.pages.forms import Form, text_of
from web.pages.staff.auditor import UUID4
from web.pages.staff.console import console_page, see_other

router: Final = APIRouter(
    dependencies=[Depends(authorize)], include_in_schema=False, default_response_class=HTMLResponse
)
RequestId = Annotated[str, Path(pattern=UUID4)]
_MAX: Final = 10_000
_FIELDS: Final = (
    *("reference", "answer", "explanation", "ground", "refusal", "delay", "why", "question", "wait"),
    *("field", "value", "reasons"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """A request in the list, with the names of its system and of who works on it."""

    asked: Asked
    name: Words | None
    who: str
    overdue: bool


@router.get("/console/requests")
def list_requests(request: Request, g: Installation, staff: SignedIn) -> Response:
    """What waits for an answer, due first first."""
    state = request.query_params.get("state", "open")
    found = officer_requests.queue(g, reader_of(staff), systems=staff.systems, state=None if state == "all" else state)
    names, people, today = names_of(g), administration.names(g), calendar.today(g)
    rows = [
        Row(
            one,
            names.get(one.system or ""),
            people[one.account].name if one.account in people else "",
            one.overdue(today),
        )
        for one in found
    ]
    return console_page(request, g, staff, "officer_requests.html", rows=rows, state=state)


@router.get("/console/requests/{id}")
def show_request(request: Request, g: Installation, staff: SignedIn, id: RequestId) -> Response:
    """One request; the access to what was written is in the log before the page is sent."""
    return request_page(request, g, staff, id)


@router.post("/console/requests/{id}")
def take_step(request: Request, g: Installation, staff: SignedIn, id: RequestId, form: Form) -> Response:
    """A step, as the button says; `version` is that of the request as it was shown."""
    values = {name: text_of(form, name, _MAX) for name in _FIELDS}
    do, number = text_of(form, "do"), text_of(form, "version")
    step = _STEPS.get(do)
    if step is None or not number.isdecimal():
        raise UsageError("send the form as it was shown", field="do")
    try:
        found = step(g, staff, _Sent(id, int(number), values))
    except (StepRefused, TakenMeanwhile):
        return request_page(request, g, staff, id, form=Filled(values, {"step": "meanwhile"}), status=409)
    except Unfinished:
        return request_page(request, g, staff, id, form=Filled(values, {"step": "busy"}), status=503)
    except (UsageError, UnknownRecord, Refused, NotFound) as error:
        if isinstance(error, NotFound) and do != "correct":
            raise
        return request_page(request, g, staff, id, form=Filled(values, _mistake(do, error)), status=422)
    if isinstance(found, answer_drafts.Draft):
        drafted = values | {"answer": found.text, "explanation": found.explanation}
        return request_page(request, g, staff, id, form=Filled(drafted), done="draft")
    return see_other(request, f"/console/requests/{id}", done=do)


@dataclass(frozen=True, slots=True)
class _Sent:
    """What an officer sent about a request: its id, its version as it was shown, the fields."""

    id: str
    version: int
    values: Mapping[str, str]


def _take(g: Greffier, staff: Known, sent: _Sent) -> Asked:
    return officer_requests.assign(
        g, reader_of(staff), sent.id, version=sent.version, to=staff.account, systems=staff.systems
    )  # fmt: skip


def _return(g: Greffier, staff: Known, sent: _Sent) -> Asked:
    return officer_requests.assign(g, reader_of(staff), sent.id, version=sent.version, to=None, systems=staff.systems)


def _name_record(g: Greffier, staff: Known, sent: _Sent) -> Asked:
    """Which record it is about, and that it was made sure who asks. What is held of a person need not be a record."""
    reference = sent.values["reference"]
    wanted = officer_requests.find(g, sent.id, staff.systems).right == "access"
    return officer_requests.assign(
        g,
        reader_of(staff),
        sent.id,
        version=sent.version,
        to=staff.account,
        reference=None if wanted and not reference else reference,
        identity="checked",
        systems=staff.systems,
    )


def _measure(g: Greffier, staff: Known, sent: _Sent) -> answer_drafts.Draft:
    return answer_drafts.measured(g, reader_of(staff), officer_requests.find(g, sent.id, staff.systems))


def _draft(g: Greffier, staff: Known, sent: _Sent) -> answer_drafts.Draft:
    found = answer_drafts.kept(g, reader_of(staff), officer_requests.find(g, sent.id, staff.systems))
    if found is None:
        raise UsageError("has no explanation yet: have one measured", field="answer")
    return found


def _correct(g: Greffier, staff: Known, sent: _Sent) -> Asked:
    given = {name: sent.values[name] for name in ("field", "value", "reasons")}
    return correction_requests.correct(
        g, reader_of(staff), sent.id, version=sent.version, **given, systems=staff.systems
    )


def _answer(g: Greffier, staff: Known, sent: _Sent) -> Asked:
    return officer_requests.answer(
        g,
        reader_of(staff),
        sent.id,
        version=sent.version,
        text=sent.values["answer"],
        explanation=sent.values["explanation"] or None,
        systems=staff.systems,
    )


def _ask(g: Greffier, staff: Known, sent: _Sent) -> Asked:
    text = sent.values["question"]
    return officer_requests.ask(g, reader_of(staff), sent.id, version=sent.version, text=text, systems=staff.systems)


def _extend(g: Greffier, staff: Known, sent: _Sent) -> Asked:
    return officer_requests.extend(
        g,
        reader_of(staff),
        sent.id,
        version=sent.version,
        ground=sent.values["delay"],
        text=sent.values["wait"],
        systems=staff.systems,
    )


def _refuse(g: Greffier, staff: Known, sent: _Sent) -> Asked:
    return officer_requests.refuse(
        g,
        reader_of(staff),
        sent.id,
        version=sent.version,
        ground=sent.values["refusal"],
        text=sent.values["why"],
        systems=staff.systems,
    )


_STEPS: Final[Mapping[str, Callable[[Greffier, Known, _Sent], Asked | answer_drafts.Draft]]] = {
    "take": _take,
    "return": _return,
    "record": _name_record,
    "measure": _measure,
    "draft": _draft,
    "correct": _correct,
    "answer": _answer,
    "ask": _ask,
    "extend": _extend,
    "refuse": _refuse,
}
# Which field of the page a step's text or ground is in.
_OF: Final = {"answer": "answer", "ask": "question", "extend": "wait", "refuse": "why", "record": "reference"}

_OF_CORRECTION: Final = {
    "field": "choose",
    "value": "right_value",
    "reasons": "say",
    "reference": "no_record",
    "id": "kept_elsewhere",
}


def _mistake(do: str, error: Exception) -> dict[str, str]:
    field = str(getattr(error, "field", ""))
    if do == "correct" and field in _OF_CORRECTION:
        return {field: _OF_CORRECTION[field]}
    if field == "ground":
        return {"delay" if do == "extend" else "refusal": "choose"}
    if field in ("explanation", "told"):
        return {"answer": "other_explanation" if field == "explanation" else "not_told"}
    if isinstance(error, UnknownRecord) or do == "record":
        return {"reference": "no_record"}
    if do in ("measure", "draft"):
        return {"reference" if field == "reference" else "answer": "no_explanation"}
    return {_OF.get(do, "step"): "missing"}


def request_page(
    request: Request,
    g: Greffier,
    staff: Known,
    request_id: str,
    *,
    form: Filled | None = None,
    status: int = 200,
    done: str = "",
) -> Response:
    shown = officer_requests.show(g, reader_of(staff), request_id, systems=staff.systems)
    asked, people = shown.request, administration.names(g)
    return console_page(
        request,
        g,
        staff,
        "officer_request.html",
        status=status,
        shown=shown,
        asked=asked,
        known=asked.identity in ("code", "checked"),
        name=names_of(g).get(asked.system or ""),
        people={id_: one.name for id_, one in people.items()},
        mine=asked.account == staff.account,
        fields=correction_requests.correctable(g, asked) if asked.right == "correct" and asked.state == "open" else (),
        corrected=correction_requests.NOTE,
        reaches_all=staff.systems is None,
        languages=g.settings.languages,
        refusals=REFUSALS,
        delays=DELAYS,
        form=form or Filled({"reference": asked.reference or shown.hint or "", "letter_lang": asked.lang}),
        done=done or request.query_params.get("done", ""),
        most=_MAX,
    )


def names_of(g: Greffier) -> dict[str, Words]:
    return {one.system.slug: one.system.name for one in register.list_systems(g)}
