"""The public register in the formats of others, one file a system, and the list of all that is free to take."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import JSONResponse, Response

from home.errors import UnknownRecord
from home.greffier import Greffier
from registry.exchange.formats import PUBLIC
from registry.values import LANGUAGE
from service.systems import exchange
from web.api.systems import CACHE, Slug
from web.auth import Installation, authorize

router: Final = APIRouter(dependencies=[Depends(authorize)], tags=["register"])

FormatName = Annotated[str, Path(pattern=r"^[a-z0-9-]{1,40}$", description=f"one of {', '.join(PUBLIC)}")]
Language = Annotated[
    str | None,
    Query(pattern=rf"^{LANGUAGE}$", description="for a format in one language, which; else it changes nothing"),
]
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {form.media: {} for form in PUBLIC.values()}},
    404: {"description": "No such system, no such format, or a format that is for other systems"},
}
# What of everyone's files is no system: name, title per language, media type, path.
_FILES: Final = (
    (
        "register",
        "Every system with its public record",
        "Elk systeem met zijn openbare gegevens",
        "json",
        "/register.json",
    ),
    ("table", "The register as a short table", "Het register als korte tabel", "csv", "/register.csv"),
    ("schema", "What each member of a record means", "Wat elk onderdeel betekent", "schema", "/register/schema.json"),
    ("reports", "Reports with their figures", "Verslagen met hun cijfers", "json", "/reports.json"),
    ("api", "How programs ask for all of this", "Hoe programma's dit opvragen", "json", "/openapi.json"),
)
_MEDIA: Final = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8; header=present",
    "schema": "application/schema+json",
}


@router.get("/register/{slug}.{form}", response_class=Response, responses=_ANSWERS)
def show_in_format(g: Installation, slug: Slug, form: FormatName, lang: Language = None) -> Response:
    """One public system in another format, as a file. What the record lacks stays empty there."""
    if form not in PUBLIC:
        raise UnknownRecord(f"there is no such format: write one of {', '.join(PUBLIC)}", field="format")
    kind = PUBLIC[form]
    exported = exchange.export_public(g, slug, form, lang=lang)
    name = f"{slug}.{form}.{kind.suffix}"
    headers = {**CACHE, "content-disposition": f'attachment; filename="{name}"'}
    return Response(exported.data, media_type=kind.media, headers=headers)


@router.get("/open-data.json", response_class=JSONResponse)
def list_open_data(g: Installation) -> Response:
    """Every file that is free to take. `{slug}` in an address is a short name, as `/register.json` has it."""
    return JSONResponse({"files": _files(g), "formats": formats()}, headers=CACHE)


def _files(g: Greffier) -> list[dict[str, Any]]:
    found = [
        {"name": name, "title": {"en": en, "nl": nl}, "media": _MEDIA[kind], "href": path}
        for name, en, nl, kind, path in _FILES
    ]
    title = {"en": "The latest checkpoint of the log", "nl": "Het laatste controlepunt van het logboek"}
    checkpoint = {
        "name": "checkpoint",
        "title": title,
        "media": "text/plain",
        "href": f"/log/{g.log.number}/checkpoint",
    }
    return [*found, checkpoint]


def formats() -> list[dict[str, Any]]:
    """The formats of a system: name, title per language, standard, languages, media type, address."""
    return [
        {
            "format": form.name,
            "title": dict(form.title),
            "standard": form.source,
            "language": form.lang,
            "media": form.media,
            "href": f"/register/{{slug}}.{form.name}",
        }
        for form in PUBLIC.values()
    ]
