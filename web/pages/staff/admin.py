"""`/admin/accounts`: the administrator adds accounts, changes what they may, and ends them. Nobody's secret is seen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import HTMLResponse, Response

from accounts import administration
from accounts.account import parse_day
from accounts.administration import Issued
from accounts.caller import Known
from accounts.roles import ACCOUNT_ROLES
from home.errors import UnknownRecord, UsageError
from home.greffier import Greffier
from web.auth import Installation, SignedIn, authorize
from web.pages.forms import Form, text_of
from web.pages.staff.console import console_page, see_other

router: Final = APIRouter(
    dependencies=[Depends(authorize)], include_in_schema=False, default_response_class=HTMLResponse
)
AccountId = Annotated[str, Path(pattern=r"^u[0-9a-f]{12}$")]


@dataclass(frozen=True, slots=True)
class ShownEvent:
    """An event as the page says it; `by`: who did it, empty for a command of the machine's owner."""

    moment: datetime
    what: str
    by: str


@dataclass(frozen=True, slots=True)
class Typed:
    """What the form had in it when it was sent."""

    login: str = ""
    name: str = ""
    role: str = ""
    systems: str = ""
    ends: str = ""


@router.get("/admin/accounts")
def list_accounts(request: Request, g: Installation, staff: SignedIn) -> Response:
    """Everyone who has or had an account, and the form for another."""
    return _list(request, g, staff)


@router.post("/admin/accounts")
def add_account(request: Request, g: Installation, staff: SignedIn, form: Form) -> Response:
    """The new account's code, shown this once."""
    typed = _typed(form)
    try:
        issued = administration.add(
            g,
            login=typed.login,
            name=typed.name,
            role=typed.role,
            systems=typed.systems.replace(",", " ").split(),
            ends=parse_day(typed.ends),
            by=staff.account,
        )
    except UsageError as error:
        return _list(request, g, staff, field=error.field or "login", typed=typed)
    return _issued(request, g, staff, issued)


@router.get("/admin/accounts/{account}")
def show_account(request: Request, g: Installation, staff: SignedIn, account: AccountId) -> Response:
    """One account: what it may, what was done with it, and the forms."""
    return _one(request, g, staff, account)


@router.post("/admin/accounts/{account}")
def change_account(request: Request, g: Installation, staff: SignedIn, account: AccountId, form: Form) -> Response:
    """Change it, give a new code, or end it; which one, the form's button says."""
    _demand(g, account)
    do, typed = text_of(form, "do"), _typed(form)
    try:
        if do == "reset":
            return _issued(request, g, staff, administration.reset(g, account, by=staff.account))
        if do == "end":
            _demand_sure(form)
            administration.end(g, account, by=staff.account)
        else:
            administration.change(
                g,
                account,
                role=typed.role,
                systems=typed.systems.replace(",", " ").split(),
                ends=parse_day(typed.ends),
                forever=not typed.ends,
                by=staff.account,
            )
    except UsageError as error:
        return _one(request, g, staff, account, field=error.field or "login", typed=None if do == "end" else typed)
    return see_other(request, f"/admin/accounts/{account}", done="yes")


def _list(request: Request, g: Greffier, staff: Known, *, field: str = "", typed: Typed | None = None) -> Response:
    return console_page(
        request,
        g,
        staff,
        "accounts.html",
        status=422 if field else 200,
        conditions=administration.conditions(g),
        roles=ACCOUNT_ROLES,
        field=field,
        typed=typed or Typed(),
    )


def _one(
    request: Request, g: Greffier, staff: Known, account: str, *, field: str = "", typed: Typed | None = None
) -> Response:
    _demand(g, account)
    found, known = administration.condition(g, account), administration.names(g)
    one = found.account
    ends = "" if one.ends is None else one.ends.isoformat()
    told = [
        ShownEvent(event.time, event.what, known[event.actor].name if event.actor in known else "")
        for event in administration.events(g, account)
    ]
    return console_page(
        request,
        g,
        staff,
        "account_of.html",
        status=422 if field else 200,
        condition=found,
        own=one.id == staff.account,
        events=told,
        roles=ACCOUNT_ROLES,
        field=field,
        typed=typed or Typed(one.login, one.name, one.role, " ".join(one.systems or ()), ends),
        done=request.query_params.get("done") == "yes" and not field,
    )


def _issued(request: Request, g: Greffier, staff: Known, issued: Issued) -> Response:
    return console_page(request, g, staff, "issued.html", account=issued.account, code=issued.code, until=issued.until)


def _demand_sure(form: dict[str, bytes]) -> None:
    if text_of(form, "sure") != "yes":
        raise UsageError("must be ticked", field="sure")


def _demand(g: Greffier, account: str) -> None:
    if account not in administration.names(g):
        raise UnknownRecord("no such account")


def _typed(form: dict[str, bytes]) -> Typed:
    return Typed(
        login=text_of(form, "login"),
        name=text_of(form, "name"),
        role=text_of(form, "role"),
        systems=text_of(form, "systems", 2000),
        ends=text_of(form, "ends"),
    )
