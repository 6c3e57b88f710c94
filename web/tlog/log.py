"""The public log: C2SP tlog-tiles, served as the published checkpoint allows."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path
from fastapi.responses import Response

from service.logs import publish
from web.auth import Installation, authorize

router: Final = APIRouter(dependencies=[Depends(authorize)], tags=["log"])

Number = Annotated[int, Path(ge=1, le=9_999, description="which log of this agency, counted from 1")]

# A checkpoint is replaced once a minute at most; a tile never changes once a checkpoint covers it.
_CHECKPOINT_CACHE: Final = "public, max-age=5"
_TILE_CACHE: Final = "public, max-age=31536000, immutable"
_BYTES: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"application/octet-stream": {}}},
    404: {"description": "Not in the published log"},
}


@router.get(
    "/log/{number}/checkpoint",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}}, 404: {"description": "No such log, or nothing published yet"}},
)
def read_checkpoint(g: Installation, number: Number) -> Response:
    """The latest published checkpoint: a signed note (c2sp.org/tlog-checkpoint)."""
    note = publish.checkpoint(g, number)
    return Response(note, media_type="text/plain; charset=utf-8", headers={"cache-control": _CHECKPOINT_CACHE})


@router.get("/log/{number}/tile/{path:path}", response_class=Response, responses=_BYTES)
def read_tile(g: Installation, number: Number, path: Annotated[str, Path(max_length=64)]) -> Response:
    """A tile `<level>/<index>[.p/<width>]`, or an entry bundle `entries/<index>[.p/<width>]` (c2sp.org/tlog-tiles)."""
    if path.startswith("entries/"):
        data = publish.entries(g, number, f"tile/{path}")
    else:
        data = publish.tile(g, number, f"tile/{path}")
    return Response(data, media_type="application/octet-stream", headers={"cache-control": _TILE_CACHE})
