"""Whether a version may decide about people by its newest tests, or by an override that everybody can read.

A stored report or reason counts only where the log's own entry names its digest: the register's rows are no proof.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from auditlog.core.errors import AuditLogError
from auditlog.writing.log import Sequenced, Unit
from home.greffier import Greffier
from registry.errors import FormatError, TransitionRefused
from registry.gate_report import GROUNDS, FitnessReport, format_report, parse_statement, statement_digest
from registry.manifest import SystemVersion
from registry.store import fitness as store
from registry.store import history as history_store
from registry.store import systems as system_store
from registry.store.fitness import StoredOverride, StoredReport
from registry.store.history import Place
from registry.values import Words
from service.records import reading

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from auditlog.core.entries.record import Entry

Found = Literal["passed", "held_back", "not_measurable", "not_tested", "altered", "other_version"]
"""The verdict of the newest report; `altered`: it is not the one that its entry names; `other_version`: it tells of
another manifest than this version has."""
Way = Literal["passed", "override", "earlier_test", "not_enforced"]
"""Why a version decides: its tests, an override, tests that it passed before, or a gate that only reports (or that was
not there yet)."""


@dataclass(frozen=True, slots=True)
class Override:
    """The will to let a version through all the same: a code of GROUNDS, and the reasons by language. It is public."""

    ground: str
    because: Words


@dataclass(frozen=True, slots=True)
class Barred:
    """What an override leads past. `version` 0: of a system that runs elsewhere without one; `fitness`: digest of the
    report that held it back, None where a duty did."""

    system: str
    version: int
    fitness: str | None


@dataclass(frozen=True, slots=True)
class Admission:
    """How a version's tests stand. `report` is set where it counts; `stored` is the newest row, whatever it holds."""

    version: SystemVersion
    found: Found
    report: FitnessReport | None
    stored: StoredReport | None

    @property
    def passed(self) -> bool:
        """Whether the tests let it through."""
        return self.found == "passed"

    @property
    def barred(self) -> Barred:
        """What an override of it leads past: the report, but where its tests were passed, or none counts."""
        report = None if self.report is None or self.passed else self.report.digest
        return Barred(self.version.system, self.version.version, report)


@dataclass(frozen=True, slots=True)
class PublicOverride:
    """An override as the register shows it. `statement` is None where it is not the one that the log names."""

    version: int
    ground: str
    statement: Words | None
    role: str
    day: str
    fitness: str | None
    log: int
    index: int


@dataclass(frozen=True, slots=True)
class Standing:
    """The tests of the running version, and why it decides. None of both: nothing runs here."""

    admission: Admission | None
    way: Way | None


def keep(g: Greffier, report: FitnessReport) -> StoredReport:
    """Record a report: its `fitness/1` entry, its row, and its place in the system's history, in one unit."""
    text = format_report(report)
    entry = g.make(
        "fitness/1",
        system=report.system,
        version=report.version,
        manifest=report.manifest,
        verdict=report.verdict,
        failed=list(report.failed),
        cases=report.counts.cases,
        report=report.digest,
        runtime=report.runtime,
        build=report.build,
        device=report.device,
    )

    def rows(conn: Connection, sequenced: tuple[Sequenced, ...]) -> None:
        system_store.read_version(conn, report.system, report.version)
        store.add_report(conn, report.system, report.version, sequenced[0].place, text.decode())
        history_store.add_changes(conn, report.system, sequenced[0].log, (sequenced[0].index,))

    (written,) = g.log.append(Unit((entry,), rows)).result().sequenced
    return StoredReport(report.system, report.version, written.log, written.index, text.decode())


def admission(conn: Connection, version: SystemVersion) -> Admission:
    """The newest report on a version, held against the entries of the system's history."""
    return _newest(conn, version, _logged_tests(conn, version.system))


def _newest(conn: Connection, version: SystemVersion, told: Mapping[int, Place]) -> Admission:
    stored = store.newest_report(conn, version.system, version.version)
    if told.get(version.version) != (stored and stored.place):
        return Admission(version, "altered", None, stored)
    return _judge(conn, version, stored)


def _logged_tests(conn: Connection, slug: str) -> dict[int, Place]:
    """Where the last `fitness/1` entry of each version stands: its row may have been taken away."""
    found: dict[int, Place] = {}
    for place in history_store.list_changes(conn, slug):
        entry = _entry(conn, place, "fitness/1", slug)
        if entry is not None:
            found[cast("int", entry.members["version"])] = place
    return found


def _entry(conn: Connection, place: Place, kind: str, slug: str) -> Entry | None:
    """The entry at a place that a row names; None where it is none of this kind and system: fsck names such a row."""
    with contextlib.suppress(AuditLogError):
        entry = reading.entry_at(conn, *place)
        if entry.kind == kind and entry.members["system"] == slug:
            return entry
    return None


