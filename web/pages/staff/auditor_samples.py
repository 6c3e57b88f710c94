"""`/audit/samples`: a draw that neither side can choose. The auditor's number stays with the auditor until the draw."""

from __future__ import annotations

import re
from typing import Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response

from accounts.caller import Known
from auditlog.core.entries.record import parse_time
from auditlog.core.errors import FormatError
from home.errors import Refused, UnknownRecord, UsageError
from home.greffier import Greffier
from service.proving import samples
from service.systems import register
from web.auth import Installation, SignedIn, authorize, demand_scope
from web.pages.form_state import Filled
from web.pages.forms import Form, text_of
from web.pages.staff.console import console_page, see_other

router: Final = APIRouter(
    dependencies=[Depends(authorize)], include_in_schema=False, default_response_class=HTMLResponse
)
_FIELDS: Final = ("system", "count", "hash", "witness", "not_before")
# An action names the option of the command; the form has its own names and words.
_NAMES: Final = {"--count": "count", "--witness": "witness", "--not-before": "not_before", "--nonce-hash": "hash"}


@router.get("/audit/samples")
def list_samples(request: Request, g: Installation, staff: SignedIn) -> Response:
    """Samples so far, and the form for another."""
    return _page(request, g, staff, Filled())


@router.post("/audit/samples")
def act(request: Request, g: Installation, staff: SignedIn, form: Form) -> Response:
    """Begin a sample, or draw one that can be drawn."""
    if sample := text_of(form, "sample"):
        return _draw(request, g, staff, sample, form)
    given = {name: text_of(form, name) for name in _FIELDS}
    demand_scope(staff, given["system"] or "*")
    mistakes = {name: "missing" for name in _FIELDS[1:] if not given[name]}
    if not mistakes and not given["count"].isdecimal():
        mistakes["count"] = "count"
    if mistakes:
        return _page(request, g, staff, Filled(given, mistakes), status=422)
    try:
        samples.begin(
            g,
            count=int(given["count"]),
            witness=given["witness"],
            not_before=parse_time(given["not_before"]),
            nonce_hash=given["hash"],
            system=given["system"] or None,
        )
    except (UsageError, FormatError) as error:
        name = _NAMES.get(str(getattr(error, "field", "")), "not_before")
        return _page(request, g, staff, Filled(given, {name: name}), status=422)
    return see_other(request, "/audit/samples")


def _draw(request: Request, g: Greffier, staff: Known, sample: str, form: dict[str, bytes]) -> Response:
    found = samples.find(g, sample)
    demand_scope(staff, found.system or "*")
    field = f"nonce-{found.id[:8]}"
    nonce = text_of(form, field)
    if re.fullmatch(r"[0-9a-f]{64}", nonce) is None:
        return _page(request, g, staff, Filled({}, {field: "nonce"}), status=422)
    try:
        samples.draw(g, sample, bytes.fromhex(nonce))
    except Refused:
        return _page(request, g, staff, Filled({}, {field: "nonce"}), status=422)
    return see_other(request, "/audit/samples")


def _page(request: Request, g: Greffier, staff: Known, form: Filled, *, status: int = 200) -> Response:
    listed = [one for one in samples.list_all(g) if staff.reaches(one.system or "*")]
    chosen = {}
    for one in listed:
        if one.state != "drawn":
            continue
        try:
            chosen[one.id] = samples.chosen(g, one.id)
        except UnknownRecord:  # what was drawn lay in a log that is not here any more
            chosen[one.id] = []
    systems = {one.system.slug: one.system.name for one in register.list_systems(g) if staff.reaches(one.system.slug)}
    witnesses = [(name, name) for name in samples.witnesses(g)]
    return console_page(
        request,
        g,
        staff,
        "audit_samples.html",
        status=status,
        form=form,
        samples=listed,
        chosen=chosen,
        systems=systems,
        witnesses=witnesses,
    )
