"""`/audit/…`: the auditor finds decisions, sees entry and proof, says what the content is for before it is shown, and
has a decision run again. Each reading is in the log before the page is sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Any, Final, get_args

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import HTMLResponse, Response

from accounts.caller import Known
from auditlog.core.entries.receipt import format_receipt
from auditlog.core.errors import Erased, FormatError, KeptElsewhere
from auditlog.store.cursor import DecisionFilter
from home.errors import Unfinished, UsageError, asked
from home.greffier import Greffier
from registry.values import Words
from service.proving import receipts
from service.records import query, reading, release
from service.records.content import Content, content_of, outcome_label
from service.replaying import replay
from service.systems import register
from web.auth import Installation, SignedIn, authorize, demand_scope, reader_of
from web.pages.form_state import Filled
from web.pages.forms import Form, text_of
from web.pages.staff.console import console_page

router: Final = APIRouter(
    dependencies=[Depends(authorize)], include_in_schema=False, default_response_class=HTMLResponse
)

UUID4: Final = r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"
RecordId = Annotated[str, Path(pattern=UUID4)]
# What an auditor may say that content is read for; each is a purpose of the log.
PURPOSES: Final[tuple[reading.Purpose, ...]] = ("query", "evidence", "sample")
_FILTERS: Final = ("system", "version", "mode", "outcome", "review", "since", "until")
_PAGE: Final = 50


@dataclass(frozen=True, slots=True)
class Row:
    """A decision in the list. `outcome`: in words of its version; empty where it was erased or may not be given."""

    id: str
    system: str
    name: Words
    version: int
    mode: str
    minute: str
    outcome: Words | None
    review: str
    content: str


@router.get("/audit")
def find_decisions(request: Request, g: Installation, staff: SignedIn) -> Response:
    """The form; and once it was sent, what it finds, of which the access is in the log by then."""
    given = {name: request.query_params.get(name, "").strip() for name in _FILTERS}
    systems = [one for one in register.list_systems(g) if staff.reaches(one.system.slug)]
    names = {one.system.slug: one.system.name for one in systems}
    if "find" not in request.query_params:
        return _list(request, g, staff, names, Filled(given))
    try:
        chosen = read_filter(given)
        if not staff.reaches(chosen.system or "*"):
            return _list(request, g, staff, names, Filled(given, {"system": "choose"}), status=422)
        page = query.decisions(g, reader_of(staff), chosen, request.query_params.get("cursor"), _PAGE)
    except (UsageError, FormatError) as error:
        mistake = {error.field if error.field in _FILTERS else "system": "filter"}
        return _list(request, g, staff, names, Filled(given, mistake), status=422)
    labels = _Labels(g)
    rows = tuple(_row(row, names, labels) for row in page.rows)
    return _list(request, g, staff, names, Filled(given), rows=rows, page=page)


@router.get("/audit/decisions/{id}")
def show_decision(request: Request, g: Installation, staff: SignedIn, id: RecordId) -> Response:
    """What stands in the log: for that no purpose is asked, and nothing of the content is read."""
    return _decision(request, g, staff, _found(g, staff, id))


@router.get("/audit/decisions/{id}/receipt.json", response_class=Response)
def download_proof(g: Installation, staff: SignedIn, id: RecordId) -> Response:
    """Entry and proof as a receipt without openings."""
    _found(g, staff, id)
    data = format_receipt(receipts.receipt(g, id, openings=None))
    return _download(data, f"{id}.receipt.json", "application/json")


@router.post("/audit/decisions/{id}")
def act_on_decision(request: Request, g: Installation, staff: SignedIn, id: RecordId, form: Form) -> Response:
    """Show the content, for the purpose that was said, or run the decision again: as the button says."""
    found = _found(g, staff, id)
    if text_of(form, "do") == "replay":
        return _replayed(request, g, staff, found)
    purpose = text_of(form, "purpose")
    if purpose not in PURPOSES:
        return _decision(request, g, staff, found, form=Filled({}, {"purpose": "choose"}), status=422)
    return _opened(request, g, staff, found, purpose)


def read_filter(given: Mapping[str, str]) -> DecisionFilter:
    """The fields of the form as a question; `until` is the last day. Raises UsageError, FormatError."""
    values: dict[str, Any] = {name: text for name, text in given.items() if text}
    if "version" in values:
        if not re.fullmatch(r"[0-9]{1,9}", values["version"]):
            raise UsageError("must be a number", field="version")
        values["version"] = int(values["version"])
    with asked():
        if "since" in values:
            values["since"] = f"{values['since']}T00:00Z"
        if "until" in values:
            values["until"] = f"{_day_after(values['until'])}T00:00Z"
        return DecisionFilter(**values)


def _day_after(day: str) -> str:
    try:
        return (date.fromisoformat(day) + timedelta(days=1)).isoformat()
    except (ValueError, OverflowError):
        raise UsageError("must be a day, YYYY-MM-DD", field="until") from None


class _Labels:
    """Outcomes in words, each version read once."""

    def __init__(self, g: Greffier) -> None:
        self._g = g
        self._known: dict[tuple[str, int, str], Words | None] = {}

    def of(self, system: str, version: int, code: str) -> Words | None:
        key = system, version, code
        if key not in self._known:
            self._known[key] = outcome_label(self._g, *key)
        return self._known[key]


def _row(row: Mapping[str, Any], names: Mapping[str, Words], labels: _Labels) -> Row:
    system, code = str(row["system"]), row["outcome"]
    return Row(
        id=str(row["id"]),
        system=system,
        name=names.get(system, {"en": system}),
        version=int(row["version"]),
        mode=str(row["mode"]),
        minute=str(row["minute"]),
        outcome=None if code is None else labels.of(system, int(row["version"]), str(code)),
        review=str(row["review"] or ""),
        content=str(row["content"] or ""),
    )


def _found(g: Greffier, staff: Known, record_id: str) -> reading.Found:
    """Raises UnknownRecord, UsageError for another entry, Forbidden outside the account's systems."""
    found = reading.find(g, record_id)
    if found.entry.kind != release.RESULT_KIND:
        raise UsageError("is no decision", field="id")
    demand_scope(staff, str(found.entry.members["system"]))
    return found


