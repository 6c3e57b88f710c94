"""The transparency report of a period, from the roll-up that the log's writer keeps: no record is read for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from app.actions import notices, query, register, report
from app.home import Greffier
from auditlog import figures
from auditlog.figures import COUNTED_MODES, CellKey, Cells
from auditlog.store.rollup import iterate_rollup
from registry.store import systems as register_store
from reports.agency import LogStamp
from reports.transparency.context import SystemFigures, TransparencyReport


@dataclass(slots=True)
class Sums:
    """Cells of one system over a period, and the versions that gave results in it."""

    cells: Cells = field(default_factory=dict)
    versions: set[int] = field(default_factory=set)


def period_report(g: Greffier, first: date, last: date, lang: str) -> TransparencyReport:
    """The figures of the days `first` to `last`, both included (UTC), in modes live and pilot."""
    del lang
    with g.reading() as conn:
        stamp = query.stamp(g)
        sums = sum_by_system(
            (key, cells) for _, key, cells in iterate_rollup(conn, first.isoformat(), last.isoformat())
        )
    systems = [_system_figures(g, public, sums) for public in register.list_systems(g)]
    total = figures.add(one.cells for one in sums.values())
    return TransparencyReport(
        agency=report.agency_here(g),
        since=first,
        until=last,
        log=LogStamp(origin=stamp.origin, size=stamp.size, root=stamp.root),
        total=tuple(f for f in figures.figures(total) if not f.name.startswith("outcomes.")),
        systems=tuple(item for item in systems if item is not None),
    )


def sum_by_system(many: Iterable[tuple[CellKey, Cells]]) -> dict[str, Sums]:
    """Cells by system, of what enters figures; requests that named no registered system stand under an empty slug."""
    found: dict[str, Sums] = {}
    for key, cells in many:
        if key.mode is not None and key.mode not in COUNTED_MODES:
            continue
        sums = found.setdefault(key.system, Sums())
        sums.cells = figures.add((sums.cells, cells))
        if key.version is not None and "decisions" in cells:
            sums.versions.add(key.version)
    return found


def _system_figures(g: Greffier, public: register.PublicSystem, sums: Mapping[str, Sums]) -> SystemFigures | None:
    slug = public.system.slug
    if slug not in sums and public.version is None:
        return None
    with g.reading() as conn:
        manifests = [version.manifest for version in register_store.list_versions(conn, slug)]
    labels = {outcome.code: outcome.label for manifest in manifests for outcome in manifest.outcomes}
    target = public.system.target_latency_ms
    mine = sums.get(slug, Sums())
    return SystemFigures(
        slug=slug,
        name=public.system.name,
        url=notices.system_url(g, slug),
        state=public.state,
        versions=tuple(sorted(mine.versions)),
        target_ms=target,
        outcomes=labels,
        figures=tuple(figures.figures(mine.cells, target_ms=target)),
    )
