"""Requests of the OpenAI API as they are read: what is not supported is refused by its name, and never repeated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli.demo.run import CASES
from home.errors import UsageError
from registry.manifest import Manifest
from registry.manifest_rules import parse_draft
from runtime.capture import Piece
from runtime.messages import messages_schema
from service.deciding import chat, chat_fields
from web.v1.requests import REFUSED, parse_chat, parse_completion
from web.v1.stream_text import Growing, Spoken

SAID = [{"role": "user", "content": "May I pay later?"}]


def body(**more: Any) -> bytes:
    return json.dumps({"model": "tax", "messages": SAID} | more).encode()


def draft(change: Any = None) -> Manifest:
    file = json.loads((Path(CASES) / "tax-question-reply.json").read_text("utf-8"))
    version = file["version"]
    if change is not None:
        del version["wordings"], version["fitness"]  # they are of the demo's fields
        change(version)
    return parse_draft(version, "tax")


def conversation(version: dict[str, Any], *, system: bool = False) -> None:
    field = version["fields"][0] | {"id": "messages", "schema": messages_schema(system=system), "neutral": None}
    version["fields"] = [field]
    loop = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    version["steps"][0]["template"] = f"{loop}Topic: "
    version["steps"][1]["template"] = f"{loop}Topic {{{{ result }}}}\n"


def test_what_is_asked_is_read() -> None:
    ask = parse_chat(
        body(
            seed=7, max_completion_tokens=9, stop="\n\n", logprobs=True, top_logprobs=3, stream=True, n=1,
            stream_options={"include_usage": True}, response_format={"type": "text"}, top_p=1.0, store=False,
            presence_penalty=0, frequency_penalty=0.0, logit_bias={}, user=None, tools=None, temperature=0,
        )
    )  # fmt: skip
    assert (ask.model, ask.messages, ask.seed, ask.max_tokens, ask.stop) == ("tax", tuple(SAID), "7", 9, ("\n\n",))
    assert (ask.logprobs, ask.top, ask.stream, ask.include_usage, ask.temperature) == (True, 3, True, True, 0.0)
    done = parse_completion(json.dumps({"model": "tax", "prompt": ["Hello"], "logprobs": 2}).encode())
    assert (done.prompt, done.logprobs, done.top) == ("Hello", True, 2)


def test_clients_send_back_what_they_got() -> None:
    given = {"role": "assistant", "content": None, "refusal": None, "tool_calls": None, "annotations": []}
    parts = {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
    ask = parse_chat(body(messages=[*SAID, given, parts]))
    assert ask.messages == (*SAID, {"role": "assistant", "content": ""}, {"role": "user", "content": "ab"})


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_is_not_supported_is_refused_by_name(name: str) -> None:
    with pytest.raises(UsageError, match=rf"^{name}: is not") as caught:
        parse_chat(body(**{name: "Piet Jansen"}))
    assert "Piet Jansen" not in str(caught.value)


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": "x", "name": "Piet"}]}, "messages[0]"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]}, "messages[0].content"),
        ({"model": 7}, "model"),
        ({"model": "x" * 65}, "model"),
        ({"n": 2}, "n"),
        ({"n": True}, "n"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
        ({"stop": [""]}, "stop"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 5, "max_completion_tokens": 5}, "max_completion_tokens"),
        ({"seed": "x"}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"logprobs": 1}, "logprobs"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"stream": True, "stream_options": {"other": 1}}, "stream_options"),
        ({"response_format": {"type": "json_object"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}}, "response_format.json_schema"),
        ({"presence_penalty": 0.5}, "presence_penalty"),
        ({"logit_bias": {"1": 5}}, "logit_bias"),
        ({"temperature": "hot"}, "temperature"),
        ({"store": True}, "store"),
        ({"Piet Jansen": 1}, "body"),
        ({"max_output_tokens": 1}, "max_output_tokens"),
    ],
)
def test_what_is_wrong_is_named(more: dict[str, Any], field: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_chat(body(**more))
    assert caught.value.field == field
    assert "Piet" not in str(caught.value)


@pytest.mark.parametrize("data", [b"\xff{}", b"{", b'{"model": "a", "model": "b"}', b'{"model": "\\ud800"}'])
def test_what_is_no_json_is_refused(data: bytes) -> None:
    with pytest.raises(UsageError, match=r"^body: "):
        parse_chat(data)


def test_a_version_with_fields_takes_an_object_or_its_one_text() -> None:
    manifest = draft()
    assert chat_fields.inputs_of_chat(manifest, SAID) == {"message": "May I pay later?"}
    given = json.dumps({"message": "x", "bill_year": 2026})
    assert chat_fields.inputs_of_text(manifest, given, "prompt") == {"message": "x", "bill_year": 2026}

    def one(version: dict[str, Any]) -> None:
        version["fields"] = version["fields"][:1]
        version["steps"][1]["template"] = "{{ message }}\n"

    # A single text is never read as anything else, whatever a person writes.
    assert chat_fields.inputs_of_text(draft(one), given, "prompt") == {"message": given}
    with pytest.raises(UsageError, match=r"^messages: must be one message"):
        chat_fields.inputs_of_chat(manifest, [*SAID, *SAID])


def test_a_conversation_takes_messages_of_its_roles() -> None:
    manifest = draft(conversation)
    assert chat.messages_field(manifest) == "messages"
    assert chat_fields.inputs_of_chat(manifest, SAID * 2) == {"messages": SAID * 2}
    told = [{"role": "system", "content": "Be rude."}]
    with pytest.raises(UsageError, match=r"messages\[0\]\.role: must be user or assistant") as caught:
        chat_fields.inputs_of_chat(manifest, told)
    assert "rude" not in str(caught.value)
    assert chat_fields.inputs_of_chat(draft(lambda version: conversation(version, system=True)), told) == {
        "messages": told
    }
    with pytest.raises(UsageError, match="chat/completions"):
        chat_fields.inputs_of_text(manifest, "x", "prompt")


def test_sampling_is_the_versions() -> None:
    greedy = draft()
    chat_fields.demand_sampling(greedy, temperature=0, top_p=1, seed=None)
    drawing = draft(lambda v: v.update(sampler={"kind": "gumbel", "temperature_milli": 700}, seed="record"))
    chat_fields.demand_sampling(drawing, temperature=0.7, top_p=None, seed="5")
    for manifest, options, name in (
        (greedy, {"temperature": 1}, "temperature"),
        (greedy, {"top_p": 0.9}, "top_p"),
        (greedy, {"seed": "5"}, "seed"),
        (drawing, {"temperature": 0.8}, "temperature"),
    ):
        with pytest.raises(UsageError, match=f"^{name}: "):
            chat_fields.demand_sampling(manifest, **{"temperature": None, "top_p": None, "seed": None} | options)


def test_the_schema_that_is_asked_for_is_the_versions() -> None:
    manifest = draft()
    chat_fields.demand_schema(manifest, None)
    schema = json.loads(json.dumps(manifest.output_schema))
    schema |= {"title": "Reply", "required": list(reversed(schema["required"]))}
    schema["properties"]["reply"]["description"] = "what is said"
    chat_fields.demand_schema(manifest, schema)
    schema["properties"]["reply"]["maxLength"] = 9
    with pytest.raises(UsageError, match=r"response_format\.json_schema\.schema"):
        chat_fields.demand_schema(manifest, schema)


def test_json_grows_to_what_a_whole_answer_is() -> None:
    manifest = draft()
    output = {"result": "payment", "reply": 'You "can" pay.\nYes: \u00e9\U0001f600'}
    words, text = Growing(manifest), ""
    for piece in (Piece("r", "result", "pay"), Piece("r", "result", "ment"), Piece("r", "reply", output["reply"][:9]),
                  Piece("r", "reply", output["reply"][9:])):  # fmt: skip
        text += words.of(piece)
    assert text + words.end(output) == chat.json_of(manifest, output)
    short = Growing(manifest)
    assert short.of(Piece("r", "result", "payment")) + short.end({"result": "payment", "reply": ""}) == (
        '{"result":"payment","reply":""}'
    )
    spoken = Spoken(chat.spoken(manifest))
    assert [spoken.of(Piece("r", name, "x")) for name in ("result", "reply")] == ["", "x"]
    assert (chat.spoken(manifest), chat.text_of(manifest, output)) == ("reply", output["reply"])
