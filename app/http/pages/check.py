"""`/check`: is this receipt genuine?

With JavaScript the reader's own browser checks it (clients/js), and it never comes here. Without, and for a reference
alone, it is checked here; nothing of it is kept or logged.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response

from app.actions import receipt_page, receipts
from app.actions.receipts import Check
from app.errors import AppError
from app.home import Greffier
from app.http.auth import Installation, authorize
from app.http.headers import SECURITY_HEADERS
from app.http.pages.forms import parse_form
from app.http.pages.site import page
from auditlog.errors import AuditLogError, CannotRecord

router: Final = APIRouter(
    dependencies=[Depends(authorize)], include_in_schema=False, default_response_class=HTMLResponse
)

_UUID4: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\Z")
# The only page with a script, our own file. It may load and send nothing (no connect-src), so a receipt stays there.
SCRIPT_POLICY: Final = f"{SECURITY_HEADERS['content-security-policy']}; script-src 'self'"
FormError = Literal["nothing", "several", "reference"]
# Which field an error belongs to: the summary links there.
ERROR_FIELD: Final[dict[FormError, str]] = {
    "nothing": "file",
    "several": "file",
    "reference": "reference",
}


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


async def _form(request: Request) -> dict[str, bytes]:
    return parse_form(request.headers.get("content-type", ""), await request.body())


@router.get("/check")
def show_form(request: Request, g: Installation) -> Response:
    """The form: open a file, paste, or type the reference."""
    return _page(request, g)


@router.post("/check")
def check_receipt(request: Request, g: Installation, form: Annotated[dict[str, bytes], Depends(_form)]) -> Response:
    """The verdict, in the sentences of the page; 422 with an error summary where there is nothing to check."""
    asked = read_asked(form)
    if isinstance(asked, str):
        return _page(request, g, error=asked)
    name, value = asked
    by_reference = name == "reference"
    try:
        found = receipts.find(g, value.decode("ascii")) if by_reference else receipts.check(g, value)
    except CannotRecord:
        return _page(request, g, shown=Shown(verdict="could_not_check", why="log"))
    return _page(request, g, shown=shown(found), by_reference=by_reference)


def read_asked(form: dict[str, bytes]) -> tuple[str, bytes] | FormError:
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
    g: Installation,
    *,
    shown: Shown | None = None,
    error: FormError | None = None,
    by_reference: bool = False,
) -> Response:
    checker = _checker(g) if shown is None else None
    response = page(
        request,
        g,
        "check.html",
        status=200 if error is None else 422,
        shown=shown,
        error=error,
        error_field="" if error is None else ERROR_FIELD[error],
        by_reference=by_reference,
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
