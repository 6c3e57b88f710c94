"""What the pages of staff share: the frame with its navigation by role, and where each role begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from accounts.caller import Known
from accounts.roles import ACCOUNT_ROLES, Role
from home.greffier import Greffier
from web.auth import SignedIn, authorize
from web.pages.site import Link, html_response, language, site

router: Final = APIRouter(
    dependencies=[Depends(authorize)], include_in_schema=False, default_response_class=HTMLResponse
)


@dataclass(frozen=True, slots=True)
class Item:
    """A line of the navigation: `name` is a key that `console.html` turns into words; who may see it."""

    name: str
    href: str
    roles: frozenset[Role]


# In the order in which they are shown; the first that a role may see is where it begins. Only pages that exist.
NAVIGATION: Final[tuple[Item, ...]] = (
    Item("live", "/operator/live", frozenset({"operator"})),
    Item("devices", "/operator/devices", frozenset({"operator"})),
    Item("reviews", "/console/reviews", frozenset({"officer"})),
    Item("requests", "/console/requests", frozenset({"officer"})),
    Item("accounts", "/admin/accounts", frozenset({"administrator"})),
    Item("systems", "/console/systems", frozenset({"officer", "approver", "operator", "administrator"})),
    Item("records", "/audit", frozenset({"auditor"})),
    Item("samples", "/audit/samples", frozenset({"auditor"})),
    Item("evidence", "/audit/evidence", frozenset({"auditor"})),
    Item("incidents", "/console/incidents", frozenset({"officer", "approver", "auditor"})),
    Item("account", "/account", frozenset(ACCOUNT_ROLES)),
)


@dataclass(frozen=True, slots=True)
class Console:
    """The context of `console.html`. `csrf`: the token that every form of the page must carry."""

    name: str
    role: Role
    csrf: str
    navigation: tuple[Link, ...]


@router.get("/console")
def show_first(request: Request, staff: SignedIn) -> Response:
    """Where the role begins."""
    return see_other(request, next(item.href for item in NAVIGATION if staff.role in item.roles))


def console_page(
    request: Request, g: Greffier, staff: Known, template: str, *, status: int = 200, **context: object
) -> Response:
    """One page of staff, whose template extends `console.html`. No cache keeps it."""
    lang = language(request, g)
    shared = site(request, g, lang)
    html = g.renderer.page(template, lang, site=shared, console=_console(request, staff, shared.query), **context)
    return html_response(html, lang, status=status)


def see_other(request: Request, path: str, **query: str) -> Response:
    """To another page after something was done, in the same language. `path`: one of ours."""
    lang = request.query_params.get("lang")
    asked = query if lang is None else {**query, "lang": lang}
    return RedirectResponse(f"{path}?{urlencode(asked)}" if asked else path, 303, {"cache-control": "no-store"})


def _console(request: Request, staff: Known, query: str) -> Console:
    path = request.url.path
    items = [item for item in NAVIGATION if staff.role in item.roles]
    # The nearest one: `/audit/samples` is not below "find records", though its address is.
    nearest = max((item.href for item in items if f"{path}/".startswith(f"{item.href}/")), key=len, default="")
    navigation = tuple(
        Link(item.name, f"{item.href}{query}", current=item.href == nearest, here=path == item.href) for item in items
    )
    return Console(staff.name, staff.role, staff.csrf, navigation)
