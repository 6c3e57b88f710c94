"""`/sign-in`: login, password and code in one form and with one answer; the first time with a code to set both up."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from accounts import session, sign_in
from accounts.account import Account
from accounts.token import ForeignForm, NotSignedIn, SignInRefused
from home.errors import TooMany, UsageError
from home.greffier import Greffier
from web import cookies
from web.auth import Installation, authorize, demand_own_form
from web.client_address import address_of
from web.pages.forms import Form, text_of, twice
from web.pages.qr_code import square
from web.pages.site import page
from web.pages.staff.console import see_other

router: Final = APIRouter(
    dependencies=[Depends(authorize)], include_in_schema=False, default_response_class=HTMLResponse
)
# Where one may be sent after signing in: to a page of staff, and nowhere else.
_STAFF_PAGE: Final = re.compile(r"/(?:console|audit|operator|account|admin)(?:/[A-Za-z0-9_-]{1,64}){0,6}\Z")
_BEGIN: Final = "/console"


@router.get("/sign-in")
def show_sign_in(request: Request, g: Installation) -> Response:
    """The form."""
    return _form(request, g, "sign_in.html", following=_staff_page(request.query_params.get("next", "")))


@router.post("/sign-in")
def do_sign_in(request: Request, g: Installation, form: Form) -> Response:
    """To the page that was asked for, or the form again: one sentence, whatever was wrong."""
    following = _staff_page(text_of(form, "next", 500))
    try:
        _demand_form(request, g, form)
        begun = sign_in.sign_in(
            g,
            text_of(form, "login"),
            text_of(form, "password", 1000),
            text_of(form, "code", 40),
            address=address_of(request, g),
            before=cookies.session_of(request, g) or "",
        )
    except (ForeignForm, SignInRefused, TooMany) as error:
        return _form(request, g, "sign_in.html", error=error, following=following)
    response = see_other(request, following or _BEGIN)
    cookies.set_session(response, g, begun.token)
    return response


@router.get("/sign-in/first")
def show_first(request: Request, g: Installation) -> Response:
    """The form for the code from the administrator."""
    return _form(request, g, "sign_in_first.html")


@router.post("/sign-in/first")
def do_first(request: Request, g: Installation, form: Form) -> Response:
    """On to password and second factor."""
    try:
        _demand_form(request, g, form)
        begun = sign_in.begin_first(
            g,
            text_of(form, "login"),
            text_of(form, "code", 40),
            address=address_of(request, g),
            before=cookies.session_of(request, g) or "",
        )
    except (ForeignForm, SignInRefused, TooMany) as error:
        return _form(request, g, "sign_in_first.html", error=error)
    response = see_other(request, "/sign-in/second-factor")
    cookies.set_session(response, g, begun.token)
    return response


@router.get("/sign-in/second-factor")
def show_second_factor(request: Request, g: Installation) -> Response:
    """The square for the app, and the form for password and code."""
    token = cookies.session_of(request, g) or ""
    try:
        return _second_factor(request, g, token, session.first(g, token))
    except NotSignedIn:
        return see_other(request, "/sign-in/first")


@router.post("/sign-in/second-factor")
def do_second_factor(request: Request, g: Installation, form: Form) -> Response:
    """Signed in, with the recovery codes, which are shown this once."""
    token = cookies.session_of(request, g) or ""
    try:
        account = session.first(g, token)
    except NotSignedIn:
        return see_other(request, "/sign-in/first")
    demand_own_form(request, token, text_of(form, "csrf"))
    try:
        begun = sign_in.finish_first(g, token, twice(form), text_of(form, "code", 40))
    except UsageError as error:
        return _second_factor(request, g, token, account, field=error.field or "code")
    except TooMany as error:
        return _second_factor(request, g, token, account, field="tries", minutes=_minutes(error))
    response = page(request, g, "recovery_codes.html", codes=begun.recovery_codes, following=_BEGIN)
    cookies.set_session(response, g, begun.token)
    return response


@router.post("/sign-out")
def do_sign_out(request: Request, g: Installation) -> Response:
    """The session is over, here and in the database."""
    session.end(g, cookies.session_of(request, g) or "")
    response = see_other(request, "/sign-in", out="yes")
    cookies.delete_session(response, g)
    return response


def to_sign_in(request: Request) -> Response:
    """From a page of staff without a session to the form, and back afterwards."""
    query = {"next": request.url.path} if _staff_page(request.url.path) else {}
    lang = request.query_params.get("lang")
    asked = query if lang is None else {**query, "lang": lang}
    return RedirectResponse(f"/sign-in?{urlencode(asked)}", 303, {"cache-control": "no-store"})


def _form(
    request: Request, g: Greffier, template: str, *, error: Exception | None = None, following: str = ""
) -> Response:
    """A form with a cookie of its own, so that nobody can send it but who was given it."""
    token = cookies.form_of(request, g) or session.new_token()
    response = page(
        request,
        g,
        template,
        status=_status(error),
        csrf=session.form_token(token),
        error=_kind(error),
        minutes=_minutes(error),
        following=following,
        signed_out=error is None and request.query_params.get("out") == "yes",
    )
    cookies.set_form(response, g, token)
    if isinstance(error, TooMany) and error.retry_after_s is not None:
        response.headers["retry-after"] = str(error.retry_after_s)
    return response


def _demand_form(request: Request, g: Greffier, form: dict[str, bytes]) -> None:
    token = cookies.form_of(request, g)
    if token is None:
        raise ForeignForm("the form was not given out here: load the page again")
    demand_own_form(request, token, text_of(form, "csrf"))


def _second_factor(
    request: Request, g: Greffier, token: str, account: Account, *, field: str = "", minutes: int = 0
) -> Response:
    offered = sign_in.offered(g, account)
    return page(
        request,
        g,
        "second_factor.html",
        status=(429 if minutes else 422) if field else 200,
        csrf=session.form_token(token),
        login=account.login,
        square=square(offered.address),
        typed=offered.typed,
        field=field,
        minutes=minutes,
    )


def _status(error: Exception | None) -> int:
    if isinstance(error, TooMany):
        return 429
    return 200 if error is None else 403


def _kind(error: Exception | None) -> str:
    if error is None:
        return ""
    return "too_many" if isinstance(error, TooMany) else "form" if isinstance(error, ForeignForm) else "refused"


def _minutes(error: Exception | None) -> int:
    return -(-(error.retry_after_s or 60) // 60) if isinstance(error, TooMany) else 0


def _staff_page(path: str) -> str:
    return path if _STAFF_PAGE.match(path) else ""
