"""JSON under the grammar of its schema, with the real vocabulary: always valid, and the choice of a full mask."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime import llama
from runtime.errors import SchemaRefused
from runtime.output.decoding import REFUSE, STOP, Pen, Written, write
from runtime.output.json_grammar import check_written, json_grammar
from runtime.output.json_text import JsonText, read_json, show_json
from runtime.output.schema import lint, validate_output
from runtime.sampler import Draw, Sampler, logits

_NAMES = st.sampled_from(["a", "be", "naam", 'q"', "é", "x y"])
_CHARACTERS = st.characters(min_codepoint=32, max_codepoint=0x17F, exclude_characters="\x7f")
_TEXT = st.text(_CHARACTERS, max_size=6)
_LISTED = st.lists(_TEXT, min_size=1, max_size=4, unique=True)
_LEAVES = st.one_of(
    st.just({"type": "integer"}),
    st.just({"type": "boolean"}),
    st.builds(
        lambda a, b: {"type": "string", "minLength": a, "maxLength": a + b}, st.integers(0, 3), st.integers(0, 9)
    ),
    st.builds(lambda texts: {"type": "string", "enum": texts}, _LISTED),
    st.builds(lambda text: {"type": "string", "const": text}, _TEXT),
    st.builds(
        lambda numbers: {"type": "integer", "enum": numbers}, st.lists(st.integers(-99, 999), min_size=1, unique=True)
    ),
    st.sampled_from(
        [{"type": "string", "pattern": p} for p in (r"^[A-Z]{2}-\d{1,3}$", r'^"\\?[!-~]"$', r"^(ja|nee)$")]
    ),
)


def _object(properties: dict[str, Any], optional: list[bool]) -> dict[str, Any]:
    required = [name for name, leave in zip(properties, optional, strict=False) if not leave]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    optional = st.lists(st.booleans(), min_size=4, max_size=4)
    arrays = st.builds(
        lambda items, a, b: {"type": "array", "items": items, "minItems": a, "maxItems": a + b},
        inner, st.integers(0, 2), st.integers(0, 2),
    )  # fmt: skip
    return arrays | st.builds(_object, st.dictionaries(_NAMES, inner, min_size=1, max_size=4), optional)


SCHEMAS = st.recursive(_LEAVES, _nested, max_leaves=6)
_SLOW = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
_PACE = settings(max_examples=60, deadline=None, suppress_health_check=_SLOW)


@pytest.fixture(scope="module")
def vocabulary(model: llama.Model) -> llama.Vocabulary:
    return model.vocabulary


def form_of(vocabulary: llama.Vocabulary, schema: Mapping[str, Any]) -> JsonText:
    return JsonText(vocabulary.grammar(json_grammar(schema)), vocabulary, schema["type"] != "integer")


def accepts(vocabulary: llama.Vocabulary, schema: Mapping[str, Any], text: str) -> bool:
    """Whether the grammar takes a text, token by token, and may end there."""
    state = vocabulary.grammar(json_grammar(schema))
    try:
        for token in vocabulary.tokenize(text):
            if not state.allowed([token])[0]:
                return False
            state.accept(token)
        return state.allowed([min(vocabulary.ends)])[0]
    finally:
        state.close()


@_PACE
@given(schema=SCHEMAS, data=st.data())
def test_every_value_of_a_schema_has_one_text(
    vocabulary: llama.Vocabulary, schema: dict[str, Any], data: st.DataObject
) -> None:
    lint(schema, "s")
    check_written(schema, "s")
    value = data.draw(values(schema))
    validate_output(schema, value)
    text = show_json(value)
    assert accepts(vocabulary, schema, text)
    assert read_json(text.encode()) == value
    for other in (json.dumps(value, indent=1), text + " ", text + ",", " " + text):
        assert other == text or not accepts(vocabulary, schema, other)
    with pytest.raises(ValueError):
        read_json(text.encode() + b" ")


def values(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Values of a schema that can be written: whole numbers of 15 digits, printable text with newlines and tabs."""
    if "const" in schema or "enum" in schema:
        return st.sampled_from(schema.get("enum") or [schema["const"]])
    if schema["type"] == "object":
        wanted = {name: values(inner) for name, inner in schema["properties"].items() if name in schema["required"]}
        others = {name: values(inner) for name, inner in schema["properties"].items() if name not in wanted}
        order = list(schema["properties"])
        made = st.fixed_dictionaries(wanted, optional=others)
        return made.map(lambda found: {name: found[name] for name in order if name in found})
    if schema["type"] == "array":
        return st.lists(values(schema["items"]), min_size=schema["minItems"], max_size=schema["maxItems"])
    if "pattern" in schema:
        return st.from_regex(
            schema["pattern"], fullmatch=True, alphabet=st.characters(min_codepoint=32, max_codepoint=126)
        )
    if schema["type"] == "string":
        return st.text(
            _CHARACTERS | st.sampled_from("\n\t"), min_size=schema["minLength"], max_size=schema["maxLength"]
        )
    return st.booleans() if schema["type"] == "boolean" else st.integers(1 - 10**15, 10**15 - 1)


