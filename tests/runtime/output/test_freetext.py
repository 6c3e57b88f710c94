"""Free text of the real model: always valid, never longer than allowed, equal to the choice of a full mask."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from runtime import llama
from runtime.capture import Generation
from runtime.energy import Meter
from runtime.engine.engine import Engine
from runtime.models.weights import ModelFile
from runtime.output import decoding, freetext
from runtime.output.schema import validate_output
from runtime.program import Program, Request
from runtime.worker.counter import Counter

FIELDS = {"payment_record": "always on time", "room": 400}


@pytest.fixture(scope="module")
def ask(model_file: ModelFile, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Program], Generation]]:
    llama.start()
    counter = Counter(tmp_path_factory.mktemp("run"), str(uuid.uuid4()))
    engine = Engine(model_file.path.parent, counter, meter=Meter())

    def ask(program: Program) -> Generation:
        engine.submit(Request("a", program, FIELDS))
        while engine.busy:
            for _, result in engine.step():
                assert isinstance(result, Generation), result
                return result
        raise AssertionError

    yield ask
    engine.close()
    counter.close()


def test_a_sentence(ask: Callable[[Program], Generation], replying: Callable[..., Program]) -> None:
    program = replying()
    got = ask(program)
    assert got.finish == "stop"
    validate_output(program.output_schema, got.output)
    assert len(got.output["reply"]) > 10
    assert got.output["reply"] == got.output["reply"].strip()
    assert "\n" not in got.output["reply"]
    assert len(got.run.output_tokens[1]) == len(got.run.logprobs[1])
    assert got.outcome in ("grant", "refer", "refuse")


@pytest.mark.parametrize(
    ("schema", "max_tokens"), [({"type": "string", "minLength": 1}, 3), ({"type": "string", "maxLength": 12}, 60)]
)
def test_a_text_that_was_cut_says_so(
    ask: Callable[[Program], Generation], replying: Callable[..., Program], schema: dict[str, Any], max_tokens: int
) -> None:
    got = ask(replying(schema=schema, max_tokens=max_tokens))
    assert (got.finish, got.outcome) == ("length", "length")
    assert len(got.run.output_tokens[1]) <= max_tokens
    assert len(got.output["reply"]) <= schema.get("maxLength", 100)
    assert got.run.alternatives


@pytest.mark.parametrize("pattern", [r"^[A-Z]{2}-\d{3}$", r"^(ja|nee)$", r"^[a-z ]{20,30}\.$"])
def test_a_pattern_is_kept(
    ask: Callable[[Program], Generation], replying: Callable[..., Program], pattern: str
) -> None:
    program = replying(schema={"type": "string", "pattern": pattern})
    got = ask(program)
    assert re.search(pattern, got.output["reply"])
    assert got.finish == "stop"
    validate_output(program.output_schema, got.output)


def test_what_cannot_be_written_is_invalid(
    ask: Callable[[Program], Generation], replying: Callable[..., Program]
) -> None:
    """Pattern and minLength contradict each other: no token may follow, and nothing may end."""
    got = ask(replying(schema={"type": "string", "pattern": "^(ja|nee)$", "minLength": 5}))
    assert (got.finish, got.outcome) == ("invalid", "invalid")


def test_best_first_is_the_choice_of_the_full_mask(
    ask: Callable[[Program], Generation], replying: Callable[..., Program], monkeypatch: pytest.MonkeyPatch
) -> None:
    program = replying(schema={"type": "string", "pattern": r"^[a-z ]{20,30}\.$"}, max_tokens=40)
    first = ask(program)
    monkeypatch.setattr(decoding, "FIRST", ())
    whole = ask(program)
    assert (first.run.output_tokens, first.run.logprobs) == (whole.run.output_tokens, whole.run.logprobs)


class TestJudge:
    """Single candidates, with the real vocabulary."""

    @pytest.fixture
    def line(self, model: llama.Model) -> Iterator[freetext.Line]:
        state = model.vocabulary.grammar("root ::= [^\\x00-\\x1F]*\n")
        yield freetext.Line(state, model.vocabulary, {"type": "string", "minLength": 2, "maxLength": 4})
        state.close()

    def token(self, line: freetext.Line, text: str) -> int:
        (token,) = line.vocabulary.tokenize(text)
        return token

    def test_ends(self, line: freetext.Line) -> None:
        end = min(line.vocabulary.ends)
        assert line.judge(end, b"ab", fits=True, may_end=True) == "stop"
        assert line.judge(end, b"a", fits=True, may_end=True) == "refuse"
        assert line.judge(end, b"ab", fits=True, may_end=False) == "refuse"
        assert line.judge(end, b"ab\xc3", fits=True, may_end=True) == "refuse"
        newline = self.token(line, "\n")
        assert line.judge(newline, b"ab", fits=False, may_end=True) == "stop"
        assert line.judge(newline, b"  ", fits=False, may_end=True) == "refuse"

    def test_pieces(self, line: freetext.Line) -> None:
        letter = self.token(line, "a")
        assert line.judge(letter, b"abc", fits=True, may_end=True) == "take"
        assert line.judge(letter, b"abcd", fits=True, may_end=True) == "length"
        assert line.judge(letter, b"a", fits=False, may_end=True) == "refuse"
        control = next(int(i) for i in np.flatnonzero(line.vocabulary.control) if int(i) not in line.vocabulary.ends)
        assert line.judge(control, b"a", fits=True, may_end=True) == "refuse"
