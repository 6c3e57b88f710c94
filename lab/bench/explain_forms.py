"""Versions that explanations are measured on, and inputs of them: prose, worked examples, a policy with lines. Pure."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from runtime.capture import Run
from runtime.explain.odds import chosen
from runtime.explain.question import Question, Score, Wording
from runtime.program import Field, Outcome, Program, Step
from runtime.prompt import Value
from runtime.sampler import Draw
from runtime.shape import Shape
from runtime.verdict import ReplayOrder

Fields: TypeAlias = Mapping[str, Value | None]
MOST: Final = 2000
NEUTRAL: Final = "not stated"
SHOWN: Final = "worked examples"
_ROOM: Final = 512
VALUES: Final[Mapping[str, tuple[str, ...]]] = {
    "place": ("in town", "in a village", "on a farm"),
    "travel": ("by bus", "by bicycle", "by car"),
    "shift": ("by day", "by night", "at weekends"),
    "home": ("a flat", "a house", "a room"),
    "visits": ("once", "twice", "often"),
    "season": ("spring", "summer", "winter"),
    "papers": ("all papers", "some papers", "no papers"),
}
_FOUR: Final = (
    "The applicant lives {{ place }}, comes {{ travel }}, has {{ papers }} and pays {{ amount }} euro. The request is ",
    "The applicant pays {{ amount }} euro, has {{ papers }}, comes {{ travel }} and lives {{ place }}. The request is ",
    "Somebody who lives {{ place }} and travels {{ travel }} asks for a permit. They hold {{ papers }}. They can pay "
    "{{ amount }} euro. The permit is ",
)
_EIGHT: Final = (
    "The applicant lives {{ place }}, comes {{ travel }}, works {{ shift }}, owns {{ home }}, called {{ visits }}, "
    "asks in {{ season }}, has {{ papers }} and pays {{ amount }} euro. The request is ",
    "The applicant has {{ papers }}, pays {{ amount }} euro, asks in {{ season }}, called {{ visits }}, "
    "owns {{ home }}, works {{ shift }}, comes {{ travel }} and lives {{ place }}. The request is ",
    "Somebody who lives {{ place }} and travels {{ travel }} asks for a permit. They work {{ shift }}, have {{ home }} "
    "and phoned {{ visits }}. It is {{ season }}. They hold {{ papers }}. They can pay {{ amount }} euro. The "
    "permit is ",
)
# About 220 tokens with a case, of which the head, the same for all, about 160.
_HEAD: Final = (
    "The town grants a request when the papers are complete and the amount can be paid. It is referred to a clerk when "
    "something is unclear. Otherwise it is refused. Travel, home and season do not matter.\n\n"
)
_POLICY_SHOTS: Final = (
    ("in town", "by bus", "by day", "a flat", "once", "spring", "all papers", 400, "granted"),
    ("on a farm", "by car", "by night", "a house", "often", "winter", "some papers", 900, "referred"),
    ("in a village", "by bicycle", "at weekends", "a room", "twice", "summer", "no papers", 1500, "refused"),
)
_LABELS: Final = (
    ("Place", "Travel", "Work", "Home", "Calls", "Season", "Papers", "Amount"),
    ("Lives", "Comes", "Shift", "Dwelling", "Visits", "Time", "Documents", "Sum"),
)
# Worked examples in which the answer repeats what was said of the door: all that they follow.
_SHOTS: Final = (
    ("red", "large", "Sunday", "open"),
    ("blue", "small", "Monday", "shut"),
    ("green", "medium", "Friday", "shut"),
    ("red", "small", "Monday", "open"),
    ("green", "large", "Friday", "open"),
    ("blue", "large", "Monday", "shut"),
    ("red", "medium", "Sunday", "shut"),
    ("blue", "medium", "Friday", "open"),
)
_SHOWN: Final[Mapping[str, tuple[str, ...]]] = {
    "colour": ("red", "blue", "green", "white", "black", "brown"),
    "size": ("small", "medium", "large", "huge"),
    "day": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "door": ("open", "shut"),
}
_LINES: Final = (
    "colour {colour}, size {size}, day {day}. The door is {door}. So the door is ",
    "day {day}, colour {colour}, size {size}. The door is {door}. So the door is ",
    "paint {colour}, format {size}, date {day}. The gate is {door}. So the gate is ",
)


@dataclass(frozen=True, slots=True)
class Form:
    """A version without its biases, and its other wordings."""

    name: str
    program: Program
    wordings: tuple[Wording, ...]

    def biased(self, biases: Sequence[int]) -> Form:
        """With a bias (milli-nats) for each outcome."""
        pairs = zip(self.program.outcomes, biases, strict=True)
        outcomes = tuple(replace(outcome, bias_millinats=bias) for outcome, bias in pairs)
        return replace(self, program=replace(self.program, outcomes=outcomes))


def prose(model: str, fields: int) -> Form:
    """The neutral form with 4 or 8 fields and three outcomes."""
    first, *others = _FOUR if fields == 4 else _EIGHT
    declared = [name for name in VALUES if f"{{{{ {name} }}}}" in first]
    program = _program(
        model,
        (*(_field(name, VALUES[name]) for name in declared), _amount()),
        first,
        ("granted", "referred", "refused"),
    )
    kinds = ("order", "paraphrase")
    return Form(f"{fields} fields", program, tuple(map(Wording, kinds, others)))


def shown(model: str) -> Form:
    """The form with worked examples: four fields, two outcomes."""
    templates = []
    for line in _LINES:
        shots = (dict(zip(_SHOWN, values, strict=True)) for values in _SHOTS)
        examples = "".join(f"{line.format(**shot)}{shot['door']}\n" for shot in shots)
        templates.append(examples + line.format(**{name: f"{{{{ {name} }}}}" for name in _SHOWN}))
    fields = tuple(_field(name, values) for name, values in _SHOWN.items())
    program = _program(model, fields, templates[0], _SHOWN["door"])
    return Form(SHOWN, program, (Wording("order", templates[1]), Wording("paraphrase", templates[2])))


def policy(model: str) -> Form:
    """Eight labelled fields after a policy and three worked examples."""
    names = [*VALUES, "amount"]
    shots = [dict(zip((*names, "answer"), shot, strict=True)) for shot in _POLICY_SHOTS]
    case: dict[str, Any] = {name: f"{{{{ {name} }}}}" for name in names} | {"answer": ""}
    templates = []
    for labels, order in ((_LABELS[0], 1), (_LABELS[0], -1), (_LABELS[1], 1)):
        pairs = list(zip(labels, names, strict=True))[::order]
        blocks = ["; ".join(f"{label}: {one[name]}" for label, name in pairs) for one in (*shots, case)]
        answers = [f". Decision: {one['answer']}" for one in (*shots, case)]
        templates.append(_HEAD + "\n".join(map("".join, zip(blocks, answers, strict=True))))
    fields = (*(_field(name, values) for name, values in VALUES.items()), _amount())
    program = _program(model, fields, templates[0], ("granted", "referred", "refused"))
    return Form("policy", program, (Wording("order", templates[1]), Wording("paraphrase", templates[2])))


def _amount() -> Field:
    return Field("amount", {"type": "integer", "minimum": 0, "maximum": MOST}, NEUTRAL)


def _field(name: str, values: tuple[str, ...]) -> Field:
    return Field(name, {"type": "string", "enum": list(values)}, NEUTRAL)


def _program(model: str, fields: tuple[Field, ...], template: str, texts: tuple[str, ...]) -> Program:
    sequences = 8
    return Program(
        model=model,
        fields=fields,
        steps=(Step("result", template, 8),),
        output_schema={
            "type": "object",
            "properties": {"result": {"type": "string", "enum": list(texts)}},
            "required": ["result"],
            "additionalProperties": False,
        },
        outcomes=tuple(Outcome(text, text) for text in texts),
        context=Shape(n_ctx=sequences * _ROOM, n_batch=512, n_ubatch=512, n_seq_max=sequences),
    )


def question(form: Form, fields: Fields, score: Score, *, seed: str) -> Question:
    """A decision with these scores, as a record would have it, to be explained."""
    program = form.program
    run = Run(
        prompt_tokens=((),),
        output_tokens=((),),
        logprobs=((),),
        alternatives={outcome.code: value for outcome, value in zip(program.outcomes, score, strict=True)},
        seed=None,
        sampler=program.sampler.code,
        threads=program.context.threads,
        build="",
        model=program.model,
        slot=0,
    )
    made = program.outcomes[chosen(score, program.outcomes, Draw(program.sampler, None))]
    order = ReplayOrder("bench", program, fields, run, {"result": made.text}, made.code)
    return Question(order, form.wordings, seed=seed)


def draw(form: Form, count: int, rng: random.Random) -> list[dict[str, Value | None]]:
    """So many inputs of a form, no two alike."""
    found: dict[tuple[Any, ...], dict[str, Value | None]] = {}
    while len(found) < count:
        values: dict[str, Value | None] = {}
        for field in form.program.fields:
            values[field.id] = rng.choice(field.schema["enum"]) if "enum" in field.schema else rng.randint(0, MOST)
        found[tuple(values.values())] = values
    return list(found.values())
