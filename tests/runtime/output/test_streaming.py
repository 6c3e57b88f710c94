"""What is told while an answer grows is, joined, the answer: whole characters, no stop sequence, no outer blanks."""

from __future__ import annotations

import dataclasses
import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime import llama
from runtime.capture import Generation, Piece
from runtime.energy import Meter
from runtime.engine.engine import Engine
from runtime.models.weights import ModelFile
from runtime.output.schema import validate_output
from runtime.output.streaming import Telling, before_stop, token_text
from runtime.program import Program, Request, Step
from runtime.worker.counter import Counter

FIELDS = {"payment_record": "always on time", "room": 400}
_STOPS = st.lists(st.sampled_from(["\n\n", "ab", " end", "é!", "a"]), max_size=2, unique=True).map(tuple)
_PARTS = st.lists(st.sampled_from(["a", "b", " ", "\n", " en", "end", "d", "é", "€", "!", "😀"]), max_size=14)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=_PARTS, stop=_STOPS, strips=st.booleans(), data=st.data())
def test_pieces_joined_are_the_text(
    model: llama.Model, parts: list[str], stop: tuple[str, ...], strips: bool, data: st.DataObject
) -> None:
    tokens = [token for part in parts for token in model.vocabulary.tokenize(part)]
    pieces: list[Piece] = []
    telling = Telling("r", "reply", stop, pieces.append, strips)
    written = b""
    for number, token in enumerate(tokens):
        written += model.vocabulary.piece(token)
        told = token_text(model.vocabulary, token, -1.5 * number)
        whole = before_stop(written.decode("utf-8", "ignore"), stop)
        if whole is not None or number == len(tokens) - 1:
            expected = written.decode("utf-8", "ignore") if whole is None else whole
            telling.end(expected, told)
            break
        telling.token(told)
        if data.draw(st.integers(0, 9)) == 0:  # cut by an end token
            expected = written.decode("utf-8", "ignore")
            telling.end(expected)
            break
    else:
        expected = ""
    assert "".join(piece.text for piece in pieces) == (expected.strip() if strips else expected)
    assert all(piece.text and piece.output == "reply" for piece in pieces)
    spoken = [one for piece in pieces for one in piece.tokens]
    assert [one.data for one in spoken] == [model.vocabulary.piece(t).hex() for t in tokens[: len(spoken)]] or strips


@pytest.fixture(scope="module")
def ask(
    model_file: ModelFile, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., tuple[Generation, list[Piece]]]]:
    llama.start()
    counter = Counter(tmp_path_factory.mktemp("run"), str(uuid.uuid4()))
    pieces: list[Piece] = []
    engine = Engine(model_file.path.parent, counter, meter=Meter(), said=pieces.append)

    def ask(program: Program, **options: Any) -> tuple[Generation, list[Piece]]:
        pieces.clear()
        engine.submit(Request("a", program, FIELDS, **options))
        while engine.busy:
            for _, result in engine.step():
                assert isinstance(result, Generation), result
                return result, list(pieces)
        raise AssertionError

    yield ask
    engine.close()
    counter.close()


def told(pieces: list[Piece], output: str) -> str:
    return "".join(piece.text for piece in pieces if piece.output == output)


def test_an_answer_is_told_as_it_is_recorded(
    ask: Callable[..., tuple[Generation, list[Piece]]], replying: Callable[..., Program]
) -> None:
    quiet, none = ask(replying())
    got, pieces = ask(replying(), pieces=True, top=3)
    assert (got.output, got.run.output_tokens, none) == (quiet.output, quiet.run.output_tokens, [])
    assert {name: told(pieces, name) for name in got.output} == got.output
    assert [piece.text for piece in pieces if piece.output == "result"] == [got.output["result"]]
    tokens = [one for piece in pieces if piece.output == "reply" for one in piece.tokens]
    assert [one.logprob for one in tokens] == list(got.run.logprobs[1][: len(tokens)])
    assert all(len(one.top) == 3 and one.top[0][2] >= one.top[2][2] for one in tokens)
    assert all(bytes.fromhex(one.data).decode("utf-8", "replace") == one.text for one in tokens)


