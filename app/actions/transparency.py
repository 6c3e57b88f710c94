"""The transparency report of a period: a draft from the roll-up, or published from the tallies in the log.

What is published is opened for good: each system's sum over the period gets a `tally/1` entry of its own, whose cells
the report opens but for small ones, and a `publication/1` entry with the digest of the report's form for machines.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

from app.actions import counting, notices, period_tallies, query, register, replay_health, report, tallies
from app.actions.period_tallies import Opened, Sums
from app.errors import UsageError
from app.home import Greffier
from auditlog import figures
from auditlog.errors import CannotRecord
from auditlog.figures import COUNTED_MODES, CellKey, Cells, Why
from auditlog.log import Sequenced, Unit
from auditlog.published import close_cells, close_comparison, published_cells, total_figures
from auditlog.record import parse_time
from auditlog.store import publications as publication_store
from auditlog.store import tallies as tally_store
from auditlog.store.insert import insert_rows
from auditlog.store.publications import PublicationRow, PublishedCell
from auditlog.store.rollup import iterate_rollup
from auditlog.store.samples import list_reconciliations
from registry.manifest import Manifest
from registry.store import systems as register_store
from reports.agency import LogStamp
from reports.render import json_twin
from reports.transparency.context import Comparison, Replays, SystemFigures, TransparencyReport
from reports.twin import read_twin

if TYPE_CHECKING:
    from sqlalchemy import Connection

DOCUMENT = "transparency"
_TRIES = 5
_COMPARED = ("cases", "records", "without_record", "without_case", "used_before_review")


class PublishedMeanwhile(Exception):
    """Something was tallied or published since the figures were read: read them again."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a publication was made from: by these numbers a change is noticed."""

    tallies: int
    publications: int


@dataclass(frozen=True, slots=True)
class Published:
    """A report, the bytes of its form for machines, and the id of its `publication/1` entry."""

    report: TransparencyReport
    body: bytes
    id: str


def period_report(g: Greffier, first: date, last: date, lang: str) -> TransparencyReport:
    """A draft for the days `first` to `last`, both included (UTC): figures of modes live and pilot as they are now."""
    del lang
    with g.reading() as conn:
        rows = iterate_rollup(conn, first.isoformat(), last.isoformat())
        sums = sum_by_system((key, cells) for _, key, cells in rows)
    closed = _close(g, first, last, sums)
    return _report(g, (first, last), sums, closed)


def newest(g: Greffier) -> TransparencyReport | None:
    """The newest report that was published, or None."""
    with g.reading() as conn:
        body = publication_store.newest_body(conn, DOCUMENT)
    return None if body is None else read_twin(TransparencyReport, body)


def publish(g: Greffier, first: date, last: date) -> Published:
    """Tally what is pending, sum the period, open what may be seen, and record the publication.

    Raises UsageError for a period that has not ended, or where the agency has no profile; CannotRecord where the log
    cannot be written.
    """
    if last >= g.clock().date():
        after = (last + timedelta(days=1)).isoformat()
        raise UsageError(f"has not ended: it can be published from {after} on", field="--period")
    tallies.tally_pending(g)
    for _ in range(_TRIES):
        try:
            return _publish(g, first, last)
        except PublishedMeanwhile:
            continue
    raise CannotRecord("the log is being tallied by others: try again", cause="busy")


def _publish(g: Greffier, first: date, last: date) -> Published:
    with g.reading() as conn:
        parts = tally_store.tallies_of_days(conn, first.isoformat(), last.isoformat())
        seen = Seen(len(parts), publication_store.count_publications(conn))
    sums = period_tallies.sum_parts(g, parts)
    closed = _close(g, first, last, sums)
    opened = [period_tallies.make(g, slug, (first, last), one, closed[slug]) for slug, one in sorted(sums.items())]
    made = _report(g, (first, last), sums, closed, opened)
    body = json_twin(made)
    publication_id = str(uuid.uuid4())
    digest = f"sha256:{sha256(body).hexdigest()}"
    days = {"first": first.isoformat(), "last": last.isoformat()}
    entry = g.make("publication/1", id=publication_id, document=DOCUMENT, digest=digest, **days)
    cells = [
        PublishedCell(slug, cell, number, closed[slug].get(cell))
        for slug, one in sums.items()
        for cell, number in one.cells.items()
    ]

    def apply(conn: Connection, sequenced: tuple[Sequenced, ...]) -> None:
        now = tally_store.tallies_of_days(conn, days["first"], days["last"])
        if seen != Seen(len(now), publication_store.count_publications(conn)):
            raise PublishedMeanwhile
        rows = [row for one in opened for row in one.prepared.rows()]
        rows += tally_store.tally_rows(tally_store.row_from(at.entry, at.place, 0) for at in sequenced[:-1])
        row = PublicationRow(publication_id, *sequenced[-1].place, DOCUMENT, days["first"], days["last"], body)
        rows += publication_store.publication_rows(row, cells)
        insert_rows(conn, rows)

    g.log.append(Unit((*(one.entry for one in opened), entry), apply)).result()
    return Published(made, body, publication_id)


