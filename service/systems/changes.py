"""What changed of all systems that the public may see, newest first, page by page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from home.greffier import Greffier
from registry.publication import is_public
from registry.store import history as store
from registry.store import systems as system_store
from registry.store.history import Place
from registry.values import Words
from service.records import reading

if TYPE_CHECKING:
    from sqlalchemy import Connection

PAGE: Final = 50
_CHUNK: Final = 200


@dataclass(frozen=True, slots=True)
class Changed:
    """One entry about a system. `entry`: as `register.history` gives it."""

    slug: str
    name: Words
    entry: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Changes:
    """A page of them; `next`: the place before which the following page begins, None at the end."""

    rows: tuple[Changed, ...]
    next: Place | None


def newest(g: Greffier, before: Place | None = None) -> Changes:
    """At most `PAGE` entries before a place of the log, or from its end."""
    found: list[Changed] = []
    names: dict[str, Words | None] = {}
    with g.reading() as conn:
        while True:
            places = store.newest_changes(conn, before, _CHUNK)
            for slug, place in places:
                before = place
                if slug not in names:
                    names[slug] = _name(conn, slug)
                name = names[slug]
                if name is None:
                    continue
                found.append(_changed(conn, slug, name, place))
                if len(found) == PAGE:
                    return Changes(tuple(found), place)
            if len(places) < _CHUNK:
                return Changes(tuple(found), None)


def _name(conn: Connection, slug: str) -> Words | None:
    """The name of a system that the public may see, else None."""
    held = system_store.read_system(conn, slug)
    return held.system.name if is_public(held.system, held.state) else None


def _changed(conn: Connection, slug: str, name: Words, place: Place) -> Changed:
    entry = reading.entry_at(conn, *place)
    what = {member: value for member, value in entry.members.items() if member != "system"}
    told = {"log": place[0], "index": place[1], "time": entry.time, "kind": entry.kind, "what": what}
    return Changed(slug, name, told)
