"""The benchmarks of deciding and replaying give all contenders the same work, and state what they did."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from home.errors import UsageError
from lab.bench import bare_loop, comparison, costs, detection, llama_server, overhead, replay
from lab.bench.comparison import WORDS
from runtime import llama
from runtime.capture import Generation
from runtime.energy import Meter
from runtime.engine.engine import Engine
from runtime.models.weights import ModelFile
from runtime.worker.counter import Counter


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[ModelFile, ModelFile]:
    return comparison.models(tmp_path_factory.mktemp("bench") / "models")


@pytest.fixture(scope="module")
def model(models: tuple[ModelFile, ModelFile]) -> Iterator[llama.Model]:
    llama.start()
    model = llama.Model(str(models[1].path))
    yield model
    model.close()


def test_prompts_are_alike_in_length_and_in_nothing_else(model: llama.Model) -> None:
    prompts = [comparison.tokens(model.vocabulary, number) for number in range(32)]
    assert all(35 <= len(prompt) <= 60 for prompt in prompts)
    assert len({tuple(prompt[:8]) for prompt in prompts}) == 32
    text = b"".join(model.vocabulary.piece(token) for token in prompts[3]).decode()
    assert text == comparison.question(3)


def test_engine_and_bare_loop_do_the_same_work(
    models: tuple[ModelFile, ModelFile], model: llama.Model, tmp_path: Path
) -> None:
    context = llama.Context(model, comparison.shape(2, lane="throughput"), outputs=2)
    answers, python = bare_loop.run(context, [comparison.tokens(model.vocabulary, n) for n in range(3)], 2)
    context.close()
    assert [one.tokens for one in answers] == [WORDS] * 3
    assert all(0 < one.first_s < one.total_s for one in answers)
    assert python > 0
    counter = Counter(tmp_path, str(uuid.uuid4()))
    engine = Engine(models[1].path.parent, counter, meter=Meter())
    request = comparison.request(comparison.writing(models[1].sha256, comparison.shape(2), words=6), 0)
    engine.submit(request)
    results = []
    while engine.busy:
        results += engine.step()
    ((_, made),) = results
    assert isinstance(made, Generation)
    assert (made.finish, len(made.run.output_tokens[1])) == ("length", 6)
    assert list(made.run.prompt_tokens[1]) == comparison.tokens(model.vocabulary, 0)
    done = detection.replay(engine, detection.Decided(request, made).order())
    assert done.verdict == "bit_exact"
    engine.close()
    counter.close()


def test_figures_are_stated(
    monkeypatch: pytest.MonkeyPatch, models: tuple[ModelFile, ModelFile], model: llama.Model
) -> None:
    monkeypatch.setattr(costs, "_REQUESTS", 2)
    monkeypatch.setattr(costs, "_REPEATS", 3)
    monkeypatch.setattr(costs, "_WORDS", 8)
    found = costs.run(model, models[1].sha256)
    assert list(found["grammar"]) == ["line_greedy", "line_gumbel", "json_greedy", "json_gumbel"]
    rows = [*found["grammar"].values(), found["finite"]["row"], *found["recording"].values()]
    assert all(0 < row["median_us"] <= row["p95_us"] and row["of"] > 0 for row in rows)
    folder = models[1].path.parents[1]
    reused = overhead.prefix(folder, models[1], 1)
    assert reused["prompt_tokens"] > 400
    assert reused["reused_tokens"] > 380


def test_a_program_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert llama_server.find(None) is None
    with pytest.raises(UsageError):
        llama_server.find("/nowhere/llama-server")


def test_replays_are_timed_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "_WORDS", (8,))
    result = replay.run(0, 1)
    assert result["speed"]["8"]["verdicts"] == ["bit_exact"]
    assert result["speed"]["8"]["one_pass_ms"][0] > 0
    assert "detection" not in result
