"""Deciders whose rule is known, as pure functions from variant to scores: what a plan is held against."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from runtime.capture import Run
from runtime.explain.question import Plan, Question, Score, Variant
from runtime.explain.score_cache import key
from runtime.program import Field, Outcome, Program, Step
from runtime.verdict import ReplayOrder

LEVELS = ("low", "middle", "high")
NEUTRAL = "not stated"
MOST = 2000


def enum(name: str, *values: Any, neutral: Any = NEUTRAL) -> Field:
    """A field with listed values."""
    kind = {str: "string", bool: "boolean", int: "integer"}[type(values[0])]
    return Field(name, {"type": kind, "enum": list(values)}, neutral)


def number(name: str, lowest: int = 0, highest: int = MOST, **other: Any) -> Field:
    """A whole number with both bounds."""
    return Field(name, {"type": "integer", "minimum": lowest, "maximum": highest, **other}, NEUTRAL)


def text(name: str, **other: Any) -> Field:
    """A free text."""
    return Field(name, {"type": "string", "maxLength": 4000, **other}, NEUTRAL)


def program(*fields: Field, template: str = "", codes: tuple[str, ...] = ("yes", "no"), **other: Any) -> Program:
    """A version of one step that shows every field on a line of its own."""
    shown = "".join(f"{one.id}: {{{{ {one.id} }}}}\n" for one in fields)
    answer = {"type": "string", "enum": list(codes)}
    schema = {"type": "object", "properties": {"result": answer}, "required": ["result"], "additionalProperties": False}
    made = Program(
        model="0" * 64,
        fields=fields,
        steps=(Step("result", template or f"Facts.\n{shown}Result: ", 8),),
        output_schema=schema,
        outcomes=tuple(Outcome(code, code) for code in codes),
    )
    return replace(made, **other)


Condition = Callable[[Any], bool]


@dataclass(frozen=True)
class Decider:
    """Scores of a rule over fields, -8 nats each besides. Where all conditions hold the first outcome gets `bonus`,
    where one fails the last does, and neither while that is open (a detail is not stated): as in `greffier bench
    explain`. The last outcome has `bias` always. Noise is uniform in ±`noise` nats for each outcome, by SHA-256 of
    variant and `seed`: equal variants score equally.
    """

    conditions: Mapping[str, Condition]
    bonus: float = 4.0
    bias: float = 0.0
    noise: float = 0.0
    seed: int = 0
    outcomes: int = 2

    def __call__(self, variant: Variant) -> Score:
        """Micro-nats for each outcome."""
        fields = dict(variant.fields)
        held = [None if fields[name] is None else test(fields[name]) for name, test in self.conditions.items()]
        scores = [-8.0] * self.outcomes
        scores[-1] += self.bias
        if False in held:
            scores[-1] += self.bonus
        elif held and None not in held:
            scores[0] += self.bonus
        drawn = random.Random(hashlib.sha256(f"{self.seed}|{key(variant)}".encode()).digest())
        return tuple(round((one + drawn.uniform(-self.noise, self.noise)) * 1_000_000) for one in scores)


Scoring = Callable[[Variant], Score | None]


def run(plan: Plan[Any], score: Scoring, asked: list[tuple[Variant, ...]] | None = None) -> Any:
    """Drives a plan to its end; notes each yield."""
    try:
        variants = next(plan)
        while True:
            if asked is not None:
                asked.append(variants)
            variants = plan.send(tuple(score(one) for one in variants))
    except StopIteration as done:
        return done.value


def question(made: Program, fields: Mapping[str, Any], outcome: str, draw: str | None = None, **other: Any) -> Question:
    """A recorded decision of that version."""
    recorded = Run((), (), (), {}, draw, made.sampler.code, 1, "build", made.model, 0)
    output = {"result": next((one.text for one in made.outcomes if one.code == outcome), "")}
    order = ReplayOrder("TEST-0001", made, fields, recorded, output, outcome)
    return Question(order, **{"seed": "5eed", **other})


def asked_of(made: Program, fields: Mapping[str, Any], score: Scoring, **other: Any) -> Question:
    """The question about what a greedy decider itself gives."""
    scores = score(Variant(0, tuple((one.id, fields.get(one.id)) for one in made.fields)))
    assert scores is not None
    biased = [one + outcome.bias_millinats * 1000 for one, outcome in zip(scores, made.outcomes, strict=True)]
    return question(made, fields, made.outcomes[biased.index(max(biased))].code, **other)


@dataclass(frozen=True)
class Case:
    """A drawn rule and input. `sets`: the fields that decide, each set as its own smallest change."""

    program: Program
    fields: Mapping[str, Any]
    decider: Decider
    sets: tuple[frozenset[str], ...]
    turning: int | None = None


def case(kind: str, count: int, seed: int, noise: float, bonus: float) -> Case:
    """`kind`: one, both (two conditions that hold), either (two, one of which fails), neither (two that fail), number,
    none (a bias alone). All fields but the last have three levels, the last is a number."""
    drawn = random.Random(f"{kind}|{count}|{seed}")
    names = [f"f{place}" for place in range(count - 1)]
    made = program(*(enum(name, *LEVELS) for name in names), number("amount"))
    fields = {name: drawn.choice(LEVELS) for name in names} | {"amount": drawn.randint(0, MOST)}

    def condition(name: str, holds: bool) -> Condition:
        others = [level for level in LEVELS if level != fields[name]]
        wanted = fields[name] if holds else drawn.choice(others)
        return lambda value: value == wanted

    bias = drawn.uniform(-0.4, 0.4)
    if kind == "none":
        return Case(made, fields, Decider({}, 0, bonus * drawn.choice((1, -1)), noise, seed), ())
    if kind == "number":
        least = drawn.randint(1, MOST)
        turning = least - 1 if fields["amount"] >= least else least
        decider = Decider({"amount": lambda value: value >= least}, bonus, bias, noise, seed)
        return Case(made, fields, decider, (frozenset({"amount"}),), turning)
    a, b = drawn.sample(names, 2)
    holding = {"one": (drawn.random() < 0.5,), "both": (True, True), "either": (True, False), "neither": (False, False)}
    conditions = {name: condition(name, holds) for name, holds in zip((a, b), holding[kind], strict=False)}
    sets = {"one": ({a},), "both": ({a}, {b}), "either": ({b},), "neither": ({a, b},)}[kind]
    return Case(made, fields, Decider(conditions, bonus, bias, noise, seed), tuple(map(frozenset, sets)))
