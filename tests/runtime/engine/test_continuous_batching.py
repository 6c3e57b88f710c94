"""Several requests at once: whatever shares a batch, a seat or a head with one, its result is what it is alone."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from runtime import llama
from runtime.capture import Generation
from runtime.energy import Meter
from runtime.engine.engine import Engine, Result
from runtime.engine.model_cache import Budget
from runtime.engine.request import Running
from runtime.engine.shared_prefix import heads
from runtime.engine.usage import shares
from runtime.errors import (
    Busy,
    CallRefused,
    ContextFull,
    DeadlineExceeded,
    ModelMissing,
    ModelUnusable,
    RuntimeFault,
    Stopped,
)
from runtime.models.weights import ModelFile
from runtime.program import Field, Outcome, Program, Request, Step
from runtime.sampler import Sampler
from runtime.shape import Shape
from runtime.worker.counter import Counter

SHAPE = Shape(n_ctx=1024, n_batch=128, n_ubatch=128, n_seq_max=4, threads=2)
RULES = (
    "You sort letters to the town hall. A letter about a bill that cannot be paid at once is about payment, and so is "
    "one about a bank account. A letter about noise, waste or trees is about the street. Be short. "
)


@pytest.fixture
def counter(tmp_path: Path) -> Iterator[Counter]:
    counter = Counter(tmp_path, str(uuid.uuid4()))
    yield counter
    counter.close()


@pytest.fixture
def engines(model_file: ModelFile, counter: Counter) -> Iterator[Callable[..., Engine]]:
    llama.start()
    made: list[Engine] = []

    def make(**options: object) -> Engine:
        made.append(Engine(model_file.path.parent, counter, meter=Meter(watts=10), **options))
        made[-1].load(model_file.sha256)
        return made[-1]

    yield make
    for engine in made:
        engine.close()


def sorting(model: str, *, max_tokens: int = 5, at_least: int = 1, **changes: object) -> Program:
    """A finite answer under rules that all requests share, and a line of text under others."""
    result = {"type": "string", "enum": ["payment", "street"]}
    reply = {"type": "string", "minLength": at_least, "maxLength": 400}
    program = Program(
        model=model,
        fields=(Field("letter", {"type": "string"}),),
        steps=(
            Step("result", RULES + "Letter: {{ letter }}\nIt is about ", 4),
            Step("reply", "Kind answers to letters about {{ result }}.\nLetter: {{ letter }}\nAnswer:", max_tokens),
        ),
        output_schema={
            "type": "object",
            "properties": {"result": result, "reply": reply},
            "required": ["result", "reply"],
            "additionalProperties": False,
        },
        outcomes=(Outcome("payment", "payment"), Outcome("street", "street")),
        sampler=Sampler("gumbel", 800),
        context=SHAPE,
    )
    return dataclasses.replace(program, **changes)


def finish(engine: Engine) -> dict[str, Result]:
    results: dict[str, Result] = {}
    while engine.busy:
        results.update(engine.step())
    return results


def ask(engine: Engine, requests: list[Request]) -> list[Generation]:
    for request in requests:
        engine.submit(request)
    results = finish(engine)
    for result in results.values():
        assert isinstance(result, Generation), result
    return [result for request in requests if isinstance(result := results[request.id], Generation)]


def letters(program: Program, count: int, name: str = "r") -> list[Request]:
    texts = (
        "My bill is too high.",
        "A tree fell on my car last night and blocks the whole of our street. " * 3,
        "Noise!",
    )
    return [Request(f"{name}{i}", program, {"letter": f"{i} {texts[i % 3]}"}, seed=f"s{i}") for i in range(count)]


def facts(run: Generation) -> tuple[object, ...]:
    kept = dataclasses.replace(run.run, slot=0, reused=0, occupancy=1)
    return run.output, run.outcome, kept


def test_a_crowd_changes_nothing(engines: Callable[..., Engine], model_file: ModelFile) -> None:
    """Eight requests on four seats, with heads that are kept and copied, against each alone in a context of its own."""
    requests = letters(sorting(model_file.sha256), 8)
    crowd = ask(engines(), requests)
    assert max(one.run.occupancy for one in crowd) == 4
    assert {one.run.slot for one in crowd} == {0, 1, 2, 3}
    assert [one.run.reused > 40 for one in crowd].count(True) == 7  # the head is read once
    shape = dataclasses.replace(SHAPE, n_ctx=256, n_seq_max=1)
    for request, one in zip(requests[::-1], crowd[::-1], strict=True):
        engine = engines()
        alone = ask(engine, [dataclasses.replace(request, program=sorting(model_file.sha256, context=shape))])[0]
        engine.close()
        assert (alone.run.reused, alone.run.occupancy) == (0, 1)
        assert facts(alone) == facts(one)
        assert one.run.digest is not None
        assert [len(step) > 0 for step in one.run.rows] == [True, True]


def test_only_the_head_stays(engines: Callable[..., Engine], model_file: ModelFile) -> None:
    """After a request its context holds what the version says to everybody, and nothing that came from a person."""
    engine = engines()
    program = sorting(model_file.sha256)
    first = ask(engine, letters(program, 1, "a"))[0]
    [context] = engine.stats()["contexts"]
    assert context["rows_used"] == sum(map(len, heads(program, engine._shelf.model(program.model).vocabulary))) + 48
    assert (context["active"], context["slots"]) == (0, 4)
    assert context["rows_room"] == 5 * 256  # a spare sequence for the long head
    again = ask(engine, [Request("b0", program, {"letter": "0 Other"}, seed="s0")])[0]
    assert again.run.reused > 40
    shared = first.run.prompt_tokens[0][: again.run.reused]
    assert shared == again.run.prompt_tokens[0][: again.run.reused]
    assert engine.stats()["reused_tokens"] == again.run.reused


def test_a_burst_reads_its_rules_once(engines: Callable[..., Engine], model_file: ModelFile) -> None:
    engine = engines()
    crowd = ask(engine, letters(sorting(model_file.sha256), 4))
    assert sorted(one.run.reused > 40 for one in crowd) == [False, True, True, True]


def test_time_is_divided_without_rest(engines: Callable[..., Engine], model_file: ModelFile) -> None:
    engine = engines()
    crowd = ask(engine, letters(sorting(model_file.sha256), 6))
    [device] = engine.stats()["devices"]
    assert device["requests"] == 6
    assert device["output_tokens"] == sum(one.usage.output_tokens for one in crowd)
    assert device["prompt_tokens"] == sum(one.usage.prompt_tokens for one in crowd)
    assert 1 < device["occupancy"] / device["steps"] <= 4
    # Declared watts × ns, each rounded down to a micro-joule.
    energy = sum(one.usage.energy_uj or 0 for one in crowd)
    if crowd[0].usage.energy_method == "estimated":
        assert 0 <= device["busy_ns"] * 10 // 1000 - energy <= 6


@pytest.mark.parametrize(("total", "weights"), [(10, [1, 1, 1]), (0, [3, 1]), (1, [5]), (997, [128, 1, 1, 7])])
def test_shares_sum_to_the_whole(total: int, weights: list[int]) -> None:
    parts = shares(total, weights)
    assert sum(parts) == total
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part - total * weight / sum(weights)) < 1


def test_contexts_take_turns(engines: Callable[..., Engine], model_file: ModelFile) -> None:
    """Two systems with contexts of their own run side by side, and each gives what it gives alone."""
    small = dataclasses.replace(SHAPE, n_ctx=768, n_seq_max=3)
    one, other = sorting(model_file.sha256), sorting(model_file.sha256, context=small)
    engine = engines()
    requests = letters(one, 3, "one") + letters(other, 3, "other")
    results = ask(engine, requests)
    assert len(engine.stats()["contexts"]) == 2
    assert [result.output for result in results[:3]] == [result.output for result in results[3:]]
    assert [result.run.rows for result in results[:3]] == [result.run.rows for result in results[3:]]


def test_no_system_starves_another(engines: Callable[..., Engine], model_file: ModelFile) -> None:
    """Twelve of one system wait on one seat when another system's request comes: it is the second to be begun."""
    began: list[str] = []
    engine = engines(slots=1, began=lambda name, _n: began.append(name))
    for request in letters(sorting(model_file.sha256, max_tokens=1), 12, "many"):
        engine.submit(request)
    while not began:
        engine.step()
    engine.submit(letters(sorting(model_file.sha256, max_tokens=2), 1, "few")[0])
    while len(began) < 3:
        engine.step()
    assert began == ["many0", "few0", "many1"]
    for name in ("many2", "many11"):
        engine.cancel(name)
    results = finish(engine)
    assert isinstance(results["many11"], Stopped)
    assert sum(isinstance(result, Generation) for result in results.values()) >= 9


