"""Logs of others that are mirrored here, in the layout of c2sp.org/tlog-tiles, by the hash of their origin."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path
from fastapi.responses import Response

from service.logs import served_mirrors
from web.auth import Installation, authorize

router: Final = APIRouter(dependencies=[Depends(authorize)], tags=["mirror"])

# Nothing but 64 hex digits, and a path that a parser spells the same: no address leads out of the folder.
OriginHash = Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="SHA-256 of the log's origin, in hex")]

_CHECKPOINT_CACHE: Final = "public, max-age=5"
_TILE_CACHE: Final = "public, max-age=31536000, immutable"
_BYTES: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"application/octet-stream": {}}},
    404: {"description": "Not in the mirrored log"},
}


@router.get(
    "/mirror/{origin_hash}/checkpoint",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}}, 404: {"description": "This log is not mirrored here"}},
)
def read_mirrored_checkpoint(g: Installation, origin_hash: OriginHash) -> Response:
    """The newest checkpoint of a mirrored log whose tree is complete here: a signed note."""
    note = served_mirrors.checkpoint(g, origin_hash)
    return Response(note, media_type="text/plain; charset=utf-8", headers={"cache-control": _CHECKPOINT_CACHE})


@router.get("/mirror/{origin_hash}/tile/{path:path}", response_class=Response, responses=_BYTES)
def read_mirrored_tile(g: Installation, origin_hash: OriginHash, path: Annotated[str, Path(max_length=64)]) -> Response:
    """A tile `<level>/<index>[.p/<width>]`, or an entry bundle `entries/<index>[.p/<width>]`, of a mirrored log."""
    read = served_mirrors.entries if path.startswith("entries/") else served_mirrors.tile
    data = read(g, origin_hash, f"tile/{path}")
    return Response(data, media_type="application/octet-stream", headers={"cache-control": _TILE_CACHE})
