"""What lists and searches of the register read: a short row of each system, and the words by which it is found.

Both follow from the records and are written with them, in the same transaction. A list of ten thousand systems parses
no record.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from registry.errors import RegistryError
from registry.publication import is_restricted, public_system
from registry.search_words import risks_of, themes_of, words_of
from registry.store.tables import CHANGE, LISTING, SYSTEM, WORD
from registry.system import AISystem, parse_record
from registry.values import Words

_LAST = "\U0010ffff"
_PREFIX = 3
"""From so many letters on, a word is looked for by how it begins; shorter ones are looked for whole."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One system as lists need it. `hidden`: nothing of it is public."""

    slug: str
    state: str
    running_version: int | None
    hidden: bool
    role: str
    capture: str
    owner: str
    themes: tuple[str, ...]
    risks: tuple[str, ...]


def refresh(conn: Connection, slug: str) -> None:
    """Write what follows from the system's row, where its record can be read."""
    row = conn.execute(select(SYSTEM).where(SYSTEM.c.slug == slug)).one()
    conn.execute(delete(WORD).where(WORD.c.slug == slug))
    conn.execute(delete(LISTING).where(LISTING.c.slug == slug))
    with contextlib.suppress(RegistryError):
        system = parse_record(str(row.record).encode())
        conn.execute(insert(LISTING).values(_row(system, row.state, row.running_version)))
        conn.execute(insert(WORD), _words(system))


def note_state(conn: Connection, slug: str, state: str, running_version: int | None) -> None:
    """A system's new state, beside its row."""
    conn.execute(update(LISTING).where(LISTING.c.slug == slug).values(state=state, running_version=running_version))


def complete(conn: Connection) -> None:
    """Write what is missing: of a database from before these tables, or from a backup, which does not hold them."""
    listed = select(LISTING.c.slug)
    for slug in conn.execute(select(SYSTEM.c.slug).where(SYSTEM.c.slug.not_in(listed))).scalars().all():
        refresh(conn, slug)


def stamp(conn: Connection) -> tuple[int, ...]:
    """Changes whenever a system did: the place of the newest entry about any."""
    columns = CHANGE.c
    newest = select(columns.log, columns.idx).order_by(columns.log.desc(), columns.idx.desc()).limit(1)
    return tuple(conn.execute(newest).one_or_none() or ())


def list_all(conn: Connection) -> Iterator[Listed]:
    """Every system, in no order."""
    names = ("slug", "state", "running_version", "hidden", "role", "capture", "owner", "themes", "risks")
    query = select(*(LISTING.c[name] for name in names))
    for slug, state, running, hidden, role, capture, owner, themes, risks in conn.execute(query):
        yield Listed(
            slug, state, running, bool(hidden), role, capture, owner, tuple(themes.split()), tuple(risks.split())
        )


def heads(conn: Connection, slugs: Sequence[str]) -> dict[str, tuple[Words, Words]]:
    """Name and summary of these systems."""
    rows = conn.execute(select(LISTING.c.slug, LISTING.c.head).where(LISTING.c.slug.in_(slugs)))
    found = {slug: json.loads(head) for slug, head in rows}
    return {slug: (head["name"], head["summary"]) for slug, head in found.items()}


def having(conn: Connection, words: Iterable[str]) -> dict[str, int]:
    """The systems that have every one of these folded words, each with how many of them stand in its name."""
    found: dict[str, int] | None = None
    for word in words:
        query = select(WORD.c.slug, WORD.c.named)
        if len(word) < _PREFIX:
            query = query.where(WORD.c.word == word)
        else:
            query = query.where(WORD.c.word >= word, WORD.c.word < word + _LAST)
        these: dict[str, int] = {}
        for slug, named in conn.execute(query):
            if named or slug not in these:
                these[slug] = named
        found = these if found is None else {slug: n + these[slug] for slug, n in found.items() if slug in these}
    return found or {}


def differences(conn: Connection) -> Iterator[tuple[str, str]]:
    """(place, message) wherever these tables are not what follows from the records, for a full check."""
    told = "is not what follows from the record: run `greffier migrate`"
    stored = {row.slug: dict(row._mapping) for row in conn.execute(select(LISTING))}
    systems = conn.execute(select(SYSTEM)).all()
    for row in systems:
        with contextlib.suppress(RegistryError):
            system = parse_record(str(row.record).encode())
            if stored.pop(row.slug, None) != _row(system, row.state, row.running_version):
                yield f"registry_listing({row.slug})", told
            query = select(WORD.c.word, WORD.c.named).where(WORD.c.slug == row.slug)
            words = {one.word: one.named for one in conn.execute(query)}
            if words != {word: int(named) for word, named in words_of(system).items()}:
                yield f"registry_word({row.slug})", told
    known = {row.slug for row in systems}
    for slug in sorted({*stored, *conn.execute(select(WORD.c.slug).distinct()).scalars()} - known):
        table = "registry_listing" if slug in stored else "registry_word"
        yield f"{table}({slug})", "is of no system of the register"


def _row(system: AISystem, state: str, running_version: int | None) -> dict[str, Any]:
    shown = public_system(system, date.min)
    head: Mapping[str, Words] = {"name": shown.name, "summary": shown.summary or shown.purpose}
    return {
        "slug": system.slug,
        "state": state,
        "running_version": running_version,
        "hidden": int(is_restricted(system)),
        "role": system.role,
        "capture": system.capture,
        "owner": system.owner.unit,
        "themes": " ".join(themes_of(system)),
        "risks": " ".join(risks_of(system)),
        "head": json.dumps({name: dict(words) for name, words in head.items()}, ensure_ascii=False, sort_keys=True),
    }


def _words(system: AISystem) -> list[dict[str, Any]]:
    return [{"word": word, "slug": system.slug, "named": int(named)} for word, named in words_of(system).items()]
