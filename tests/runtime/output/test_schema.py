from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime import llama
from runtime.errors import InputInvalid, OutputInvalid, SchemaRefused
from runtime.output.pattern import grammar_of
from runtime.output.schema import choices, grammar, lint, validate_field, validate_output


def closed(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def deep(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "boolean"}
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    return schema


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string"},
        {"type": "string", "enum": ["a", "b"], "title": "T", "description": "D"},
        {"type": "string", "minLength": 1, "maxLength": 9, "pattern": "^[a-z]+$"},
        {"type": "integer", "const": 3},
        {"type": "boolean"},
        {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 2},
        closed(a={"type": "string"}, b=closed(c={"type": "boolean"})),
    ],
)
def test_what_is_allowed(schema: dict[str, Any]) -> None:
    lint(schema, "s")


@pytest.mark.parametrize(
    ("schema", "field"),
    [
        ({}, "s.type"),
        ({"type": "number"}, "s.type"),
        ({"type": ["string", "null"]}, "s.type"),
        ({"type": "integer", "minimum": 0}, "s.minimum"),
        ({"type": "integer", "multipleOf": 2}, "s.multipleOf"),
        ({"type": "string", "format": "date"}, "s.format"),
        ({"type": "string", "anyOf": []}, "s.anyOf"),
        ({"type": "string", "$ref": "#"}, "s.$ref"),
        ({"type": "string", "items": {}}, "s.items"),
        ({"type": "string", "enum": []}, "s.enum"),
        ({"type": "string", "enum": ["a", "a"]}, "s.enum"),
        ({"type": "string", "enum": [1]}, "s.enum"),
        ({"type": "integer", "enum": [True]}, "s.enum"),
        ({"type": "string", "minLength": -1}, "s.minLength"),
        ({"type": "string", "maxLength": True}, "s.maxLength"),
        ({"type": "string", "pattern": "a+"}, "s.pattern"),
        ({"type": "string", "pattern": "^(?=a)a$"}, "s.pattern"),
        ({"type": "string", "pattern": "^[$"}, "s.pattern"),
        ({"type": "object", "properties": {"a": {"type": "string"}}}, "s.additionalProperties"),
        (closed(), "s.properties"),
        ({**closed(a={"type": "string"}), "required": ["b"]}, "s.required"),
        (closed(a={"type": "array", "uniqueItems": True}), "s.properties.a.uniqueItems"),
        (closed(a={"type": "array"}), "s.properties.a.items.type"),
        ({"type": "string", "enum": ["ab", "abc"], "maxLength": 2}, "s.enum"),
        ({"type": "string", "const": "x", "pattern": "^y$"}, "s.const"),
        ({"type": "integer", "enum": [1, 2], "const": 3}, "s.const"),
        ({"type": "integer", "enum": [1 << 60]}, "s.enum"),
        ({"type": "array", "items": {"type": "boolean"}, "enum": [[1.0]]}, "s.enum"),
        ({"type": "array", "items": {"type": "boolean"}, "minItems": 3, "maxItems": 2}, "s.minItems"),
        ({"type": "string", "pattern": "^a\tb$"}, "s.pattern"),
        (deep(17), "s" + ".items" * 17),
    ],
)
def test_what_is_refused_and_where(schema: dict[str, Any], field: str) -> None:
    with pytest.raises(SchemaRefused) as caught:
        lint(schema, "s")
    assert caught.value.field == field


def test_bounds_are_for_inputs_only() -> None:
    bounds = {"type": "integer", "minimum": 0, "maximum": 10}
    lint(bounds, "s", inputs=True)
    validate_field(bounds, 10, "room")
    with pytest.raises(InputInvalid) as caught:
        validate_field(bounds, 987654, "room")
    assert caught.value.field == "room"
    assert "maximum (10)" in str(caught.value)
    assert "987654" not in str(caught.value)


def test_an_output_is_validated() -> None:
    schema = {**closed(a={"type": "string", "enum": ["x", "y"]}), "required": ["a"]}
    validate_output(schema, {"a": "x"})
    for wrong in ({"a": "z"}, {}, {"a": "x", "b": 1}, {"a": 1}, None):
        with pytest.raises(OutputInvalid):
            validate_output(schema, wrong)


def test_choices() -> None:
    assert choices({"type": "string", "enum": ["a", "b"]}) == ("a", "b")
    assert choices({"type": "string", "const": "a"}) == ("a",)
    assert choices({"type": "string"}) is None


PATTERNS = [
    r"^[A-Z]{2}-\d{3,5}$",
    r"^(ja|nee|misschien)$",
    r"^\d+([.,]\d{2})?$",
    r'^["\\\]\[^-]+$',
    r"^[^aeiou]{1,4}$",
    r"^(?:a|b(c|d)*)+\.$",
    r"^.{0,3}x?$",
    r"^[a-c\d_-]+$",
    r"^é[à-ü]$",
    r"^a|b$",
    r"^\w+\s\w+$",
]


@pytest.mark.parametrize("pattern", PATTERNS)
@settings(max_examples=6, deadline=None)
@given(data=st.data())
def test_the_grammar_takes_what_the_pattern_takes(model: llama.Model, pattern: str, data: st.DataObject) -> None:
    """Strings of the pattern (printable ASCII of them) pass the real grammar; broken ones pass neither."""
    gbnf = grammar({"type": "string", "pattern": pattern})
    alphabet = st.characters(min_codepoint=0x20, max_codepoint=0x7E if pattern.isascii() else 0xFF)
    text = data.draw(st.from_regex(re.compile(pattern), fullmatch=True, alphabet=alphabet))
    printable = text.isprintable()
    assert accepts(model, gbnf, text) == printable
    broken = text + data.draw(st.sampled_from(["", "!", "A", "0", " "]))
    if accepts(model, gbnf, broken):
        assert re.search(pattern, broken)


def accepts(model: llama.Model, gbnf: str, text: str) -> bool:
    state = model.vocabulary.grammar(gbnf)
    try:
        for token in model.vocabulary.tokenize(text):
            if not state.allowed([token])[0]:
                return False
            state.accept(token)
        return state.allowed([min(model.vocabulary.ends)])[0]
    finally:
        state.close()


@pytest.mark.parametrize(
    "pattern",
    [
        r"a",
        r"^a",
        r"^a\$",
        r"^a*?$",
        r"^\bword\b$",
        r"^(a)\1$",
        r"^(?i:a)$",
        r"^a{2000}$",
        r"^a^b$",
        r"^[[a]$",
        r"^\S$",
    ],
)
def test_patterns_outside_the_subset(pattern: str) -> None:
    with pytest.raises(SchemaRefused):
        grammar_of(pattern, "s.pattern")
