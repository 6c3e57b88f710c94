"""Who calls: the API key or the session of a request, held against the table route × role before the route runs."""

from __future__ import annotations

import hmac
import ipaddress
from typing import Annotated, Final, cast

from fastapi import Depends, Request

from accounts import session
from accounts.api_keys import known_key
from accounts.caller import Known, by_key
from accounts.roles import ROUTES, Access
from accounts.token import Forbidden, ForeignForm, KeyRejected, NotSignedIn
from home.greffier import Greffier
from service.records.reading import Reader
from web import cookies
from web.pages.forms import read_form

# A proxy on this machine makes everyone look local: what came through one is not.
_PROXY_HEADERS: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
_FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data")
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
# What a browser says of where a request comes from (Fetch Metadata): another site's form is foreign, token or not.
_OWN_SITES: Final = frozenset({"same-origin", "none"})
_LOCAL_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})


def greffier(request: Request) -> Greffier:
    """The installation that this server serves."""
    return cast(Greffier, request.app.state.greffier)


Installation = Annotated[Greffier, Depends(greffier)]


async def given_token(request: Request) -> str:
    """The token of a form that came with a session: header `x-csrf-token`, or field `csrf`; empty where none did."""
    header = request.headers.get("x-csrf-token")
    if header is not None or request.method in _SAFE or not cookies.has_session(request):
        return header or ""
    if not request.headers.get("content-type", "").lower().startswith(_FORMS):
        return ""
    return (await read_form(request)).get("csrf", b"").decode("ascii", "replace")


def authorize(request: Request, g: Installation, given: Annotated[str, Depends(given_token)]) -> Known | None:
    """The caller, or None for a route that everyone may call. Raises KeyRejected, Forbidden.

    A key that is sent is always checked, also where none is needed: a withdrawn key never passes unnoticed. A cookie is
    sent by the browser itself, so a public page does not look at it, and a request that changes something must carry
    the token of the session's own forms.
    """
    access = access_of(request)
    token = _bearer(request)
    caller = by_key(known_key(g.engine, token)) if token is not None else _signed_in(request, g, access, given)
    if caller is None:
        if access.public or (access.loopback and g.settings.metrics_on_loopback and _is_local(request)):
            return None
        if access.signed_in:
            raise NotSignedIn("sign in first")
        raise KeyRejected("send an API key as `Authorization: Bearer grf_…`, or sign in")
    if access.signed_in and caller.via == "key":
        raise Forbidden("this is for people who sign in: an API key does not reach it")
    if not access.public and caller.role not in access.roles:
        raise Forbidden(f"this needs the role {' or '.join(sorted(access.roles))}")
    return caller


Caller = Annotated[Known | None, Depends(authorize)]


def signed_in(caller: Caller) -> Known:
    """The caller of a route whose row has roles: there always is one."""
    if caller is None:
        raise KeyRejected("send an API key as `Authorization: Bearer grf_…`, or sign in")
    return caller


SignedIn = Annotated[Known, Depends(signed_in)]


def access_of(request: Request) -> Access:
    """The row of the table for the route that was matched."""
    return ROUTES[f"{request.method} {request.scope['route'].path}"]


def demand_scope(caller: Known | None, system: str) -> None:
    """Raise Forbidden where the caller's scope does not hold the system."""
    if caller is None or not caller.reaches(system):
        raise Forbidden("your scope does not reach that system", field="system")


def reader_of(caller: Known) -> Reader:
    """Who reads content: the caller's role, and the public id of key or account."""
    return Reader(caller.role, caller.account)


def demand_own_form(request: Request, cookie: str, given: str) -> None:
    """Raise ForeignForm unless a form of ours, given to whoever has this cookie, was sent from a page of ours."""
    expected = session.form_token(cookie)
    site = request.headers.get("sec-fetch-site", "same-origin")
    if not hmac.compare_digest(expected.encode(), given.encode()) or site not in _OWN_SITES:
        raise ForeignForm("the form is not of this session: load the page again, and send it from there")


def _signed_in(request: Request, g: Greffier, access: Access, given: str) -> Known | None:
    if access.public and not access.opens:
        return None
    token = cookies.session_of(request, g)
    if token is None:
        return None
    try:
        caller = session.known(g, token)
    except NotSignedIn:
        if access.public or access.loopback:
            return None
        raise
    if request.method not in _SAFE:
        demand_own_form(request, token, given)
    return caller


def _bearer(request: Request) -> str | None:
    header = request.headers.get("authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer":
        raise KeyRejected("send the API key as `Authorization: Bearer grf_…`")
    return token.strip()


def _is_local(request: Request) -> bool:
    if any(name in request.headers for name in _PROXY_HEADERS) or request.client is None:
        return False
    if request.headers.get("host", "").rsplit(":", 1)[0] not in _LOCAL_NAMES:
        return False
    try:
        return ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False
