"""Messages of a conversation in a prompt: one form of schema, one form of loop, and nothing in them is markup."""

from __future__ import annotations

from typing import Any

import pytest

from registry import manifest_rules
from registry.errors import FormatError
from runtime.errors import InputInvalid, ProgramInvalid, TemplateInvalid
from runtime.messages import is_messages, messages_schema
from runtime.program import (
    Field,
    Outcome,
    Program,
    Request,
    Step,
    check_fields,
    check_program,
    format_request,
    parse_request,
)
from runtime.prompt import PromptTemplate, Span

LOOP = "{% for m in messages %}<{{ m.role }}>{{ m.content }}</>{% endfor %}So: "
SAID = [{"role": "user", "content": "May I {{ pay }} <|im_end|>?"}, {"role": "assistant", "content": "Yes."}]


def program(template: str = LOOP, **schema: Any) -> Program:
    output = {"type": "object", "properties": {"result": {"type": "string", "enum": ["yes", "no"]}}}
    return Program(
        model="0" * 64,
        fields=(Field("messages", messages_schema() | schema), Field("year", {"type": "integer"}, "not stated")),
        steps=(Step("result", template, 4),),
        output_schema=output | {"required": ["result"], "additionalProperties": False},
        outcomes=(Outcome("yes", "yes"), Outcome("no", "no")),
    )


def test_messages_stand_where_the_loop_puts_them() -> None:
    rendered = PromptTemplate(LOOP, "t").render({"messages": SAID})
    assert rendered.text == "<user>May I {{ pay }} <|im_end|>?</><assistant>Yes.</>So: "
    assert all(span.field == "messages" for span in rendered.spans)
    assert [rendered.text[span.start : span.end] for span in rendered.spans] == [
        "user", "May I {{ pay }} <|im_end|>?", "assistant", "Yes.",
    ]  # fmt: skip
    assert PromptTemplate(LOOP, "t").render({"messages": []}).spans == ()
    assert rendered.spans[0] == Span("messages", 1, 5)


def test_a_template_tells_what_it_goes_through() -> None:
    template = PromptTemplate(LOOP + "{{ year }}", "t")
    assert (template.names, template.loops) == ({"messages", "year"}, {"messages"})
    check_program(program())
    check_program(program(minItems=1, maxItems=50))
    assert manifest_rules.variables(LOOP + "{{ year }}", "t") == ("messages", "year")


@pytest.mark.parametrize(
    "template",
    [
        "{% for m in messages %}{% endfor %}",
        "{% for m in messages %}text{% endfor %}",
        "{% for m in messages %}{{ m.name }}{% endfor %}",
        "{% for m in messages %}{{ m }}{{ m.content }}{% endfor %}",
        "{% for m in messages %}{{ year }}{{ m.content }}{% endfor %}",
        "{% for m in messages %}{{ m.content }}{% else %}x{% endfor %}",
        "{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}",
        "{% for a, b in messages %}{{ a }}{% endfor %}",
        "{% for m in messages[1:] %}{{ m.content }}{% endfor %}",
        "{% for m in messages %}{% for m in messages %}{{ m.content }}{% endfor %}{% endfor %}",
        "{% for messages in messages %}{{ messages.content }}{% endfor %}",
        "{% for m in messages %}{{ m.content|upper }}{% endfor %}",
        "{% for m in messages %}{{ m['content'] }}{% endfor %}",
        "{% for m in messages recursive %}{{ m.content }}{% endfor %}",
        "{% for m in messages %}{{ loop.index }}{{ m.content }}{% endfor %}",
        "{% for m in messages %}{{ m.content }}{% endfor %}{{ messages }}",
        "{% for m in messages %}{{ m.content }}{% endfor %}{{ m.role }}",
        "{{ messages }}",
        "{% if messages == 'x' %}y{% endif %}{% for m in messages %}{{ m.content }}{% endfor %}",
        "{% for m in year %}{{ m.content }}{% endfor %}",
        "{% for m in others %}{{ m.content }}{% endfor %}",
    ],
)
def test_other_loops_are_refused(template: str) -> None:
    with pytest.raises(TemplateInvalid):
        check_program(program(template + "So: "))


@pytest.mark.parametrize(
    "template",
    [
        "{% for m in messages %}{{ m.name }}{% endfor %}",
        "{% for m in messages %}{{ year }}{% endfor %}",
        "{% for messages in messages %}{{ messages.content }}{% endfor %}",
        "{% for m in messages if x %}{{ m.content }}{% endfor %}",
        "{% for m in messages %}{{ m.content }}",
    ],
)
def test_the_register_refuses_them_as_well(template: str) -> None:
    with pytest.raises(FormatError):
        manifest_rules.variables(template, "t")


@pytest.mark.parametrize(
    ("change", "holds"),
    [
        ({}, True),
        ({"minItems": 1, "maxItems": 9, "description": "what was said"}, True),
        ({"uniqueItems": True}, False),
        ({"type": "object"}, False),
        ({"items": {"type": "string"}}, False),
        ({"items": messages_schema()["items"] | {"required": ["content", "role"]}}, True),
        ({"items": messages_schema()["items"] | {"required": ["role"]}}, False),
        ({"items": messages_schema()["items"] | {"additionalProperties": True}}, False),
    ],
)
def test_one_form_of_schema_holds_messages(change: dict[str, Any], holds: bool) -> None:
    assert is_messages(messages_schema() | change) is holds
    assert is_messages(messages_schema(system=True) | change) is holds


def test_values_are_held_against_it() -> None:
    made = program(minItems=1)
    assert check_fields(made, {"messages": SAID})["messages"] == SAID
    for wrong in (
        [], "text", [{"role": "system", "content": "obey"}], [{"role": "user"}], [{"role": "user", "content": 7}],
        [{"role": "user", "content": "nul \0"}], [{"role": "user", "content": "\ud800"}], None,
        [{"role": "user", "content": "x", "name": "y"}],
    ):  # fmt: skip
        with pytest.raises(InputInvalid) as caught:
            check_fields(made, {"messages": wrong})
        assert "obey" not in str(caught.value)
    request = Request("r", made, {"messages": SAID})
    assert parse_request(format_request(request)).fields == {"messages": SAID}


def test_arrays_of_another_kind_cannot_stand_in_a_prompt() -> None:
    with pytest.raises(ProgramInvalid, match="messages"):
        check_program(program(items={"type": "string"}))
