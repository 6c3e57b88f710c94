"""`/account`: what one's own account may, and what one may change of it: password, recovery codes, sessions."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response

from accounts import administration, session, sign_in
from accounts.caller import Known
from accounts.token import SignInRefused
from home.errors import TooMany, UsageError
from home.greffier import Greffier
from web import cookies
from web.auth import Installation, SignedIn, authorize
from web.pages.forms import Form, text_of, twice
from web.pages.staff.console import console_page, see_other

router: Final = APIRouter(
    dependencies=[Depends(authorize)], include_in_schema=False, default_response_class=HTMLResponse
)
_DONE: Final = ("password", "sessions")


@router.get("/account")
def show_account(request: Request, g: Installation, staff: SignedIn) -> Response:
    """The account, and the forms."""
    done = request.query_params.get("done", "")
    return _page(request, g, staff, done=done if done in _DONE else "")


@router.post("/account/password")
def change_password(request: Request, g: Installation, staff: SignedIn, form: Form) -> Response:
    """Another password; every other session ends, and this one goes on as a new one."""
    account, token = administration.find(g, staff.account), cookies.session_of(request, g) or ""
    try:
        begun = sign_in.change_password(
            g, account, text_of(form, "old", 1000), twice(form), code=text_of(form, "code", 40), token=token
        )
    except (SignInRefused, TooMany, UsageError) as error:
        return _page(request, g, staff, error=error, form="password")
    response = see_other(request, "/account", done="password")
    cookies.set_session(response, g, begun.token)
    return response


@router.post("/account/recovery-codes")
def renew_codes(request: Request, g: Installation, staff: SignedIn, form: Form) -> Response:
    """A new set of recovery codes, which is shown this once."""
    account = administration.find(g, staff.account)
    try:
        codes = sign_in.renew_codes(g, account, text_of(form, "old", 1000), text_of(form, "code", 40))
    except (SignInRefused, TooMany) as error:
        return _page(request, g, staff, error=error, form="codes")
    return console_page(request, g, staff, "recovery_codes_again.html", codes=codes)


@router.post("/account/sessions")
def end_sessions(request: Request, g: Installation, staff: SignedIn) -> Response:
    """Every other session of the account ends."""
    session.end_others(g, staff, cookies.session_of(request, g) or "")
    return see_other(request, "/account", done="sessions")


def _page(
    request: Request, g: Greffier, staff: Known, *, error: Exception | None = None, form: str = "", done: str = ""
) -> Response:
    condition = administration.condition(g, staff.account)
    field = ""
    if error is not None:
        field = (error.field or "password") if isinstance(error, UsageError) else "refused"
    status = 200 if error is None else 429 if isinstance(error, TooMany) else 422
    return console_page(
        request,
        g,
        staff,
        "account.html",
        status=status,
        condition=condition,
        events=administration.events(g, staff.account)[:10],
        field="tries" if isinstance(error, TooMany) else field,
        form=form,
        done=done,
    )
