"""`/register/{slug}/duties`: what the AI Act asks of us for one system, and from when."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response

from service.systems import duties
from web.api.systems import Slug, show_published
from web.auth import Installation, authorize
from web.pages.site import page

router: Final = APIRouter(
    dependencies=[Depends(authorize)], include_in_schema=False, default_response_class=HTMLResponse
)
# In the order of the page; what does not apply is not shown.
SHOWN: Final = ("yes", "not_yet", "unknown")


@router.get("/register/{slug}/duties")
def show_duties(request: Request, g: Installation, slug: Slug) -> Response:
    """The duties that apply, will apply, or of which the register does not say enough."""
    shown = show_published(g, slug)
    found = duties.of_system(g, slug, public=True)
    groups = [(applies, [one for one in found.duties if one.applies == applies]) for applies in SHOWN]
    return page(
        request, g, "duties.html", system=shown.system, found=found, groups=[group for group in groups if group[1]]
    )
