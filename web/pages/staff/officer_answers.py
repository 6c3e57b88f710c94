"""`/console/requests/{id}/access-file`: what is held about the person who asked, for the answer, and kept nowhere."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response

from casework.errors import StepRefused, TakenMeanwhile
from home.errors import UsageError
from reports.errors import PdfError
from service.cases import officer_requests
from service.disclosing import report
from service.disclosing.requested_file import LeadsElsewhere, LeadsNowhere, asked_file
from web.auth import Installation, SignedIn, authorize, reader_of
from web.pages.form_state import Filled
from web.pages.forms import Form, text_of
from web.pages.staff.officer_requests import RequestId, request_page
from web.pages.staff.officer_reviews import FORMATS

router: Final = APIRouter(
    dependencies=[Depends(authorize)], include_in_schema=False, default_response_class=HTMLResponse
)
_MAX: Final = 10_000


@router.post("/console/requests/{id}/access-file", response_class=Response)
def make_access_file(request: Request, g: Installation, staff: SignedIn, id: RequestId, form: Form) -> Response:
    """The access file, as a page or as a PDF. The reference of the person comes in the body and stands in no address;
    what is wrong with it is said on the page of the request."""
    values = {name: text_of(form, name, _MAX) for name in ("person", "letter_lang")}
    kind, number = text_of(form, "format"), text_of(form, "version")
    if kind not in FORMATS or not number.isdecimal():
        raise UsageError(f"must be one of {', '.join(FORMATS)}, with the form as it was shown", field="format")
    lang = values["letter_lang"]
    if lang not in g.renderer.languages:
        lang = officer_requests.find(g, id, staff.systems).lang
    try:
        document = asked_file(
            g, reader_of(staff), id, version=int(number), person=values["person"], systems=staff.systems
        )
    except (StepRefused, TakenMeanwhile):
        return request_page(request, g, staff, id, form=Filled(values, {"step": "meanwhile"}), status=409)
    except UsageError as error:
        return request_page(request, g, staff, id, form=Filled(values, {"person": _mistake(error)}), status=422)
    try:
        data = report.render(g, document, lang, kind)
    except PdfError:
        return request_page(request, g, staff, id, form=Filled(values, {"person": "no_pdf"}), status=503)
    headers = {
        "content-disposition": f'attachment; filename="access-file-{id[:8]}.{kind}"',
        "cache-control": "no-store",
    }
    return Response(data, media_type=FORMATS[kind], headers=headers)


def _mistake(error: UsageError) -> str:
    if isinstance(error, LeadsNowhere):
        return "nothing_held"
    return "other_person" if isinstance(error, LeadsElsewhere) else "no_person"
