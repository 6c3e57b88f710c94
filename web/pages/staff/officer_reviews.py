"""`/console/reviews`: what waits for a person, and one case.

The officer's own judgement comes first where the case was drawn for it; then the result, an explanation of it, the
decision with its reasons, the letter, and the day on which the person was told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import HTMLResponse, Response

from accounts import administration
from accounts.caller import Known
from casework.errors import CaseworkError, TakenMeanwhile
from home.errors import Refused, Unfinished, UsageError
from home.greffier import Greffier
from registry.store import systems as register_store
from registry.values import Words
from reports.errors import PdfError
from reports.explanation.context import Explanation
from reports.letter.context import UsedValue
from service.cases import first_judgement, notification, reviews, worklist
from service.disclosing import letters, report
from service.explaining import explain
from service.records import blind_review, corrections, reading, release
from service.records.content import Content, content, used
from service.records.release import RESULT_KIND
from service.systems import register
from web.auth import Installation, SignedIn, authorize, demand_scope, reader_of
from web.pages.form_state import Filled
from web.pages.forms import Form, text_of
from web.pages.site import language
from web.pages.staff.auditor import UUID4
from web.pages.staff.console import console_page, see_other

router: Final = APIRouter(
    dependencies=[Depends(authorize)], include_in_schema=False, default_response_class=HTMLResponse
)
RecordId = Annotated[str, Path(pattern=UUID4)]
_MAX: Final = 10_000
_FIELDS: Final = ("action", "decision", "reasons", "effect", "text", "notified")
FORMATS: Final[Mapping[str, str]] = {"html": "text/html; charset=utf-8", "pdf": "application/pdf"}


@dataclass(frozen=True, slots=True)
class Row:
    """A case that waits, with the names of its system and of who works on it."""

    case: worklist.Waiting
    name: Words
    who: str
    mine: bool


@dataclass(frozen=True, slots=True)
class Case:
    """One case as the officer sees it. `content` None: it is to be judged first, from `data` alone."""

    id: str
    system: str
    version: int
    data: tuple[UsedValue, ...]
    content: Content | None
    outcomes: tuple[tuple[str, Words], ...]
    told: date | None
    explanation: Explanation | None


@router.get("/console/reviews")
def list_reviews(request: Request, g: Installation, staff: SignedIn) -> Response:
    """What waits, due first first; that it was listed is in the log."""
    mine = request.query_params.get("mine") == "yes"
    found = worklist.queue(g, reader_of(staff), systems=staff.systems, account=staff.account if mine else None)
    names = {one.system.slug: one.system.name for one in register.list_systems(g)}
    people = administration.names(g)
    rows = [
        Row(
            one,
            names.get(one.system, {"en": one.system}),
            people[one.account].name if one.account in people else "",
            one.account == staff.account,
        )
        for one in found
    ]
    return console_page(request, g, staff, "officer_reviews.html", rows=rows, mine=mine)


@router.post("/console/reviews")
def assign_review(request: Request, g: Installation, staff: SignedIn, form: Form) -> Response:
    """Take a case, or give it back."""
    number = text_of(form, "assignment")
    if not number.isdecimal():
        raise UsageError("must be a number", field="assignment")
    to = None if text_of(form, "do") == "back" else staff.account
    record = text_of(form, "record")
    worklist.assign(g, reader_of(staff), record, to=to, assignment=int(number), systems=staff.systems)
    return see_other(request, f"/console/reviews/{record}" if to else "/console/reviews")


@router.get("/console/reviews/{id}")
def show_review(request: Request, g: Installation, staff: SignedIn, id: RecordId) -> Response:
    """One case. The access to its content is in the log before the page is sent."""
    _demand(g, staff, id)
    return _page(request, g, staff, id)


@router.post("/console/reviews/{id}")
def act_on_review(request: Request, g: Installation, staff: SignedIn, id: RecordId, form: Form) -> Response:
    """A first judgement, a decision, an explanation, or the day on which the person was told: as the button says."""
    _demand(g, staff, id)
    acts = {"judge": _judge, "decide": _decide, "explain": _explain, "told": _notify}
    act = acts.get(text_of(form, "do"))
    if act is None:
        raise UsageError(f"must be one of {', '.join(acts)}", field="do")
    mistakes = act(g, staff, id, form)
    if mistakes:
        values = {name: text_of(form, name, _MAX) for name in ("outcome", "why", "day", *_FIELDS)}
        return _page(request, g, staff, id, form=Filled(values, mistakes), status=422)
    return see_other(request, f"/console/reviews/{id}", done=text_of(form, "do"))


@router.post("/console/reviews/{id}/letter", response_class=Response)
def make_letter(request: Request, g: Installation, staff: SignedIn, id: RecordId, form: Form) -> Response:
    """The letter with a new access code, which takes the place of any before; as a page or as a PDF."""
    _demand(g, staff, id)
    kind, lang = text_of(form, "format"), text_of(form, "letter_lang")
    if kind not in FORMATS:
        raise UsageError(f"must be one of {', '.join(FORMATS)}", field="format")
    if lang not in g.renderer.languages:
        lang = language(request, g)
    context = letters.letter(g, reader_of(staff), id, code=True)
    try:
        data = report.render(g, context, lang, kind)
    except PdfError:
        shown = Filled({"day": "", "notified": "", "letter_lang": lang}, {"letter_lang": "no_pdf"})
        return _page(request, g, staff, id, form=shown, status=503)
    headers = {"content-disposition": f'attachment; filename="letter-{id[:8]}.{kind}"', "cache-control": "no-store"}
    return Response(data, media_type=FORMATS[kind], headers=headers)


def _demand(g: Greffier, staff: Known, record_id: str) -> None:
    """Raises UnknownRecord, UsageError for another entry, Forbidden outside the account's systems."""
    entry = reading.find(g, record_id).entry
    if entry.kind != RESULT_KIND:
        raise UsageError("is no decision", field="id")
    demand_scope(staff, str(entry.members["system"]))


