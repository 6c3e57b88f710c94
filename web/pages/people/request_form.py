"""What a person may ask, without account: why, to look again, to correct, what is held, and to stop using their data.

Reference and access code of a letter show who asks; without them an officer finds out. What was typed stands in the
page again when something is wrong with it, and nowhere else.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response

from auditlog.core.entries.vocabulary import PATTERNS
from auditlog.core.errors import CannotRecord
from casework.errors import CodeRejected
from casework.request import Right
from home.errors import TooMany, UnknownRecord, UsageError
from home.greffier import Greffier
from service.cases import access_codes, duplicate_forms, public_requests
from service.deciding import idempotency
from service.systems import search
from service.systems.search import Query
from web.auth import Installation, authorize
from web.client_address import bucket_of
from web.pages.form_state import Filled
from web.pages.forms import Form, text_of
from web.pages.site import language, page

router: Final = APIRouter(
    dependencies=[Depends(authorize)], include_in_schema=False, default_response_class=HTMLResponse
)

# The last part of the address → the right. An explanation has an address of its own (DESIGN, part 6).
RIGHT_OF: Final[Mapping[str, Right]] = {
    "look-again": "look_again",
    "correct": "correct",
    "access": "access",
    "object": "object",
}
# Rights of which we must know more than that somebody asks: what is wrong, and the reasons (GDPR 16, 21(1)).
NEEDS_TEXT: Final = frozenset({"correct", "object"})
# A list from which one chooses; a longer one nobody reads, and then the person describes it.
MOST_CHOICES: Final = 100
_FIELDS: Final = {
    "reference": 60,
    "code": 40,
    "system": 64,
    "text": public_requests.MAX_TEXT,
    "contact": public_requests.MAX_CONTACT,
}
_PERSON: Final = ("myself", "representative")
_ONCE: Final = "token"
_TOKEN_BYTES: Final = 16
NOT_FILLED: Final = Filled({"person": "myself"})


@router.get("/explanations")
def show_explain(request: Request, g: Installation) -> Response:
    """The form: why did this come out as it did?"""
    return _form_page(request, g, "explain", NOT_FILLED)


@router.post("/explanations")
def ask_explain(request: Request, g: Installation, form: Form) -> Response:
    """Take the request in, and show its tracking code."""
    return _ask(request, g, "explain", form)


@router.get("/requests/{right}")
def show_other(request: Request, g: Installation, right: str) -> Response:
    """The form of another right. Raises UnknownRecord for a name that there is not."""
    return _form_page(request, g, _right(right), NOT_FILLED)


@router.post("/requests/{right}")
def ask_other(request: Request, g: Installation, right: str, form: Form) -> Response:
    """Take the request in, and show its tracking code."""
    return _ask(request, g, _right(right), form)


def _right(name: str) -> Right:
    found = RIGHT_OF.get(name)
    if found is None:
        raise UnknownRecord("there is no such request")
    return found


def _ask(request: Request, g: Greffier, right: Right, form: Mapping[str, bytes]) -> Response:
    filled = read_asked(form, right)
    if form.get("begin") is not None:
        # From a checked receipt, whose reference and code come along: nothing is wrong with what was not filled in yet.
        return _form_page(request, g, right, replace(filled, mistakes={}))
    if not filled.sound:
        return _form_page(request, g, right, filled, status=422)
    try:
        found = _take_in(request, g, right, filled.values, form)
    except (CodeRejected, TooMany, UsageError, CannotRecord) as error:
        mistakes, status = refused(error)
        return _form_page(request, g, right, replace(filled, mistakes=mistakes), status=status)
    code = found.tracking_code if isinstance(found, public_requests.Opened) else None
    return page(request, g, "asked.html", right=right, asked=found.request, code=code)


def _take_in(
    request: Request, g: Greffier, right: Right, values: Mapping[str, str], form: Mapping[str, bytes]
) -> public_requests.Opened | duplicate_forms.Known:
    """The request, or what the same form led to when it came before. A form without its token came by another way."""
    asked: dict[str, Any] = {name: values[name] or None for name in ("reference", "code", "system", "contact")}
    asked |= {
        "right": right,
        "channel": "representative" if values.get("person") == "representative" else "web",
        "lang": language(request, g),
        "text": values["text"],
    }
    bucket = bucket_of(request, g)
    token = text_of(dict(form), _ONCE)
    if not token:
        return public_requests.open_request(g, **asked, bucket=bucket)
    key = idempotency.Key("form", token, _ONCE, access_codes.READER)
    return duplicate_forms.once(
        g, key, asked, lambda drawn: public_requests.open_request(g, **asked, bucket=bucket, drawn=drawn)
    )


def refused(error: Exception, field: str = "reference") -> tuple[dict[str, str], int]:
    """Mistakes and status of a page for an error of the action; `field` is the one that a code belongs to.

    What opens nothing is one answer, whatever the reason: nobody learns which records there are.
    """
    if isinstance(error, CodeRejected):
        return {field: "not_known" if field == "reference" else "tracking"}, 422
    if isinstance(error, TooMany):
        return {field: "tries"}, 429
    if isinstance(error, CannotRecord):
        return {"text" if field == "reference" else field: "log"}, 503
    named = getattr(error, "field", None) or ""
    return {named if named in _FIELDS else "text": "choose" if named == "system" else "characters"}, 422


def read_asked(form: Mapping[str, bytes], right: Right) -> Filled:
    """The form as text, with what is wrong with it in the order of the page. Values are cut at nothing: too long is
    said, and stays to be shortened."""
    values: dict[str, str] = {}
    found: dict[str, str] = {}
    for name, most in _FIELDS.items():
        try:
            values[name] = text_of(dict(form), name, 1 << 20)
        except UsageError:
            values[name], found[name] = "", "characters"
            continue
        if len(values[name]) > most:
            found[name] = "too_long"
    person = form.get("person", b"myself").decode("ascii", "replace")
    values["person"] = person if person in _PERSON else "myself"
    values["reference"] = values["reference"].lower()
    return Filled(values, _in_order({**_missing(values, right), **found}))


def _missing(values: Mapping[str, str], right: Right) -> dict[str, str]:
    found: dict[str, str] = {}
    if values["reference"] and not PATTERNS["id"].fullmatch(values["reference"]):
        found["reference"] = "reference"
    if values["code"] and not values["reference"]:
        found["reference"] = "both"
    if right in NEEDS_TEXT and not values["text"]:
        found["text"] = "say"
    if not values["contact"] and not values["code"]:
        found["contact"] = "contact"
    return found


def _in_order(mistakes: Mapping[str, str]) -> dict[str, str]:
    return {name: mistakes[name] for name in _FIELDS if name in mistakes}


def _form_page(request: Request, g: Greffier, right: Right, form: Filled, *, status: int = 200) -> Response:
    return page(
        request,
        g,
        "ask.html",
        status=status,
        right=right,
        form=form,
        token=secrets.token_urlsafe(_TOKEN_BYTES),
        address=request.url.path,
        systems=_choices(g, language(request, g)),
        most=_FIELDS,
        needs_text=right in NEEDS_TEXT,
    )


def _choices(g: Greffier, lang: str) -> list[tuple[str, str]]:
    """Short name and name of each public system; none where there are more than one can choose from."""
    found = search.find(g, Query(limit=MOST_CHOICES))
    if found.next is not None:
        return []
    return [(one.slug, one.name.get(lang) or next(iter(one.name.values()))) for one in found.items]
