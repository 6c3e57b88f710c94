"""The register for machines: JSON and CSV, of which the pages show the same facts."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path
from fastapi.responses import JSONResponse, Response

from app.actions import register, replay_health
from app.actions.register import PublicSystem
from app.actions.replay_health import SystemHealth
from app.home import Greffier
from app.http.auth import Installation, authorize
from registry.declaration import format_object
from registry.errors import UnknownSystem
from registry.system import format_system

router: Final = APIRouter(dependencies=[Depends(authorize)], tags=["register"])

Slug = Annotated[str, Path(pattern=r"^[a-z0-9-]{1,64}$", description="the system's short name")]
CACHE: Final = {"cache-control": "public, max-age=60"}
_NOT_FOUND: Final[dict[int | str, dict[str, Any]]] = {404: {"description": "No such system"}}


@router.get("/register.json", response_class=JSONResponse)
@router.get("/api/systems", response_class=JSONResponse)
def list_systems(g: Installation) -> Response:
    """Every system that is not a draft or in review, with its public record."""
    health = replay_health.of_systems(g)
    shown = published(register.list_systems(g))
    return JSONResponse({"systems": [system_facts(one, health[one.system.slug]) for one in shown]}, headers=CACHE)


@router.get("/register.csv", response_class=Response, responses={200: {"content": {"text/csv": {}}}})
def list_systems_csv(g: Installation) -> Response:
    """One line a system, names and purposes in each language of this site; RFC 4180, UTF-8."""
    text = format_csv(published(register.list_systems(g)), g.settings.languages)
    return Response(text, media_type="text/csv; charset=utf-8; header=present", headers=CACHE)


@router.get("/register/{slug}.json", response_class=JSONResponse, responses=_NOT_FOUND)
@router.get("/api/systems/{slug}", response_class=JSONResponse, responses=_NOT_FOUND)
def show_system(g: Installation, slug: Slug) -> Response:
    """One system: its public record, state, running version with fields and outcomes."""
    shown = show_published(g, slug)
    return JSONResponse(system_facts(shown, replay_health.of_systems(g)[slug]), headers=CACHE)


@router.get("/register/{slug}/history.json", response_class=JSONResponse, responses=_NOT_FOUND)
def show_history(g: Installation, slug: Slug) -> Response:
    """The entries of the log about this system, in order, with their index in the log."""
    show_published(g, slug)
    return JSONResponse({"history": register.history(g, slug)}, headers=CACHE)


def show_published(g: Greffier, slug: str) -> PublicSystem:
    """One system that the public may see. Raises UnknownSystem for a draft too: it is as if it were not there."""
    shown = register.show(g, slug)
    if not published([shown]):
        raise UnknownSystem("no system of this name is in the public register", field="system")
    return shown


def published(systems: Sequence[PublicSystem]) -> list[PublicSystem]:
    """What the public list shows: from approval on, and what was retired (people may hold old letters)."""
    return [shown for shown in systems if shown.state not in {"draft", "in_review"}]


def system_facts(shown: PublicSystem, health: SystemHealth) -> dict[str, Any]:
    """The facts of a system as JSON. `replays`: of a year, by verdict; `self_test`: how exactly it repeats a result."""
    return {
        "record": format_system(shown.system),
        "state": shown.state,
        "running_version": shown.running_version,
        "manifest": None if shown.version is None else shown.version.digest,
        "remote": _remote(shown),
        "self_test": {
            "version": health.version,
            "determinism": health.determinism,
            "measured": health.measured,
            "device": health.device,
            "build": health.build,
        },
        "replays": {"since": health.since, "verdicts": dict(health.counts)},
    }


def _remote(shown: PublicSystem) -> dict[str, Any] | None:
    """Who runs the model of the running version, where it is asked through the gateway."""
    version = shown.version
    if version is None or version.manifest.remote is None or shown.system.capture == "external":
        return None
    return format_object(version.manifest.remote)


def format_csv(systems: Sequence[PublicSystem], languages: Sequence[str]) -> str:
    """The register as RFC 4180 CSV."""
    output = io.StringIO()
    writer = csv.writer(output)
    writer.writerow(
        ["slug", *(f"name_{lang}" for lang in languages), "state", "running_version"]
        + [f"purpose_{lang}" for lang in languages]
        + ["capture", "annex_iii", "owner", "contact", "first_use"]
    )
    for shown in systems:
        system = shown.system
        row = [
            system.slug,
            *(system.name.get(lang, "") for lang in languages),
            shown.state,
            shown.running_version or "",
            *(system.purpose.get(lang, "") for lang in languages),
            system.capture,
            " ".join(system.classification.annex_iii),
            system.owner.unit,
            system.owner.contact,
            system.first_use or "",
        ]
        writer.writerow([_harmless(str(cell)) for cell in row])
    return output.getvalue()


def _harmless(cell: str) -> str:
    # A spreadsheet runs a cell that begins like a formula; a leading apostrophe makes it text (CWE-1236).
    return f"'{cell}" if cell[:1] in {"=", "+", "-", "@", "\t", "\r"} else cell
