"""Home, the register, a system and its history, and the newest report."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response

from app.actions import register, report, transparency
from app.errors import UnknownRecord
from app.http.auth import Installation, authorize
from app.http.pages.site import Link, demand_profile, document, language, page
from app.http.systems import CACHE, Slug, published, show_published
from reports.render import json_twin


@dataclass(frozen=True, slots=True)
class Change:
    """One entry about a system. Of a `state/1` before, after, reason and role are set; of the others the digest."""

    index: int
    kind: str
    moment: datetime
    day: str
    version: int | None
    digest: str
    registered: bool
    before: str | None
    after: str
    reason: str
    role: str


router: Final = APIRouter(
    dependencies=[Depends(authorize)], include_in_schema=False, default_response_class=HTMLResponse
)


@router.get("/")
def home(request: Request, g: Installation) -> Response:
    """What this place is, and the three things that one can do here."""
    return page(request, g, "home.html", systems=len(published(register.list_systems(g))))


@router.get("/register")
def list_systems(request: Request, g: Installation) -> Response:
    """Every system that the public may see."""
    return page(request, g, "register.html", systems=published(register.list_systems(g)))


@router.get("/register/{slug}")
def show_system(request: Request, g: Installation, slug: Slug) -> Response:
    """The public page of one system, as `reports` makes it."""
    show_published(g, slug)
    demand_profile(g)
    lang = language(request, g)
    related = (
        Link("history", f"/register/{slug}/history?lang={lang}"),
        Link("system_json", f"/register/{slug}.json"),
        Link("check", f"/check?lang={lang}"),
    )
    return document(request, g, "system_page", report.system_page(g, slug, lang), related=related)


@router.get("/register/{slug}/history")
def show_history(request: Request, g: Installation, slug: Slug) -> Response:
    """What changed, by the entries of the log."""
    shown = show_published(g, slug)
    changes = [read_change(entry) for entry in register.history(g, slug)]
    return page(request, g, "history.html", system=shown.system, changes=changes)


@router.get("/reports")
def show_report(request: Request, g: Installation) -> Response:
    """The newest transparency report that was published: figures that grow while one looks tell of single results."""
    demand_profile(g)
    found, lang = transparency.newest(g), language(request, g)
    if found is None:
        return page(request, g, "no_report.html")
    return document(request, g, "transparency", found, related=(Link("report_json", f"/reports.json?lang={lang}"),))


@router.get("/reports.json", response_class=Response)
def show_report_json(g: Installation) -> Response:
    """The same report for machines, byte for byte as it was published."""
    found = transparency.newest(g)
    if found is None:
        raise UnknownRecord("no report was published yet")
    return Response(json_twin(found), media_type="application/json", headers=CACHE)


def read_change(entry: dict[str, Any]) -> Change:
    """An entry of `register.history` as the page shows it."""
    what = entry["what"]
    return Change(
        index=entry["index"],
        kind=entry["kind"],
        moment=datetime.strptime(entry["time"], "%Y-%m-%dT%H:%MZ").replace(tzinfo=UTC),
        day=entry["time"],
        version=what.get("version"),
        digest=what.get("manifest") or what.get("record") or "",
        registered=what.get("action") == "registered",
        before=what.get("from"),
        after=what.get("to", ""),
        reason=what.get("reason", ""),
        role=what.get("role", ""),
    )