def test_a_queue_has_an_end(engines: Callable[..., Engine], model_file: ModelFile) -> None:
    engine = engines(queue=2)
    requests = letters(sorting(model_file.sha256), 3)
    for request in requests[:2]:
        engine.submit(request)
    with pytest.raises(Busy) as caught:
        engine.submit(requests[2])
    assert (caught.value.n, caught.value.reason) == (None, None)
    engine.cancel("r1")
    engine.submit(requests[2])
    results = finish(engine)
    assert isinstance(results["r0"], Generation)
    assert isinstance(results["r1"], Stopped)
    assert isinstance(results["r2"], Generation)


def test_a_long_prompt_does_not_stall_those_who_write(engines: Callable[..., Engine], model_file: ModelFile) -> None:
    shape = Shape(n_ctx=2048, n_batch=512, n_ubatch=512, n_seq_max=2, threads=2)
    engine = engines()
    program = sorting(model_file.sha256, context=shape, max_tokens=40, at_least=200)
    engine.submit(letters(program, 1, "short")[0])
    while not engine._running or not engine._running[0].writing or len(engine._running[0].paper.prompts) < 1:
        engine.step()
    engine.submit(Request("long", program, {"letter": "waste and noise " * 250}, seed="s"))
    rows = []
    while not any(name == "short0" for name, _ in engine.step()):
        rows.append(engine.stats()["devices"][0]["rows"])
    steps = [after - before for before, after in pairwise(rows)]
    assert max(steps) <= 129
    assert 129 in steps
    engine.cancel("long")
    assert isinstance(finish(engine)["long"], Stopped)


