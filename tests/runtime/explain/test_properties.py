"""What holds of every plan, whatever the version, the record and the scores."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime.explain.pipe import format_found, parse_found
from runtime.explain.plan import explain
from runtime.explain.question import Found, Limits, Question, Variant, Wording
from runtime.explain.score_cache import key
from runtime.explain.variants import Subject
from runtime.output.schema import validate_field

SMALL = Limits(values=6, pairs=10, orders=2, permutations=2, sentences=4)
TEXTS = ("One. Two. Three.", "Single", "A! B? C. D. E. F.", "")


@st.composite
def asked(draw: st.DrawFn, planted: ModuleType, outcomes: int = 3) -> tuple[Question, Any]:
    """A question about a random version and input, and a decider that is nothing but noise and a rule or two."""
    fields, values = [], {}
    for at in range(draw(st.integers(1, 7))):
        name = f"f{at}"
        kind = draw(st.sampled_from(("enum", "number", "flag", "text", "listed")))
        if kind == "enum":
            fields.append(planted.enum(name, *planted.LEVELS))
            value: Any = draw(st.sampled_from(planted.LEVELS))
        elif kind == "number":
            fields.append(planted.number(name, -20, 500))
            value = draw(st.integers(-20, 500))
        elif kind == "flag":
            fields.append(planted.Field(name, {"type": "boolean"}, planted.NEUTRAL))
            value = draw(st.booleans())
        elif kind == "listed":
            fields.append(planted.enum(name, 3, 1, 2))
            value = draw(st.sampled_from((1, 2, 3)))
        else:
            fields.append(planted.text(name))
            value = draw(st.sampled_from(TEXTS))
        values[name] = draw(st.sampled_from((value, value, value, None)))
    names = [one.id for one in fields]
    made = planted.program(*fields, codes=("yes", "maybe", "no")[-outcomes:])
    chosen = draw(st.lists(st.sampled_from(names), max_size=2, unique=True))
    conditions = {name: (lambda value, recorded=values[name]: value == recorded) for name in chosen}
    decider = planted.Decider(
        conditions, draw(st.sampled_from((0.0, 2.0))), noise=draw(st.sampled_from((0.0, 0.5, 2.0))),
        seed=draw(st.integers(0, 99)), outcomes=outcomes,
    )  # fmt: skip
    other = "".join(f"{{{{ {name} }}}} " for name in reversed(names))
    question = planted.asked_of(
        made,
        values,
        decider,
        limits=SMALL,
        wordings=draw(st.sampled_from(((), (Wording("order", other),)))),
        protected=tuple(draw(st.lists(st.sampled_from(names), max_size=1))),
        groups=(tuple(names[:2]),),
        seed=draw(st.sampled_from(("5eed", "a"))),
    )
    return question, decider


def driven(planted: ModuleType, question: Question, decider: Any) -> tuple[Found, list[tuple[Variant, ...]]]:
    rounds: list[tuple[Variant, ...]] = []
    return planted.run(explain(question), decider, rounds), rounds


PROPERTY = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@PROPERTY
@given(data=st.data())
def test_a_plan_is_determined_and_its_findings_survive_the_pipe(planted: ModuleType, data: st.DataObject) -> None:
    question, decider = data.draw(asked(planted))
    found, rounds = driven(planted, question, decider)
    assert (found, rounds) == driven(planted, question, decider)
    assert parse_found(json.loads(json.dumps(format_found(found)))) == found
    assert (found.verdict == "withheld") == bool(found.reasons)
    assert (found.verdict == "set_aside") == bool(found.protected)


@PROPERTY
@given(data=st.data())
def test_no_variant_is_asked_twice_but_for_the_floor(planted: ModuleType, data: st.DataObject) -> None:
    question, decider = data.draw(asked(planted))
    found, rounds = driven(planted, question, decider)
    names = [key(variant) for variants in rounds for variant in variants]
    base = key(Subject(question).variant({}))
    assert len(set(names)) == len(names) - names.count(base) + 1
    assert found.tried.variants == len(set(names))
    assert names.count(base) in (2, 3)


@PROPERTY
@given(data=st.data())
def test_only_allowed_values_of_unprotected_fields_are_proposed(planted: ModuleType, data: st.DataObject) -> None:
    question, decider = data.draw(asked(planted))
    found, rounds = driven(planted, question, decider)
    declared = {one.id: one for one in question.replay.program.fields}
    for change in found.changes:
        assert 1 <= len(change.values) <= 2
        for name, value in change.values:
            assert name not in question.protected
            assert value != question.replay.fields[name]
            validate_field(declared[name].schema, value, name)
            if change.left_out:
                assert len(str(value)) < len(str(question.replay.fields[name])) or len(change.values) == 2
    for change in found.protected:
        assert [name for name, _ in change.values] == list(question.protected)
    for variants in rounds:
        for variant in variants:
            assert [name for name, _ in variant.fields] == list(declared)
            for name, value in variant.fields:
                if value is not None:
                    validate_field(declared[name].schema, value, name)


@PROPERTY
@given(data=st.data())
def test_every_change_gives_the_outcome_that_it_names(planted: ModuleType, data: st.DataObject) -> None:
    question, decider = data.draw(asked(planted))
    found, _ = driven(planted, question, decider)
    subject = Subject(question)
    sets = [frozenset(name for name, _ in change.values) for change in found.changes]
    assert len(sets) == len(set(sets)) <= 6
    assert [len(one) for one in sets] == sorted(len(one) for one in sets)
    for change in (*found.changes, *found.protected):
        scores = decider(subject.variant(dict(change.values)))
        given_ = question.replay.program.outcomes[subject.chosen(scores)].code
        assert given_ == change.outcome != found.outcome
        assert 1 <= change.agreeing <= found.tried.wordings
        if change.threshold is not None:
            step = 1 if change.threshold.side == "above" else -1
            before = change.threshold.value - step
            fixed = dict(change.values) | {change.threshold.field: before}
            at_record = before == question.replay.fields[change.threshold.field]
            assert at_record or not subject.flips(decider(subject.variant(fixed)))


@PROPERTY
@given(data=st.data())
def test_with_the_outcomes_swapped_effects_change_sign(planted: ModuleType, data: st.DataObject) -> None:
    question, decider = data.draw(asked(planted, outcomes=2))
    found, _ = driven(planted, question, decider)
    subject = Subject(question)
    other = Subject(question)
    other.at = 1 - subject.at
    for variant in (subject.variant({}), *(subject.variant({name: None}) for name in subject.fields)):
        assert abs(subject.odds(decider(variant)) + other.odds(decider(variant))) <= 1
    if found.effects:
        base = other.odds(decider(other.variant({})))
        for effect in found.effects:
            fall = base - other.odds(decider(other.variant({effect.field: None})))
            assert abs(fall + effect.effects[0]) <= 2
