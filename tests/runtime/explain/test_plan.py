"""The plan of an explanation on planted deciders: cost, numbers, texts, draws."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

from runtime.explain.plan import explain
from runtime.explain.question import Found, Limits, Variant, Wording
from runtime.explain.score_cache import key
from runtime.program import Field, Outcome, Step
from runtime.sampler import Sampler


def eight(planted: ModuleType) -> tuple[Any, dict[str, Any]]:
    names = [f"f{place}" for place in range(8)]
    return planted.program(*(planted.enum(name, *planted.LEVELS) for name in names)), dict.fromkeys(names, "high")


def changed(found: Found) -> list[dict[str, Any]]:
    return [dict(change.values) for change in found.changes]


def test_one_field_decides(planted: ModuleType) -> None:
    made, fields = eight(planted)
    decider = planted.Decider({"f3": lambda value: value == "high"})
    found = planted.run(explain(planted.asked_of(made, fields, decider)), decider)
    assert found.verdict == "explained"
    assert changed(found) == [{"f3": "middle"}]  # the nearest of the two that give another outcome
    assert (found.changes[0].outcome, found.changes[0].agreeing) == ("no", 3)
    assert [effect.used for effect in found.effects] == [0, 0, 0, 4_000_000, 0, 0, 0, 0]
    assert found.effects[3].swing == 8_000_000
    assert found.additive
    assert found.deletion.top == (0, 0, 0)
    assert (found.odds, found.floor, found.outcome) == (4_000_000, 2, "yes")


def test_eight_fields_in_three_wordings_cost_at_most_sixty_variants_before_changes_are_sought(
    planted: ModuleType,
) -> None:
    made, fields = eight(planted)
    decider = planted.Decider({"f3": lambda value: value == "high"}, noise=0.05)
    found = planted.run(explain(planted.asked_of(made, fields, decider)), decider)
    assert found.additive
    assert found.tried.wordings == 3
    # 16 other values, and the one change tried in two other wordings.
    assert found.tried.variants - found.tried.values - 2 <= 60
    assert found.tried.values == 16


def test_equal_questions_are_explained_equally_and_ask_alike(planted: ModuleType) -> None:
    made, fields = eight(planted)
    decider = planted.Decider({"f1": lambda value: value == "low", "f2": lambda value: value == "low"}, noise=0.3)
    first: list[Any] = []
    second: list[Any] = []
    question = planted.asked_of(made, fields, decider)
    assert planted.run(explain(question), decider, first) == planted.run(explain(question), decider, second)
    assert first == second
    other = planted.run(explain(replace(question, seed="0ther")), decider)
    assert changed(other) == changed(planted.run(explain(question), decider))


def test_two_that_fail_together_are_found_by_their_shares(planted: ModuleType) -> None:
    made, fields = eight(planted)
    decider = planted.Decider({"f1": lambda value: value == "low", "f6": lambda value: value == "low"}, noise=0.1)
    found = planted.run(explain(planted.asked_of(made, fields, decider)), decider)
    assert not found.additive
    assert changed(found) == [{"f1": "low", "f6": "low"}]
    assert found.stability.tops == (("f1", "f6"),) * 3
    assert found.effects[1].used == found.effects[1].shapley
    assert abs(found.effects[1].used - 2_000_000) < 300_000
    assert found.effects[1].shapley_error < 300_000
    assert found.tried.pairs <= 64


def test_two_of_three_details_decide_together(planted: ModuleType) -> None:
    made = planted.program(*(planted.enum(name, *planted.LEVELS) for name in "fgh"))
    decider = planted.Decider({"f": lambda value: value == "low", "g": lambda value: value == "low"})
    found = planted.run(explain(planted.asked_of(made, dict.fromkeys("fgh", "low"), decider)), decider)
    assert found.verdict == "explained", found.reasons  # though any two that are taken away hold f or g
    assert changed(found) == [{"f": "middle"}, {"g": "middle"}]


def test_a_number_is_found_to_the_step_on_both_sides(planted: ModuleType) -> None:
    made = planted.program(planted.enum("f", *planted.LEVELS), planted.number("amount", 0, 1_000_000))
    for recorded, nearest, side in ((200_000, 371_113, "above"), (900_000, 371_112, "below")):
        decider = planted.Decider({"amount": lambda value: value > 371_112})
        fields = {"f": "low", "amount": recorded}
        rounds: list[tuple[Variant, ...]] = []
        found = planted.run(explain(planted.asked_of(made, fields, decider)), decider, rounds)
        assert changed(found) == [{"amount": nearest}]
        assert len(rounds) <= 3 + 6  # a million numbers: 24 of them, then a ninth of the gap each time
        threshold = found.changes[0].threshold
        assert (threshold.field, threshold.value, threshold.side, threshold.beyond) == ("amount", nearest, side, True)
        assert found.tried.thresholds == 1


def test_beyond_is_not_claimed_where_a_farther_number_gives_the_old_outcome(planted: ModuleType) -> None:
    made = planted.program(planted.enum("f", *planted.LEVELS), planted.number("amount", 0, 2000))
    decider = planted.Decider({"amount": lambda value: not 700 <= value <= 1200})
    found = planted.run(explain(planted.asked_of(made, {"f": "low", "amount": 10}, decider)), decider)
    assert found.changes[0].threshold.value == 700
    assert found.changes[0].threshold.beyond is False


def test_numbers_keep_to_their_steps_and_to_both_bounds(planted: ModuleType) -> None:
    steps = planted.number("amount", 5, 996, multipleOf=50)
    one_bound = Field("open", {"type": "integer", "minimum": 0}, planted.NEUTRAL)
    made = planted.program(steps, one_bound)
    decider = planted.Decider({"amount": lambda value: value >= 501})
    asked: list[tuple[Variant, ...]] = []
    found = planted.run(explain(planted.asked_of(made, {"amount": 400, "open": 3}, decider)), decider, asked)
    assert changed(found) == [{"amount": 550}]
    tried = {dict(variant.fields)["amount"] for variants in asked for variant in variants} - {None}
    assert all(value % 50 == 0 and 50 <= value <= 950 for value in tried)
    assert {dict(variant.fields)["open"] for variants in asked for variant in variants} == {3, None}


def test_a_number_that_was_not_given_may_be_given(planted: ModuleType) -> None:
    made = planted.program(planted.enum("f", *planted.LEVELS), planted.number("amount"))
    decider = planted.Decider({"amount": lambda value: value >= 1000}, bias=-1)
    found = planted.run(explain(planted.asked_of(made, {"f": "low"}, decider)), decider)
    assert found.changes
    assert all(change.threshold is None for change in found.changes)
    assert all(dict(change.values)["amount"] < 1000 for change in found.changes)
    assert found.effects[1].effects == (0,)  # two lines alone are not shuffled into three wordings


def test_pairs_with_a_number_give_the_nearest_number(planted: ModuleType) -> None:
    made = planted.program(planted.enum("f", *planted.LEVELS), planted.number("amount"), planted.enum("g", "a", "b"))
    decider = planted.Decider({"f": lambda value: value == "high", "amount": lambda value: value >= 1234})
    found = planted.run(explain(planted.asked_of(made, {"f": "low", "amount": 50, "g": "a"}, decider)), decider)
    assert changed(found) == [{"f": "high", "amount": 1234}]
    assert found.changes[0].threshold.side == "above"


def test_listed_whole_numbers_booleans_and_constants(planted: ModuleType) -> None:
    flag = Field("flag", {"type": "boolean"}, planted.NEUTRAL)
    fixed = Field("fixed", {"type": "string", "const": "always"}, planted.NEUTRAL)
    lone = planted.enum("lone", "only")
    made = planted.program(planted.enum("count", 1, 2, 3), flag, fixed, lone)
    decider = planted.Decider({"count": lambda value: value < 3, "flag": lambda value: value is True})
    fields = {"count": 1, "flag": True, "fixed": "always", "lone": "only"}
    found = planted.run(explain(planted.asked_of(made, fields, decider)), decider)
    assert changed(found) == [{"count": 3}, {"flag": False}]
    assert found.tried.values == 3


def test_a_detail_that_was_not_given_is_never_changed_into_what_stands_for_that(planted: ModuleType) -> None:
    said = planted.enum("f", "low", planted.NEUTRAL, "high")
    made = planted.program(said, planted.enum("g", "a", "b"))
    decider = planted.Decider({"f": lambda value: value == "low"})
    asked: list[tuple[Variant, ...]] = []
    planted.run(explain(planted.asked_of(made, {"g": "a"}, decider)), decider, asked)
    assert {dict(variant.fields)["f"] for variants in asked for variant in variants} == {None, "low", "high"}
    given = {"f": "low", "g": "a"}
    found = planted.run(explain(planted.asked_of(made, given, decider)), decider)
    assert changed(found) == [{"f": planted.NEUTRAL}]  # the version allows it as a value: then it may be proposed


def test_true_is_not_one(planted: ModuleType) -> None:
    assert key(Variant(0, (("flag", True),))) != key(Variant(0, (("flag", 1),)))


TEXT = "I lost my job. I have no money left! Please help me."


def test_sentences_of_a_lone_text(planted: ModuleType) -> None:
    made = planted.program(
        planted.text("message"),
        planted.number("year"),
        template="Message: {{ message }}\nTopic: ",
    )
    decider = planted.Decider({"message": lambda value: "money" in value}, bias=1)
    wordings = (Wording("order", "{{ message }}\nTopic: "), Wording("paraphrase", "Somebody says {{ message }}: "))
    question = planted.asked_of(made, {"message": TEXT, "year": 3}, decider, wordings=wordings)
    found = planted.run(explain(question), decider)
    assert found.verdict == "explained", found.reasons
    assert found.stability.tops == (("message[1]",),) * 3
    assert [change.left_out for change in found.changes] == [(1,)]
    assert changed(found) == [{"message": "I lost my job. Please help me."}]
    message, year = found.effects
    assert [TEXT[one.start : one.end] for one in message.sentences] == [
        "I lost my job.",
        "I have no money left!",
        "Please help me.",
    ]
    assert [one.effect for one in message.sentences] == [0, 8_000_000, 0]
    assert not year.read


def test_two_sentences_that_say_the_same(planted: ModuleType) -> None:
    said = "No money here. My name is Test. The money is gone. Bye."
    made = planted.program(planted.text("message"), planted.enum("f", "a", "b"))
    decider = planted.Decider({"message": lambda value: "money" in value}, bias=1)
    found = planted.run(explain(planted.asked_of(made, {"message": said, "f": "a"}, decider)), decider)
    assert found.changes[0].left_out == (0, 2)
    assert changed(found)[0] == {"message": "My name is Test. Bye."}


def test_groups_are_taken_away_together(planted: ModuleType) -> None:
    made, fields = eight(planted)
    decider = planted.Decider({"f3": lambda value: value == "high", "f4": lambda value: value == "high"})
    groups = (("f3", "f4"), ("f1", "f2"))
    found = planted.run(explain(planted.asked_of(made, fields, decider, groups=groups)), decider)
    assert [(one.fields, one.effect) for one in found.groups] == [(groups[0], 4_000_000), (groups[1], 0)]


def test_biases_count_and_a_draw_is_repeated(planted: ModuleType) -> None:
    made, fields = eight(planted)
    decider = planted.Decider({"f3": lambda value: value == "high"}, bonus=1.0)
    biased = replace(made, outcomes=(Outcome("yes", "yes", -1500), Outcome("no", "no", 0)))
    found = planted.run(explain(planted.asked_of(biased, fields, decider)), decider)
    assert (found.outcome, found.odds) == ("no", 500_000)
    assert found.effects[3].used == -1_000_000  # it spoke for the other outcome
    drawing = replace(made, sampler=Sampler("gumbel", 1000))
    outcomes = set()
    for seed in ("a1", "b2", "c3", "d4", "e5"):
        for code in ("yes", "no"):
            question = planted.question(drawing, fields, code, draw=seed)
            found = planted.run(explain(question), decider)
            outcomes.add((seed, found.outcome, "not_repeated" in found.reasons))
    assert len({seed for seed, _, repeated in outcomes if not repeated}) == 5  # each seed gives one of the two
    assert {outcome for _, outcome, _ in outcomes} == {"yes", "no"}


def test_a_later_step_is_not_looked_at(planted: ModuleType) -> None:
    made, fields = eight(planted)
    later = Step("reply", "{{ f1 }} {{ result }} ", 20)
    two = replace(made, steps=(*made.steps, later))
    decider = planted.Decider({"f3": lambda value: value == "high"})
    assert planted.run(explain(planted.asked_of(two, fields, decider)), decider) == planted.run(
        explain(planted.asked_of(made, fields, decider)), decider
    )


def test_limits_bound_what_is_tried(planted: ModuleType) -> None:
    wide = tuple(f"v{number}" for number in range(60))
    made = planted.program(planted.enum("f", *wide), planted.enum("g", *wide), planted.number("n"))
    decider = planted.Decider({"f": lambda value: value == "none"})
    fields = {"f": "v0", "g": "v1", "n": 5}
    limits = Limits(values=5, pairs=7, orders=0, permutations=0, sentences=0)
    found = planted.run(explain(planted.asked_of(made, fields, decider, limits=limits)), decider)
    assert found.tried.values == 15
    assert found.tried.pairs == 7
