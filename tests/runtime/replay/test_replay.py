"""Replays on the real model: what the engine recorded comes out again, and what a record got wrong is found."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runtime import llama
from runtime.capture import Generation, token_digest
from runtime.energy import Meter
from runtime.engine.background import MOST
from runtime.engine.engine import Engine
from runtime.engine.model_cache import Budget
from runtime.errors import Busy, Stopped
from runtime.models.weights import ModelFile, model_path
from runtime.program import Program, Request
from runtime.replay.replay import PIECE, Replay
from runtime.replay.selftest import SelfTest
from runtime.sampler import Sampler
from runtime.shape import Shape
from runtime.verdict import Bars, Replayed, ReplayOrder, format_order, parse_order
from runtime.worker.counter import Counter
from runtime.worker.supervisor import Supervisor

LATE: dict[str, Any] = {"payment_record": "sometimes late", "room": 120}
WIDE = Bars(10**9, 10**10, 10**10)
ELSEWHERE = "sha256:" + "0" * 64
GUMBEL = Sampler("gumbel", 900)
WHY = (
    "<|im_start|>user\nSay in one sentence that the chance is {{ result }} for one who pays {{ payment_record }} and "
    "keeps {{ room }} euro.<|im_end|>\n<|im_start|>assistant\n"
)


@pytest.fixture(scope="module")
def engine(model_file: ModelFile, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    llama.start()
    counter = Counter(tmp_path_factory.mktemp("run"), str(uuid.uuid4()))
    engine = Engine(model_file.path.parent, counter, meter=Meter())
    yield engine
    engine.close()
    counter.close()


def record(engine: Engine, *requests: Request) -> list[ReplayOrder]:
    """What the records of some requests, answered together, would hand to a replay."""
    for request in requests:
        engine.submit(request)
    found: dict[str, Any] = {}
    while len(found) < len(requests):
        found.update(engine.step())
    orders = []
    for request in requests:
        made = found[request.id]
        assert isinstance(made, Generation), made
        orders.append(ReplayOrder("again", request.program, request.fields, made.run, made.output, made.outcome))
    return orders


def replay(engine: Engine, order: ReplayOrder) -> Replayed:
    engine.background.submit(order.id, Replay(parse_order(json.loads(json.dumps(format_order(order)))), engine.build))
    while True:
        for _, result in engine.step():
            assert isinstance(result, Replayed), result
            return result


@pytest.fixture(scope="module")
def talking(replying: Callable[..., Program]) -> Callable[..., Program]:
    """As `replying`, with a question that is answered by a whole sentence."""

    def make(**changes: Any) -> Program:
        base = replying(**changes)
        return replace(base, steps=(base.steps[0], replace(base.steps[1], template=WHY)))

    return make


@pytest.fixture(scope="module")
def greedy(engine: Engine, talking: Callable[..., Program]) -> ReplayOrder:
    """A finite answer and a line, greedy; the line ends by itself."""
    (order,) = record(engine, Request("greedy", talking(), LATE))
    assert len(order.run.output_tokens[1]) > 8
    return order


@pytest.fixture(scope="module")
def drawn(engine: Engine, talking: Callable[..., Program]) -> ReplayOrder:
    """The same, drawn by a seed."""
    (order,) = record(engine, Request("drawn", talking(sampler=GUMBEL, max_tokens=20), LATE, "seed-1"))
    return order


def tokens_of(order: ReplayOrder, change: Callable[[list[int]], list[int]]) -> ReplayOrder:
    """With other recorded tokens of the line."""
    first, line = order.run.output_tokens
    changed = tuple(change(list(line)))
    logprobs = (order.run.logprobs[0], (*order.run.logprobs[1], *[0] * len(changed))[: len(changed)])
    return replace(order, run=replace(order.run, output_tokens=(first, changed), logprobs=logprobs))


@pytest.mark.parametrize("kind", ["greedy", "drawn"])
@pytest.mark.parametrize("how", [{}, {"passes": "alone"}, {"threads": 1}])
def test_a_recorded_run_comes_out_again_to_the_bit(
    engine: Engine, kind: str, how: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    order: ReplayOrder = replace(request.getfixturevalue(kind), **how)
    found = replay(engine, order)
    rows = sum(map(len, order.run.rows))
    assert (found.verdict, found.reason, found.position) == ("bit_exact", None, None)
    assert (found.rows, found.rows_equal) == (rows, rows)
    assert found.tokens == found.tokens_equal == 1 + len(order.run.output_tokens[1])  # a finite answer is one choice
    assert (found.logprob_mean, found.logprob_max, found.margin_max) == (0, 0, 0)
    assert (found.build, found.device, found.passes) == (engine.build, "cpu", order.passes)
    assert found.threads == order.threads or found.threads == order.run.threads
    assert found.elapsed_us > 0


def test_several_answers_of_several_tokens_and_runs_that_were_cut(
    engine: Engine, talking: Callable[..., Program]
) -> None:
    """Tries whose nodes lie beside the recorded answer, several finite steps, limits of schema, version and request."""
    long = talking(max_tokens=5)
    short = talking(schema={"type": "string", "minLength": 1, "maxLength": 12})
    whole = talking()
    requests = [
        Request("limit", long, LATE),
        Request("schema", short, LATE),
        Request("request", whole, LATE, max_tokens=3),
        Request("stop", whole, LATE, stop=(" per",)),
        Request("again", whole, LATE),
    ]
    orders = record(engine, *requests)
    assert orders[4].output["reply"].startswith(orders[3].output["reply"] + " per")
    assert [order.outcome for order in orders[:3]] == ["length"] * 3
    for order in orders:
        assert replay(engine, order).verdict == "bit_exact", order.run
    # What ended a text is part of what is derived again.
    differs = replay(engine, replace(orders[2], run=replace(orders[2].run, max_tokens=None)))
    assert (differs.verdict, differs.reason, differs.position) == ("mismatch", "tokens", (1, 3))
    assert replay(engine, replace(orders[3], run=replace(orders[3].run, stop=()))).verdict == "mismatch"


def _other(order: ReplayOrder, **run: Any) -> ReplayOrder:
    return replace(order, run=replace(order.run, **run))


def _without(alternatives: Mapping[str, int]) -> dict[str, int]:
    return dict([*alternatives.items()][1:])


ALTERED: dict[str, tuple[Callable[[ReplayOrder], ReplayOrder], str, tuple[int, int] | None]] = {
    "a field": (lambda o: replace(o, fields={**o.fields, "room": 121}), "prompt", (0, 0)),
    "a field left out": (lambda o: replace(o, fields={"payment_record": "sometimes late"}), "prompt", (0, 0)),
    "a field of another type": (lambda o: replace(o, fields={**o.fields, "room": "x"}), "prompt", (0, 0)),
    "a prompt": (lambda o: _other(o, prompt_tokens=(o.run.prompt_tokens[0], o.run.prompt_tokens[0])), "prompt", (1, 0)),
    "a token": (lambda o: tokens_of(o, lambda t: [*t[:3], t[4], *t[4:]]), "tokens", (1, 3)),
    "a last token": (lambda o: tokens_of(o, lambda t: [*t[:-1], t[0]]), "tokens", None),
    "a token that the grammar refuses": (lambda o: tokens_of(o, lambda t: [*t[:3], 1, *t[4:]]), "tokens", (1, 3)),
    "fewer tokens": (lambda o: tokens_of(o, lambda t: t[:4]), "tokens", (1, 4)),
    "more tokens": (lambda o: tokens_of(o, lambda t: [*t, t[0]]), "tokens", None),
    "no tokens": (lambda o: tokens_of(o, lambda _t: []), "tokens", (1, 0)),
    "a token of another vocabulary": (lambda o: tokens_of(o, lambda t: [200_000, *t[1:]]), "tokens", (1, 0)),
    "a negative token": (lambda o: tokens_of(o, lambda t: [-1, *t[1:]]), "tokens", (1, 0)),
    "a step that is missing": (lambda o: _other(o, prompt_tokens=o.run.prompt_tokens[:1]), "prompt", (0, 0)),
    "no step at all": (lambda o: _other(o, prompt_tokens=(), output_tokens=(), logprobs=()), "prompt", (0, 0)),
    "an outcome": (lambda o: replace(o, outcome="refuse" if o.outcome != "refuse" else "grant"), "outcome", None),
    "a finite answer": (
        lambda o: replace(o, output={**o.output, "result": "good" if o.output["result"] != "good" else "poor"}),
        "outcome",
        (0, 0),
    ),
    "the text": (lambda o: replace(o, output={**o.output, "reply": "All is well."}), "outcome", (1, 0)),
    "a log-probability": (
        lambda o: _other(o, logprobs=(o.run.logprobs[0], (*o.run.logprobs[1][:2], -5, *o.run.logprobs[1][3:]))),
        "logprobs",
        (1, 2),
    ),
    "a log-probability that is none": (
        lambda o: _other(o, logprobs=((None,), *o.run.logprobs[1:])),
        "logprobs",
        (0, 0),
    ),
    "an alternative that is none": (lambda o: _other(o, alternatives={"grant": "x"}), "logprobs", (0, 0)),
    "an alternative that is missing": (
        lambda o: _other(o, alternatives=_without(o.run.alternatives)),
        "logprobs",
        (0, 0),
    ),
    "an alternative too many": (lambda o: _other(o, alternatives={**o.run.alternatives, "x": -1}), "logprobs", (0, 0)),
    "alternatives that are none": (lambda o: _other(o, alternatives=[1]), "logprobs", (0, 0)),
    "an output that is none": (lambda o: replace(o, output=None), "outcome", None),
    "a limit below one": (lambda o: _other(o, max_tokens=0), "tokens", (0, 0)),
    # Heads and chain are of the same digests: one that changed without the other was not recorded by any engine.
    "a digest": (lambda o: _other(o, digest="sha256:" + "0" * 64), "rows", None),
    "a digest that is missing": (lambda o: _other(o, digest=None), "rows", None),
    "rows that are missing": (lambda o: _other(o, rows=()), "rows", None),
    "a row": (lambda o: _other(o, rows=(o.run.rows[0], ("0" * 16, *o.run.rows[1][1:]))), "rows", (1, 0)),
    "fewer rows": (lambda o: _other(o, rows=(o.run.rows[0], o.run.rows[1][:-1])), "rows", None),
    "more rows": (lambda o: _other(o, rows=(o.run.rows[0], (*o.run.rows[1], "0" * 16))), "rows", None),
    "fewer rows and another digest": (
        lambda o: _other(o, rows=(o.run.rows[0], o.run.rows[1][:-1]), digest="sha256:" + "0" * 64),
        "rows",
        None,
    ),
    "a limit that is none": (lambda o: _other(o, max_tokens="x"), "tokens", (0, 0)),
    "the model's name": (lambda o: _other(o, model="0" * 64), "model", None),
    "the sampler": (lambda o: _other(o, sampler="gumbel/700"), "manifest", None),
}


@pytest.mark.parametrize("name", ALTERED)
def test_what_a_record_got_wrong_is_a_mismatch_and_says_where(engine: Engine, greedy: ReplayOrder, name: str) -> None:
    alter, reason, position = ALTERED[name]
    found = replay(engine, alter(greedy))
    assert (found.verdict, found.reason) == ("mismatch", reason)
    assert position is None or found.position == position
    assert found.build == engine.build


def test_a_prompt_of_which_the_digest_alone_is_kept_is_bound_by_it(engine: Engine, greedy: ReplayOrder) -> None:
    digests = tuple(map(token_digest, greedy.run.prompt_tokens))
    kept = _other(greedy, prompt_tokens=((),) * len(digests), prompt_digests=digests)
    assert replay(engine, parse_order(json.loads(json.dumps(format_order(kept))))).verdict == "bit_exact"
    assert replay(engine, replace(kept, passes="alone")).verdict == "bit_exact"
    for other, where in (((digests[1], digests[1]), (0, 0)), ((digests[0], digests[0]), (1, 0)), (digests[:1], (0, 0))):
        found = replay(engine, _other(kept, prompt_digests=other))
        assert (found.verdict, found.reason, found.position) == ("mismatch", "prompt", where)


def test_a_wrong_seed_is_told_from_a_wrong_token(engine: Engine, drawn: ReplayOrder) -> None:
    found = replay(engine, _other(drawn, seed="seed-2"))
    assert (found.verdict, found.reason) == ("mismatch", "seed")
    assert found.rows_equal == found.rows  # nothing but the noise is another
    assert found.margin_max is not None
    assert found.margin_max > 1_000_000
    for seed in (None, "", "no plain code!", 7):
        assert replay(engine, _other(drawn, seed=seed)).reason == "seed"
    token = replay(engine, tokens_of(drawn, lambda t: [*t[:3], t[4], *t[4:]]))
    assert (token.verdict, token.reason, token.position) == ("mismatch", "tokens", (1, 3))
    assert token.rows_equal < token.rows


def test_equal_tokens_without_equal_rows_are_no_more_than_token_exact(engine: Engine, greedy: ReplayOrder) -> None:
    older = replay(engine, _other(greedy, rows=(), digest=None))
    assert (older.verdict, older.reason, older.rows_equal) == ("token_exact", "not_recorded", 0)
    row = list(greedy.run.rows[1])
    row[2] = "0" * 16
    # As of a record from elsewhere: its rows are others, and so is the chain over them.
    found = replay(engine, _other(greedy, rows=(greedy.run.rows[0], tuple(row)), digest="sha256:" + "0" * 64))
    assert (found.verdict, found.reason, found.position) == ("token_exact", "rows", (1, 2))
    assert found.rows_equal == found.rows - 1


def test_true_is_not_one(engine: Engine, replying: Callable[..., Program]) -> None:
    """Python has them equal; in a record they are two values."""
    (order,) = record(engine, Request("true", replying(schema={"type": "boolean"}), LATE))
    assert isinstance(order.output["reply"], bool)
    assert replay(engine, order).verdict == "bit_exact"
    found = replay(engine, replace(order, output={**order.output, "reply": int(order.output["reply"])}))
    assert (found.verdict, found.reason) == ("mismatch", "outcome")


@pytest.mark.parametrize("shape", [Shape(n_ctx=64, n_batch=32, n_ubatch=32, threads=2), None])
def test_a_self_test_that_goes_first_takes_nothing_from_a_replay(
    engine: Engine, greedy: ReplayOrder, tmp_path: Path, shape: Shape | None
) -> None:
    """It needs the one spare context: the replay that had it begins again."""
    engine.background.submit("low", Replay(replace(greedy, passes="alone"), engine.build))
    for _ in range(4):
        engine.step()
    program = greedy.program if shape is None else replace(greedy.program, context=shape)
    engine.background.submit("test", SelfTest(program, engine.build, tmp_path))
    found: list[tuple[str, Any]] = []
    while len(found) < 2:
        found += engine.step()
    assert [name for name, _ in found] == ["test", "low"]
    assert found[0][1].determinism == "bit"
    assert (found[1][1].verdict, found[1][1].rows) == ("bit_exact", sum(map(len, greedy.run.rows)))


def test_only_elsewhere_is_a_difference_tolerated_and_only_within_bars(engine: Engine, greedy: ReplayOrder) -> None:
    """A token that the model thought less likely, in an answer of one token of free text."""
    altered = tokens_of(greedy, lambda t: [*t[:3], t[4], *t[4:]])
    text = "".join(_text(engine, altered))
    altered = replace(altered, output={**altered.output, "reply": text})
    if altered.run.output_tokens[1][-1] not in (0, 2):
        altered = replace(altered, outcome="length")
    for order in (
        replace(altered, bars=WIDE),  # here, tokens must agree
        _other(altered, build=ELSEWHERE),  # elsewhere, but nobody measured
        replace(_other(altered, build=ELSEWHERE), bars=Bars(10**9, 10**10, 1)),  # beyond a bar
    ):
        found = replay(engine, order)
        assert (found.verdict, found.reason) == ("mismatch", "tokens"), found
    for order in (
        _other(altered, build=ELSEWHERE),
        _other(altered, device="another"),
        _other(altered, determinism="tolerance"),
    ):
        found = replay(engine, replace(order, bars=WIDE))
        assert (found.verdict, found.reason, found.position) == ("within_tolerance", "tokens", (1, 3)), found
    # The prompt is bound before anything is tolerated.
    swapped = replace(_other(altered, build=ELSEWHERE), bars=WIDE, fields={**altered.fields, "room": 121})
    assert replay(engine, swapped).reason == "prompt"


def _text(engine: Engine, order: ReplayOrder) -> Iterator[str]:
    model = engine._shelf.model(order.run.model)
    data = b"".join(
        model.vocabulary.piece(token) for token in order.run.output_tokens[1] if token not in model.vocabulary.ends
    )
    yield data.decode("utf-8", "ignore").strip()


def test_without_its_weights_nothing_is_replayed(
    engine: Engine, greedy: ReplayOrder, model_file: ModelFile, tmp_path: Path
) -> None:
    absent = "0" * 64
    order = replace(_other(greedy, model=absent), program=replace(greedy.program, model=absent))
    found = replay(engine, order)
    assert (found.verdict, found.reason, found.rows) == ("not_replayable", "weights_absent", 0)
    bad = "1" * 64
    file = model_path(model_file.path.parent, bad)
    file.write_bytes(b"no model")
    found = replay(engine, replace(_other(greedy, model=bad), program=replace(greedy.program, model=bad)))
    assert (found.verdict, found.reason) == ("not_replayable", "weights_absent")
    file.unlink()
    odd = replace(greedy, program=replace(greedy.program, steps=(*greedy.program.steps, greedy.program.steps[1])))
    assert replay(engine, odd).reason == "build"  # a program that this release would not register


def test_requests_go_first_and_a_context_is_freed_when_nothing_waits(
    engine: Engine, greedy: ReplayOrder, program: Program
) -> None:
    spare = engine.background._spare
    engine.background.submit("low", Replay(replace(greedy, passes="alone"), engine.build))
    engine.step()
    assert spare._context is not None
    engine.submit(Request("high", program, LATE))
    order: list[str] = []
    while len(order) < 2:
        order += [name for name, _ in engine.step()]
    assert order == ["high", "low"]
    assert spare._context is None
    engine.background.submit("dropped", Replay(greedy, engine.build))
    engine.step()
    assert [engine.background.cancel("dropped") for _ in range(2)] == [True, False]
    assert (engine.busy, spare._context) == (False, None)


def test_a_request_that_needs_the_memory_waits_for_one_replay_not_for_all(
    engine: Engine, greedy: ReplayOrder, program: Program, tmp_path: Path, model_file: ModelFile
) -> None:
    engine.background.submit("probe", Replay(greedy, engine.build))
    engine.step()
    size = engine._shelf.contexts[-1].size
    engine.background.cancel("probe")
    counter = Counter(tmp_path, str(uuid.uuid4()))
    small = Engine(model_file.path.parent, counter, meter=Meter(), budget=Budget(1 << 32, size + (1 << 20)))
    for name in ("first", "second"):
        small.background.submit(name, Replay(greedy, engine.build))
    while small.background._spare._context is None:
        small.step()
    small.submit(Request("high", program, LATE))
    order: list[str] = []
    while len(order) < 3:
        order += [name for name, _ in small.step()]
    assert order == ["first", "high", "second"]
    small.close()
    counter.close()


def test_requests_are_answered_while_a_replay_waits_for_its_model(
    engine: Engine, greedy: ReplayOrder, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, load = threading.Event(), engine._shelf._load
    absent = "2" * 64

    def slow(sha256: str, known: Any) -> Any:
        if sha256 == absent:
            go.wait(30)
        return load(sha256, known)

    monkeypatch.setattr(engine._shelf, "_load", slow)
    order = replace(_other(greedy, model=absent), program=replace(greedy.program, model=absent))
    engine.background.submit("low", Replay(order, engine.build))
    engine.step()
    engine.submit(Request("high", program, LATE))
    found: list[str] = []
    while not found:
        found += [name for name, _ in engine.step()]
    assert found == ["high"]
    go.set()
    while len(found) < 2:
        found += [name for name, _ in engine.step()]


def test_what_waits_is_bounded_and_ends_when_the_runtime_closes(engine: Engine, greedy: ReplayOrder) -> None:
    for number in range(MOST):
        engine.background.submit(str(number), Replay(greedy, engine.build))
    with pytest.raises(Busy, match="no more replays"):
        engine.background.submit("more", Replay(greedy, engine.build))
    stopped = engine.background.stop()
    assert [key for key, _ in stopped] == [str(number) for number in range(MOST)]
    assert {type(fault) for _, fault in stopped} == {Stopped}
    assert not engine.busy


def test_a_long_run_goes_in_pieces(engine: Engine, talking: Callable[..., Program]) -> None:
    """A prompt of more rows than a piece, and a context of several sequences: a replay has the room of one."""
    base = talking(max_tokens=24)
    chat = replace(base.steps[1], template="word " * 200 + base.steps[1].template)
    program = replace(
        base,
        steps=(base.steps[0], chat),
        context=Shape(n_ctx=3 * 512, n_batch=256, n_ubatch=64, n_seq_max=3, threads=2),
    )
    orders = record(engine, *(Request(str(i), program, {**LATE, "room": i}) for i in range(5)))
    assert len(orders[0].run.prompt_tokens[1]) > PIECE
    assert {order.run.slot for order in orders} == {0, 1, 2}
    assert [replay(engine, order).verdict for order in orders] == ["bit_exact"] * 5


def test_a_supervisor_measures_and_replays(supervisor: Supervisor, program: Program, tmp_path: Path) -> None:
    small = replace(program, context=Shape(n_ctx=64, n_batch=32, n_ubatch=32, threads=2))
    measured = supervisor.measure(small).result(timeout=120)
    assert measured.determinism == "bit"
    made = supervisor.generate(Request("decided", small, LATE)).result(timeout=120)
    assert made.run.determinism == "bit"
    order = ReplayOrder("replayed", small, LATE, made.run, made.output, made.outcome)
    assert supervisor.replay(order).result(timeout=120).verdict == "bit_exact"
    assert supervisor.replay(replace(order, id="other", outcome="x")).result(timeout=120).reason == "outcome"
    first, second = (supervisor.replay(replace(order, id=name, passes="alone")) for name in ("first", "given up"))
    supervisor.cancel("given up")
    with pytest.raises(Stopped):
        second.result(timeout=120)
    assert first.result(timeout=120).verdict == "bit_exact"