def _replayed(request: Request, g: Greffier, staff: Known, found: reading.Found) -> Response:
    try:
        verdict = replay.replay(g, reader_of(staff), found.entry.id)
    except Unfinished:
        return _decision(request, g, staff, found, busy=True, status=503)
    return _decision(request, g, staff, found, verdict=verdict)


def _opened(request: Request, g: Greffier, staff: Known, found: reading.Found, purpose: str) -> Response:
    try:
        content = content_of(g, reader_of(staff), found.entry.id, next(p for p in PURPOSES if p == purpose))
    except KeptElsewhere:
        return _decision(request, g, staff, found, gone="elsewhere")
    except Erased:
        return _decision(request, g, staff, found, gone="erased")
    return _decision(request, g, staff, found, content=content, purpose=purpose)


def _decision(
    request: Request,
    g: Greffier,
    staff: Known,
    found: reading.Found,
    *,
    content: Content | None = None,
    form: Filled | None = None,
    status: int = 200,
    **facts: object,
) -> Response:
    members: Any = found.entry.members
    check = receipts.find(g, found.entry.id)
    shown: dict[str, object] = {"verdict": None, "busy": False, "gone": "", "purpose": "", **facts}
    return console_page(
        request,
        g,
        staff,
        "audit_decision.html",
        status=status,
        entry=found.entry,
        members=members,
        log=g.settings.origin_of(found.log),
        index=found.index,
        name=register.show(g, members["system"]).system.name,
        state=check.verdict,
        purposes=PURPOSES,
        content=content,
        form=form or Filled(),
        **shown,
    )


def _list(
    request: Request,
    g: Greffier,
    staff: Known,
    names: Mapping[str, Words],
    form: Filled,
    *,
    rows: tuple[Row, ...] | None = None,
    page: query.Page | None = None,
    status: int = 200,
) -> Response:
    more = None
    if page is not None and page.next is not None:
        more = request.url.include_query_params(cursor=page.next).query
    return console_page(
        request, g, staff, "audit.html", status=status, systems=names, form=form, rows=rows, more=more,
        log=None if page is None else page.log,
    )  # fmt: skip


def _download(data: bytes, name: str, media_type: str) -> Response:
    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
    return Response(data, media_type=media_type, headers=headers)


assert set(PURPOSES) <= set(get_args(reading.Purpose))
