"""`/console/incidents/{id}`: one incident, told in the order of the law (AI Act 26(5), 73), then closed; its documents.

What happened is sealed. It is shown, and stands in a document, once the access to it is in the log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import HTMLResponse, Response

from accounts.caller import Known
from auditlog.core.errors import Erased
from home.errors import UsageError
from home.greffier import Greffier
from registry.errors import Conflict, FormatError, TransitionRefused
from registry.incident import open_tellings
from reports.errors import PdfError
from service.disclosing import report
from service.disclosing.documents import DOCUMENTS, of_incident
from service.systems import incident_clock, incidents, register
from service.systems.incidents import Incident, IncidentFile
from web.auth import Installation, SignedIn, authorize, demand_scope, reader_of
from web.pages.form_state import Filled
from web.pages.forms import Form, text_of
from web.pages.site import language
from web.pages.staff.auditor import UUID4
from web.pages.staff.console import console_page, see_other
from web.pages.staff.incident_forms import MEMBERS, NOTE, WORDS, day_of, facts_of, may, text_in, unfit
from web.pages.staff.officer_reviews import FORMATS

router: Final = APIRouter(
    dependencies=[Depends(authorize)], include_in_schema=False, default_response_class=HTMLResponse
)
IncidentId = Annotated[str, Path(pattern=UUID4)]
Wrong = tuple[dict[str, str], dict[str, str]]
"""What was filled in, and the mistakes in it by field."""


@router.get("/console/incidents/{id}")
def show_incident(request: Request, g: Installation, staff: SignedIn, id: IncidentId) -> Response:
    """One incident with its clock and its steps: for that nothing is opened."""
    return _page(request, g, staff, _found(g, staff, id))


@router.post("/console/incidents/{id}")
def take_step(request: Request, g: Installation, staff: SignedIn, id: IncidentId, form: Form) -> Response:
    """Somebody was told, or could not be reached; or what came of it: as the button says."""
    found, do = _found(g, staff, id), text_of(form, "do")
    acts: dict[str, Callable[[Greffier, Known, Incident, dict[str, bytes]], Wrong]] = {"told": _tell, "closed": _close}
    if do not in acts:
        raise UsageError(f"must be one of {', '.join(acts)}", field="do")
    values, mistakes = acts[do](g, staff, found, form)
    if not mistakes:
        return see_other(request, f"/console/incidents/{id}", done=do)
    return _page(
        request,
        g,
        staff,
        incidents.find(g, id),
        form=_filled(g, found, values, mistakes),
        closing=do == "closed",
        status=422,
    )


@router.post("/console/incidents/{id}/content")
def show_content(request: Request, g: Installation, staff: SignedIn, id: IncidentId) -> Response:
    """What happened, and the notes; the access is in the log before the page is sent."""
    found = _found(g, staff, id)
    try:
        file = incidents.read(g, reader_of(staff), id)
    except Erased:
        return _page(request, g, staff, found, gone=True, closing=True, status=410)
    texts = {member.name: getattr(file.facts, member.attribute) or "" for member in MEMBERS}
    return _page(request, g, staff, found, file=file, form=_filled(g, found, texts), closing=True)


@router.post("/console/incidents/{id}/document", response_class=Response)
def make_document(request: Request, g: Installation, staff: SignedIn, id: IncidentId, form: Form) -> Response:
    """The notice of 26(5) or the report of Article 73, as a page or as a PDF; the access is in the log first."""
    found = _found(g, staff, id)
    name, kind, lang = (text_of(form, field) for field in ("document", "format", "document_lang"))
    if name not in of_incident(found):
        raise UsageError("is no document that there is of this incident", field="document")
    if kind not in FORMATS:
        raise UsageError(f"must be one of {', '.join(FORMATS)}", field="format")
    if lang not in g.renderer.languages:
        lang = language(request, g)
    try:
        data = report.render(g, DOCUMENTS[name].make(g, reader_of(staff), id, lang), lang, kind)
    except Erased:
        return _page(request, g, staff, found, gone=True, status=410)
    except PdfError:
        form_again = _filled(g, found, {}, {"document_lang": "no_pdf"})
        return _page(request, g, staff, found, form=form_again, status=503)
    headers = {"content-disposition": f'attachment; filename="{name}-{id[:8]}.{kind}"', "cache-control": "no-store"}
    return Response(data, media_type=FORMATS[kind], headers=headers)


def _tell(g: Greffier, staff: Known, found: Incident, form: dict[str, bytes]) -> Wrong:
    given = {name: text_of(form, name) for name in ("recipient", "day", "reached")} | {"note": text_in(form, "note")}
    day = day_of(given["day"])
    mistakes = {} if given["recipient"] in WORDS["recipient"] else {"recipient": "choose"}
    mistakes |= {"day": "date"} if day is None else {}
    mistakes |= {} if given["reached"] in ("yes", "no") else {"reached": "choose"}
    mistakes |= unfit("note", given["note"], NOTE)
    if mistakes or day is None:
        return given, mistakes
    try:
        incidents.tell(
            g,
            found.id,
            recipient=given["recipient"],
            day=day,
            reached=given["reached"] == "yes",
            note=given["note"],
            role=staff.role,
            account=staff.account,
            seen=_seen(form),
        )
    except UsageError:
        return given, {"day": "future"}
    except FormatError as error:
        return given, {"reached": "authority"} if error.field == "reached" else {"day": "before_aware"}
    except TransitionRefused:
        return given, {"recipient": "not_73" if found.duty == "provider" else "provider_first"}
    except Conflict:
        return given, {"step": "changed"}
    return given, {}


def _close(g: Greffier, staff: Known, found: Incident, form: dict[str, bytes]) -> Wrong:
    texts, facts, mistakes = facts_of(form)
    if facts is None:
        return texts, mistakes
    if not found.closed and open_tellings(found.clock):
        return texts, {"step": "told_first"}
    try:
        incidents.close(g, found.id, facts=facts, role=staff.role, account=staff.account, seen=_seen(form))
    except Conflict:
        return texts, {"step": "changed"}
    return texts, {}


def _seen(form: dict[str, bytes]) -> int:
    """How many steps the incident had on the page from which the form comes."""
    number = text_of(form, "steps", 9)
    if not (number.isascii() and number.isdecimal()):
        raise UsageError("must be a number", field="steps")
    return int(number)


def _found(g: Greffier, staff: Known, incident_id: str) -> Incident:
    """Raises UnknownRecord, Forbidden outside the account's systems."""
    found = incidents.find(g, incident_id)
    demand_scope(staff, found.system)
    return found


