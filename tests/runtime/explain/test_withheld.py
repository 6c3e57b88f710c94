"""What cannot be explained says why."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from types import ModuleType
from typing import Any

from runtime.explain.pipe import format_found, parse_found
from runtime.explain.plan import explain
from runtime.explain.question import Question, Score, Variant, Wording
from runtime.explain.score_cache import key
from runtime.messages import messages_schema
from runtime.program import Field


def eight(planted: ModuleType) -> tuple[Any, dict[str, Any]]:
    names = [f"f{place}" for place in range(8)]
    return planted.program(*(planted.enum(name, *planted.LEVELS) for name in names)), dict.fromkeys(names, "high")


def one_reason(planted: ModuleType, question: Question, decider: Any) -> tuple[str, ...]:
    found = planted.run(explain(question), decider)
    assert found.verdict == "withheld"
    assert parse_found(format_found(found)) == found
    return tuple(found.reasons)


def test_what_cannot_be_explained_says_so(planted: ModuleType) -> None:
    enum, text, number, program = planted.enum, planted.text, planted.number, planted.program
    plain = planted.Decider({"f": lambda value: value == "a"})
    two = program(enum("f", "a", "b"), enum("g", "a", "b"))
    both = {"f": "a", "g": "a"}
    assert one_reason(planted, planted.question(two, both, "length"), plain) == ("no_outcome",)
    assert one_reason(planted, planted.question(two, both, "no"), plain) == ("not_repeated",)
    lone = program(enum("f", "a", "b"), number("unread"), template="It is {{ f }}: ")
    assert one_reason(planted, planted.asked_of(lone, {"f": "a", "unread": 3}, plain), plain) == ("one_field",)
    nothing = program(enum("f", "a", "b"), template="Say something: ")
    assert one_reason(planted, planted.asked_of(nothing, {"f": "a"}, plain), plain) == ("one_field",)
    undeclared = program(enum("f", "a", "b", neutral=None), enum("g", "a", "b"))
    assert one_reason(planted, planted.asked_of(undeclared, both, plain), plain) == ("neutral_undeclared",)
    silent = planted.Decider({})
    told = program(text("message"))
    assert one_reason(planted, planted.asked_of(told, {"message": "One sentence."}, silent), silent) == ("free_text",)
    talk = Field("talk", messages_schema(), [{"role": "user", "content": "not stated"}])
    chat = program(talk, template="{% for m in talk %}{{ m.role }}: {{ m.content }}\n{% endfor %}Topic: ")
    spoken = {"talk": [{"role": "user", "content": "One. Two."}]}
    assert one_reason(planted, planted.asked_of(chat, spoken, silent), silent) == ("free_text",)
    single = program(enum("f", "a", "b"), enum("g", "a", "b"), codes=("yes",))
    assert one_reason(planted, planted.question(single, both, "yes"), plain) == ("no_change",)


def test_an_unread_field_needs_no_neutral_value(planted: ModuleType) -> None:
    fields = (planted.enum("f", "a", "b"), planted.enum("g", "a", "b"), planted.enum("later", "x", neutral=None))
    made = planted.program(*fields, template="f: {{ f }}\ng: {{ g }}\nResult: ")
    decider = planted.Decider({"f": lambda value: value == "a"})
    found = planted.run(explain(planted.asked_of(made, {"f": "a", "g": "a", "later": "x"}, decider)), decider)
    assert "neutral_undeclared" not in found.reasons
    assert [effect.read for effect in found.effects] == [True, True, False]


def test_too_few_wordings_are_told(planted: ModuleType) -> None:
    fields = (planted.enum("f", "a", "b"), planted.enum("g", "a", "b"), planted.enum("h", "a", "b"))
    made = planted.program(*fields, template="It is {{ f }}, {{ g }} and {{ h }}: ")
    decider = planted.Decider({"f": lambda value: value == "a"})
    values = dict.fromkeys("fgh", "a")
    assert one_reason(planted, planted.asked_of(made, values, decider), decider) == ("wordings_undeclared",)
    same = (Wording("order", made.steps[0].template),) * 2  # the own wording again is no other
    assert one_reason(planted, planted.asked_of(made, values, decider, wordings=same), decider) == (
        "wordings_undeclared",
    )


def test_too_long(planted: ModuleType) -> None:
    made, fields = eight(planted)
    decider = planted.Decider({"f3": lambda value: value == "high"})
    question = planted.asked_of(made, fields, decider)

    def no_base(variant: Variant) -> Score | None:
        return None

    def no_neutral(variant: Variant) -> Score | None:
        return None if None in dict(variant.fields).values() else decider(variant)

    def no_other_wording(variant: Variant) -> Score | None:
        return decider(variant) if variant.wording == 0 else None

    assert one_reason(planted, question, no_base) == ("too_long",)
    assert one_reason(planted, question, no_neutral) == ("too_long",)
    assert "wordings_undeclared" in one_reason(planted, question, no_other_wording)


def test_differences_within_the_floor_are_too_small(planted: ModuleType) -> None:
    made, fields = eight(planted)
    decider = planted.Decider({"f3": lambda value: value == "high"}, bonus=0.5)
    base = key(Variant(0, tuple(fields.items())))
    times: Counter[str] = Counter()

    def wavering(variant: Variant) -> Score:
        times[key(variant)] += 1
        shift = 200_000 * (times[base] - 1) if key(variant) == base else 0
        yes, no = decider(variant)
        return yes + shift, no

    found = planted.run(explain(planted.asked_of(made, fields, decider)), wavering)
    assert found.floor == 400_000
    assert "too_small" in found.reasons
    recorded = replace(
        planted.asked_of(made, fields, decider).replay.run, alternatives={"yes": -7_000_000, "no": -8_000_000}
    )
    question = planted.asked_of(made, fields, decider)
    question = replace(question, replay=replace(question.replay, run=recorded))
    found = planted.run(explain(question), decider)
    assert found.floor == 500_000  # the record says odds of 1 nat, and 0.5 were measured