def _judge(g: Greffier, staff: Known, record_id: str, form: dict[str, bytes]) -> dict[str, str]:
    outcome, reasons = text_of(form, "outcome"), text_of(form, "why", _MAX)
    mistakes = {} if outcome else {"outcome": "choose"}
    mistakes |= {} if reasons else {"why": "missing"}
    if mistakes:
        return mistakes
    try:
        first_judgement.first_judgement(g, reader_of(staff), record_id, outcome, reasons)
    except UsageError as error:
        return {"outcome" if error.field == "outcome" else "why": "too_long" if error.field == "reasons" else "choose"}
    except TakenMeanwhile:
        return {}
    return {}


def _decide(g: Greffier, staff: Known, record_id: str, form: dict[str, bytes]) -> dict[str, str]:
    if blind_review.is_due(g, reader_of(staff), record_id):
        return {"outcome": "choose"}  # the page has the form of the judgement alone
    given = {name: text_of(form, name, _MAX) for name in _FIELDS}
    mistakes = {} if given["action"] in reviews.ACTIONS else {"action": "choose"}
    mistakes |= {name: "missing" for name in ("decision", "reasons") if not given[name]}
    if mistakes:
        return mistakes
    values: Any = {name: value or None for name, value in given.items()}
    try:
        reviews.record_review(g, record_id, reviews.Review(**values))
    except CaseworkError:
        return {"notified": "date"}
    except UsageError:
        return {"notified": "future"}
    except Refused as error:
        return {"action": "set_aside" if error.reason == "set_aside" else "meanwhile"}
    return {}


def _explain(g: Greffier, staff: Known, record_id: str, form: dict[str, bytes]) -> dict[str, str]:
    del form
    try:
        explain.explain(g, reader_of(staff), record_id, cause="letter")
    except Unfinished:
        return {"explain": "busy"}
    return {}


def _notify(g: Greffier, staff: Known, record_id: str, form: dict[str, bytes]) -> dict[str, str]:
    del staff
    try:
        notification.notify(g, record_id, date.fromisoformat(text_of(form, "day")))
    except ValueError:
        return {"day": "date"}
    except UsageError:
        return {"day": "future"}
    except Refused:
        return {"day": "not_decided"}
    return {}


def _page(
    request: Request,
    g: Greffier,
    staff: Known,
    record_id: str,
    *,
    form: Filled | None = None,
    status: int = 200,
) -> Response:
    case = _case(g, staff, record_id)
    return console_page(
        request,
        g,
        staff,
        "officer_review.html",
        status=status,
        case=case,
        name=register.show(g, case.system).system.name,
        actions=reviews.ACTIONS,
        languages=g.settings.languages,
        form=form or Filled({"day": "", "notified": ""}),
        done=request.query_params.get("done", ""),
    )


def _case(g: Greffier, staff: Known, record_id: str) -> Case:
    """Opened once for the review: with what the system made of it, or without where it is to be judged first."""
    reader = reader_of(staff)
    blind = blind_review.is_due(g, reader, record_id)
    record = reading.open(g, reader, "review", record_id)
    members: Any = record.entry.members
    with g.reading() as conn:
        manifest = register_store.read_version(conn, members["system"], members["version"]).manifest
    told = None if blind else explain.newest(g, record)
    return Case(
        id=record_id,
        system=members["system"],
        version=members["version"],
        data=used(manifest, record.values, corrections.of(g, record)),
        content=None if blind else content(g, record),
        outcomes=tuple((one.code, one.label) for one in manifest.outcomes),
        told=release.notified_day(g, record_id),
        explanation=None if told is None else told.words,
    )
