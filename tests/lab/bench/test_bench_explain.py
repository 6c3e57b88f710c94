"""The benchmark of explanations: its rules are what they say, its counts count, and it runs on real weights."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lab.bench import comparison, explain, explain_cost, explain_forms, planted
from lab.bench.explain_counts import Judged, deletion, p_value, table
from lab.bench.planted import BONUS, Case, Condition, Rule
from runtime import llama
from runtime.explain.question import Change, Curve, Effect, Found, Limits, Threshold, Tried
from runtime.models.weights import ModelFile
from runtime.program import check_program
from runtime.prompt import Value
from runtime.sampler import MICRO

FIELDS: dict[str, Value | None] = {"place": "in town", "travel": "by car", "papers": "no papers", "amount": 700}
TOWN = Condition("place", ("in town",))
PAPERS = Condition("papers", ("all papers",))
FORM = explain_forms.prose("0" * 64, 4)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> ModelFile:
    return comparison.models(tmp_path_factory.mktemp("bench") / "models")[1]


@pytest.fixture(scope="module")
def model(file: ModelFile) -> Iterator[llama.Model]:
    llama.start()
    model = llama.Model(str(file.path))
    yield model
    model.close()


def found(*changed: str, top: str = "place", verdict: str = "explained", threshold: int | None = None) -> Found:
    """An explanation that names single changes of these fields."""
    at = Threshold("amount", threshold, "above", True) if threshold is not None else None
    return Found(
        verdict=verdict,
        reasons=() if verdict == "explained" else ("no_change",),
        outcome="granted",
        odds=3 * MICRO,
        floor=2,
        effects=tuple(Effect(name, (0,), 8 * MICRO if name == top else MICRO // 2, 0) for name in FIELDS),
        groups=(),
        additive=True,
        changes=tuple(Change(((name, None),), "refused", 3, at) for name in changed),
        protected=(),
        stability=None,
        deletion=Curve((-5 * MICRO, -6 * MICRO), (0, -1 * MICRO)),
        insertion=Curve((2 * MICRO, 3 * MICRO), (0, MICRO)),
        tried=Tried(),
        seed="",
        limits=Limits(),
    )


def test_a_rule_is_open_where_a_detail_is_not_stated() -> None:
    both = Rule("both", (TOWN, PAPERS))
    assert both.holds(FIELDS) is False
    assert both.holds(FIELDS | {"papers": "all papers"}) is True
    assert both.holds(FIELDS | {"papers": None}) is None
    assert both.holds(FIELDS | {"place": None}) is False  # the other condition fails whatever this one says
    score = (1, 2, 3)
    assert both.planted(score, FIELDS) == (1, 2, 3 + BONUS)
    assert both.planted(score, FIELDS | {"papers": "all papers"}) == (1 + BONUS, 2, 3)
    assert both.planted(score, FIELDS | {"papers": None}) == score
    assert Rule("constant", always=1).planted(score, FIELDS) == (1, 2 + BONUS, 3)
    assert Rule("alone").planted(score, FIELDS) == score


def test_what_decides_is_what_would_turn_the_rule() -> None:
    case = Case(FORM, 0, FIELDS, Rule("both", (TOWN, PAPERS)))
    assert (case.deciding, case.follows) == ((frozenset({"papers"}),), "refused")
    case = replace(case, fields=FIELDS | {"place": "on a farm"})
    assert case.deciding == (frozenset({"place", "papers"}),)
    case = replace(case, fields=FIELDS | {"papers": "all papers"})
    assert (case.deciding, case.follows) == ((frozenset({"place"}), frozenset({"papers"})), "granted")
    least = Rule("threshold", (Condition("amount", least=701),))
    assert Case(FORM, 0, FIELDS, least).boundary == 701
    assert Case(FORM, 0, FIELDS | {"amount": 701}, least).boundary == 700


@pytest.mark.parametrize(
    "form",
    [FORM, explain_forms.prose("0" * 64, 8), explain_forms.shown("0" * 64), explain_forms.policy("0" * 64)],
    ids=lambda form: str(form.name),
)
def test_forms_can_be_registered_and_name_each_field_in_each_wording(form: explain_forms.Form) -> None:
    check_program(form.program)
    assert len(form.wordings) == 2
    for wording in form.wordings:
        changed = replace(form.program, steps=(replace(form.program.steps[0], template=wording.template),))
        assert changed.template(0).names == {field.id for field in form.program.fields}


def test_cases_are_drawn_from_a_seed_and_none_twice() -> None:
    def drawn(kind: str) -> list[Case]:
        rng = random.Random(planted.SEED)
        return planted.rules(kind, explain_forms.draw(FORM, 4, rng), FORM, 24, rng)

    for kind in ("one", "both", "threshold", "constant", "alone"):
        cases = drawn(kind)
        assert cases == drawn(kind)
        assert len({(case.profile, case.rule) for case in cases}) == len(cases)
        assert len(cases) == {"constant": 12, "alone": 4}.get(kind, 24)
        assert all(case.deciding and frozenset() not in case.deciding for case in cases if case.rule.conditions)
    holding = [sum(bool(one.holds(case.fields)) for one in case.rule.conditions) for case in drawn("both")]
    assert set(holding) == {0, 1, 2}


def test_named_means_told_in_a_change_and_on_top() -> None:
    case = Case(FORM, 0, FIELDS, Rule("one", (TOWN,)))
    right = Judged(case, "granted", found("place"))
    rows = {
        "right": right,
        "withheld": Judged(case, "granted", found("place", verdict="withheld")),
        "not on top": Judged(case, "granted", found("place", top="travel")),
        "another": Judged(case, "granted", found("travel")),
        "does not follow": Judged(case, "refused", found("place")),
    }
    counts = table(list(rows.values()))["4 fields"]["one"]
    assert (counts["cases"], counts["follow"]) == (5, 4)
    assert (counts["named"], counts["in_changes"], counts["on_top"], counts["wrongly_named"]) == (1, 3, 3, 1)
    assert counts["verdicts"] == {"explained": 3, "withheld": 1}
    assert counts["reasons"] == {"no_change": 1}


def test_none_and_thresholds_are_counted() -> None:
    nothing = Case(FORM, 0, FIELDS, Rule("constant", always=0))
    told = [Judged(nothing, "granted", found(verdict="withheld")), Judged(nothing, "granted", found("place"))]
    assert table(told)["all"]["none"]["none_said"] == 1
    number = Case(FORM, 0, FIELDS, Rule("threshold", (Condition("amount", least=701),)))
    away = [Judged(number, "refused", found("amount", top="amount", threshold=at)) for at in (701, 702, 750, None)]
    assert table(away)["all"]["threshold"]["threshold"] == {"exact": 1, "one_step": 1, "further": 1, "none": 1}


def test_signs_are_flipped_by_profile() -> None:
    assert p_value([1.0] * 10) == pytest.approx(2**-10, abs=5e-4)
    assert p_value([0.0, 0.0]) == 1
    assert p_value([-1.0] * 10) == 1
    judged = [
        Judged(Case(FORM, profile, FIELDS, Rule("one", (TOWN,))), "granted", found("place"))
        for profile in range(3)
        for _ in range(5)
    ]
    counts = deletion(judged)
    assert (counts["cases"], counts["profiles"], counts["better"], counts["worse"]) == (15, 3, 15, 0)
    assert counts["mean_millinats"] == 5000
    assert counts["p"] == pytest.approx(1 / 8, abs=0.01)  # three profiles, however many cases
    assert deletion(judged, insertion=True)["mean_millinats"] == 2000
    assert deletion([]) == {"cases": 0}


def test_real_scores_with_a_rule_are_explained(model: llama.Model, file: ModelFile) -> None:
    form = explain_forms.prose(file.sha256, 4)
    rng = random.Random(planted.SEED)
    inputs = explain_forms.draw(form, 1, rng)
    with explain.Scores(model, form, lambda _: None) as scores:
        form = form.biased(explain._biases(form, inputs, scores))
        kinds = ("one", "both", "threshold", "constant")
        cases = [case for kind in kinds for case in planted.rules(kind, inputs, form, 2, rng)]
        judged = explain.explained(cases, scores)
    counts = table(judged)["all"]
    for kind in kinds[:3]:
        assert counts[kind]["named"] == counts[kind]["follow"] == 2, judged
    assert counts["threshold"]["threshold"]["exact"] == 2
    assert counts["none"]["none_said"] == 2
    assert counts["none"]["explained"] == 0


def test_cost_and_floor_are_stated(model: llama.Model, file: ModelFile) -> None:
    cost = explain_cost._costs(model, explain_forms.prose(file.sha256, 4), 1, lambda _: None)
    assert cost["prefill"]["prefills"] == [1, 1, 1]
    assert cost["sequential"]["prefills_by_tokens"][0] == pytest.approx(5, abs=0.5)
    assert cost["one_left_out"]["tokens"] < cost["sequential"]["tokens"]
    assert cost["wordings_and_deletion"]["tokens"] < cost["whole_explanation"]["tokens"]
    folder = Path(file.path).parents[1]
    exact, loose = (explain_cost._floor(model, file.sha256, folder, lane, 2) for lane in comparison.LANES)
    assert exact == {"decisions": 2, "micronats": [2, 2, 2], "only_rounding": 2}
    assert loose["micronats"][0] >= 2
