"""Pages about the agency itself: contact and rights, how to check it, and its open data; and its theme."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response

from auditlog.core.errors import AuditLogError
from auditlog.core.formats.policy import organisations
from auditlog.store import log as log_store
from home import policy_file
from home.errors import AppError, UnknownRecord
from home.greffier import Greffier
from home.theme import read_theme
from registry.exchange.formats import FORMATS
from service.disclosing import publications, report
from service.proving import receipt_page
from web.api.systems import CACHE
from web.auth import Installation, authorize
from web.pages.site import demand_profile, page

router: Final = APIRouter(
    dependencies=[Depends(authorize)], include_in_schema=False, default_response_class=HTMLResponse
)


@dataclass(frozen=True, slots=True)
class LogFacts:
    """What a checker needs to know. `size`: lines under the public checkpoint, None before the first one."""

    origin: str
    address: str
    size: int | None
    entries_public: bool
    witnesses: tuple[str, ...]


@router.get("/rights")
def show_rights(request: Request, g: Installation) -> Response:
    """What a person may ask, where to object, and how to reach the agency."""
    demand_profile(g)
    return page(request, g, "rights.html", agency=report.agency_here(g))


@router.get("/how-to-check-us")
def show_checking(request: Request, g: Installation) -> Response:
    """How anyone can check the log, with its keys, and what a check does not show."""
    return page(request, g, "how_to_check.html", log=log_facts(g), keys=_keys(g))


@router.get("/open-data")
def show_open_data(request: Request, g: Installation) -> Response:
    """Every file that is free to take."""
    files = [
        ("register_json", "/register.json"),
        ("register_csv", "/register.csv"),
        ("schema", "/register/schema.json"),
        *([("report_json", "/reports.json")] if publications.listed(g) else []),
        ("list", "/open-data.json"),
        ("checkpoint", f"/log/{g.log.number}/checkpoint"),
        ("openapi", "/openapi.json"),
    ]
    forms = [(form.title, f"/register/{{slug}}.{name}") for name, form in FORMATS.items()]
    return page(request, g, "open_data.html", files=files, forms=forms)


@router.get("/theme.css", response_class=Response)
def show_theme(g: Installation) -> Response:
    """The agency's design tokens. Raises UnknownRecord where it has none."""
    if g.settings.theme is None:
        raise UnknownRecord("this installation has no theme of its own")
    return Response(read_theme(g.home, g.settings), media_type="text/css; charset=utf-8", headers=CACHE)


def log_facts(g: Greffier) -> LogFacts:
    """The log in force, as far as the public sees it."""
    with g.reading() as conn:
        published = log_store.read_head(conn, g.log.number, "published")
    return LogFacts(
        origin=g.log.origin,
        address=f"{g.settings.base_url.rstrip('/')}/log/{g.log.number}/checkpoint",
        size=None if published is None else published.size,
        entries_public=g.settings.entries_public,
        witnesses=_witnesses(g),
    )


def _witnesses(g: Greffier) -> tuple[str, ...]:
    """The organisations whose keys the policy names; none where the policy cannot be read."""
    try:
        policy = policy_file.read_policy(g)
    except (AuditLogError, AppError):
        return ()
    names = organisations(policy, [witness.name for witness in policy.witnesses])
    # A policy's names are octets: what is no UTF-8 is shown as such.
    return tuple(sorted(name.encode("utf-8", "replace").decode("utf-8", "replace") for name in names))


def _keys(g: Greffier) -> str:
    try:
        return receipt_page.checker(g).keys
    except (AuditLogError, AppError):
        return ""
