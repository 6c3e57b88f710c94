"""Sentences, wordings, odds, shares, ranks and curves: the parts of a plan alone."""

from __future__ import annotations

import math
from itertools import pairwise, permutations
from statistics import mean
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.explain import faithfulness, reliability, shapley
from runtime.explain.combined_plan import together
from runtime.explain.odds import chosen, odds
from runtime.explain.question import Curve, Variant, Wording
from runtime.explain.score_cache import ScoreCache
from runtime.explain.sentences import parts, split, without
from runtime.explain.variants import Range
from runtime.explain.wordings import named, shuffle, templates
from runtime.program import Outcome
from runtime.prompt import PromptTemplate
from runtime.sampler import Draw, Sampler


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Ik heb geen werk. Help mij!", ["Ik heb geen werk.", "Help mij!"]),
        ("Ich zahle 3.50 Euro, z. B. am 1. Mai. Geht das?", ["Ich zahle 3.50 Euro, z. B. am 1.", "Mai.", "Geht das?"]),
        ("i have no money. please help", ["i have no money.", "please help"]),
        ("Hello\n\nMy number is 7\nBye", ["Hello", "My number is 7", "Bye"]),
        ('He said "no." Then he left...', ['He said "no."', "Then he left..."]),
        ("1. First\n2. Second", ["1. First", "2. Second"]),
        ("see greffier.example for more", ["see greffier.example for more"]),
        ("Wirklich?! Ja.", ["Wirklich?!", "Ja."]),
        ("  \n ", []),
        ("", []),
    ],
)
def test_sentences(text: str, sentences: list[str]) -> None:
    assert [text[start:end] for start, end in split(text)] == sentences


def test_leaving_out_keeps_the_rest_as_it_stands() -> None:
    text = "One.  Two!\n\nThree?"
    spans = split(text)
    assert without(text, spans, (1,)) == "One.\n\nThree?"
    assert without(text, spans, (0,)) == "Two!\n\nThree?"
    assert without(text, spans, (2,)) == "One.  Two!"
    assert without(text, spans, ()) == text


@given(st.text(alphabet="ab. !?\n", max_size=60))
def test_spans_are_in_order_and_hold_all_that_is_not_blank(text: str) -> None:
    spans = split(text)
    assert all(a[1] <= b[0] for a, b in pairwise(spans))
    assert "".join("".join(text[a:b] for a, b in spans).split()) == "".join(text.split())
    few = parts(text, 3)
    assert len(few) == min(3, len(spans))
    if spans:
        assert (few[0][0], few[-1][1]) == (spans[0][0], spans[-1][1])


def test_lines_are_shuffled_into_three_wordings(planted: ModuleType) -> None:
    made = planted.program(*(planted.enum(name, "a", "b") for name in "pqrs"))
    found = templates(made, (), "5eed")
    assert len(set(found)) == 3
    assert found[0] == made.steps[0].template
    for template in found[1:]:
        assert sorted(template.split("\n")) == sorted(found[0].split("\n"))
        assert template.startswith("Facts.\n")
        assert template.endswith("\nResult: ")
        assert named(template) == named(found[0])
        PromptTemplate(template, "template")
    assert templates(made, (), "5eed") == found
    assert templates(made, (Wording("paraphrase", "{{ p }}"),), "5eed")[1] == "{{ p }}"
    assert len(templates(made, (Wording("order", "1"), Wording("order", "2"), Wording("order", "3")), "")) == 4


@pytest.mark.parametrize(
    "template",
    [
        "A {{ p }}, {{ q }} and {{ r }}: ",
        "p: {{ p }}\nq: {{ q }}\nResult: ",
        "p: {{ p }}\n{% if q == 'a' %}q: {{ q }}\n{% endif %}r: {{ r }}\nResult: ",
        "{{ p }}\n{{ p }}\n{{ p }}\n: ",
    ],
)
def test_other_templates_are_not_shuffled(planted: ModuleType, template: str) -> None:
    made = planted.program(*(planted.enum(name, "a", "b") for name in "pqr"), template=template)
    assert templates(made, (), "5eed") == (template,)


def test_odds_and_choice() -> None:
    outcomes = (Outcome("a", "a"), Outcome("b", "b", 500), Outcome("c", "c"))
    score = (-1_000_000, -1_500_000, -3_000_000)
    expected = -1 - math.log(math.exp(-1) + math.exp(-3))
    assert abs(odds(score, outcomes, 0) - round(expected * 1e6)) <= 1
    assert chosen(score, outcomes, Draw(Sampler("greedy"), None)) == 0  # the lowest of equals
    assert chosen((-1_000_000, -1_499_999, -3_000_000), outcomes, Draw(Sampler("greedy"), None)) == 1
    drawn = {chosen(score, outcomes, Draw(Sampler("gumbel", 1000), f"s{at}")) for at in range(40)}
    assert drawn == {0, 1, 2}


