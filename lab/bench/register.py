"""The register at the size of a country: systems of ten versions, listed, searched, counted, shown, and as they were.

The log, its proofs and the tables are those of an installation; records are invented, of the size of the demo's.
"""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import insert, update

from auditlog.core.entries.record import Entry
from auditlog.writing.log import Sequenced, Unit
from home.greffier import Greffier
from lab.bench import records_scene
from lab.bench.append import percentile
from lab.bench.scene import own_schema
from registry.canonical import digest
from registry.manifest import format_manifest, numbered
from registry.parts.subjects import THEMES
from registry.register_file import RegisterFile, parse_register_file
from registry.store import listing, tables
from registry.system import AISystem, format_record
from service.systems import history, register, search
from service.wiring import create_home, open_home

if TYPE_CHECKING:
    from sqlalchemy import Connection

VERSIONS: Final = 10
TIMES: Final = 60
_BATCH: Final = 250
FIRST: Final = datetime(2026, 1, 5, 12, tzinfo=UTC)
_WORDS: Final = (  # noqa: SIM905 - a list of them takes a line each
    "belasting parkeren uitkering lening school bouwen vergunning zorg afval water onderwijs toezicht controle advies "
    "planning vervoer handhaving archief klacht subsidie wonen energie natuur sport bibliotheek haven luchtvaart"
).split()
_UNITS: Final = tuple(f"Afdeling {word}" for word in _WORDS[:20])
_STATES: Final = ("active", "active", "active", "pilot", "approved")


