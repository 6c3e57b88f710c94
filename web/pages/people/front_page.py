"""The first page."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response

from service.systems import search
from web.auth import Installation, authorize
from web.pages.site import page

router: Final = APIRouter(
    dependencies=[Depends(authorize)], include_in_schema=False, default_response_class=HTMLResponse
)


@router.get("/")
def home(request: Request, g: Installation) -> Response:
    """What this place is, and the three things that one can do here."""
    return page(request, g, "home.html", systems=search.find(g, search.Query(limit=1)).total)