def _filled(
    g: Greffier, found: Incident, given: Mapping[str, str], mistakes: Mapping[str, str] | None = None
) -> Filled:
    """What was filled in; in the other fields, whom the law wants told next."""
    left = open_tellings(found.clock)
    first = {"recipient": left[0].recipient if left else "", "day": incidents.today(g).isoformat(), "reached": "yes"}
    return Filled({**first, **given}, mistakes or {})


def _page(
    request: Request,
    g: Greffier,
    staff: Known,
    found: Incident,
    *,
    form: Filled | None = None,
    file: IncidentFile | None = None,
    gone: bool = False,
    closing: bool = False,
    status: int = 200,
) -> Response:
    """`closing`: with the form that closes it, which begins with what was known."""
    local = found.aware.astimezone(incident_clock.zone_of(g))
    form = form or _filled(g, found, {})
    return console_page(
        request,
        g,
        staff,
        "incident.html",
        status=status,
        found=found,
        name=register.show(g, found.system).system.name,
        today=incidents.today(g),
        aware=(local.date(), f"{local:%H:%M}", g.settings.time_zone),
        left=open_tellings(found.clock),
        file=file,
        gone=gone,
        closing=closing,
        form=Filled({"document_lang": language(request, g), **form.values}, form.mistakes),
        members=MEMBERS,
        documents=of_incident(found),
        may_act=not found.closed and may(staff, "POST /console/incidents/{id}"),
        words=WORDS,
        languages=g.settings.languages,
        done=request.query_params.get("done", ""),
    )
