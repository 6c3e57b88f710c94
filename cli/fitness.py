"""`greffier system fitness`: a version tested on its invented cases, before it decides about people."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from cli.options import AsJson, Home, how_many, print_json, print_rows, print_text, progress
from cli.system import Role, Slug
from registry.gate_report import TESTS, VERDICTS, FitnessReport, format_report
from service.systems import fitness
from service.wiring import open_home

_PASSED, _NOT_PASSED = 0, 1


def add_commands(app: typer.Typer) -> None:
    """Register this file's command."""
    app.command("fitness")(run_fitness)


def run_fitness(
    home: Home,
    slug: Slug,
    version: Annotated[int | None, typer.Option(min=1, help="The version to test; the newest by default.")] = None,
    role: Role = "administrator",
    as_json: AsJson = False,
) -> int:
    """Run a version on its invented cases and record what came of it; exit 1 where it did not pass."""
    with open_home(home) as g:
        report = fitness.run(g, slug, version, role=role, told=progress)
    if as_json:
        print_json({**json.loads(format_report(report)), "digest": report.digest})
    else:
        _print(report)
    return _PASSED if report.verdict == "passed" else _NOT_PASSED


def _print(report: FitnessReport) -> None:
    counts = report.counts
    print_text(f"{report.system}, version {report.version}: {VERDICTS.text(report.verdict, 'en')}")
    outcomes = ", ".join(f"{code} {number}" for code, number in counts.outcomes.items())
    ran = f"{how_many(counts.cases, 'case')} in {how_many(counts.wordings, 'wording')}"
    skipped = f", {counts.skipped} could not be run" if counts.skipped else ""
    print_text(f"{ran}{skipped}; results: {outcomes or 'none'}")
    print_rows(test_rows(report), as_json=False)
    for what, tally in (("changed by", counts.by_field), ("changed by protected", counts.protected),
                        ("explanations", counts.verdicts), ("withheld for", counts.reasons)):  # fmt: skip
        if tally:
            print_text(f"{what}: {', '.join(f'{name} {number}' for name, number in tally.items())}")
    if counts.answered:
        text = f"answered in full: {counts.answered}, of them cut off {counts.cut_off}, not readable {counts.invalid}"
        print_text(f"{text}, refused {counts.refused}")


def test_rows(report: FitnessReport) -> list[dict[str, Any]]:
    """A line for each test: what it is, share and threshold in thousandths, whether it was met, what follows."""
    return [
        {
            "test": test.name,
            "means": TESTS.text(test.name, "en"),
            "per_mille": test.value,
            "threshold": test.threshold,
            "met": "not measured" if test.met is None else "yes" if test.met else "no",
            "holds_back": "yes" if test.blocking else "no",
        }
        for test in report.tests
    ]
