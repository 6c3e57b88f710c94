"""The register's list: a search by words, facets with their counts, and pages of it.

A count says how many systems there would be with that value chosen and the other facets as they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from home.errors import UsageError
from home.greffier import Greffier
from registry.search_words import FACETS, fold, known, label_of
from registry.store import listing as store
from registry.store.listing import Listed
from registry.values import SLUG, Words
from service.systems import sheets

LIMIT: Final = 25
MOST: Final = 100
LONGEST: Final = 200
"""Characters of a search that are read."""
_WORDS: Final = 8
_VALUES: Final = 30
_CURSOR: Final = re.compile(rf"([0-9])\.({SLUG})")


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for. `chosen`: the wanted codes of each facet, any of which will do. `staff`: everything there is,
    not only what is public."""

    text: str = ""
    chosen: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    cursor: str | None = None
    limit: int = LIMIT
    staff: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """One system of a page. `summary`: its short text, or its purpose where it has none; both per language."""

    slug: str
    name: Words
    summary: Words
    state: str
    running_version: int | None
    themes: tuple[str, ...]
    risks: tuple[str, ...]
    owner: str
    role: str
    capture: str


@dataclass(frozen=True, slots=True)
class FacetValue:
    """One value of a facet, with how many systems have it."""

    code: str
    label: Words
    count: int
    chosen: bool


@dataclass(frozen=True, slots=True)
class Facet:
    """One facet: at most 30 values, the most frequent first, and every chosen one."""

    name: str
    label: Words
    values: tuple[FacetValue, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """A page of systems, how many there are on all pages, the facets, and the cursor of the next page (None: last)."""

    items: tuple[Item, ...]
    total: int
    facets: tuple[Facet, ...]
    next: str | None


def parse_query(given: Mapping[str, Sequence[str]]) -> Query:
    """A query from the parameters of an address: `q`, each facet by its name (repeated), `cursor`, `limit`.

    Raises UsageError that names the parameter, also for one that there is not.
    """
    unknown = sorted(set(given) - {"q", "cursor", "limit", *FACETS})
    if unknown:
        names = ", ".join(("q", *FACETS, "cursor", "limit"))
        raise UsageError(f"is no parameter of this list; there are {names}", field="query")
    text = " ".join(given.get("q", ()))
    if len(text) > LONGEST:
        raise UsageError(f"is longer than {LONGEST} characters: use fewer words", field="q")
    chosen = {name: tuple(dict.fromkeys(filter(None, given.get(name, ())))) for name in FACETS}
    for name, codes in chosen.items():
        if not known(name, codes):
            raise UsageError("is not one of the codes that the list of facets gives", field=name)
    cursor = next(filter(None, given.get("cursor", ())), None)
    if cursor is not None and not _CURSOR.fullmatch(cursor):
        raise UsageError("is no cursor: take the one that the page before gave", field="cursor")
    limit = next(iter(given.get("limit", ())), str(LIMIT))
    if not re.fullmatch(r"[0-9]{1,3}", limit) or not 1 <= int(limit) <= MOST:
        raise UsageError(f"must be a number from 1 to {MOST}", field="limit")
    return Query(text, {name: codes for name, codes in chosen.items() if codes}, cursor, int(limit))


def find(g: Greffier, query: Query) -> Page:
    """A page of the systems that match, those with the words in their name first, then by their short name."""
    words = list(fold(query.text))[:_WORDS]
    with g.reading() as conn:
        sheet = sheets.of(g.engine, conn)
        levels = sheet.levels(store.having(conn, words)) if words else [sheet.every]
        meant = sheets.union(levels) & (sheet.every if query.staff else sheet.public)
        matching = meant & sheet.with_all(query.chosen)
        places, more = _page(sheet, levels, matching, query)
        shown = [sheet.rows[place] for _, place in places]
        heads = store.heads(conn, [one.slug for one in shown])
    facets = (
        _facet(name, sheet.counts(name, meant & sheet.with_all(query.chosen, but=name)), query.chosen.get(name, ()))
        for name in FACETS
    )
    return Page(
        items=tuple(_item(one, *heads[one.slug]) for one in shown),
        total=matching.bit_count(),
        facets=tuple(facets),
        next=f"{places[-1][0]}.{shown[-1].slug}" if more else None,
    )


def _page(
    sheet: sheets.Sheet, levels: Sequence[int], matching: int, query: Query
) -> tuple[list[tuple[int, int]], bool]:
    """(level, place) of the systems of the page, and whether more follow. Levels are numbered from the best."""
    after_level, _, after_slug = (query.cursor or "").partition(".")
    found: list[tuple[int, int]] = []
    for level, members in enumerate(levels):
        if after_level and level < int(after_level):
            continue
        left = members & matching
        if after_level and level == int(after_level):
            left = sheet.after(left, after_slug)
        for place in sheets.places(left):
            if len(found) == query.limit:
                return found, True
            found.append((level, place))
    return found, False


def _facet(name: str, counts: Mapping[str, int], chosen: Sequence[str]) -> Facet:
    order = sorted(counts, key=lambda code: (-counts[code], code))
    codes = [*order[:_VALUES], *(code for code in chosen if code not in order[:_VALUES])]
    values = (FacetValue(code, label_of(name, code), counts.get(code, 0), code in chosen) for code in codes)
    return Facet(name, FACETS[name], tuple(values))


def _item(one: Listed, name: Words, summary: Words) -> Item:
    return Item(
        one.slug,
        name,
        summary,
        one.state,
        one.running_version,
        one.themes,
        one.risks,
        one.owner,
        one.role,
        one.capture,
    )
