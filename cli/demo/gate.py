"""The demo's gate: each system is tested on its invented cases, and what the tests held back is shown as held back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from cli.demo import staff
from home.greffier import Greffier
from registry.gate_report import FitnessReport
from service.systems import fitness, lifecycle

MAKER: Final = staff.IDS["eef.voorbeeld"]
APPROVER: Final = staff.IDS["bo.voorbeeld"]
"""Accounts of two invented members of staff: who prepares a system, and who approves and starts it (four eyes)."""
HELD_BACK = lifecycle.Override(
    "trial",
    {
        "en": "This is a demonstration with invented people. The tests held this version back. It runs all the same, "
        "so that its record can be looked at. Do not rely on its results.",
        "nl": "Dit is een demonstratie met verzonnen mensen. De toetsen hielden deze versie tegen. Ze draait toch, "
        "zodat te zien is wat er wordt vastgelegd. Vertrouw niet op haar uitkomsten.",
    },
)


def go_live(g: Greffier, slug: str, state: str, told: Callable[[str], None]) -> FitnessReport:
    """Test a system, then bring it into a state: by its tests, or past them by an override that everybody can read."""
    report = fitness.run(g, slug, told=told)
    override = None if report.verdict == "passed" else HELD_BACK
    lifecycle.change_state(g, slug, state, override=override, role="approver", account=APPROVER)
    return report


def seen(report: FitnessReport) -> str:
    """What the tests of a version found, in one line."""
    counts = report.counts
    outcomes = ", ".join(f"{code} {number}" for code, number in counts.outcomes.items())
    withheld = counts.verdicts.get("withheld", 0) + counts.verdicts.get("set_aside", 0)
    parts = [
        f"{counts.cases} cases ({outcomes})",
        f"one detail can change {counts.sensitive}",
        f"{counts.stable} are the same in all {counts.wordings} wordings",
    ]
    if counts.verdicts:
        parts.append(f"{withheld} of {sum(counts.verdicts.values())} have no explanation")
    parts += [f"{name} alone changes {number}" for name, number in counts.protected.items()]
    missed = f"; not met: {', '.join(report.failed)}" if report.failed else ""
    return f"{report.verdict.replace('_', ' ')}: {'; '.join(parts)}{missed}"
