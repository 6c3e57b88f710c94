"""`/follow`: how a request stands, by its tracking code. The code comes in a form's body, never in an address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response

from auditlog.core.errors import CannotRecord
from casework.errors import CodeRejected, StepRefused, TakenMeanwhile
from home.errors import Refused, TooMany, UsageError
from home.greffier import Greffier
from registry.errors import RegistryError
from registry.values import Words
from reports.errors import PdfError
from service.cases import public_requests
from service.disclosing import personal_letter, report
from service.systems import register
from web.auth import Installation, authorize
from web.client_address import bucket_of
from web.pages.form_state import Filled
from web.pages.forms import Form, text_of
from web.pages.people.request_form import refused
from web.pages.site import document, language, page

router: Final = APIRouter(
    dependencies=[Depends(authorize)], include_in_schema=False, default_response_class=HTMLResponse
)
_CODE: Final = 60
_STEPS: Final = frozenset({"reply", "withdraw"})
_LETTER: Final = frozenset({"letter", "letter_pdf"})
_PDF: Final = {"content-disposition": 'attachment; filename="letter.pdf"', "cache-control": "no-store"}


@router.get("/follow")
def show_form(request: Request, g: Installation) -> Response:
    """Where the tracking code is typed."""
    return page(request, g, "follow.html", form=Filled())


@router.post("/follow")
def show_status(request: Request, g: Installation, form: Form) -> Response:
    """How it stands; with `do` = reply or withdraw, after that step. With `do` = letter or letter_pdf, the letter that
    the request was answered with."""
    asked = _read(form)
    if "code" in asked.mistakes:
        return page(request, g, "follow.html", status=422, form=asked)
    step = form.get("do", b"").decode("ascii", "replace")
    try:
        if step in _LETTER:
            return _letter(request, g, asked, pdf=step == "letter_pdf")
        found, mistakes, number = _taken(g, step, asked, bucket_of(request, g))
    except Refused:
        found, mistakes, number = public_requests.status(g, asked.values["code"]), {"letter": "no_letter"}, 409
    except PdfError:
        found, mistakes, number = public_requests.status(g, asked.values["code"]), {"letter": "no_pdf"}, 503
    except (CodeRejected, TooMany, CannotRecord) as error:
        mistakes, number = refused(error, field="code")
        return page(request, g, "follow.html", status=number, form=replace(asked, mistakes=mistakes))
    return page(
        request,
        g,
        "status.html",
        status=number,
        found=found,
        name=_name(g, found.system),
        form=replace(asked, mistakes=mistakes),
        done=step if step in _STEPS and not mistakes else "",
        most=public_requests.MAX_TEXT,
    )


def _letter(request: Request, g: Greffier, asked: Filled, *, pdf: bool) -> Response:
    """The letter, made for this answer; the access is in the log first. Raises as `personal_letter` does."""
    letter = personal_letter.own_letter(g, asked.values["code"], bucket=bucket_of(request, g))
    if not pdf:
        return document(request, g, "letter", letter)
    return Response(report.render(g, letter, language(request, g), "pdf"), media_type="application/pdf", headers=_PDF)


def _taken(g: Greffier, step: str, asked: Filled, bucket: str) -> tuple[public_requests.Status, dict[str, str], int]:
    """The status after the step; or as it stands, with what is wrong about the step."""
    code, text = asked.values["code"], asked.values["text"]
    mistakes = dict(asked.mistakes)
    try:
        if step == "reply" and not mistakes:
            return public_requests.reply(g, code, text, bucket=bucket), {}, 200
        if step == "withdraw":
            return public_requests.withdraw(g, code, bucket=bucket), {}, 200
    except StepRefused:
        mistakes = {"text": "closed"}
    except TakenMeanwhile:
        mistakes = {"text": "meanwhile"}
    except UsageError:
        mistakes = {"text": "missing"}
    if step not in _STEPS:
        mistakes = {}
    return public_requests.status(g, code, bucket=bucket), mistakes, 422 if mistakes else 200


def _read(form: Mapping[str, bytes]) -> Filled:
    values, mistakes = {"code": "", "text": ""}, {}
    for name, most in (("code", _CODE), ("text", 1 << 20)):
        try:
            values[name] = text_of(dict(form), name, most)
        except UsageError:
            mistakes[name] = "tracking" if name == "code" else "characters"
    if not values["code"]:
        mistakes.setdefault("code", "missing")
    if len(values["text"]) > public_requests.MAX_TEXT:
        mistakes["text"] = "too_long"
    return Filled(values, mistakes)


def _name(g: Greffier, slug: str | None) -> Words | None:
    if slug is None:
        return None
    try:
        return register.show(g, slug).system.name
    except RegistryError:
        return None
