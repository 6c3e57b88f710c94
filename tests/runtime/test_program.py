from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest

from runtime.errors import InputInvalid, InputUndeclared, ProgramInvalid, RuntimeFault, TemplateInvalid
from runtime.program import (
    Field,
    Outcome,
    Program,
    Request,
    Shape,
    Step,
    check_fields,
    check_program,
    check_seed,
    format_program,
    format_request,
    parse_program,
    parse_request,
)
from runtime.sampler import Sampler


def test_a_sound_program_passes_and_survives_json(program: Program, replying: Callable[..., Program]) -> None:
    for each in (program, replying()):
        check_program(each)
        assert parse_program(json.loads(json.dumps(format_program(each)))) == each
    request = Request("id", program, {"room": 3, "payment_record": None}, seed="abc", watts=5)
    assert parse_request(json.loads(json.dumps(format_request(request)))) == request


def test_unknown_members_are_errors(program: Program) -> None:
    data = format_program(program)
    data["steps"][0]["extra"] = 1
    with pytest.raises(ProgramInvalid):
        parse_program(data)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"sampler": Sampler("top_k")}, "sampler.kind"),
        ({"sampler": Sampler("gumbel", 0)}, "sampler.temperature_milli"),
        ({"context": Shape(n_ctx=0)}, "context.n_ctx"),
        ({"context": Shape(n_batch=4096)}, "context"),
        ({"context": Shape(kv_unified=1)}, "context.kv_unified"),
        ({"context": Shape(n_batch=8, n_ubatch=8, n_seq_max=9)}, "context.n_seq_max"),
        ({"context": Shape(type_k="q4_0")}, "context.type_k"),
        ({"context": Shape(n_seq_max=300)}, "context.n_seq_max"),
        ({"context": Shape(flash_attention="maybe")}, "context.flash_attention"),
        ({"context": Shape(threads=-1)}, "context.threads"),
        ({"outcomes": ()}, "output_schema.properties.result.enum"),
        ({"outcomes": (Outcome("a", "good"), Outcome("b", "uncertain"))}, "output_schema.properties.result.enum"),
        ({"outcomes": tuple(Outcome("a", t) for t in ("good", "uncertain", "poor"))}, "outcomes"),
        (
            {"outcomes": tuple(Outcome(c, t) for c, t in (("length", "good"), ("b", "uncertain"), ("c", "poor")))},
            "outcomes",
        ),
        ({"fields": (Field("Bad Name", {"type": "string"}),)}, "fields or steps, 'Bad Name'"),
        ({"fields": (Field("result", {"type": "string"}),)}, "fields or steps, 'result'"),
        ({"fields": (Field("a", {"type": "array", "items": {"type": "string"}}),)}, "fields.a.schema.type"),
        ({"steps": (Step("other", "x ", 4),)}, "output_schema.properties"),
        ({"steps": (Step("result", "{{ nobody }} ", 4),)}, "steps[0]"),
        ({"steps": (Step("result", "x ", 0),)}, "steps[0].max_tokens"),
        ({"steps": (Step("result", "The answer:", 4),)}, "steps[0].template"),
    ],
)
def test_contradictions_are_named(program: Program, change: dict[str, Any], field: str) -> None:
    with pytest.raises(ProgramInvalid) as caught:
        check_program(dataclasses.replace(program, **change))
    assert caught.value.field == field


@pytest.mark.parametrize("texts", [["good", "good enough"], ["good", " padded"], ["good", ""]])
def test_answers_that_cannot_be_told_apart(program: Program, texts: list[str]) -> None:
    schema = json.loads(json.dumps(program.output_schema))
    schema["properties"]["result"]["enum"] = texts
    outcomes = tuple(Outcome(f"c{i}", text) for i, text in enumerate(texts))
    with pytest.raises(ProgramInvalid):
        check_program(dataclasses.replace(program, output_schema=schema, outcomes=outcomes))


def test_a_later_step_cannot_look_ahead(program: Program, replying: Callable[..., Program]) -> None:
    both = replying()
    steps = (Step("result", "{{ reply }} ", 4), both.steps[1])
    with pytest.raises(TemplateInvalid):
        check_program(dataclasses.replace(both, steps=steps))


def test_absent_fields_are_neutral(program: Program) -> None:
    assert check_fields(program, {"room": 5}) == {"payment_record": "not stated", "room": 5}
    assert check_fields(program, {"room": None}) == {"payment_record": "not stated", "room": "unknown"}
    strict = dataclasses.replace(program, fields=(Field("room", {"type": "integer"}),))
    with pytest.raises(InputInvalid, match="missing"):
        check_fields(strict, {})


@pytest.mark.parametrize(
    ("fields", "fault", "field"),
    [
        ({"nationality": "x"}, InputUndeclared, "nationality"),
        ({"J. de Vries, 12-3-1970": "x"}, InputUndeclared, "a field"),
        ({"payment_record": "never, says Jansen"}, InputInvalid, "payment_record"),
        ({"room": "5"}, InputInvalid, "room"),
        ({"room": -5}, InputInvalid, "room"),
        ({"room": 5.0}, InputInvalid, "room"),
        ({"room": True}, InputInvalid, "room"),
    ],
)
def test_inputs_that_are_refused(program: Program, fields: Any, fault: type[RuntimeFault], field: str) -> None:
    with pytest.raises(fault) as caught:
        check_fields(program, fields)
    assert caught.value.field == field
    assert caught.value.reason in ("input_invalid", "input_undeclared")
    assert "Jansen" not in str(caught.value)
    assert "Vries" not in str(caught.value)


def test_text_that_no_prompt_can_hold_is_refused_even_where_it_is_not_used(program: Program) -> None:
    extra = dataclasses.replace(program, fields=(*program.fields, Field("note", {"type": "string"}, "none")))
    for value in ("NUL \0", "half \ud800"):
        with pytest.raises(InputInvalid) as caught:
            check_fields(extra, {"note": value})
        assert caught.value.field == "note"


def test_seeds(program: Program) -> None:
    drawing = dataclasses.replace(program, sampler=Sampler("gumbel", 800))
    check_seed(program, None)
    check_seed(drawing, "abc-1_2")
    for each, seed in ((drawing, None), (drawing, ""), (program, "a b"), (program, "x" * 129)):
        with pytest.raises(InputInvalid):
            check_seed(each, seed)