def sum_by_system(many: Iterable[tuple[CellKey, Cells]]) -> dict[str, Sums]:
    """Published cells by system, of what enters figures; an empty slug: requests that named no registered system."""
    found: dict[str, list[Cells]] = {}
    versions: dict[str, set[int]] = {}
    for key, cells in many:
        if key.mode is not None and key.mode not in COUNTED_MODES:
            continue
        found.setdefault(key.system, []).append(cells)
        if key.version is not None and "decisions" in cells:
            versions.setdefault(key.system, set()).add(key.version)
    summed = {slug: published_cells(figures.add(parts)) for slug, parts in found.items()}
    return {slug: Sums(cells, frozenset(versions.get(slug, ()))) for slug, cells in summed.items()}


def _close(g: Greffier, first: date, last: date, sums: Mapping[str, Sums]) -> dict[str, dict[str, Why]]:
    closed = {}
    for slug, one in sums.items():
        with g.reading() as conn:
            before = publication_store.publications_of(conn, slug, year=f"{first.year}")
            manifests = [version.manifest for version in register_store.list_versions(conn, slug)]
        days = first.isoformat(), last.isoformat()
        waiting = counting.waiting_outcomes(manifests)
        closed[slug] = close_cells(*days, one.cells, before, g.settings.small_cell, waiting=waiting)
    return closed


def _report(
    g: Greffier,
    days: tuple[date, date],
    sums: Mapping[str, Sums],
    closed: Mapping[str, Mapping[str, Why]],
    opened: Iterable[Opened] | None = None,
) -> TransparencyReport:
    stamp = query.stamp(g)
    shown = {slug: Shown(one, closed[slug], g.settings.small_cell) for slug, one in sums.items()}
    systems = [_system_figures(g, public, shown) for public in register.list_systems(g)]
    return TransparencyReport(
        agency=report.agency_here(g),
        since=days[0],
        until=days[1],
        log=LogStamp(origin=stamp.origin, size=stamp.size, root=stamp.root),
        floor=g.settings.small_cell,
        total=tuple(total_figures([one.open for one in shown.values()], {c for of in closed.values() for c in of})),
        systems=tuple(item for item in systems if item is not None),
        comparisons=tuple(_comparisons(g, days)),
        draft=opened is None,
        tallies=tuple(one.opened for one in opened or ()),
        replays=tuple(_replays(g, days)),
    )


def _comparisons(g: Greffier, days: tuple[date, date]) -> Iterator[Comparison]:
    with g.reading() as conn:
        rows = list_reconciliations(conn, first_day=days[0].isoformat(), last_day=days[1].isoformat())
    for row in rows:
        counts = {name: getattr(row, name) for name in _COMPARED}
        closed = close_comparison(counts, g.settings.small_cell)
        yield Comparison(
            made=parse_time(row.minute).date(),
            system=row.system,
            since=date.fromisoformat(row.first_day),
            until=date.fromisoformat(row.last_day),
            **{name: None if name in closed else number for name, number in counts.items()},
        )


def _replays(g: Greffier, days: tuple[date, date]) -> Iterator[Replays]:
    names = {public.system.slug: public.system.name for public in register.list_systems(g)}
    for slug, counts in replay_health.of_period(g, *days).items():
        yield Replays(system=slug, name=names.get(slug, {}), counts=counts)


@dataclass(frozen=True, slots=True)
class Shown:
    """A system's sums as they are shown."""

    sums: Sums = field(default_factory=Sums)
    closed: Mapping[str, Why] = field(default_factory=dict)
    floor: int = 0

    @property
    def open(self) -> Cells:
        """The cells whose numbers are shown."""
        return {cell: number for cell, number in self.sums.cells.items() if cell not in self.closed}


def _elsewhere(
    public: register.PublicSystem, manifests: Iterable[Manifest], versions: frozenset[int]
) -> tuple[str, ...]:
    """Who ran the models of the versions that gave results, where they were asked through the gateway."""
    if public.system.capture == "external":
        return ()
    return tuple(sorted({one.remote.provider for one in manifests if one.remote and one.version in versions}))


def _system_figures(g: Greffier, public: register.PublicSystem, shown: Mapping[str, Shown]) -> SystemFigures | None:
    slug = public.system.slug
    if slug not in shown and public.version is None:
        return None
    with g.reading() as conn:
        manifests = [version.manifest for version in register_store.list_versions(conn, slug)]
    labels = {outcome.code: outcome.label for manifest in manifests for outcome in manifest.outcomes}
    target = public.system.target_latency_ms
    mine = shown.get(slug, Shown())
    return SystemFigures(
        slug=slug,
        name=public.system.name,
        url=notices.system_url(g, slug),
        state=public.state,
        versions=tuple(sorted(mine.sums.versions)),
        target_ms=target,
        outcomes=labels,
        elsewhere=_elsewhere(public, manifests, mine.sums.versions),
        figures=tuple(figures.figures(mine.open, target_ms=target, closed=mine.closed, floor=mine.floor)),
    )