@given(st.lists(st.integers(-9, 9), min_size=32, max_size=32), st.integers(2, 5))
def test_exact_shares_add_up_and_are_means_over_all_orders(values: list[int], count: int) -> None:
    def value(taken: frozenset[int]) -> int:
        return values[sum(1 << part for part in taken)] * 1000

    found = [share for share, error in shapley.shares(count, 8, "s", value)]
    total = value(frozenset()) - value(frozenset(range(count)))
    assert abs(sum(found) - total) <= count
    for part in range(count):
        gains = []
        for order in permutations(range(count)):
            at = order.index(part)
            gains.append(value(frozenset(order[at:])) - value(frozenset(order[at + 1 :])))
            assert frozenset(order[at:]) in set(shapley.wanted(count, 8, "s"))
        # `order[at:]` away: before the part comes; it adds what is lost with it away, too.
        assert abs(found[part] - mean(-gain for gain in gains)) <= 1


def test_sampled_shares_add_up_and_come_near() -> None:
    def value(taken: frozenset[int]) -> int:
        return 4_000_000 * (not taken & {1, 2}) + 100_000 * (5 not in taken)

    found = shapley.shares(8, 8, "seed", value)
    assert sum(share for share, _ in found) == 4_100_000
    assert found[5] == (100_000, 0)
    for part in (1, 2):
        assert abs(found[part][0] - 2_000_000) <= 3 * found[part][1] + 1
    asked = set(shapley.wanted(8, 8, "seed"))
    shapley.shares(8, 8, "seed", lambda taken: value(taken) if taken in asked else 1 / 0)
    assert shapley.both_ends(8, value) == (0, 2_000_000, 2_000_000, 0, 0, 100_000, 0, 0)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ([1, 2, 3], [10, 20, 30], 1000),
        ([1, 2, 3], [3, 2, 1], -1000),
        ([0, 0, 0], [0, 0, 0], 1000),
        ([0, 0, 0], [0, 0, 5], 0),
        ([5, 5, 5], [4, 0, 0], 1000),
        ([1, 2, 2, 4], [1, 3, 2, 4], 949),
    ],
)
def test_rank_correlation(one: list[int], other: list[int], expected: int) -> None:
    assert reliability.rank_correlation(one, other) == expected


def test_small_effects_have_no_rank_and_near_ties_share_one() -> None:
    assert reliability.levels([100, 80, 30, 19, -25, -90], 1) == [100, 100, 30, 0, -25, -100]
    assert reliability.levels([5, 4, 3], 2) == [0, 0, 0]
    assert reliability.top([100, 75, 74, -80]) == {0, 1, 3}
    assert reliability.top([0, 0]) == frozenset()


def test_stability() -> None:
    names = ("a", "b", "c")
    steady = reliability.stability(names, [(100, 80, 0), (90, 100, 5), (100, 10, 0)], 2)
    assert steady.tops == (("a", "b"), ("a", "b"), ("a",))
    assert steady.same
    assert reliability.unreliable((100, 80, 0), 2, steady) == set()
    other = reliability.stability(names, [(100, 0, 0), (0, 100, 0), (100, 0, 0)], 2)
    assert not other.same
    assert reliability.unreliable((100, 0, 0), 2, other) == {"wording"}
    flipped = reliability.stability(names, [(100, 40, 30), (100, -40, -30), (100, -40, -30)], 2)
    assert flipped.same
    assert "wording" in reliability.unreliable((100, 40, 30), 2, flipped)
    assert reliability.unreliable((5, 4), 2, reliability.stability(names[:2], [(5, 4)], 2)) == {
        "too_small",
        "wordings_undeclared",
    }
    nothing = reliability.stability(names, [(0, 0, 0)] * 3, 2)
    assert reliability.unreliable((0, 0, 0), 2, nothing) == {"too_small"}
    assert reliability.in_order({"no_change", "wording", "too_long"}) == ("too_long", "wording", "no_change")


