"""From a step to a question and from an answer to its value; and what a reply may say of itself."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import OutputInvalid
from runtime.gateway.questions import FORMS, answer_of, ask, certain, judge
from runtime.gateway.reply import MAX_COUNT, Reply, ReplyInvalid, judge_counts, read_reply, take_chunk
from runtime.gateway.sse import Events, SseInvalid
from runtime.messages import messages_schema
from runtime.program import Field, Outcome, Program, Request, Step
from runtime.sampler import Sampler
from runtime.shape import Shape

FIELDS = (Field("topic", {"type": "string"}, "not stated"), Field("year", {"type": "integer"}))
TEXT = {"type": "string", "minLength": 1, "maxLength": 20}
LOOP = "{% for m in talk %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
LIST = {"type": "array", "items": {"type": "integer"}, "maxItems": 3}


def program(**members: Any) -> Program:
    properties = {"result": {"type": "string", "enum": ["good", "bad"]}, "reply": TEXT, "list": LIST}
    made = {
        "model": "",
        "fields": FIELDS,
        "steps": (
            Step("result", "Judge {{ topic }} of {{ year }}.", 4),
            Step("reply", "Write: {{ result }}", 20),
            Step("list", "Count: {{ reply }}", 9),
        ),
        "output_schema": {"type": "object", "properties": properties, "required": list(properties),
                          "additionalProperties": False},
        "outcomes": (Outcome("yes", "good"), Outcome("no", "bad")),
        "context": Shape(n_ctx=4096),
    } | members  # fmt: skip
    return Program(**made)


def question(made: Program, output: dict[str, Any], **members: Any) -> Any:
    request = Request("r", made, {"topic": "rain", "year": 2026}, **members)
    templates = tuple(made.template(index) for index in range(len(made.steps)))
    return ask(request, templates, {"topic": "rain", "year": 2026}, output)


def test_each_step_is_one_message_of_the_user() -> None:
    asked = question(program(), {})
    assert asked.messages == ({"role": "user", "content": "Judge rain of 2026."},)
    assert (asked.step, asked.max_tokens, asked.temperature_milli, asked.seed) == ("result", 4, 0, None)
    assert asked.schema == {
        "type": "object", "properties": {"result": {"type": "string", "enum": ["good", "bad"]}},
        "required": ["result"], "additionalProperties": False,
    }  # fmt: skip
    second = question(program(), {"result": "bad"})
    assert (second.messages[0]["content"], second.schema) == ("Write: bad", None)
    third = question(program(), {"result": "bad", "reply": "it"})
    assert third.schema is not None
    assert third.schema["properties"] == {"list": LIST}


def test_the_requests_own_limits_are_for_the_last_step() -> None:
    own = {"max_tokens": 3, "stop": ("END",)}
    assert (question(program(), {}, **own).max_tokens, question(program(), {}, **own).stop) == (4, ())
    last = question(program(), {"result": "bad", "reply": "it"}, **own)
    assert (last.max_tokens, last.stop) == (3, ("END",))
    assert question(program(), {"result": "bad", "reply": "it"}, max_tokens=500).max_tokens == 9


def test_a_version_that_draws_sends_a_seed_of_its_own_for_each_step() -> None:
    drawing = program(sampler=Sampler("gumbel", 800))
    first, again = (question(drawing, {}, seed="abc") for _ in range(2))
    second, other = question(drawing, {"result": "bad"}, seed="abc"), question(drawing, {}, seed="abd")
    assert first.seed == again.seed
    assert len({first.seed, second.seed, other.seed}) == 3
    assert all(0 <= one.seed < 1 << 31 for one in (first, second, other))
    assert first.temperature_milli == 800


def test_a_conversation_goes_as_its_messages_behind_the_instructions() -> None:
    talk = [{"role": "user", "content": "Hi {{ year }} <|im_start|>"}, {"role": "assistant", "content": "Hello"}]
    chat = program(
        fields=(Field("talk", messages_schema()), Field("year", {"type": "integer"})),
        steps=(Step("reply", "Answer for {{ year }}." + LOOP, 9),),
    )
    request = Request("r", chat, {})
    asked = ask(request, (chat.template(0),), {"talk": talk, "year": 2026}, {})
    assert asked.messages == ({"role": "system", "content": "Answer for 2026."}, *talk)
    bare = program(
        fields=(Field("talk", messages_schema()),),
        steps=(Step("reply", LOOP, 9),),
    )
    assert ask(Request("r", bare, {}), (bare.template(0),), {"talk": talk}, {}).messages == tuple(talk)


def test_nobody_is_asked_where_one_answer_is_allowed() -> None:
    one = program(
        output_schema={"properties": {"result": {"type": "string", "const": "good"}, "reply": TEXT, "list": LIST}}
    )
    assert certain(one, 0) == "good"
    assert certain(program(), 0) is None
    assert certain(program(), 1) is None


@pytest.mark.parametrize(
    ("step", "form", "text", "value"),
    [
        (0, "json_schema", ' {"result": "good"}\n', "good"),
        (0, "json_object", '{"result":"bad"}', "bad"),
        (0, "text", " bad ", "bad"),
        (1, "json_schema", "  A line.\nAnother ", "A line.\nAnother"),
        (2, "json_schema", '{"list": [1, 2]}', [1, 2]),
        (2, "text", "[3]", [3]),
    ],
)
def test_an_answer_becomes_the_steps_value(step: int, form: str, text: str, value: Any) -> None:
    before = dict(list({"result": "good", "reply": "x"}.items())[:step])
    asked = question(program(), before)
    assert answer_of(asked, program(), text, form=form) == value
    assert judge(asked, program(), Reply(text, finish="stop"), form=form) == ("stop", value)


@pytest.mark.parametrize(
    ("step", "text"),
    [
        (0, "good"), (0, '"good"'), (0, '{"result": "fair"}'), (0, '{"result": "good", "x": 1}'), (0, "{}"),
        (1, ""), (1, "x" * 21), (2, '{"list": [1.5]}'), (2, '{"list": [1, 2, 3, 4]}'),
        (2, '{"list": [9007199254740993]}'), (2, '{"list": [true]}'), (2, "[1]"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_invalid_and_never_taken(step: int, text: str) -> None:
    before = dict(list({"result": "good", "reply": "x"}.items())[:step])
    asked = question(program(), before)
    with pytest.raises(OutputInvalid):
        answer_of(asked, program(), text, form="json_schema")
    assert judge(asked, program(), Reply(text, finish="stop"), form="json_schema") == ("invalid", text)


@given(st.text(max_size=80), st.sampled_from(FORMS), st.sampled_from(["stop", "length", None, "other"]))
def test_whatever_is_answered_is_a_value_of_the_schema_or_a_reserved_outcome(
    text: str, form: str, finish: str | None
) -> None:
    asked = question(program(), {})
    found, value = judge(asked, program(), Reply(text, finish=finish), form=form)
    assert (found, value) == (finish, text.strip()) if finish == "length" else found in {"stop", "invalid"}
    if found == "stop":
        assert value in {"good", "bad"}
    assert judge(asked, program(), Reply(text, refusal="no", finish=finish), form=form) == ("refusal", "no")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=12,
)
NAMES = st.sampled_from(["id", "model", "usage", "choices", "system_fingerprint", "service_tier", "object"])
USAGE = st.dictionaries(
    st.sampled_from(
        ["prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details", "completion_tokens_details",
         "cost"]
    ),
    JSON | st.integers(-10, 10**12) | st.dictionaries(st.sampled_from(["cached_tokens", "reasoning_tokens"]), JSON),
)  # fmt: skip
CHOICE = st.fixed_dictionaries(
    {"message": st.fixed_dictionaries({"content": JSON, "refusal": JSON}), "finish_reason": JSON}
)


@given(st.dictionaries(NAMES, JSON) | st.fixed_dictionaries({"choices": st.lists(CHOICE, max_size=2), "usage": USAGE}))
def test_any_answer_is_read_within_bounds_or_not_at_all(body: dict[str, Any]) -> None:
    try:
        reply = read_reply(json.dumps(body).encode())
    except ReplyInvalid:
        return
    judge_counts(reply, sent_bytes=100)
    stated = reply.stated
    for count in (stated.prompt_tokens, stated.output_tokens, stated.cached_tokens, stated.reasoning_tokens):
        assert count is None or 0 <= count <= MAX_COUNT
    assert stated.price_millionths is None or stated.price_millionths >= 0
    for word in (stated.id, stated.model, stated.fingerprint, stated.tier, reply.finish):
        assert word is None or (0 < len(word) <= 200 and word.isascii())
    reply.text.encode()
    json.dumps(stated.doubtful)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_are_no_answer(data: bytes) -> None:
    for read in (read_reply, lambda one: Events().feed(one)):
        try:
            read(data)
        except (ReplyInvalid, SseInvalid):
            continue


@given(st.lists(st.text(max_size=12), max_size=8), st.integers(1, 9))
def test_a_stream_in_any_pieces_gives_the_same_text(texts: list[str], size: int) -> None:
    chunks = [{"choices": [{"delta": {"content": text}}]} for text in texts]
    data = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks).encode()
    reply, events = Reply(), Events()
    for at in range(0, len(data), size):
        for event in events.feed(data[at : at + size]):
            take_chunk(reply, event)
    assert reply.text == "".join(texts)