def _judge(conn: Connection, version: SystemVersion, stored: StoredReport | None) -> Admission:
    if stored is None:
        return Admission(version, "not_tested", None, None)
    entry = _entry(conn, stored.place, "fitness/1", version.system)
    try:
        report = stored.report
    except FormatError:
        return Admission(version, "altered", None, stored)
    names = ("version", "report", "manifest", "verdict")
    said = None if entry is None else tuple(entry.members[name] for name in names)
    if said != (version.version, stored.digest, report.manifest, report.verdict):
        return Admission(version, "altered", None, stored)
    if report.manifest != version.digest:
        return Admission(version, "other_version", None, stored)
    verdicts: dict[str, Found] = {"passed": "passed", "held_back": "held_back"}
    return Admission(version, verdicts.get(report.verdict, "not_measurable"), report, stored)


def standing(g: Greffier, slug: str) -> Standing:
    """How the tests of the running version stand, for the register. Raises UnknownSystem."""
    with g.reading() as conn:
        found = system_store.read_system(conn, slug)
        if found.version is None or found.system.capture != "runtime" or found.version.model is None:
            return Standing(None, None)
        now = admission(conn, found.version)
        return Standing(now, "passed" if now.passed else _other_way(conn, found.version))


def of_versions(g: Greffier, slug: str) -> tuple[Admission, ...]:
    """How the tests of each version stand whose model runs here, the newest version first. Raises UnknownSystem."""
    with g.reading() as conn:
        if system_store.read_system(conn, slug).system.capture != "runtime":
            return ()
        versions = [one for one in system_store.list_versions(conn, slug) if one.model is not None]
        told = _logged_tests(conn, slug)
        return tuple(_newest(conn, one, told) for one in reversed(versions))


def _other_way(conn: Connection, version: SystemVersion) -> Way:
    if any(one.version == version.version for one in store.overrides(conn, version.system)):
        return "override"
    earlier = store.reports(conn, version.system, version.version)[1:]
    return "earlier_test" if any(_judge(conn, version, one).passed for one in earlier) else "not_enforced"


def overrides(g: Greffier, slug: str) -> tuple[PublicOverride, ...]:
    """Every override of a system, the newest first, as its entry tells of it."""
    with g.reading() as conn:
        rows = store.overrides(conn, slug)
        found = ((one, _entry(conn, (one.log, one.index), "override/1", slug)) for one in rows)
        return tuple(_public(row, entry) for row, entry in found if entry is not None)


def _public(row: StoredOverride, entry: Entry) -> PublicOverride:
    members: Any = entry.members
    return PublicOverride(
        version=members["version"],
        ground=members["ground"],
        statement=row.statement if members["statement"] == row.digest else None,
        role=members["role"],
        day=entry.time[:10],
        fitness=members["fitness"],
        log=row.log,
        index=row.index,
    )


def demand(found: Admission, override: Override | None, *, enforced: bool, by_duty: bool = False) -> None:
    """Raises TransitionRefused where neither tests nor an override let the version through.

    `by_duty`: a duty needs the override, whatever the tests say.
    """
    if override is not None:
        if found.passed and not by_duty:
            raise TransitionRefused("is not needed, the tests were passed; leave it out", field="override")
        GROUNDS.parse(override.ground, "override")
        parse_statement(dict(override.because), "because")
    elif enforced and not found.passed:
        raise TransitionRefused(_refusal(found), field="version")


def _refusal(found: Admission) -> str:
    version = found.version
    test = f"`greffier system fitness {version.system} --version {version.version}`"
    past = "--override GROUND --because TEXT, which is public"
    if found.found == "held_back" and found.report is not None:
        return f"was held back by its tests ({', '.join(found.report.blocked_by)}): change it, or give {past}"
    if found.found == "not_measurable":
        return f"could not be tested, since too few of its cases run: declare cases and run {test}, or give {past}"
    if found.found == "altered":
        return f"has another report than its entry names: see `greffier log fsck`, then run {test}, or give {past}"
    if found.found == "other_version":
        return f"has a report on another manifest: run {test}, or give {past}"
    return f"was not tested: run {test}, or give {past}"


def make_override(g: Greffier, barred: Barred, override: Override, role: str) -> Entry:
    """The `override/1` entry. It names the report that it overrides, where there is one that counts."""
    return g.make(
        "override/1",
        system=barred.system,
        version=barred.version,
        fitness=barred.fitness,
        ground=override.ground,
        statement=statement_digest(override.because),
        role=role,
    )


def add_override(conn: Connection, barred: Barred, override: Override, role: str, place: Place) -> None:
    """Its row, in the transaction that wrote its entry at `place`."""
    store.add_override(
        conn,
        barred.system,
        barred.version,
        place,
        fitness=barred.fitness,
        ground=override.ground,
        statement=override.because,
        role=role,
    )
