"""The duties of a system for machines: which, from when, on what basis; for staff also what shows that they are met."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response

from service.systems import duties
from web.api.systems import CACHE, Slug, show_published
from web.auth import Caller, Installation, access_of, authorize

_VARY: Final = {"vary": "authorization, cookie"}
_STAFF: Final = {"cache-control": "private, no-store", **_VARY}
router: Final = APIRouter(dependencies=[Depends(authorize)], tags=["register"])


@router.get(
    "/register/{slug}/duties.json", response_class=JSONResponse, responses={404: {"description": "No such system"}}
)
def show_duties(request: Request, g: Installation, slug: Slug, caller: Caller) -> Response:
    """Every duty of the AI Act for this system today: whether it applies, from which day, on what basis, contested or
    not. With a key or session of staff also whether evidence was found."""
    show_published(g, slug)
    staff = caller is not None and caller.role in access_of(request).opens and caller.reaches(slug)
    found = duties.as_json(duties.of_system(g, slug, evidence=staff, public=not staff), evidence=staff)
    return JSONResponse(found, headers=_STAFF if staff else {**CACHE, **_VARY})