def test_limits_of_the_request(
    ask: Callable[..., tuple[Generation, list[Piece]]], replying: Callable[..., Program]
) -> None:
    whole, _ = ask(replying())
    short, pieces = ask(replying(), max_tokens=3, pieces=True)
    assert (short.finish, short.outcome, len(short.run.output_tokens[1])) == ("length", "length", 3)
    assert whole.output["reply"].startswith(short.output["reply"])
    assert told(pieces, "reply") == short.output["reply"]
    assert short.run.max_tokens == 3
    words = whole.output["reply"].split(" ")
    stop = (f" {words[2]} ", "never to be written")
    stopped, pieces = ask(replying(), stop=stop, pieces=True)
    assert stopped.finish == "stop"
    assert stopped.output["reply"] == " ".join(words[:2]) == told(pieces, "reply")
    assert stopped.run.stop == stop
    assert ask(replying(max_tokens=4), max_tokens=400)[0].finish == "length"


CASE = {
    "type": "object",
    "properties": {
        "urgent": {"type": "boolean"},
        "days": {"type": "integer"},
        "tags": {"type": "array", "items": {"type": "string", "maxLength": 12}, "maxItems": 2},
        "code": {"type": "string", "pattern": r"^[A-Z]{2}-\d$"},
        "note": {"type": "string", "const": 'a "quoted" note'},
    },
    "required": ["days", "code", "note"],
    "additionalProperties": False,
}


@pytest.mark.parametrize("schema", [CASE, {"type": "integer"}, {"type": "array", "items": CASE, "maxItems": 1}])
def test_a_value_of_any_type(
    ask: Callable[..., tuple[Generation, list[Piece]]], replying: Callable[..., Program], schema: dict[str, Any]
) -> None:
    program = replying(schema=schema, max_tokens=120)
    got, pieces = ask(program, pieces=True)
    assert got.finish == "stop"
    validate_output(program.output_schema, got.output)
    text = told(pieces, "reply")
    assert json.loads(text) == got.output["reply"]
    assert text == json.dumps(got.output["reply"], ensure_ascii=False, separators=(",", ":"))


def test_a_value_that_was_cut_is_text_and_says_so(
    ask: Callable[..., tuple[Generation, list[Piece]]], replying: Callable[..., Program]
) -> None:
    got, pieces = ask(replying(schema=CASE, max_tokens=5), pieces=True)
    assert (got.finish, got.outcome) == ("length", "length")
    assert got.output["reply"] == told(pieces, "reply")
    assert got.output["reply"].startswith("{")
    stopped, _ = ask(replying(schema=CASE, max_tokens=120), stop=("days",))
    assert (stopped.finish, stopped.outcome) == ("invalid", "invalid")


def test_a_later_step_reads_a_value_as_json(
    ask: Callable[..., tuple[Generation, list[Piece]]], replying: Callable[..., Program], model: llama.Model
) -> None:
    base = replying(schema={"type": "array", "items": {"type": "integer", "enum": [7]}, "minItems": 2, "maxItems": 2})
    schema = {**base.output_schema["properties"], "last": {"type": "string", "enum": ["yes", "no"]}}
    program = dataclasses.replace(
        base,
        steps=(*base.steps, Step("last", "The numbers are {{ reply }}. Is that so? ", 2)),
        output_schema={**base.output_schema, "properties": schema, "required": list(schema)},
    )
    got, _ = ask(program)
    assert got.output["reply"] == [7, 7]
    text = b"".join(model.vocabulary.piece(token) for token in got.run.prompt_tokens[2])
    assert text.startswith(b"The numbers are [7,7]. Is")