def run(
    systems: int, database_url: str | None = None, *, report: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Fill a home with so many systems, ask it, and remove it. Times in milliseconds."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="greffier-bench-")))
        url = None if database_url is None else stack.enter_context(own_schema(database_url))
        now = [FIRST]
        create_home(folder / "home", "bench-agency", "bench.example/log", database_url=url, clock=lambda: now[0])
        with open_home(folder / "home", clock=lambda: now[0]) as g:
            began = time.perf_counter()
            fill(g, systems, now, report)
            filled = time.perf_counter() - began
            report("asking")
            asked = {name: _timed(turn) for name, turn in _turns(g, systems).items()}
            size = g.log.state().size
    return {
        "bench": "register",
        "database": "sqlite" if database_url is None else "postgresql",
        "systems": systems,
        "versions": VERSIONS,
        "entries": size,
        "filled_s": round(filled, 1),
        "asked": asked,
        "targets_p95_ms": {"list": 100, "search": 100, "facets": 100, "show": 50, "as_of": 20},
        "times": TIMES,
        "cpus": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
    }


def _turns(g: Greffier, systems: int) -> dict[str, Callable[[random.Random], object]]:
    def slug(rng: random.Random) -> str:
        return slug_of(rng.randrange(systems))

    def day(rng: random.Random) -> date:
        return FIRST.date() + timedelta(days=rng.randrange(5, 280))

    def chosen(rng: random.Random) -> search.Query:
        return search.Query(chosen={"theme": (rng.choice([*THEMES.codes]),), "state": ("active", "pilot")})

    def searched(rng: random.Random) -> search.Query:
        return search.Query(" ".join(rng.sample(_WORDS, 2)))

    return {
        "list": lambda rng: search.find(g, search.Query(cursor=f"0.{slug(rng)}")),
        "search": lambda rng: search.find(g, searched(rng)),
        "search_of_all": lambda rng: search.find(g, search.Query(rng.choice(("gemeente", "syst", "advies")))),
        "facets": lambda rng: search.find(g, chosen(rng)),
        "page_of_records": lambda rng: register.some_systems(
            g, [one.slug for one in search.find(g, search.Query(cursor=f"0.{slug(rng)}")).items]
        ),
        "show": lambda rng: register.show(g, slug(rng)),
        "as_of": lambda rng: history.as_of(g, slug(rng), day(rng)),
        "differences": lambda rng: history.between(g, slug(rng), FIRST.date() + timedelta(days=5), day(rng)),
    }


def _timed(turn: Callable[[random.Random], object]) -> dict[str, float]:
    rng = random.Random(7)
    times = []
    for _ in range(TIMES):
        began = time.perf_counter()
        turn(rng)
        times.append((time.perf_counter() - began) * 1000)
    return {
        "first_ms": round(times[0], 2),
        "p50_ms": round(statistics.median(times[1:]), 2),
        "p95_ms": round(percentile(times[1:], 95), 2),
    }


def fill(g: Greffier, systems: int, now: list[datetime], report: Callable[[str], None]) -> None:
    """A version a month, each with a changed record; what lists read is written once, at the end."""
    for version in range(1, VERSIONS + 1):
        now[0] = FIRST + timedelta(days=28 * (version - 1))
        for start in range(0, systems, _BATCH):
            g.log.append(_unit(g, range(start, min(start + _BATCH, systems)), version)).result()
        report(f"version {version} of {VERSIONS}")
    for start in range(0, systems, _BATCH):
        slugs = [slug_of(n) for n in range(start, min(start + _BATCH, systems))]
        g.log.append(Unit((g.make("pulse/1", boots=[], recording="ok"),), _listed(slugs))).result()


def _listed(slugs: list[str]) -> Callable[[Connection, tuple[Sequenced, ...]], None]:
    def rows(conn: Connection, _sequenced: tuple[Sequenced, ...]) -> None:
        for slug in slugs:
            listing.refresh(conn, slug)

    return rows


def _unit(g: Greffier, numbers: range, version: int) -> Unit:
    made = [_Made(n, _system(n, version)) for n in numbers]
    entries: list[Entry] = []
    of: list[tuple[_Made, bool]] = []
    for one in made:
        new = list(_entries(g, one, version))
        of += [(one, entry.kind == "system/1") for entry in new]
        entries += new

    def rows(conn: Connection, sequenced: tuple[Sequenced, ...]) -> None:
        _insert(conn, made, version)
        places = [(one, brought, item) for (one, brought), item in zip(of, sequenced, strict=True)]
        changes = [{"log": item.log, "idx": item.index, "slug": one.slug} for one, _, item in places]
        conn.execute(insert(tables.CHANGE), changes)
        records = [
            {"log": item.log, "idx": item.index, "slug": one.slug, "record": one.text}
            for one, brought, item in places
            if brought
        ]
        conn.execute(insert(tables.RECORD), records)

    return Unit(tuple(entries), rows)


class _Made:
    """One system of the bench, with its record's text made once."""

    def __init__(self, n: int, system: AISystem) -> None:
        self.n, self.slug = n, system.slug
        self.state = _STATES[n % len(_STATES)]
        self.text = format_record(system).decode()

    def manifest(self, version: int) -> str:
        """Canonical JSON of its version."""
        return _manifest(version).replace(f'"{records_scene.SYSTEM}"', f'"{self.slug}"')


def _insert(conn: Connection, made: list[_Made], version: int) -> None:
    systems = [{"slug": one.slug, "record": one.text, "state": one.state, "running_version": version} for one in made]
    if version == 1:
        conn.execute(insert(tables.SYSTEM), systems)
    else:
        for row in systems:
            conn.execute(update(tables.SYSTEM).where(tables.SYSTEM.c.slug == row["slug"]).values(row))
    versions = [{"slug": one.slug, "version": version, "manifest": one.manifest(version)} for one in made]
    conn.execute(insert(tables.VERSION), versions)


def _entries(g: Greffier, one: _Made, version: int) -> Iterator[Entry]:
    slug, manifest = one.slug, digest(one.manifest(version).encode())
    action = "registered" if version == 1 else "changed"
    yield g.make("system/1", system=slug, record=digest(one.text.encode()), action=action)
    yield g.make("version/1", system=slug, version=version, manifest=manifest, model=None)
    steps: list[tuple[str | None, str, str, int | None]] = [("approved", one.state, "started", version)]
    if version == 1:
        steps = [
            (None, "draft", "registered", None),
            ("draft", "in_review", "submitted", None),
            ("in_review", "approved", "approved", None),
            *steps,
        ]
    for source, target, reason, running in steps:
        members = {"from": source, "to": target, "reason": reason, "role": "approver"}
        digests = {"version": running, "manifest": None if running is None else manifest}
        yield g.make("state/1", system=slug, **digests, **members)


@functools.cache
def _base() -> RegisterFile:
    """What all of them have in common, parsed once."""
    return parse_register_file(records_scene.system_file())


def _system(n: int, version: int) -> AISystem:
    rng = random.Random(n)
    words, base = rng.sample(_WORDS, 4), _base().system
    text = f"Gemeente: {' '.join(words)} {n}, uitgave {version}. " + " ".join(rng.choices(_WORDS, k=40))
    annex_iii = (f"III.5.{'abcd'[n % 4]}",) if n % 7 == 0 else ()
    return replace(
        base,
        slug=slug_of(n),
        name={"en": f"System {words[0]} {n}", "nl": f"Systeem voor {words[0]} en {words[1]} {n}"},
        purpose={"en": text, "nl": text},
        themes=tuple(rng.sample([*THEMES.codes], 2)),
        owner=replace(base.owner, unit=rng.choice(_UNITS)),
        limits={"en": text * 4, "nl": text * 4},
        classification=replace(base.classification, annex_iii=annex_iii),
    )


@functools.cache
def _manifest(version: int) -> str:
    manifest = _base().manifest
    assert manifest is not None
    return format_manifest(numbered(manifest, version)).decode()


def slug_of(n: int) -> str:
    return f"system-{n:06}"
