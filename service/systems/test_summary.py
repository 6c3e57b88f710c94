"""How the versions of a system were tested, as its public page and the register for machines tell it."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date
from typing import Any, Final, cast

from home.greffier import Greffier
from registry.gate_report import FitnessReport, format_report
from registry.manifest import Manifest, SystemVersion
from registry.values import Words
from reports.system_page.context import Check, Counted, TestReport, Tests, Waiver
from service.systems import admission
from service.systems.admission import Admission, PublicOverride

OTHERS: Final = 5
"""Other versions whose newest test is told, too."""


def tests_of(g: Greffier, slug: str, shown: SystemVersion) -> Tests:
    """The tests of the version on the page, those of other versions, and every override of the system."""
    standing = admission.standing(g, slug)
    tested = admission.of_versions(g, slug)
    mine = next((one for one in tested if one.version.version == shown.version), None)
    others = [told for one in tested if one is not mine and (told := report_of(one)) is not None]
    return Tests(
        found=cast("Any", "elsewhere" if mine is None else mine.found),
        way=standing.way if standing.admission and standing.admission.version.version == shown.version else None,
        report=None if mine is None else report_of(mine),
        others=tuple(others[:OTHERS]),
        waivers=waivers_of(g, slug),
    )


def waivers_of(g: Greffier, slug: str) -> tuple[Waiver, ...]:
    """Every time that the system was let through although its tests, or a duty, held it back."""
    return tuple(_waiver(one) for one in admission.overrides(g, slug))


def facts(g: Greffier, slug: str) -> dict[str, Any]:
    """The same as JSON. `tests`: how those of the running version stand, why it decides, and the whole report where it
    counts; `versions`: how those of each version stand, the newest first; `overrides`: ground, reasons, role and day.
    """
    found = admission.standing(g, slug)
    now = found.admission
    return {
        "tests": None if now is None else {"found": now.found, "decides_by": found.way, "report": _whole(now)},
        "versions": [
            {"version": one.version.version, "found": one.found, "report": _whole(one)}
            for one in admission.of_versions(g, slug)
        ],
        "overrides": [asdict(one) for one in admission.overrides(g, slug)],
    }


def _whole(found: Admission) -> dict[str, Any] | None:
    report: dict[str, Any] | None = None if found.report is None else json.loads(format_report(found.report))
    return report


def report_of(found: Admission) -> TestReport | None:
    """The newest test of a version in the words of the page; None where there is none that counts."""
    report = found.report
    return None if report is None else _report(found.version.manifest, report)


def _report(manifest: Manifest, report: FitnessReport) -> TestReport:
    counts = report.counts
    results = [(outcome.label, counts.outcomes.get(outcome.code)) for outcome in manifest.outcomes]
    free = [(field.label, counts.by_field.get(field.id)) for field in manifest.fields]
    kept = [(field.label, counts.protected.get(field.id)) for field in manifest.fields]
    return TestReport(
        version=report.version,
        made=date.fromisoformat(report.made[:10]),
        verdict=cast("Any", report.verdict),
        checks=tuple(
            Check(name=cast("Any", t.name), value=t.value, threshold=t.threshold, met=t.met, blocking=t.blocking)
            for t in report.tests
        ),
        cases=counts.cases,
        skipped=counts.skipped,
        results=_counted(results),
        details=(*_counted(free), *_counted(kept, protected=True)),
        wordings=counts.wordings,
        explained=sum(counts.verdicts.values()),
        answered=counts.answered,
        digest=report.digest,
    )


def _counted(rows: list[tuple[Words, int | None]], *, protected: bool = False) -> tuple[Counted, ...]:
    """Those that were counted, in declared order."""
    return tuple(
        Counted(label=label, cases=number, protected=protected) for label, number in rows if number is not None
    )


def _waiver(one: PublicOverride) -> Waiver:
    return Waiver(
        version=one.version,
        made=date.fromisoformat(one.day),
        ground=cast("Any", one.ground),
        reasons=one.statement,
        role=one.role,
    )