def test_curves_of_eight_parts() -> None:
    def value(taken: frozenset[int]) -> int:
        return 100 - 50 * (3 in taken) - 20 * (6 in taken)

    effects = (0, 0, 0, 50, 0, 0, 20, 0)
    fell = faithfulness.deletion(effects, 3, "s", value)
    assert fell.top == (50, 30, 30)
    assert faithfulness.beats_chance(fell, 8)
    rose = faithfulness.insertion(effects, 3, "s", value)
    assert rose.top == (80, 100, 100)
    wanted = set(faithfulness.wanted(effects, 3, "s"))
    faithfulness.deletion(effects, 3, "s", lambda taken: value(taken) if taken in wanted else 1 // 0)
    faithfulness.insertion(effects, 3, "s", lambda taken: value(taken) if taken in wanted else 1 // 0)
    assert len(wanted) <= 24
    sets = faithfulness.sample_sets(8, 2, 3, "s")
    assert len(frozenset.union(*sets)) == 6  # no two overlap
    assert not faithfulness.beats_chance(faithfulness.deletion((0, 0, 0, 0, 0, 0, 0, 0), 3, "s", lambda taken: 0), 8)


@given(st.integers(2, 5), st.integers(0, 3))
def test_of_few_parts_every_set_is_tried(count: int, orders: int) -> None:
    assert len(set(faithfulness.sample_sets(count, 2, orders, "s"))) == math.comb(count, 2)
    curve = faithfulness.deletion(tuple(range(count)), orders, "s", lambda taken: -sum(taken))
    assert curve.top[0] == -(count - 1)
    assert faithfulness.beats_chance(curve, count)


def test_what_speaks_against_the_outcome_goes_last() -> None:
    effects = (-80, 100, 10, 0)
    fell = faithfulness.deletion(effects, 3, "s", lambda taken: 30 - sum(effects[at] for at in taken))
    assert fell.top == (-70, -80, -80)
    assert faithfulness.beats_chance(fell, 4)


def test_beating_chance_means_falling_further() -> None:
    assert faithfulness.beats_chance(Curve((5, 1, 0), (5, 2, 0)), 4)
    assert not faithfulness.beats_chance(Curve((1, 2, 0), (5, 2, 3)), 4)
    assert faithfulness.beats_chance(Curve((1,), (2,)), 2)
    assert faithfulness.beats_chance(Curve((1, 2), (5, 2)), 3)


@given(st.integers(-50, 50), st.integers(0, 300), st.integers(1, 7), st.integers(2, 30))
def test_numbers_are_spread_within_their_range(lowest: int, width: int, step: int, count: int) -> None:
    within = Range(lowest, lowest + width // step * step, step)
    found = within.spread(within.lowest, within.highest, count)
    assert len(found) <= count
    assert list(found) == sorted(set(found))
    assert (found[0], found[-1]) == (within.lowest, within.highest)
    assert all((number - lowest) % step == 0 for number in found)
    assert within.spread(within.highest, within.lowest, count)[-1] == within.lowest


@settings(max_examples=30)
@given(st.text(max_size=5))
def test_an_order_is_fixed_by_its_seed(seed: str) -> None:
    assert sorted(shuffle(range(9), seed)) == list(range(9))
    assert shuffle(range(9), seed) == shuffle(range(9), seed)


def test_the_orders_of_a_seed_stay_what_they_are() -> None:
    assert shuffle("abcdef", "5eed") == shuffle(list("abcdef"), "5eed")
    assert "".join(shuffle("abcdef", "5eed")) == "cafbed"


def test_plans_side_by_side_ask_in_one_go(planted: ModuleType) -> None:
    def plan(number: int, rounds: int) -> object:
        total = 0
        for at in range(rounds):
            scores = yield (Variant(number, (("at", at),)),) * number
            total += sum(one[0] for one in scores)
        return total

    asked: list[tuple[Variant, ...]] = []
    plans = [plan(1, 2), plan(2, 0), plan(3, 1)]
    found = planted.run(together(plans), lambda variant: (variant.wording * 10,), asked)
    assert found == (20, 0, 90)
    assert [len(variants) for variants in asked] == [4, 1]
    assert planted.run(together([]), lambda variant: (0,)) == ()


def test_what_is_known_is_asked_again_for_the_floor_only(planted: ModuleType) -> None:
    base, other = Variant(0, (("f", 1),)), Variant(0, (("f", 2),))
    asked = ScoreCache()
    rounds: list[tuple[Variant, ...]] = []
    planted.run(asked.ask((base, other, base)), lambda variant: (1,), rounds)
    again = planted.run(asked.ask((other,), again=base), lambda variant: (2,), rounds)
    planted.run(asked.ask((other, base)), lambda variant: (3,), rounds)
    assert rounds == [(base, other), (base,)]
    assert again == (2,)
    assert asked.score(base) == (1,)


def test_wordings_that_make_the_same_prompts_are_one(planted: ModuleType) -> None:
    own = "A {{ a }} and {{ b }}: "
    made = planted.program(planted.text("a"), planted.text("b"), template=own)
    same = ("A {{a}} and {{ b }}: ", "A {# other words #}{{ a }} and {{  b  }}: ")
    other = "A  {{ a }} and {{ b }}: "
    declared = [Wording("paraphrase", template) for template in (*same, other, other.replace("{{ a }}", "{{a}}"))]
    assert templates(made, declared, "5eed") == (own, other)
