"""The register for people: search with facets, and the page of one system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response

from registry.values import Words
from service.disclosing import report
from service.systems import search
from service.systems.search import Facet, FacetValue
from web.api.systems import Slug, show_published
from web.auth import Installation, authorize
from web.pages.site import Link, demand_profile, document, language, page

router: Final = APIRouter(
    dependencies=[Depends(authorize)], include_in_schema=False, default_response_class=HTMLResponse
)

# In the order in which people look; an owner that has no system is never among them.
SHOWN_FACETS: Final = ("theme", "state", "risk", "owner", "role", "capture")
MAX_QUERY: Final = 200


@dataclass(frozen=True, slots=True)
class Choice:
    """One value of a facet: the address at which it is chosen, or no longer is."""

    code: str
    label: Words
    count: int
    chosen: bool
    href: str


@dataclass(frozen=True, slots=True)
class Choices:
    """One facet with its values."""

    name: str
    label: Words
    values: tuple[Choice, ...]


@router.get("/register")
def list_systems(request: Request, g: Installation) -> Response:
    """The systems that fit what was asked for, and by what one can ask more narrowly."""
    asked = _asked(request)
    found = search.find(g, search.parse_query(asked))
    lang = language(request, g)
    facets = choices(found.facets, asked, lang)
    return page(
        request,
        g,
        "register.html",
        found=found,
        text=asked.get("q", [""])[0],
        kept=[(name, value) for name, values in asked.items() if name not in {"q", "cursor"} for value in values],
        facets=facets,
        chosen=[(facet, value) for facet in facets for value in facet.values if value.chosen],
        everything=f"/register?{urlencode({'lang': lang})}",
        more=None if found.next is None else _address({**asked, "cursor": [found.next]}, lang),
        narrowed=bool(set(asked) - {"cursor"}),
        first="cursor" not in asked,
    )


@router.get("/register/{slug}")
def show_system(request: Request, g: Installation, slug: Slug) -> Response:
    """The public page of one system, as `reports` makes it."""
    shown = show_published(g, slug)
    demand_profile(g)
    lang = language(request, g)
    assessed = (Link("fria", f"/register/{slug}/fria?lang={lang}"),) if shown.system.fria is not None else ()
    related = (
        Link("history", f"/register/{slug}/history?lang={lang}"),
        Link("duties", f"/register/{slug}/duties?lang={lang}"),
        *assessed,
        Link("system_json", f"/register/{slug}.json"),
        Link("check", f"/check?lang={lang}"),
    )
    return document(request, g, "system_page", report.system_page(g, slug, lang), related=related)


def choices(facets: Sequence[Facet], asked: Mapping[str, Sequence[str]], lang: str) -> list[Choices]:
    """The facets with the addresses that choose and unchoose; those with nothing to choose are left out."""
    by_name = {facet.name: facet for facet in facets}
    shown = (by_name[name] for name in SHOWN_FACETS if name in by_name)
    made = (Choices(one.name, one.label, _values(one, asked, lang)) for one in shown)
    return [one for one in made if len(one.values) > 1 or any(value.chosen for value in one.values)]


def _values(facet: Facet, asked: Mapping[str, Sequence[str]], lang: str) -> tuple[Choice, ...]:
    def choice(value: FacetValue) -> Choice:
        chosen = [code for code in asked.get(facet.name, ()) if code != value.code]
        changed = {**asked, facet.name: chosen if value.chosen else [*chosen, value.code]}
        return Choice(
            value.code, _label(facet.name, value), value.count, value.chosen, _address({**changed, "cursor": ()}, lang)
        )

    return tuple(choice(value) for value in facet.values if value.count or value.chosen)


def _label(facet: str, value: FacetValue) -> Words:
    """As the facet has it; a point of an annex, whose label is its code there, in the words of the law."""
    annex, _, point = value.code.partition(".")
    if facet != "risk" or annex not in {"I", "III"}:
        return value.label
    first, _, second = point.partition(".")
    if annex == "I":
        return {"en": f"Annex I, section {first}, {second}", "nl": f"Bijlage I, deel {first}, punt {second}"}
    in_english, in_dutch = (f"({second})", f" onder {second}") if second else ("", "")
    return {"en": f"Annex III, {first}{in_english}", "nl": f"Bijlage III, punt {first}{in_dutch}"}


def _address(asked: Mapping[str, Sequence[str]], lang: str) -> str:
    pairs = [(name, value) for name, values in asked.items() for value in values]
    return f"/register?{urlencode([*pairs, ('lang', lang)])}"


def _asked(request: Request) -> dict[str, list[str]]:
    """What the address asks for, without what it leaves empty: a form sends its empty fields as well."""
    asked: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items():
        if name in {"q", "cursor", *SHOWN_FACETS} and value.strip():
            asked.setdefault(name, []).append(value.strip()[:MAX_QUERY])
    return asked
