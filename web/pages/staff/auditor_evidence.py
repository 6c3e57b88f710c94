"""`/audit/evidence`: a folder that checks itself, about one decision, a drawn sample, or a system in a period."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response

from accounts.caller import Known
from home.errors import Refused, UnknownRecord, UsageError
from home.greffier import Greffier
from registry.values import Words
from service.proving import evidence, files, samples
from service.proving.item import Pack
from service.proving.period import MOST
from service.records import reading
from service.systems import register
from web.auth import Installation, SignedIn, authorize, demand_scope, reader_of
from web.pages.form_state import Filled
from web.pages.forms import Form, text_of
from web.pages.staff.auditor import UUID4
from web.pages.staff.console import console_page

router: Final = APIRouter(
    dependencies=[Depends(authorize)], include_in_schema=False, default_response_class=HTMLResponse
)
_FIELDS: Final = ("record", "sample", "system", "since", "until")


@router.get("/audit/evidence")
def show_forms(request: Request, g: Installation, staff: SignedIn) -> Response:
    """What can be taken away."""
    return _page(request, g, staff, Filled())


@router.post("/audit/evidence", response_class=Response)
def download(request: Request, g: Installation, staff: SignedIn, form: Form) -> Response:
    """One folder as a zip; the accesses to its content are in the log before it is sent."""
    given = {name: text_of(form, name) for name in _FIELDS}
    asked = next((name for name in ("record", "sample", "system") if given[name]), None)
    if asked is None:
        return _page(request, g, staff, Filled(given, {"record": "missing"}), status=422)
    try:
        pack = _pack(g, staff, given, asked)
    except (UnknownRecord, UsageError, Refused) as error:
        return _page(request, g, staff, Filled(given, {_field(error, asked): _code(error)}), status=422)
    data = _zipped(g, pack)
    name = re.sub(r"[^0-9a-z-]", "", given[asked])
    headers = {"content-disposition": f'attachment; filename="evidence-{name}.zip"', "cache-control": "no-store"}
    return Response(data, media_type="application/zip", headers=headers)


def _pack(g: Greffier, staff: Known, given: Mapping[str, str], asked: str) -> Pack:
    reader = reader_of(staff)
    if asked == "sample":
        demand_scope(staff, samples.find(g, given["sample"]).system or "*")
        return evidence.of_sample(g, reader, given["sample"])
    if asked == "system":
        demand_scope(staff, given["system"])
        days = _day(given["since"], "since"), _day(given["until"], "until")
        return evidence.of_period(g, reader, given["system"], days)
    if re.fullmatch(UUID4, given["record"]) is None:
        raise UsageError("is not a reference", field="record")
    demand_scope(staff, str(reading.find(g, given["record"]).entry.members.get("system", "*")))
    return evidence.of_record(g, reader, given["record"])


def _day(text: str, field: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError("must be a day, YYYY-MM-DD", field=field) from None


def _field(error: Exception, asked: str) -> str:
    field = getattr(error, "field", None)
    return field if field in _FIELDS else asked


def _code(error: Exception) -> str:
    """The words of the form for what went wrong."""
    field = getattr(error, "field", None)
    codes = {"since": "date", "until": "later", "period": "too_many", "record": "reference"}
    return "no_record" if isinstance(error, UnknownRecord) else codes.get(str(field), "refused")


def _zipped(g: Greffier, pack: Pack) -> bytes:
    """Written to a folder that only this program can read, and gone from there before it is sent."""
    with tempfile.TemporaryDirectory(prefix="greffier-evidence-") as folder:
        to = Path(folder) / "evidence.zip"
        files.write_zip(g, pack, to)
        return to.read_bytes()


def _page(request: Request, g: Greffier, staff: Known, form: Filled, *, status: int = 200) -> Response:
    systems: dict[str, Words] = {
        one.system.slug: one.system.name for one in register.list_systems(g) if staff.reaches(one.system.slug)
    }
    listed = [one for one in samples.list_all(g) if one.state == "drawn" and staff.reaches(one.system or "*")]
    drawn = [(one.id, one.id) for one in listed]
    return console_page(
        request, g, staff, "audit_evidence.html", status=status, form=form, systems=systems, drawn=drawn, most=MOST
    )
