"""Deciders whose rule is known, and cases of them: what `greffier bench explain` holds explanations against. Pure.

A rule is planted on a model's real scores: where it holds, one outcome gets a bonus, where it fails another one does,
and where a detail that it needs is not stated neither does. So taking a detail away leaves the rule open, as a person
would read it. The few-shot form plants nothing: its rule stands in the worked examples, and the model follows it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lab.bench.explain_forms import MOST, VALUES, Fields, Form
from runtime.explain.question import Score
from runtime.sampler import MICRO

SEED: Final = 20261125
HOLDS, FAILS = 0, 2  # the outcomes that a planted rule speaks for, by index
BONUS: Final = 8 * MICRO


@dataclass(frozen=True, slots=True)
class Condition:
    """One of some values, or at least a number."""

    field: str
    values: tuple[str, ...] = ()
    least: int | None = None

    def holds(self, fields: Fields) -> bool | None:
        """None where the detail is not stated."""
        value = fields[self.field]
        if value is None:
            return None
        return value in self.values if self.least is None else int(str(value)) >= self.least


@dataclass(frozen=True, slots=True)
class Rule:
    """`kind`: one, both, threshold, constant (always the outcome `always`), shown (in the examples), alone (no rule).

    `bonus` in micro-nats."""

    kind: str
    conditions: tuple[Condition, ...] = ()
    always: int = 0
    bonus: int = BONUS

    def holds(self, fields: Fields) -> bool | None:
        """All conditions; None where that is open."""
        found = [condition.holds(fields) for condition in self.conditions]
        return False if False in found else None if None in found else True

    def planted(self, score: Score, fields: Fields) -> Score:
        """The model's scores of these fields, with the bonus."""
        if self.kind in ("shown", "alone"):
            return score
        holds = None if self.kind == "constant" else self.holds(fields)
        at = self.always if self.kind == "constant" else None if holds is None else HOLDS if holds else FAILS
        return tuple(value + self.bonus * (number == at) for number, value in enumerate(score))


@dataclass(frozen=True, slots=True)
class Case:
    """One input of a form under a rule; cases of one `profile` have the same input, and so the same scores."""

    form: Form
    profile: int
    fields: Fields
    rule: Rule

    @property
    def follows(self) -> str | None:
        """The outcome that the rule gives; None where there is none."""
        outcomes = self.form.program.outcomes
        if self.rule.kind in ("constant", "alone"):
            return outcomes[self.rule.always].code if self.rule.kind == "constant" else None
        last = 1 if self.rule.kind == "shown" else FAILS
        return outcomes[HOLDS if self.rule.holds(self.fields) else last].code

    @property
    def deciding(self) -> tuple[frozenset[str], ...]:
        """The smallest sets of fields that decide: each alone where all conditions hold, else those that fail."""
        failing = [one.field for one in self.rule.conditions if not one.holds(self.fields)]
        return (frozenset(failing),) if failing else tuple(frozenset((one.field,)) for one in self.rule.conditions)

    @property
    def boundary(self) -> int | None:
        """The number nearest to the recorded one that turns a threshold."""
        if self.rule.kind != "threshold":
            return None
        least = self.rule.conditions[0].least or 0
        return least - 1 if self.rule.holds(self.fields) else least


def rules(
    kind: str, profiles: Sequence[Fields], form: Form, count: int, rng: random.Random, *, bonus: int = BONUS
) -> list[Case]:
    """So many cases of one kind of rule over the profiles, in turn; of a constant at most one for each outcome."""
    if kind in ("shown", "alone"):
        fixed = Rule(kind, (Condition("door", ("open",)),) if kind == "shown" else ())
        return [Case(form, number, fields, fixed) for number, fields in enumerate(profiles)][:count]
    if kind == "constant":
        every = range(len(form.program.outcomes))
        pairs = [(number, always) for number in range(len(profiles)) for always in every][:count]
        return [Case(form, number, profiles[number], Rule(kind, always=always)) for number, always in pairs]
    made: dict[tuple[int, Rule], Case] = {}
    while len(made) < count:
        number = len(made) % len(profiles)
        rule = Rule(kind, _conditions(kind, profiles[number], form, rng), bonus=bonus)
        made.setdefault((number, rule), Case(form, number, profiles[number], rule))
    return list(made.values())


def _conditions(kind: str, fields: Fields, form: Form, rng: random.Random) -> tuple[Condition, ...]:
    """Conditions on fields drawn; of two, how many hold is drawn first, so that each is as frequent."""
    if kind == "threshold":
        return (Condition("amount", least=rng.randint(1, MOST)),)
    names = [field.id for field in form.program.fields if "enum" in field.schema]
    if kind == "one":
        return (_condition(rng.choice(names), rng.random() < 0.5, fields, rng),)
    chosen = rng.sample(names, 2)
    holding = rng.choice(((True, True), (True, False), (False, True), (False, False), (True, True), (False, False)))
    return tuple(_condition(name, holds, fields, rng) for name, holds in zip(chosen, holding, strict=True))


def _condition(name: str, holds: bool, fields: Fields, rng: random.Random) -> Condition:
    """One of a field's values, or two of its three: with the recorded one, or without."""
    others = [value for value in VALUES[name] if value != fields[name]]
    rng.shuffle(others)
    values = [*others[: rng.randint(0, 1)], str(fields[name])] if holds else others[: rng.randint(1, 2)]
    return Condition(name, tuple(sorted(values)))
