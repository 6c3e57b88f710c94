"""What all pages share: language, navigation, theme, the banner while the log does not record, the page for errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse, Response

from home import health
from home.errors import SettingsError
from home.greffier import Greffier
from home.settings import PROFILE_FILE, AgencyProfile
from web.errors import problem_of

# Names are in the template, where the catalogue finds them; only pages that exist stand here.
NAVIGATION: Final = (
    ("register", "/register"),
    ("check", "/check"),
    ("explain", "/explanations"),
    ("look_again", "/requests/look-again"),
    ("follow", "/follow"),
    ("reports", "/reports"),
)
# At the foot of every page.
FOOT: Final = (
    ("changes", "/changes"),
    ("how_to_check", "/how-to-check-us"),
    ("open_data", "/open-data"),
    ("rights", "/rights"),
    ("accessibility", "/accessibility"),
)
_MACHINES: Final = ("/api/", "/log/", "/mirror/", "/static/", "/health", "/metrics", "/openapi")
_MACHINE_FILES: Final = (".json", ".csv")


@dataclass(frozen=True, slots=True)
class Link:
    """A link: `name` is a key that the template turns into words, or the code of a language."""

    name: str
    href: str
    current: bool = False  # the reader is here or below
    here: bool = False  # the reader is exactly here


@dataclass(frozen=True, slots=True)
class Site:
    """The context of `site.html`. `query` keeps a chosen language in every link, so that no cookie is needed."""

    agency: str
    home: str
    query: str
    navigation: tuple[Link, ...]
    languages: tuple[Link, ...]
    recording: bool
    profile: AgencyProfile | None
    checkpoint: str
    related: tuple[Link, ...] = ()
    foot: tuple[Link, ...] = ()
    themed: bool = False  # the agency has tokens of its own


def language(request: Request, g: Greffier) -> str:
    """The language of the page: `?lang=`, else the reader's browser, else the agency's first."""
    offered = [lang for lang in g.settings.languages if lang in g.renderer.languages]
    asked = request.query_params.get("lang")
    if asked in offered:
        return asked
    return best_language(request.headers.get("accept-language", ""), offered)


def best_language(header: str, offered: Sequence[str]) -> str:
    """The offered language that an Accept-Language header (RFC 9110, 12.5.4) prefers; the first where it names none."""
    best, weight = offered[0], 0.0
    for part in header.split(",")[:20]:
        tag, _, parameter = part.strip().partition(";")
        lang = tag.strip().lower().split("-")[0]
        quality = _quality(parameter)
        if lang in offered and quality > weight:
            best, weight = lang, quality
    return best


def _quality(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if not name:
        return 1.0
    try:
        return min(max(float(value), 0.0), 1.0) if name.strip() == "q" else 1.0
    except ValueError:
        return 0.0


def site(request: Request, g: Greffier, lang: str, *, related: Sequence[Link] = ()) -> Site:
    """The shared context for one request."""
    path = request.url.path
    query = f"?{urlencode({'lang': lang})}"
    languages = tuple(Link(code, _in_language(request, code), current=code == lang) for code in g.settings.languages)
    return Site(
        agency=agency(g, lang),
        home=f"/{query}",
        query=query,
        navigation=_links(NAVIGATION, path, query),
        languages=languages,
        recording=health.health(g).recording,
        profile=g.profile,
        checkpoint=f"/log/{g.log.number}/checkpoint",
        related=tuple(related),
        foot=_links(FOOT, path, query),
        themed=g.settings.theme is not None,
    )


def _links(places: Sequence[tuple[str, str]], path: str, query: str) -> tuple[Link, ...]:
    return tuple(
        Link(name, f"{href}{query}", current=path == href or path.startswith(f"{href}/"), here=path == href)
        for name, href in places
    )


def _in_language(request: Request, lang: str) -> str:
    """This page in another language: what was asked for in the address stays."""
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "lang"]
    # Of two slashes at the beginning a browser makes another host.
    return f"/{request.url.path.lstrip('/')}?{urlencode([*kept, ('lang', lang)])}"


def agency(g: Greffier, lang: str) -> str:
    """The agency's name as people know it; its short name until a profile is written."""
    return g.profile.name(lang) if g.profile is not None else g.settings.agency


def demand_profile(g: Greffier) -> None:
    """Raise SettingsError where the agency has no profile yet: every document names it, so none can be made."""
    if g.profile is None:
        raise SettingsError("write it first: every document names the agency", field=PROFILE_FILE)


def page(
    request: Request, g: Greffier, template: str, *, status: int = 200, cache: str = "no-store", **context: object
) -> Response:
    """One page of the site."""
    lang = language(request, g)
    html = g.renderer.page(template, lang, site=site(request, g, lang), **context)
    return html_response(html, lang, status=status, cache=cache)


def document(
    request: Request, g: Greffier, name: str, context: object, *, related: Sequence[Link] = (), cache: str = "no-store"
) -> Response:
    """A document of `reports/`, within the site's layout."""
    lang = language(request, g)
    shared = site(request, g, lang, related=related)
    html = g.renderer.document(name, context, lang, layout="site.html", site=shared)
    return html_response(html, lang, cache=cache)


def html_response(html: str, lang: str, *, status: int = 200, cache: str = "no-store") -> Response:
    """HTML with its language; caches must keep the languages apart."""
    headers = {"content-language": lang, "vary": "accept-language", "cache-control": cache}
    return HTMLResponse(html, status_code=status, headers=headers)


def wants_page(request: Request) -> bool:
    """Whether an error at this address is shown to a person rather than told to a program."""
    path = request.url.path
    return path != "/operator" and not path.startswith(_MACHINES) and not path.endswith(_MACHINE_FILES)


def error_page(request: Request, error: Exception) -> Response:
    """The page for an error: what happened and what to do, nothing of what was sent."""
    g: Greffier = request.app.state.greffier
    problem = problem_of(error)
    response = page(request, g, "error.html", status=problem.status, code=problem.status, kind=problem.code)
    for name, value in (getattr(error, "headers", None) or {}).items():
        response.headers[name] = value
    return response
