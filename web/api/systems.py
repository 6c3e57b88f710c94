"""The register for machines: JSON and CSV, of which the pages show the same facts."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import date
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from home.errors import UsageError
from home.greffier import Greffier
from registry.declaration import format_object
from registry.errors import UnknownSystem
from registry.publication import is_public, public_system
from registry.search_words import FACETS
from registry.system import format_system, json_schema
from service.replaying import health as replay_health
from service.replaying.health import SystemHealth
from service.systems import approval, history, register, search, test_summary
from service.systems.register import PublicSystem
from web.auth import Installation, authorize

router: Final = APIRouter(dependencies=[Depends(authorize)], tags=["register"])

Slug = Annotated[str, Path(pattern=r"^[a-z0-9-]{1,64}$", description="the system's short name")]
CACHE: Final = {"cache-control": "public, max-age=60"}
_NOT_FOUND: Final[dict[int | str, dict[str, Any]]] = {404: {"description": "No such system"}}


class RegisterQuery(BaseModel):
    """A search of the register, its facets and its pages. A name that is not here is refused."""

    model_config = ConfigDict(extra="forbid")

    q: Annotated[str, Field(max_length=search.LONGEST, description="words of the record; of the start of each")] = ""
    state: list[str] = []
    theme: list[str] = []
    risk: Annotated[list[str], Field(description="high_risk, exit_6_3, article_50, other, or a point as III.5.b")] = []
    role: list[str] = []
    owner: Annotated[list[str], Field(description="the unit, as the facet gives it")] = []
    capture: list[str] = []
    cursor: Annotated[str | None, Field(max_length=80, description="`next` of the page before")] = None
    limit: Annotated[int, Field(ge=1, le=search.MOST)] = search.LIMIT
    lang: Annotated[str | None, Field(max_length=10, description="of pages; here it changes nothing")] = None

    def query(self) -> search.Query:
        """Raises UsageError for an unknown code."""
        given = {name: getattr(self, name) for name in FACETS}
        cursor = [] if self.cursor is None else [self.cursor]
        return search.parse_query({"q": [self.q], **given, "cursor": cursor, "limit": [str(self.limit)]})


@router.get("/register.json", response_class=JSONResponse)
@router.get("/api/systems", response_class=JSONResponse)
def list_systems(g: Installation, wanted: Annotated[RegisterQuery, Query()]) -> Response:
    """Systems that are neither a draft nor in review nor restricted, with their public records, a page at a time.

    `facets`: how many systems there would be with each value. `restricted`: how many nobody sees, by reason.
    """
    found = search.find(g, wanted.query())
    slugs = [item.slug for item in found.items]
    health = replay_health.of_systems(g, slugs=slugs)
    shown = [public_part(g, one) for one in register.some_systems(g, slugs)]
    systems = [system_facts(one, health[one.system.slug]) for one in shown]
    facets = {one.name: {value.code: value.count for value in one.values} for one in found.facets}
    page = {"systems": systems, "total": found.total, "facets": facets, "next": found.next}
    return JSONResponse(page | {"restricted": register.restricted(g)}, headers=CACHE)


@router.get("/register.csv", response_class=Response, responses={200: {"content": {"text/csv": {}}}})
def list_systems_csv(g: Installation) -> Response:
    """One line a system, names and purposes in each language of this site; RFC 4180, UTF-8."""
    text = format_csv(published(g, register.list_systems(g)), g.settings.languages)
    return Response(text, media_type="text/csv; charset=utf-8; header=present", headers=CACHE)


# Before the route of one system, whose short name "schema" would be; none may be called so.
@router.get("/register/schema.json", response_class=JSONResponse)
def show_schema() -> Response:
    """JSON Schema 2020-12 of a public record."""
    return JSONResponse(json_schema(), headers=CACHE, media_type="application/schema+json")


@router.get("/register/{slug}.json", response_class=JSONResponse, responses=_NOT_FOUND)
@router.get("/api/systems/{slug}", response_class=JSONResponse, responses=_NOT_FOUND)
def show_system(g: Installation, slug: Slug) -> Response:
    """One system: its public record, state, running version; how its tests stand, each override with reasons, and what
    each new version changed, as its maker answered (AI Act 3(23))."""
    shown = show_published(g, slug)
    facts = system_facts(shown, replay_health.of_systems(g, slugs=[slug])[slug])
    modifications = [asdict(one) for one in approval.modifications(g, slug)]
    return JSONResponse({**facts, **tests_facts(g, slug), "modifications": modifications}, headers=CACHE)


class HistoryQuery(BaseModel):
    """A day, or two of them; without any, every step."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    as_of: Annotated[date | None, Field(description="how the system was at the end of this day, UTC")] = None
    first: Annotated[date | None, Field(alias="from", description="what changed since the end of this day")] = None
    to: Annotated[date | None, Field(description="what changed until the end of this day")] = None
    lang: Annotated[str | None, Field(max_length=10, description="of pages; here it changes nothing")] = None


@router.get("/register/{slug}/history.json", response_class=JSONResponse, responses=_NOT_FOUND)
def show_history(g: Installation, slug: Slug, wanted: Annotated[HistoryQuery, Query()]) -> Response:
    """The entries of the log about this system with their index; the system as it was on a day, with its proofs; or
    each member of its record that differs between two days."""
    show_published(g, slug)
    if wanted.as_of is not None and wanted.first is None and wanted.to is None:
        return JSONResponse(past_facts(history.as_of(g, slug, wanted.as_of)), headers=CACHE)
    if wanted.first is not None and wanted.to is not None and wanted.as_of is None:
        found = history.between(g, slug, wanted.first, wanted.to)
        changes = [{name: getattr(one, name) for name in ("path", "before", "after")} for one in found.changes]
        days = {"from": past_facts(found.before), "to": past_facts(found.after)}
        return JSONResponse(days | {"changes": changes}, headers=CACHE)
    if wanted.as_of is not None or wanted.first is not None or wanted.to is not None:
        raise UsageError("give as_of alone, or from and to together", field="query")
    return JSONResponse({"history": register.history(g, slug)}, headers=CACHE)


def past_facts(past: history.Past) -> dict[str, Any]:
    """A system as it was, as JSON. `digest` is of the whole record; where `whole`, the record shown gives it."""
    return {
        "day": past.day.isoformat(),
        "record": format_system(past.system),
        "state": past.state,
        "running_version": past.running_version,
        "digest": past.digest,
        "whole": past.whole,
        "entry": asdict(past.entry),
        "state_entry": asdict(past.state_entry),
        "approvals": [asdict(one) for one in past.approvals],
    }


def show_published(g: Greffier, slug: str) -> PublicSystem:
    """One system as the public may see it. Raises UnknownSystem for a draft too: it is as if it were not there."""
    shown = register.show(g, slug)
    if not is_public(shown.system, shown.state):
        raise UnknownSystem("no system of this name is in the public register", field="system")
    return public_part(g, shown)


def published(g: Greffier, systems: Sequence[PublicSystem]) -> list[PublicSystem]:
    """What the public list shows: from approval on, and what was retired (people may hold old letters); of each record
    the public part."""
    return [public_part(g, shown) for shown in systems if is_public(shown.system, shown.state)]


def public_part(g: Greffier, shown: PublicSystem) -> PublicSystem:
    """The system without what is withheld today."""
    return replace(shown, system=public_system(shown.system, g.clock().date()))


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


def tests_facts(g: Greffier, slug: str) -> dict[str, Any]:
    """How the system was tested: `test_summary.facts`."""
    return test_summary.facts(g, slug)


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
