"""Surveys of invented cases, on planted deciders."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from types import ModuleType
from typing import Any

from runtime.explain.pipe import format_surveyed, parse_surveyed
from runtime.explain.question import Cost, Score, Surveyed, SurveyOrder, Variant, Wording
from runtime.explain.survey import AT_ONCE, survey
from runtime.sampler import Sampler


def order(planted: ModuleType, **other: Any) -> SurveyOrder:
    names = ("f0", "f1", "f2", "f3")
    made = planted.program(*(planted.enum(name, *planted.LEVELS) for name in names))
    cases = tuple(dict(zip(names, values, strict=True)) for values in product(planted.LEVELS, repeat=4))
    return replace(SurveyOrder("TEST-S", made, cases, seed="5eed", explained=6), **other)


def test_a_version_with_a_rule(planted: ModuleType) -> None:
    decider = planted.Decider({"f1": lambda value: value == "high"}, noise=0.05)
    rounds: list[tuple[Variant, ...]] = []
    found = planted.run(survey(order(planted)), decider, rounds)
    assert (found.cases, found.skipped, found.wordings) == (81, 0, 3)
    assert found.outcomes == {"yes": 27, "no": 54}
    assert found.sensitive == 81
    assert found.by_field == {"f0": 0, "f1": 81, "f2": 0, "f3": 0}
    assert (found.protected, found.stable) == ({}, 81)
    assert (found.verdicts, found.reasons) == ({"explained": 6}, {})
    # The grid holds every other value of every case: nothing but 81 inputs in 3 wordings is run with all fields stated,
    # and again the six that are explained, twice each, for the floor.
    stated = [one for variants in rounds for one in variants if None not in dict(one.fields).values()]
    assert len(stated) == 3 * 81 + 2 * 6
    assert max(map(len, rounds)) <= 3 * 9 * AT_ONCE
    assert planted.run(survey(order(planted)), decider) == found


def test_a_version_that_always_says_the_same(planted: ModuleType) -> None:
    decider = planted.Decider({}, bias=4, noise=0.3)
    found = planted.run(survey(order(planted)), decider)
    assert found.outcomes == {"yes": 0, "no": 81}
    assert found.sensitive == 0
    assert found.verdicts == {"withheld": 6}
    assert found.reasons["no_change"] == 6


def test_a_version_that_turns_on_a_protected_field(planted: ModuleType) -> None:
    decider = planted.Decider({"f2": lambda value: value != "low"})
    found = planted.run(survey(order(planted, protected=("f2",))), decider)
    assert found.protected == {"f2": 81}
    assert found.by_field == {"f0": 0, "f1": 0, "f3": 0}
    assert found.sensitive == 0  # a protected field is none that should matter
    assert found.verdicts == {"set_aside": 6}
    assert found.reasons == {}


def test_cases_that_cannot_run_are_skipped_and_other_wordings_told(planted: ModuleType) -> None:
    decider = planted.Decider({"f1": lambda value: value == "high"})

    def score(variant: Variant) -> Score | None:
        if dict(variant.fields)["f0"] == "low":
            return None
        return tuple(reversed(decider(variant))) if variant.wording == 1 else decider(variant)

    wordings = (Wording("order", "{{ f3 }} {{ f2 }} {{ f1 }} {{ f0 }} "), Wording("paraphrase", "{{ f1 }} {{ f0 }} "))
    found = planted.run(survey(order(planted, wordings=wordings, explained=0)), score)
    assert (found.cases, found.skipped) == (54, 27)
    assert found.stable == 0
    assert found.verdicts == {}


def test_a_version_that_draws_has_a_seed_for_each_case(planted: ModuleType) -> None:
    drawing = order(planted)
    drawing = replace(drawing, program=replace(drawing.program, sampler=Sampler("gumbel", 1000)))
    decider = planted.Decider({}, bias=0)
    found = planted.run(survey(drawing), decider)
    assert 20 < found.outcomes["yes"] < 61
    assert found.sensitive == 0  # with the seed of its own case, another value changes nothing
    assert planted.run(survey(drawing), decider) == found
    assert planted.run(survey(replace(drawing, seed="0ther")), decider).outcomes != found.outcomes


def test_the_other_values_of_a_text_are_what_other_cases_say(planted: ModuleType) -> None:
    made = planted.program(planted.text("f0"), planted.enum("f1", *planted.LEVELS))
    cases = tuple({"f0": said, "f1": "low"} for said in ("one", "two", "three", "four"))
    asked = SurveyOrder("TEST-T", made, cases, seed="5eed", explained=2)
    rounds: list[tuple[Variant, ...]] = []
    found = planted.run(survey(asked), planted.Decider({"f0": lambda value: value == "two"}), rounds)
    assert found.outcomes == {"yes": 1, "no": 3}
    assert (found.sensitive, found.by_field) == (4, {"f0": 4, "f1": 0})
    said = {dict(one.fields)["f0"] for variants in rounds for one in variants}
    assert said <= {"one", "two", "three", "four", None}
    assert planted.run(survey(asked), planted.Decider({}, bias=4)).sensitive == 0


def test_the_other_values_of_a_number_are_those_of_other_cases_and_the_ends_of_its_range(planted: ModuleType) -> None:
    made = planted.program(planted.number("n", 0, 1000), planted.enum("f1", *planted.LEVELS))
    cases = tuple({"n": said, "f1": "low"} for said in (40, 150, 420))
    asked = SurveyOrder("TEST-N", made, cases, seed="5eed", explained=0)
    rounds: list[tuple[Variant, ...]] = []
    found = planted.run(survey(asked), planted.Decider({"n": lambda value: value is not None and value > 900}), rounds)
    assert {dict(one.fields)["n"] for variants in rounds for one in variants} == {0, 40, 150, 420, 1000}
    assert (found.outcomes, found.by_field) == ({"yes": 0, "no": 3}, {"n": 3, "f1": 0})


def test_a_survey_of_nothing(planted: ModuleType) -> None:
    found = planted.run(survey(order(planted, cases=())), planted.Decider({}))
    assert (found.cases, found.skipped, found.outcomes) == (0, 0, {"yes": 0, "no": 0})
    surveyed = Surveyed("TEST-S", found, Cost(), "build", "cpu", 1)
    assert parse_surveyed(format_surveyed(surveyed)) == surveyed