@settings(_PACE, max_examples=12)
@given(schema=SCHEMAS, seed=st.integers(0, 1 << 32), drawn=st.booleans())
def test_what_is_written_is_valid_and_the_choice_of_the_full_mask(
    vocabulary: llama.Vocabulary, schema: dict[str, Any], seed: int, drawn: bool
) -> None:
    """Rows of noise: almost nothing that they prefer is allowed, so that every way to search is taken."""
    draw = Draw(Sampler("gumbel", 700), str(seed)) if drawn else Draw(Sampler("greedy"), None)
    form = form_of(vocabulary, schema)
    twin = form_of(vocabulary, schema)
    rng = np.random.default_rng(seed)
    pen = Pen(0, draw, 5, 8, (), lambda _: None)
    generator = write(form, (1, 2), pen)
    next(generator)
    data, tokens = b"", 0
    try:
        while True:
            row = rng.normal(size=vocabulary.size, scale=4).astype(np.float32)
            expected, verdict = masked(twin, draw.scores(row, 5 + tokens), data)
            try:
                ask = generator.send(logits(row))
            except StopIteration as stop:
                written: Written = stop.value
                assert written.tokens[-1] == expected
                break
            assert ask.tokens == (expected,), verdict
            twin.grammar.accept(expected)
            data, tokens = data + vocabulary.piece(expected), tokens + 1
    finally:
        form.grammar.close()
        twin.grammar.close()
    assert written.finish in ("stop", "length")
    if written.finish == "stop":
        validate_output(schema, read_json(written.data))


def masked(form: JsonText, scores: Any, data: bytes) -> tuple[int, str]:
    """The plain way: the grammar over the whole vocabulary, then the best of what it leaves."""
    (may_end,) = form.grammar.allowed([min(form.vocabulary.ends)])
    fits = form.grammar.allowed(range(form.vocabulary.size))
    for token in np.lexsort((np.arange(len(scores)), -scores)).tolist():
        verdict = form.judge(token, data, fits=fits[token], may_end=may_end)
        if verdict != REFUSE:
            return token, verdict
    raise AssertionError


def test_a_number_is_ended_by_the_model(vocabulary: llama.Vocabulary) -> None:
    form = form_of(vocabulary, {"type": "integer", "enum": [1, 10]})
    generator = write(form, (1,), Pen(0, Draw(Sampler("greedy"), None), 0, 9, (), lambda _: None))
    next(generator)
    (one,) = vocabulary.tokenize("1")
    assert generator.send(logits(peak(vocabulary, one))).tokens == (one,)
    end = min(vocabulary.ends)
    with pytest.raises(StopIteration) as caught:
        generator.send(logits(peak(vocabulary, end)))
    assert (caught.value.value.data, caught.value.value.tokens) == (b"1", [one, end])
    assert form.judge(end, b"1", fits=True, may_end=True) == STOP
    form.grammar.close()


def peak(vocabulary: llama.Vocabulary, token: int) -> Any:
    row = np.zeros(vocabulary.size, dtype=np.float32)
    row[token] = 9
    return row


@pytest.mark.parametrize(
    ("schema", "field"),
    [
        ({"type": "array", "items": {"type": "string", "pattern": "^a$", "maxLength": 3}}, "s.items.pattern"),
        ({"type": "array", "items": {"type": "string", "maxLength": 501}}, "s.items.maxLength"),
        ({"type": "array", "items": {"type": "boolean"}, "minItems": 9000}, "s.minItems"),
        ({"type": "array", "items": {"type": "string", "pattern": "^(a{99}){99}$"}}, "s.items.pattern"),
        ({"type": "integer", "enum": list(range(9000))}, "s"),
    ],
)
def test_what_no_grammar_holds_is_refused_with_its_path(schema: dict[str, Any], field: str) -> None:
    with pytest.raises(SchemaRefused) as caught:
        lint(schema, "s")
        check_written(schema, "s")
    assert caught.value.field == field


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": {"type": "string", "maxLength": 500}, "maxItems": 500},
        {"type": "string", "minLength": 500, "maxLength": 500},
        {"type": "array", "items": {"type": "string", "pattern": "^((a|b){9}[0-9]{10,50}c?){10}$"}, "minItems": 500},
        {
            "type": "array",
            "items": {"type": "array", "items": {"type": "string", "pattern": "^a{1000}$"}, "maxItems": 500},
        },
        {"type": "integer", "enum": list(range(1500))},
    ],
)
def test_the_largest_that_are_accepted_are_taken_by_the_library(
    vocabulary: llama.Vocabulary, schema: dict[str, Any]
) -> None:
    lint(schema, "s")
    check_written(schema, "s")
    form_of(vocabulary, schema).grammar.close()


@pytest.fixture(autouse=True)
def _lexicon_covers_the_vocabulary(vocabulary: llama.Vocabulary) -> Iterator[None]:
    yield
    lexicon = vocabulary.lexicon
    text = {token for ids in lexicon.groups for token in ids.tolist()}
    hidden = {token for token in range(vocabulary.size) if vocabulary.control[token] or not vocabulary.piece(token)}
    assert text | set(lexicon.enders.tolist()) | hidden == set(range(vocabulary.size))
