"""`/check`: is this receipt genuine, and what does it say?

With JavaScript the reader's own browser checks it (clients/js), and it never comes here. Without, and for a reference
alone, it is checked here; nothing of it is kept or logged. With the access code of a letter its person also reads what
was recorded, and that reading is in the log first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response

from auditlog.core.entries.receipt import format_receipt
from auditlog.core.errors import AuditLogError, CannotRecord
from casework.errors import CodeRejected
from home.errors import AppError, TooMany
from home.greffier import Greffier
from service.cases import access_codes, personal_receipt
from service.proving import receipt_page, receipts
from service.proving.receipts import Check
from web.auth import Installation, authorize
from web.client_address import bucket_of
from web.headers import SECURITY_HEADERS
from web.pages.forms import Form
from web.pages.site import page

router: Final = APIRouter(
    dependencies=[Depends(authorize)], include_in_schema=False, default_response_class=HTMLResponse
)

NOTHING_TYPED: Final[Mapping[str, str]] = {"reference": "", "code": ""}
_UUID4: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\Z")
# The only page with a script, our own file. It may load and send nothing (no connect-src), so a receipt stays there.
SCRIPT_POLICY: Final = f"{SECURITY_HEADERS['content-security-policy']}; script-src 'self'"
FormError = Literal["nothing", "several", "reference", "not_known", "tries"]
# Which field an error belongs to: the summary links there.
ERROR_FIELD: Final[dict[FormError, str]] = {
    "nothing": "file",
    "several": "file",
    "reference": "reference",
    "not_known": "reference",
    "tries": "reference",
}
MAX_CODE: Final = 40


@dataclass(frozen=True, slots=True)
class Shown:
    """What a check found, as the page says it. Days and times are parsed, so that each language writes its own.

    `part` and `detail` say what was altered: a part of the receipt, and for an opened value its field.
    """

    verdict: str
    why: str
    witnesses: int = 0
    minutes: int = 0
    again: datetime | None = None
    part: str = ""
    detail: str = ""
    ground: str = ""
    recorded: date | None = None


@router.get("/check")
def show_form(request: Request, g: Installation) -> Response:
    """The form: open a file, paste, or type the reference."""
    return _page(request, g)


@router.post("/check")
def check_receipt(request: Request, g: Installation, form: Form) -> Response:
    """The verdict, in the sentences of the page; 422 with an error summary where there is nothing to check."""
    asked = read_asked(form)
    if isinstance(asked, str):
        return _page(request, g, error=asked, typed=_typed(form))
    name, value = asked
    code = _code(form)
    if name == "reference" and code:
        return _by_code(request, g, value.decode("ascii"), code)
    by_reference = name == "reference"
    try:
        found = receipts.find(g, value.decode("ascii")) if by_reference else receipts.check(g, value)
    except CannotRecord:
        return _page(request, g, shown=Shown(verdict="could_not_check", why="log"))
    typed = {"reference": value.decode("ascii"), "code": ""} if by_reference else NOTHING_TYPED
    return _page(request, g, shown=shown(found), by_reference=by_reference, typed=typed)


@router.post("/check/receipt", response_class=Response)
def save_receipt(request: Request, g: Installation, form: Form) -> Response:
    """The receipt as a file, for whoever has reference and code; otherwise the page of `/check` says what is wrong."""
    asked, code = read_asked(form), _code(form)
    if isinstance(asked, str) or asked[0] != "reference" or not code:
        return _page(request, g, error="reference", typed=_typed(form))
    reference = asked[1].decode("ascii")
    try:
        receipt = access_codes.open_receipt(g, reference, code, bucket=bucket_of(request, g))
    except (CodeRejected, TooMany, CannotRecord) as error:
        return _refused(request, g, error, reference)
    headers = {
        "content-disposition": f'attachment; filename="{reference}.receipt.json"',
        "cache-control": "no-store",
    }
    return Response(format_receipt(receipt), media_type="application/json", headers=headers)


def _by_code(request: Request, g: Greffier, reference: str, code: str) -> Response:
    try:
        own = personal_receipt.read_own(g, reference, code, bucket=bucket_of(request, g))
        found = receipts.check(g, format_receipt(own.receipt))
    except (CodeRejected, TooMany, CannotRecord) as error:
        return _refused(request, g, error, reference)
    return _page(request, g, shown=shown(found), own=own, typed={"reference": reference, "code": code})


def _refused(request: Request, g: Greffier, error: Exception, reference: str) -> Response:
    """One answer for a wrong reference and a wrong code: nobody learns which results have a letter."""
    typed = {"reference": reference, "code": ""}
    if isinstance(error, CannotRecord):
        return _page(request, g, shown=Shown(verdict="could_not_check", why="log"))
    if isinstance(error, TooMany):
        return _page(request, g, error="tries", typed=typed, status=429)
    return _page(request, g, error="not_known", typed=typed)


def _code(form: Mapping[str, bytes]) -> str:
    """The code as typed; one that is no text opens nothing, and is told so like any other."""
    return form.get("code", b"").decode("utf-8", "replace").strip()[: MAX_CODE + 1]


def _typed(form: Mapping[str, bytes]) -> Mapping[str, str]:
    return {name: form.get(name, b"").decode("utf-8", "replace").strip()[:60] for name in NOTHING_TYPED}


def read_asked(form: Mapping[str, bytes]) -> tuple[str, bytes] | FormError:
    """The one field that was filled in, or what is wrong with the form."""
    filled = {name: value.strip() for name, value in form.items() if name in {"file", "receipt", "reference"}}
    filled = {name: value for name, value in filled.items() if value}
    if not filled:
        return "nothing"
    if len(filled) > 1:
        return "several"
    (name, value) = next(iter(filled.items()))
    if name != "reference":
        return name, value
    reference = value.decode("ascii", "replace").lower()
    return ("reference", reference.encode("ascii")) if _UUID4.match(reference) else "reference"


def shown(found: Check) -> Shown:
    """The facts of a check, typed."""
    facts = {name: str(value) for name, value in found.facts.items()}
    part, _, detail = facts.get("field", "").partition(".")
    return Shown(
        verdict=found.verdict,
        why=facts.get("why", ""),
        witnesses=int(facts["witnesses"]),
        minutes=int(facts["minutes"]),
        again=_minute(facts["time"]),
        part=part if part in {"entry", "proof", "openings"} else "receipt",
        detail=detail.partition(".")[0].removeprefix("in_"),
        ground=facts.get("ground", ""),
        recorded=_minute(facts["date"]).date() if "date" in facts else None,
    )


def _minute(time: str) -> datetime:
    return datetime.strptime(time, "%Y-%m-%dT%H:%MZ").replace(tzinfo=UTC)


def _page(
    request: Request,
    g: Greffier,
    *,
    shown: Shown | None = None,
    own: personal_receipt.OwnReceipt | None = None,
    error: FormError | None = None,
    by_reference: bool = False,
    typed: Mapping[str, str] = NOTHING_TYPED,
    status: int | None = None,
) -> Response:
    checker = _checker(g) if shown is None else None
    response = page(
        request,
        g,
        "check.html",
        status=status or (200 if error is None else 422),
        shown=shown,
        own=own,
        error=error,
        error_field="" if error is None else ERROR_FIELD[error],
        by_reference=by_reference,
        typed=typed,
        checker=checker,
    )
    if checker is not None:
        response.headers["content-security-policy"] = SCRIPT_POLICY
    return response


def _checker(g: Greffier) -> receipt_page.Checker | None:
    """What the script needs; None where it is not built, or where the keys cannot be read now."""
    try:
        return receipt_page.checker(g) if receipt_page.has_script() else None
    except (AuditLogError, AppError):
        return None