def test_a_full_cache_fails_the_one_that_does_not_fit(engines: Callable[..., Engine], model_file: ModelFile) -> None:
    """One stream for all (the throughput lane): what is too much is tried in halves, and the others go on."""
    shape = Shape(n_ctx=256, n_batch=128, n_ubatch=128, n_seq_max=4, threads=2, kv_unified=True)
    assert not shape.reproducible
    engine = engines()
    program = sorting(model_file.sha256, context=shape)
    for i in range(4):
        engine.submit(Request(f"r{i}", program, {"letter": "my bill " * 50}, seed="s"))
    results = finish(engine)
    kinds = [type(result) for result in results.values()]
    assert set(kinds) == {Generation, ContextFull}
    for result in results.values():
        if isinstance(result, Generation):
            assert (result.run.rows, result.run.digest) == ((), None)
        else:
            assert isinstance(result, RuntimeFault)
            assert (result.reason, result.n is not None) == ("too_large", True)
    assert len(ask(engine, [Request("after", program, {"letter": "my bill"}, seed="s")])) == 1


def test_a_context_that_breaks_takes_only_its_own_with_it(
    engines: Callable[..., Engine], model_file: ModelFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engines()
    good = sorting(model_file.sha256, context=dataclasses.replace(SHAPE, n_ctx=768, n_seq_max=3))
    bad = sorting(model_file.sha256)
    for request in letters(good, 2, "good") + letters(bad, 2, "bad"):
        engine.submit(request)
    while len(engine._running) < 4:
        engine.step()
    broken = next(one.seats.context for one in engine._running if one.request.id == "bad0" and one.seats)
    run = llama.Context.run

    def breaks(self: llama.Context, parts: object) -> object:
        if self is broken:
            raise CallRefused("llama.cpp could not decode a batch (status -3)", field="batch")
        return run(self, parts)

    monkeypatch.setattr(llama.Context, "run", breaks)
    results = finish(engine)
    assert {name: type(result) for name, result in results.items()} == {
        "good0": Generation,
        "good1": Generation,
        "bad0": CallRefused,
        "bad1": CallRefused,
    }
    assert len(ask(engine, letters(bad, 1, "new"))) == 1  # in a new context


def test_a_context_that_breaks_between_two_halves_fails_both(
    engines: Callable[..., Engine], model_file: ModelFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engines()
    for request in letters(sorting(model_file.sha256), 2):
        engine.submit(request)

    def breaks(_: llama.Context, parts: list[object]) -> object:
        raise ContextFull("full", field="context") if len(parts) > 1 else CallRefused("broken", field="batch")

    with monkeypatch.context() as patched:
        patched.setattr(llama.Context, "run", breaks)
        patched.setattr(Running, "follows", lambda _self, _earlier: False)
        results = finish(engine)
    assert {name: type(result) for name, result in results.items()} == {"r0": CallRefused, "r1": CallRefused}
    assert len(ask(engine, letters(sorting(model_file.sha256), 1, "new"))) == 1


def test_what_does_not_fit_is_refused_before_it_is_loaded(
    engines: Callable[..., Engine], model_file: ModelFile, counter: Counter
) -> None:
    mib = 1 << 20
    engine = Engine(model_file.path.parent, counter, meter=Meter(), budget=Budget(90 * mib, 90 * mib))
    engine.submit(letters(sorting(model_file.sha256), 1)[0])
    fault = finish(engine)["r0"]
    assert isinstance(fault, ModelUnusable)
    assert (fault.reason, fault.n, fault.field) == ("too_large", None, "context")
    assert "90 MiB" in str(fault)
    assert engine.stats()["models"] == []
    engine.close()
    engine = Engine(model_file.path.parent, counter, meter=Meter(), budget=Budget(1024 * mib, 64 * mib))
    big = Shape(n_ctx=8192, n_batch=128, n_ubatch=128, threads=2)
    engine.submit(letters(sorting(model_file.sha256, context=big), 1)[0])
    assert isinstance(finish(engine)["r0"], ModelUnusable)
    engine.close()


def test_what_is_idle_makes_room_and_what_is_in_use_does_not(
    model_file: ModelFile, counter: Counter, engines: Callable[..., Engine]
) -> None:
    """Memory for one context beside the model: the second system waits for the first, then takes its place."""
    probe = engines()
    ask(probe, letters(sorting(model_file.sha256), 1))
    memory = probe.stats()["memory"]
    assert memory["used"] > memory["kv_used"] > 0
    budget = Budget(memory["used"] + memory["kv_used"] // 2, memory["used"])
    engine = engines(budget=budget)
    one, other = sorting(model_file.sha256), sorting(model_file.sha256, context=dataclasses.replace(SHAPE, n_ubatch=64))
    results = ask(engine, letters(one, 2, "one") + letters(other, 1, "other") + letters(one, 1, "last"))
    assert len(results) == 4
    assert len(engine.stats()["contexts"]) == 1
    assert engine.stats()["memory"]["used"] <= budget.memory


def test_a_model_that_cannot_be_had_fails_all_who_wait_for_it(
    engines: Callable[..., Engine], model_file: ModelFile
) -> None:
    """And is looked for once, not once for each."""
    engine = engines(slots=1)
    for request in letters(sorting("0" * 64), 5, "none") + letters(sorting(model_file.sha256, max_tokens=1), 1, "some"):
        engine.submit(request)
    results = finish(engine)
    assert {type(results[f"none{i}"]) for i in range(5)} == {ModelMissing}
    assert isinstance(results["some0"], Generation)


def test_a_deadline_ends_one_of_many(engines: Callable[..., Engine], model_file: ModelFile) -> None:
    now = [0]
    engine = engines(clock=lambda: now[0])
    requests = letters(sorting(model_file.sha256), 4)
    for i, request in enumerate(requests):
        engine.submit(request, deadline_ns=50 if i == 2 else None)
    engine.step()
    now[0] = 60
    results = finish(engine)
    assert isinstance(results["r2"], DeadlineExceeded)
    assert results["r2"].n is not None
    assert [isinstance(results[f"r{i}"], Generation) for i in (0, 1, 3)] == [True] * 3
    assert engine.stats()["contexts"][0]["active"] == 0
