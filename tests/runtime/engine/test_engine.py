"""The engine in this process: the loop that the worker runs, with a clock and two slots where a test needs them."""

from __future__ import annotations

import dataclasses
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from runtime import llama
from runtime.capture import Generation
from runtime.energy import Meter
from runtime.engine.batch import BatchRow
from runtime.engine.engine import Engine, Result
from runtime.errors import DeadlineExceeded, InputInvalid, ModelAltered, ModelMissing, PromptTooLong, Stopped
from runtime.models.weights import ModelFile, add_model
from runtime.program import Field, Program, Request, Step
from runtime.prompt import Value, tokenize
from runtime.sampler import Sampler, log_sum_exp, micro_nats
from runtime.worker.counter import Counter

LATE: dict[str, Value] = {"payment_record": "often too late", "room": 10}


@pytest.fixture
def counter(tmp_path: Path) -> Iterator[Counter]:
    counter = Counter(tmp_path, str(uuid.uuid4()))
    yield counter
    counter.close()


@pytest.fixture
def engine(model_file: ModelFile, counter: Counter) -> Iterator[Engine]:
    llama.start()
    engine = Engine(model_file.path.parent, counter, meter=Meter(watts=10))
    yield engine
    engine.close()


def finish(engine: Engine) -> dict[str, Result]:
    results: dict[str, Result] = {}
    while engine.busy:
        results.update(engine.step())
    return results


def done(engine: Engine, request: Request) -> Generation:
    engine.submit(request)
    result = finish(engine)[request.id]
    assert isinstance(result, Generation), result
    return result


def test_outcome_probabilities_are_those_of_one_pass_over_the_text(
    engine: Engine, model: llama.Model, program: Program
) -> None:
    """Recomputed without trie and engine: prompt and answer decoded together in a context of its own."""
    got = done(engine, Request("a", program, LATE))
    rendered = program.template(0).render(LATE)
    for outcome in program.outcomes:
        context = llama.Context(model, program.context, outputs=128)
        tokens = tokenize(rendered, model.vocabulary, answer=outcome.text)
        start = len(got.run.prompt_tokens[0])
        assert tokens[:start] == got.run.prompt_tokens[0]
        logits = context.decode([BatchRow(t, i, 0, i >= start - 1) for i, t in enumerate(tokens)])
        total = sum(float(row[t]) - log_sum_exp(row) for row, t in zip(logits, tokens[start:], strict=False))
        assert abs(got.run.alternatives[outcome.code] - micro_nats(total)) <= 1
        context.close()
    scores = {o.code: got.run.alternatives[o.code] + o.bias_millinats * 1000 for o in program.outcomes}
    assert got.outcome == max(scores, key=lambda code: scores[code])
    assert got.output["result"] == next(o.text for o in program.outcomes if o.code == got.outcome)


def test_a_bias_moves_the_outcome(engine: Engine, program: Program) -> None:
    for wanted in program.outcomes:
        outcomes = tuple(dataclasses.replace(o, bias_millinats=20_000 * (o == wanted)) for o in program.outcomes)
        got = done(engine, Request(wanted.code, dataclasses.replace(program, outcomes=outcomes), LATE))
        assert (got.outcome, got.finish) == (wanted.code, "stop")


def test_the_number_rises_before_the_first_decode_and_not_for_refusals(
    model_file: ModelFile, program: Program, counter: Counter
) -> None:
    began: list[tuple[str, int]] = []
    engine = Engine(model_file.path.parent, counter, meter=Meter(), began=lambda *args: began.append(args))
    engine.submit(Request("bad", program, {"room": "x"}))
    assert isinstance(finish(engine)["bad"], InputInvalid)
    assert (counter.n, began) == (0, [])
    engine.load(program.model)
    engine.submit(Request("good", program, LATE))
    engine.step()
    assert began == [("good", 1)]
    finish(engine)
    assert counter.n == 1
    engine.close()


def test_two_at_once_give_what_each_gives_alone(
    model_file: ModelFile, counter: Counter, replying: Callable[..., Program]
) -> None:
    """The interface fits continuous batching: per-sequence streams and Q8_0 KV make a batch invisible in the result."""
    base = replying(max_tokens=6)
    program = dataclasses.replace(base, context=dataclasses.replace(base.context, n_ctx=1024, n_seq_max=2))
    requests = [Request(f"r{i}", program, {"room": i, "payment_record": "sometimes late"}) for i in range(3)]
    results = []
    for slots in (1, 2):
        engine = Engine(model_file.path.parent, counter, meter=Meter(), slots=slots)
        for request in requests:
            engine.submit(request)
        got = [one for one in finish(engine).values() if isinstance(one, Generation)]
        got.sort(key=lambda one: one.id)
        results.append([(one.output, one.run.output_tokens, one.run.logprobs) for one in got])
        assert len(got) == len(requests)
        assert {one.run.slot for one in got} == set(range(slots))
        engine.close()
    assert results[0] == results[1]


