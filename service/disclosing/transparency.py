"""The transparency report of a period: a draft from the roll-up, or published from the tallies in the log.

What is published is opened for good: each system's sum over the period gets a `tally/1` entry of its own, whose cells
the report opens but for small ones, and a `publication/1` entry with the digest of the report's form for machines.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

from auditlog.core.counting import figures
from auditlog.core.counting.figures import COUNTED_MODES, CellKey, Cells, Why
from auditlog.core.counting.published import close_cells, published_cells, total_figures
from auditlog.core.errors import CannotRecord
from auditlog.store import publications as publication_store
from auditlog.store import tallies as tally_store
from auditlog.store.insert import insert_rows
from auditlog.store.publications import PublicationRow, PublishedCell
from auditlog.store.rollup import iterate_rollup
from auditlog.writing.log import Sequenced, Unit
from home.errors import UsageError
from home.greffier import Greffier
from registry.manifest import Manifest
from registry.publication import public_system
from registry.store import systems as register_store
from reports.agency import LogStamp
from reports.render import json_twin
from reports.transparency.context import SystemFigures, TransparencyReport
from reports.transparency.marks import marks
from service.deciding import ai_notice, counting
from service.disclosing import period, publications, report
from service.disclosing.publications import DOCUMENT
from service.figures import period_tallies, tallies
from service.figures.period_tallies import Opened, Sums
from service.records import query
from service.replaying import health
from service.systems import register

if TYPE_CHECKING:
    from sqlalchemy import Connection

_TRIES = 5


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
        every = sum_by_system((key, cells) for _, key, cells in rows)
    sums = _public(g, every)
    closed = _close(g, first, last, sums)
    made = _report(g, (first, last), sums, closed)
    return _marked(replace(made, not_shown=_not_shown(g, (first, last), every)))


def _public(g: Greffier, sums: Mapping[str, Sums]) -> dict[str, Sums]:
    """But for those of systems that are not public as a whole."""
    hidden = period.not_public(g)
    return {slug: one for slug, one in sums.items() if slug not in hidden}


def _not_shown(g: Greffier, days: tuple[date, date], sums: Mapping[str, Sums]) -> int:
    """How many systems that are not public have results or replays of these days."""
    return len(period.not_public(g) & (sums.keys() | health.of_period(g, *days).keys()))


def _marked(made: TransparencyReport) -> TransparencyReport:
    return replace(made, marks=marks(json.loads(json_twin(made))))


def publish(g: Greffier, first: date, last: date, note: Mapping[str, str] | None = None) -> Published:
    """Tally what is pending, sum the period, open what may be seen, and record the publication.

    `note`: what was wrong in the report of these days that was published before, per language; it stands in the new
    one. Raises UsageError for a period that has not ended, for days that were published before without a note and the
    reverse, or where the agency has no profile; CannotRecord where the log cannot be written.
    """
    if last >= g.clock().date():
        after = (last + timedelta(days=1)).isoformat()
        raise UsageError(f"has not ended: it can be published from {after} on", field="--period")
    publications.demand_note(g, (first, last), note)
    tallies.tally_pending(g)
    for _ in range(_TRIES):
        # Again each time: what was published meanwhile may be of the same days.
        publications.demand_note(g, (first, last), note)
        try:
            return _publish(g, first, last, note)
        except PublishedMeanwhile:
            continue
    raise CannotRecord("the log is being tallied by others: try again", cause="busy")


def _publish(g: Greffier, first: date, last: date, note: Mapping[str, str] | None) -> Published:
    with g.reading() as conn:
        parts = tally_store.tallies_of_days(conn, first.isoformat(), last.isoformat())
        seen = Seen(len(parts), publication_store.count_publications(conn))
    every = period_tallies.sum_parts(g, parts)
    sums = _public(g, every)
    closed = _close(g, first, last, sums)
    opened = [period_tallies.make(g, slug, (first, last), one, closed[slug]) for slug, one in sorted(sums.items())]
    correction = publications.correction(g, (first, last), note)
    made = replace(_report(g, (first, last), sums, closed, opened), correction=correction)
    made = _marked(replace(made, not_shown=_not_shown(g, (first, last), every)))
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
    hidden = period.not_public(g)
    systems = [_system_figures(g, one, shown) for one in register.list_systems(g) if one.system.slug not in hidden]
    return TransparencyReport(
        agency=report.agency_here(g),
        since=days[0],
        until=days[1],
        log=LogStamp(origin=stamp.origin, size=stamp.size, root=stamp.root),
        floor=g.settings.small_cell,
        total=tuple(total_figures([one.open for one in shown.values()], {c for of in closed.values() for c in of})),
        systems=tuple(item for item in systems if item is not None),
        comparisons=tuple(period.comparisons(g, days)),
        draft=opened is None,
        tallies=tuple(one.opened for one in opened or ()),
        replays=tuple(period.replays(g, days)),
        requests=tuple(period.requests(g, days)),
        running=period.running_of(g, days, draft=opened is None),
    )


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
    system = public_system(public.system, g.clock().date())
    slug = system.slug
    if slug not in shown and public.version is None:
        return None
    with g.reading() as conn:
        manifests = [version.manifest for version in register_store.list_versions(conn, slug)]
    labels = {outcome.code: outcome.label for manifest in manifests for outcome in manifest.outcomes}
    target = system.target_latency_ms
    mine = shown.get(slug, Shown())
    return SystemFigures(
        slug=slug,
        name=system.name,
        url=ai_notice.system_url(g, slug),
        state=public.state,
        versions=tuple(sorted(mine.sums.versions)),
        target_ms=target,
        outcomes=labels,
        elsewhere=_elsewhere(public, manifests, mine.sums.versions),
        tariff=system.tariff,
        figures=tuple(figures.figures(mine.open, target_ms=target, closed=mine.closed, floor=mine.floor)),
    )
