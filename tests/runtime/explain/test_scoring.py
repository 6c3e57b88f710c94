"""Scores on the real model: those of a recorded generation to the micro-nat, in any company and in any order."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from runtime import llama
from runtime.capture import Generation
from runtime.energy import Meter
from runtime.engine.engine import Engine
from runtime.explain.question import Score, Variant
from runtime.explain.scoring import Scorer, _Rows, outputs, wide
from runtime.models.weights import ModelFile
from runtime.output.answers import Answers, weigh
from runtime.program import Field, Outcome, Program, Request, Step
from runtime.prompt import Value
from runtime.sampler import logits, micro_nats
from runtime.shape import Shape
from runtime.worker.counter import Counter

DETAILS = ("income", "debts", "job", "home")
OWN = (
    "An officer reads the following details of a loan and weighs them.\nIncome: {{ income }}\nDebts: {{ debts }}\n"
    "Job: {{ job }}\nHome: {{ home }}\nThe chance that the loan will be paid back is "
)
OTHER = (
    "An officer reads the following details of a loan and weighs them.\nHome: {{ home }}\nJob: {{ job }}\n"
    "Debts: {{ debts }}\nIncome: {{ income }}\nThe chance that the loan will be paid back is "
)
CASE: dict[str, Value | None] = {"income": 1800, "debts": "none", "job": "baker", "home": "rented"}
# Several tokens each; two of them begin with the same ones.
SENTENCES = ("very good indeed", "very poor indeed", "not known", "good")


@pytest.fixture(scope="module")
def loan(model_file: ModelFile) -> Callable[..., Program]:
    """Four details; keywords change the context, or give other answers."""

    def make(answers: Sequence[str] = ("good", "uncertain", "poor"), **context: Any) -> Program:
        text = {"type": "string", "maxLength": 2000}
        schema = {"type": "string", "enum": list(answers)}
        return Program(
            model=model_file.sha256,
            fields=(
                Field("income", {"type": "integer", "minimum": 0, "maximum": 9999}, "not stated"),
                *(Field(name, text, "not stated") for name in DETAILS[1:]),
            ),
            steps=(Step("chance", OWN, 4),),
            output_schema={
                "type": "object",
                "properties": {"chance": schema},
                "required": ["chance"],
                "additionalProperties": False,
            },
            outcomes=tuple(Outcome(f"o{at}", answer, 100 * at) for at, answer in enumerate(answers)),
            context=Shape(**{"n_ctx": 256, "n_batch": 128, "n_ubatch": 128, "threads": 2, **context}),
        )

    return make


@pytest.fixture(scope="module")
def engine(model_file: ModelFile, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    llama.start()
    counter = Counter(tmp_path_factory.mktemp("run"), str(uuid.uuid4()))
    engine = Engine(model_file.path.parent, counter, meter=Meter())
    yield engine
    engine.close()
    counter.close()


class Bench:
    """A scorer with a context of its own."""

    def __init__(self, model: llama.Model, program: Program, sequences: int, wordings: tuple[str, ...] = ()) -> None:
        shape = wide(program.context, sequences, None)
        self.context = llama.Context(model, shape, outputs=outputs(shape))
        self.scorer = Scorer(model, self.context, program, (program.steps[0].template, *wordings))

    def score(self, *variants: Variant) -> tuple[Score | None, ...]:
        work = self.scorer.score(variants)
        while True:
            try:
                next(work)
            except StopIteration as end:
                found: tuple[Score | None, ...] = end.value
                return found


@pytest.fixture
def bench(model: llama.Model) -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def make(program: Program, sequences: int = 8, wordings: tuple[str, ...] = ()) -> Bench:
        made.append(Bench(model, program, sequences, wordings))
        return made[-1]

    yield make
    for one in made:
        one.context.close()


def variant(wording: int = 0, **changes: Value | None) -> Variant:
    fields = {**CASE, **changes}
    return Variant(wording, tuple((name, fields[name]) for name in DETAILS))


def recorded(engine: Engine, program: Program, *variants: Variant) -> list[Score]:
    """What the engine records for them, asked one after another."""
    found = []
    for number, one in enumerate(variants):
        template = (OWN, OTHER)[one.wording]
        asked = replace(program, steps=(replace(program.steps[0], template=template),))
        engine.submit(Request(str(number), asked, dict(one.fields)))
        while not (done := engine.step()):
            pass
        ((_, made),) = done
        assert isinstance(made, Generation), made
        found.append(tuple(made.run.alternatives[outcome.code] for outcome in program.outcomes))
    return found


SOME = (
    variant(),
    variant(income=None),
    variant(debts=None),
    variant(home=None),
    variant(income=900, home="owned"),
    variant(1),
    variant(1, job=None),
    variant(income=None, debts=None, job=None, home=None),
)


@pytest.mark.parametrize("answers", [("good", "uncertain", "poor"), SENTENCES])
def test_scores_are_the_records(
    engine: Engine, loan: Callable[..., Program], bench: Callable[..., Bench], answers: tuple[str, ...]
) -> None:
    program = loan(answers)
    expected = recorded(engine, program, *SOME)
    assert len(set(expected)) == len(SOME)
    one = bench(program, 8, (OTHER,))
    assert list(one.score(*SOME)) == expected
    first = one.scorer.tokens
    assert list(one.score(*SOME[::-1])) == expected[::-1]  # over what is held already
    assert one.scorer.tokens - first < first
    assert list(one.score(SOME[4])) == expected[4:5]
    few = bench(program, 2, (OTHER,))
    assert list(few.score(*SOME)) == expected
    assert few.scorer.tokens == first


def test_no_token_is_decoded_twice(
    engine: Engine, loan: Callable[..., Program], bench: Callable[..., Bench], model: llama.Model
) -> None:
    program = loan()
    (expected,) = recorded(engine, program, variant())
    one = bench(program)
    own = one.scorer.prompt_tokens(variant())
    (alone,) = one.score(variant())
    assert (alone, one.scorer.tokens) == (expected, own)
    others = [variant(home=home) for home in ("owned", "shared", "none", "boat")]
    whole = {tuple(_tokens(one.scorer, other)) for other in (variant(), *others)}
    prefixes = {tokens[:at] for tokens in whole for at in range(1, len(tokens) + 1)}
    fresh = bench(program)
    fresh.score(variant(), *others)
    assert fresh.scorer.tokens == len(prefixes) < sum(map(len, whole)) / 2
    assert fresh.scorer.batches < 5


def _tokens(scorer: Scorer, one: Variant) -> tuple[int, ...]:
    answers = scorer._lay_out(one)
    assert answers is not None
    return answers.prompt


def test_equal_prompts_are_each_decoded(
    engine: Engine, loan: Callable[..., Program], bench: Callable[..., Bench]
) -> None:
    program = loan(SENTENCES)
    (expected,) = recorded(engine, program, variant())
    one = bench(program)
    one.score(variant())
    once = one.scorer.tokens
    own = one.scorer.prompt_tokens(variant())
    again = bench(program)
    # A neutral value that is also said: another variant, the same prompt.
    said = variant(home="not stated"), variant(home=None)
    assert again.score(variant(), variant(), variant()) == (expected,) * 3
    assert again.scorer.tokens == once + 2 * (once - own + 1)
    first, second = again.score(*said)
    assert first == second


def test_what_cannot_be_run_harms_no_other(
    engine: Engine, loan: Callable[..., Program], bench: Callable[..., Bench]
) -> None:
    program = loan()
    (expected,) = recorded(engine, program, variant())
    bare = replace(program.fields[3], neutral=None)
    program = replace(program, fields=(*program.fields[:3], bare))
    one = bench(program, 4, ("{{ unknown }} is ",))
    wrong = (
        variant(job="baker " * 400),
        variant(home=None),  # no neutral value
        variant(income="much"),
        variant(job="half a pair \ud800"),
        Variant(0, (*variant().fields, ("age", 3))),
        variant(1),
        Variant(0, ()),
    )
    found = one.score(variant(), *wrong, variant())
    assert found == (expected, *[None] * len(wrong), expected)
    assert one.score() == ()
    assert one.score(wrong[0]) == (None,)
    assert one.scorer.prompt_tokens(wrong[0]) == 0


def test_room_is_that_of_the_versions_own_sequences(
    engine: Engine, loan: Callable[..., Program], bench: Callable[..., Bench]
) -> None:
    program = loan(n_ctx=3 * 96, n_seq_max=3, n_batch=64, n_ubatch=32)
    long = [variant(job="baker " * count) for count in range(10, 70, 10)]
    found = bench(program, 6).score(*long)
    assert None in found
    fits = [one for one, score in zip(long, found, strict=True) if score is not None]
    assert recorded(engine, program, *fits) == [score for score in found if score is not None]


def test_the_throughput_lane_is_scored_too(
    engine: Engine, loan: Callable[..., Program], bench: Callable[..., Bench]
) -> None:
    program = loan(type_k="f16", type_v="f16", kv_unified=True, n_seq_max=2)
    (expected,) = recorded(engine, program, variant())
    first, second = bench(program).score(variant(), variant())
    assert first is not None
    assert second is not None
    assert all(abs(one - other) < 1_000_000 for one, other in zip(first, expected, strict=True))
    assert all(abs(one - other) < 1_000_000 for one, other in zip(first, second, strict=True))


def test_wide_shapes() -> None:
    shape = wide(Shape(n_ctx=1000, n_batch=8, n_ubatch=4, n_seq_max=2, kv_unified=True, threads=3), 16, 1)
    assert (shape.n_ctx, shape.n_seq_max, shape.n_batch, shape.n_ubatch) == (8000, 8, 8, 4)
    assert (shape.kv_unified, shape.threads) == (False, 1)


def test_a_context_that_another_scorer_used_is_emptied(
    engine: Engine, loan: Callable[..., Program], bench: Callable[..., Bench], model: llama.Model
) -> None:
    program = loan()
    (expected,) = recorded(engine, program, variant())
    one = bench(program, 2)
    one.score(variant(income=None), variant(home=None))
    one.scorer = Scorer(model, one.context, program, (OWN,))
    assert one.score(variant()) == (expected,)
    assert one.scorer.tokens == one.scorer.prompt_tokens(variant())


def test_rows_are_noted_before_their_memory_is_written_over() -> None:
    answers = Answers((9,), ((1, 2, 3), (1, 2, 0), (4,)))
    drawn = {path: np.linspace(-len(path), 3, 5, dtype=np.float32)[::-1] for path in ((), (1,), (1, 2))}
    work = weigh(answers)
    next(work)
    with pytest.raises(StopIteration) as end:
        for path in sorted(drawn):
            work.send(logits(drawn[path].copy()))
    expected = tuple(micro_nats(sum(one)) for one in end.value.value.logprobs)
    rows, memory = _Rows(answers), np.empty(5, np.float32)
    assert rows.paths == tuple(sorted(drawn))
    found = []
    for path in ((1, 2), (), (1,)):
        memory[:] = drawn[path]
        found.append(rows.note(path, logits(memory)))
        memory[:] = np.nan
    assert found == [None, None, expected]
