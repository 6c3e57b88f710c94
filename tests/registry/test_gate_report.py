"""What a version must show: each test at its threshold and beside it, and the report as a document."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditlog.core.entries.vocabulary import FITNESS_TESTS, FITNESS_VERDICTS, OVERRIDE_GROUNDS
from registry import gate_report
from registry.errors import FormatError
from registry.fitness import DEFAULT, Thresholds
from registry.gate_report import Counts, FitnessReport, judge
from registry.manifest import SystemVersion
from registry.manifest_rules import parse_draft

GOOD = Counts(
    cases=200,
    skipped=3,
    outcomes={"no": 80, "yes": 120},
    sensitive=180,
    by_field={"size": 180},
    protected={"colour": 0},
    stable=160,
    wordings=3,
    verdicts={"explained": 6, "withheld": 2},
    reasons={"wording": 2},
    answered=200,
    cut_off=1,
    invalid=2,
    refused=0,
)


def changed(**members: Any) -> Counts:
    return dataclasses.replace(GOOD, **members)


def failed(counts: Counts, thresholds: Thresholds | None = None) -> list[str]:
    return [test.name for test in judge(counts, thresholds)[0] if test.met is False]


@pytest.fixture
def report(document: dict[str, Any]) -> FitnessReport:
    version = SystemVersion("colour-check", 1, parse_draft(document["version"], "colour-check"))
    return gate_report.make_report(version, GOOD, made="2026-11-25T08:15Z", seed="ab12", runtime="llama.cpp b9000")


def test_the_lists_of_codes_are_those_of_the_log() -> None:
    assert tuple(gate_report.TESTS.codes) == FITNESS_TESTS
    assert tuple(gate_report.VERDICTS.codes) == FITNESS_VERDICTS
    assert tuple(gate_report.GROUNDS.codes) == OVERRIDE_GROUNDS


def test_each_test_is_told_in_order_and_all_were_met() -> None:
    tests, verdict = judge(GOOD)
    assert [(test.name, test.value, test.threshold, test.met, test.blocking) for test in tests] == [
        ("variety", 600, 950, True, True),
        ("sensitivity", 900, 250, True, True),
        ("protected", 0, 0, True, True),
        ("stability", 800, 700, True, False),
        ("explanations", 250, 500, True, False),
        ("form", 15, 50, True, False),
    ]
    assert verdict == "passed"


@pytest.mark.parametrize(
    ("counts", "name", "verdict"),
    [
        (changed(outcomes={"yes": 190, "no": 10}), None, "passed"),
        (changed(outcomes={"yes": 191, "no": 9}), "variety", "held_back"),
        (changed(outcomes={"yes": 200}), "variety", "held_back"),
        (changed(sensitive=50), None, "passed"),
        (changed(sensitive=49), "sensitivity", "held_back"),
        (changed(protected={"colour": 1, "size": 0}), "protected", "held_back"),
        (changed(stable=140), None, "passed"),
        (changed(stable=139), "stability", "passed"),
        (changed(verdicts={"explained": 4, "withheld": 4}), None, "passed"),
        (changed(verdicts={"explained": 3, "withheld": 4}), "explanations", "passed"),
        (changed(cut_off=10, invalid=0), None, "passed"),
        (changed(cut_off=5, invalid=3, refused=3), "form", "passed"),
        (changed(cases=0, outcomes={}, sensitive=0, stable=0, protected={}), None, "not_measurable"),
        (changed(skipped=200), None, "passed"),
        (changed(skipped=201), None, "not_measurable"),
        (changed(skipped=201, protected={"colour": 9}), "protected", "not_measurable"),
    ],
)
def test_at_the_threshold_and_beside_it(counts: Counts, name: str | None, verdict: str) -> None:
    assert failed(counts) == ([name] if name else [])
    assert judge(counts)[1] == verdict


def test_what_could_not_be_measured_is_said_and_holds_nothing_back() -> None:
    tests, verdict = judge(changed(protected={}, wordings=1, verdicts={}, answered=0, cut_off=0, invalid=0))
    assert [test.name for test in tests if (test.value, test.met) == (None, None)] == [
        "protected",
        "stability",
        "explanations",
        "form",
    ]
    assert verdict == "passed"


def test_a_version_may_ask_for_more_or_less() -> None:
    strict = Thresholds(
        same_outcome_most=500, sensitive_least=950, stable_least=900, withheld_most=100, unfit_most=0
    )  # fmt: skip
    assert failed(GOOD, strict) == ["variety", "sensitivity", "stability", "explanations", "form"]
    loose = Thresholds(
        same_outcome_most=1000, sensitive_least=0, stable_least=0, withheld_most=1000, unfit_most=1000
    )  # fmt: skip
    assert failed(changed(outcomes={"yes": 200}, sensitive=0, protected={"colour": 1}), loose) == ["protected"]


@given(cases=st.integers(1, 2000), count=st.integers(0, 2000), most=st.integers(0, 1000))
def test_what_is_shown_is_on_the_side_of_the_threshold_on_which_the_count_is(cases: int, count: int, most: int) -> None:
    count = min(count, cases)
    wanted = dataclasses.replace(DEFAULT, same_outcome_most=most, sensitive_least=most)
    counts = changed(cases=cases, skipped=0, outcomes={"yes": count}, sensitive=count)
    variety, sensitivity, *_ = judge(counts, wanted)[0]
    assert variety.met == (count * 1000 <= most * cases)
    assert sensitivity.met == (count * 1000 >= most * cases)
    assert variety.value is not None
    assert variety.met == (variety.value <= most)


def test_a_report_is_its_canonical_bytes(report: FitnessReport) -> None:
    data = gate_report.format_report(report)
    assert gate_report.parse_report(data) == report
    assert json.loads(data)["format"] == "fitness-report/1"
    assert report.digest == "sha256:" + hashlib.sha256(data).hexdigest()
    assert report.manifest.startswith("sha256:")


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda value: value.update(format="fitness-report/2"), "report.format"),
        (lambda value: value.update(verdict="fine"), "report.verdict"),
        (lambda value: value["counts"].update(cases=-1), "report.counts.cases"),
        (lambda value: value["counts"]["outcomes"].update({"Yes!": 1}), "report.counts.outcomes"),
        (lambda value: value["counts"]["outcomes"].update(yes="many"), "report.counts.outcomes.yes"),
        (lambda value: value["tests"][0].update(name="luck"), "report.tests[0].name"),
        (lambda value: value.update(made="yesterday"), "report.made"),
        (lambda value: value.update(manifest="ab"), "report.manifest"),
        (lambda value: value.pop("seed"), "report.seed"),
    ],
)
def test_another_form_is_refused(report: FitnessReport, change: Any, where: str) -> None:
    value = json.loads(gate_report.format_report(report))
    change(value)
    data = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    with pytest.raises(FormatError) as caught:
        gate_report.parse_report(data)
    assert caught.value.field == where


def test_another_layout_is_refused(report: FitnessReport) -> None:
    with pytest.raises(FormatError, match="canonical"):
        gate_report.parse_report(gate_report.format_report(report) + b"\n")


def test_it_says_what_held_it_back(document: dict[str, Any]) -> None:
    version = SystemVersion("colour-check", 1, parse_draft(document["version"], "colour-check"))
    counts = changed(outcomes={"yes": 200}, stable=0)
    found = gate_report.make_report(version, counts, made="2026-11-25T08:15Z", seed="0")
    assert (found.verdict, found.failed, found.blocked_by) == ("held_back", ("variety", "stability"), ("variety",))
