"""`/console/requests/new`: what came by telephone, by post, at the counter, or by somebody who speaks for a person."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response

from accounts.caller import Known
from auditlog.core.errors import Erased
from casework.errors import CodeRejected
from casework.request import CHANNELS, RIGHTS
from home import calendar
from home.errors import UnknownRecord, UsageError
from home.greffier import Greffier
from registry.errors import RegistryError
from service.cases import duplicate_forms, public_requests
from service.deciding import idempotency
from service.records import reading
from web.auth import Installation, SignedIn, authorize, demand_scope, reader_of
from web.pages.form_state import Filled
from web.pages.forms import Form, text_of
from web.pages.staff.console import console_page
from web.pages.staff.officer_requests import names_of

router: Final = APIRouter(
    dependencies=[Depends(authorize)], include_in_schema=False, default_response_class=HTMLResponse
)
_MAX: Final = 10_000
_TOKEN_BYTES: Final = 16
_NEW: Final = ("right", "channel", "letter_lang", "text", "reference", "system", "contact", "identity", "received")
_WRONG: Final = {
    "reference": "no_record",
    "system": "choose",
    "received": "date",
    "identity": "choose",
    "contact": "contact",
}


@router.get("/console/requests/new")
def show_new(request: Request, g: Installation, staff: SignedIn) -> Response:
    """The form for what did not come by the website."""
    return _new(request, g, staff, Filled({"received": calendar.today(g).isoformat()}))


@router.post("/console/requests")
def add_request(request: Request, g: Installation, staff: SignedIn, form: Form) -> Response:
    """Write it down; the tracking code, which goes to the person, is shown this once."""
    given = {name: text_of(form, name, _MAX) for name in _NEW}
    mistakes = {
        name: "choose" for name, codes in (("right", RIGHTS), ("channel", CHANNELS)) if given[name] not in codes
    }
    mistakes |= {} if given["text"] else {"text": "missing"}
    try:
        received = date.fromisoformat(given["received"]) if given["received"] else None
    except ValueError:
        received, mistakes = None, mistakes | {"received": "date"}
    if mistakes:
        return _new(request, g, staff, Filled(given, mistakes), status=422)
    try:
        _demand_reach(g, staff, given["reference"], given["system"])
        found = _take_in(g, staff, given, received, text_of(form, "token"))
    except (UsageError, UnknownRecord, Erased, CodeRejected, RegistryError) as error:
        field = str(getattr(error, "field", ""))
        name = field if field in _NEW else "reference"
        return _new(request, g, staff, Filled(given, {name: _WRONG.get(name, "missing")}), status=422)
    code = found.tracking_code if isinstance(found, public_requests.Opened) else None
    return console_page(request, g, staff, "officer_request_added.html", added=found.request, code=code)


def _take_in(
    g: Greffier, staff: Known, given: Mapping[str, str], received: date | None, token: str
) -> public_requests.Opened | duplicate_forms.Known:
    """The request, or what the same form of this account led to when it came before."""
    asked: dict[str, Any] = {name: given[name] or None for name in ("reference", "system", "contact", "identity")}
    asked |= {name: given[name] for name in ("right", "channel", "text")}
    asked |= {"lang": given["letter_lang"] or g.settings.languages[0], "account": staff.account}
    if not token:
        return public_requests.open_request(g, **asked, received=received)
    key = idempotency.Key(f"form {staff.account}", token, "token", reader_of(staff))
    form = asked | {"received": given["received"]}
    return duplicate_forms.once(
        g, key, form, lambda drawn: public_requests.open_request(g, **asked, received=received, drawn=drawn)
    )


def _demand_reach(g: Greffier, staff: Known, reference: str, system: str) -> None:
    """Whoever writes a request down is given the code by which it is followed: that is for the account's own systems.

    Raises Forbidden, UnknownRecord.
    """
    if reference:
        system = str(reading.find(g, reference).entry.members.get("system") or "*")
    if system:
        demand_scope(staff, system)


def _new(request: Request, g: Greffier, staff: Known, form: Filled, *, status: int = 200) -> Response:
    systems = {slug: name for slug, name in names_of(g).items() if staff.reaches(slug)}
    return console_page(
        request,
        g,
        staff,
        "officer_request_new.html",
        status=status,
        token=secrets.token_urlsafe(_TOKEN_BYTES),
        form=form,
        systems=systems,
        rights=RIGHTS,
        channels=[one for one in CHANNELS if one != "web"],
        languages=g.settings.languages,
        most=_MAX,
    )
