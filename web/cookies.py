"""The two cookies there are: of a session, and of the form with which one begins. No other page sets any.

Both go to this server alone, to no script, and with no request that another site has caused (SameSite=Strict). Where
the site is served over https their names say so (`__Host-`): no other host of the domain can set them.
"""

from __future__ import annotations

import re
from typing import Final

from fastapi import Request
from fastapi.responses import Response

from home.greffier import Greffier

SESSION: Final = "greffier-session"
FORM: Final = "greffier-form"
_HOST: Final = "__Host-"
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{43}")


def has_session(request: Request) -> bool:
    """Whether a browser sends a session, good or not."""
    return SESSION in request.cookies or f"{_HOST}{SESSION}" in request.cookies


def session_of(request: Request, g: Greffier) -> str | None:
    """The token of the session, if one was sent."""
    return request.cookies.get(_name(g, SESSION))


def form_of(request: Request, g: Greffier) -> str | None:
    """The token that the sign-in form was given out with; None for what is none, which no header may repeat."""
    token = request.cookies.get(_name(g, FORM), "")
    return token if _TOKEN.fullmatch(token) else None


def set_session(response: Response, g: Greffier, token: str) -> None:
    """The browser keeps it until it is closed; the server ends it sooner."""
    _set(response, g, SESSION, token)
    _delete(response, g, FORM)


def set_form(response: Response, g: Greffier, token: str) -> None:
    """The cookie that the next sign-in form must come with."""
    _set(response, g, FORM, token)


def delete_session(response: Response, g: Greffier) -> None:
    """After a sign-out."""
    _delete(response, g, SESSION)


def _set(response: Response, g: Greffier, name: str, token: str) -> None:
    response.set_cookie(_name(g, name), token, httponly=True, samesite="strict", secure=_https(g), path="/")


def _delete(response: Response, g: Greffier, name: str) -> None:
    response.delete_cookie(_name(g, name), httponly=True, samesite="strict", secure=_https(g), path="/")


def _name(g: Greffier, name: str) -> str:
    return f"{_HOST}{name}" if _https(g) else name


def _https(g: Greffier) -> bool:
    return g.settings.base_url.startswith("https://")
