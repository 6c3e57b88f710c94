"""Published reports: the list, each one with its editions, and its forms for machines; and the agency's statements."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import HTMLResponse, Response

from home.errors import UnknownRecord, UsageError
from service.disclosing import publications, statements
from web.api.systems import CACHE, Slug, show_published
from web.auth import Installation, authorize
from web.pages.site import Link, demand_profile, document, language, page

router: Final = APIRouter(
    dependencies=[Depends(authorize)], include_in_schema=False, default_response_class=HTMLResponse
)
_UUID4: Final = r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"
Id = Annotated[str, Path(pattern=_UUID4)]
# A report never changes: a correction is another one.
_FOREVER: Final = {"cache-control": "public, max-age=31536000, immutable"}
_JSON: Final = "application/json"


@router.get("/reports")
def list_reports(request: Request, g: Installation) -> Response:
    """Every report that was published. Figures that grow while one looks would tell of single results."""
    return page(request, g, "reports.html", reports=publications.listed(g))


@router.get("/reports.json", response_class=Response)
def show_newest_json(g: Installation) -> Response:
    """The newest report for machines, byte for byte as it was published."""
    reports = publications.listed(g)
    if not reports:
        raise UnknownRecord("no report was published yet")
    return Response(publications.body(g, reports[0].id), media_type=_JSON, headers=CACHE)


# Before the page, which would take them as well.
@router.get("/reports/{id}.json", response_class=Response)
def show_report_json(g: Installation, id: Id) -> Response:
    """A report for machines, byte for byte as it was published."""
    return Response(publications.body(g, id), media_type=_JSON, headers=_FOREVER)


@router.get("/reports/{id}/proof.json", response_class=Response)
def show_proof(g: Installation, id: Id) -> Response:
    """The report with the entries and proofs behind it: `greffier report verify` counts again from this file."""
    return Response(publications.proven(g, id), media_type=_JSON, headers=CACHE)


@router.get("/reports/{id}")
def show_report(request: Request, g: Installation, id: Id) -> Response:
    """One report, as it was published."""
    demand_profile(g)
    lang = language(request, g)
    related = (
        Link("reports", f"/reports?lang={lang}"),
        Link("report_json", f"/reports/{id}.json"),
        Link("proof_json", f"/reports/{id}/proof.json"),
    )
    return document(request, g, "transparency", publications.report_of(g, id), related=related)


@router.get("/accessibility")
def show_accessibility(request: Request, g: Installation) -> Response:
    """The accessibility statement (Directive (EU) 2016/2102, Article 7)."""
    demand_profile(g)
    return document(request, g, "accessibility", statements.accessibility(g))


@router.get("/how-to-check-us/statement")
def show_logging(request: Request, g: Installation) -> Response:
    """What is logged, how to verify it, the keys, the witnesses, and what all that does not show."""
    demand_profile(g)
    return document(request, g, "logging_statement", statements.logging_statement(g))


@router.get("/register/{slug}/fria")
def show_fria(request: Request, g: Installation, slug: Slug) -> Response:
    """The assessment of the effect on fundamental rights (AI Act 27). Raises UnknownRecord where none is public."""
    show_published(g, slug)
    demand_profile(g)
    try:
        found = statements.fria(g, slug)
    except UsageError:
        raise UnknownRecord("this system has no public assessment") from None
    lang = language(request, g)
    return document(request, g, "fria", found, related=(Link("system", f"/register/{slug}?lang={lang}"),))