def test_a_long_prompt_goes_in_pieces(engine: Engine, program: Program) -> None:
    long = dataclasses.replace(
        program,
        fields=(Field("text", {"type": "string"}),),
        steps=(Step("result", "{{ text }} The chance is ", 4),),
    )
    got = done(engine, Request("a", long, {"text": "word " * 300}))
    assert len(got.run.prompt_tokens[0]) > 300 > long.context.n_batch
    engine.submit(Request("b", long, {"text": "word " * 600}))
    fault = finish(engine)["b"]
    assert isinstance(fault, PromptTooLong)
    assert (fault.reason, fault.n) == ("too_large", None)


def test_a_later_prompt_may_be_too_long_only_after_the_number(engine: Engine, replying: Callable[..., Program]) -> None:
    program = replying(max_tokens=500)
    engine.submit(Request("a", program, LATE))
    fault = finish(engine)["a"]
    assert isinstance(fault, PromptTooLong)
    assert (fault.reason, fault.n) == ("too_large", 1)
    assert fault.boot is not None


def test_deadline_and_stop(model_file: ModelFile, counter: Counter, replying: Callable[..., Program]) -> None:
    now = [0]
    engine = Engine(model_file.path.parent, counter, meter=Meter(), clock=lambda: now[0])
    engine.load(replying().model)
    for name in ("late", "stopped", "waiting", "unbegun"):
        engine.submit(Request(name, replying(), LATE), deadline_ns=50 if name == "late" else None)
    engine.step()
    now[0] = 60
    results = dict(engine.step())
    assert isinstance(results["late"], DeadlineExceeded)
    assert (results["late"].n, results["late"].reason) == (1, "deadline")
    engine.step()
    engine.cancel("stopped")
    engine.cancel("unbegun")
    engine.cancel("nobody")
    results = finish(engine)
    assert isinstance(results["stopped"], Stopped)
    assert (results["stopped"].n, results["stopped"].reason) == (2, "stopped")
    assert isinstance(results["unbegun"], Stopped)
    assert (results["unbegun"].n, results["unbegun"].reason) == (None, "stopped_meanwhile")
    assert isinstance(results["waiting"], Generation)
    engine.close()


def test_times_and_energy_add_up(engine: Engine, replying: Callable[..., Program]) -> None:
    usage = done(engine, Request("a", replying(max_tokens=8), LATE, watts=3)).usage
    assert 0 <= usage.queue_us < usage.first_us < usage.total_us
    assert usage.energy_method in ("estimated", "measured_package")
    if usage.energy_method == "estimated":
        assert usage.energy_uj is not None
        assert 0 < usage.energy_uj <= 3 * (usage.total_us - usage.queue_us)


def test_a_seed_gives_its_result_again_and_another_seed_another(
    engine: Engine, replying: Callable[..., Program]
) -> None:
    program = replying(max_tokens=6, sampler=Sampler("gumbel", 900))
    first = [done(engine, Request(f"a{i}", program, LATE, seed=f"s{i}")) for i in range(3)]
    again = [done(engine, Request(f"b{i}", program, LATE, seed=f"s{i}")) for i in range(3)]
    assert [g.run.output_tokens for g in first] == [g.run.output_tokens for g in again]
    assert [g.run.logprobs for g in first] == [g.run.logprobs for g in again]
    assert len({g.run.output_tokens[1] for g in first}) > 1
    assert first[0].run.sampler == "gumbel/900"
    engine.submit(Request("c", program, LATE))
    assert isinstance(finish(engine)["c"], InputInvalid)


def test_a_file_changed_under_a_running_engine_is_refused(
    model_file: ModelFile, program: Program, counter: Counter, tmp_path: Path
) -> None:
    own = add_model(model_file.path, tmp_path / "models")
    engine = Engine(own.path.parent, counter, meter=Meter())
    done(engine, Request("a", program, LATE))
    before = own.path.stat()
    own.path.chmod(0o600)
    with own.path.open("r+b") as file:
        file.seek(9_000_000)
        file.write(b"!")
    os.utime(own.path, ns=(before.st_atime_ns, before.st_mtime_ns))
    engine.submit(Request("b", program, LATE))
    assert isinstance(finish(engine)["b"], ModelAltered)
    own.path.unlink()
    engine.submit(Request("c", program, LATE))
    assert isinstance(finish(engine)["c"], ModelMissing)
    add_model(model_file.path, own.path.parent)
    done(engine, Request("d", program, LATE))
    assert counter.n == 2
    engine.close()


def test_several_programs_one_after_another(engine: Engine, program: Program, replying: Callable[..., Program]) -> None:
    first = done(engine, Request("a", program, LATE))
    for n_ctx in (256, 300, 320, 400, 480):
        small = dataclasses.replace(program, context=dataclasses.replace(program.context, n_ctx=n_ctx))
        assert done(engine, Request(str(n_ctx), small, LATE)).run.alternatives == first.run.alternatives
    assert done(engine, Request("z", program, LATE)).run.alternatives == first.run.alternatives


def test_rows_of_the_record_are_integers(engine: Engine, program: Program) -> None:
    run = done(engine, Request("a", program, LATE)).run
    flat = [x for step in (*run.prompt_tokens, *run.output_tokens, *run.logprobs) for x in step]
    assert all(type(x) is int for x in [*flat, *run.alternatives.values()])
    assert not any(isinstance(x, np.integer) for x in flat)
