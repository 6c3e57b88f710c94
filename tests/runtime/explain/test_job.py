"""Explanations and surveys as jobs: beside requests, cancelled, interrupted, through the pipe, and without memory."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runtime import llama
from runtime.capture import Generation
from runtime.energy import Meter
from runtime.engine.background import Job
from runtime.engine.engine import Engine
from runtime.engine.model_cache import Budget
from runtime.errors import ModelMissing, ModelUnusable, PlanFailed, ProgramInvalid, Stopped, WorkerLost
from runtime.explain.job import Explaining, Surveying
from runtime.explain.question import (
    Explained,
    Found,
    Limits,
    Plan,
    Question,
    Score,
    Survey,
    Surveyed,
    SurveyOrder,
    Tried,
    Variant,
    Wording,
)
from runtime.explain.scoring import Scorer, wide
from runtime.models.weights import ModelFile
from runtime.program import Field, Program, Request
from runtime.replay.selftest import SelfTest
from runtime.sampler import Sampler
from runtime.shape import Shape
from runtime.verdict import ReplayOrder
from runtime.worker.counter import Counter
from runtime.worker.supervisor import Supervisor

LATE: dict[str, Any] = {"payment_record": "sometimes late", "room": 120}
OTHER = (
    "Someone keeps {{ room }} euro a month and pays bills {{ payment_record }}. "
    "The chance that the loan will be paid back is "
)
THIRD = (
    "Bills are paid {{ payment_record }}; {{ room }} euro are left each month. The chance of getting the loan back is "
)
WORDINGS = (Wording("order", OTHER), Wording("paraphrase", THIRD))


@pytest.fixture(scope="module")
def engine(model_file: ModelFile, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    llama.start()
    counter = Counter(tmp_path_factory.mktemp("run"), str(uuid.uuid4()))
    engine = Engine(model_file.path.parent, counter, meter=Meter())
    yield engine
    engine.close()
    counter.close()


@pytest.fixture(scope="module")
def bounded(program: Program) -> Program:
    """With a number that has both bounds, so that there is something to search."""
    number = Field("room", {"type": "integer", "minimum": 0, "maximum": 300}, "unknown")
    return replace(program, fields=(program.fields[0], number))


@pytest.fixture(scope="module")
def question(engine: Engine, bounded: Program) -> Question:
    return Question(record(engine, bounded), WORDINGS, seed="ab", limits=Limits(values=3, pairs=2, permutations=2))


@pytest.fixture(scope="module")
def explained(engine: Engine, question: Question) -> Explained:
    made = through(engine, Explaining(question, engine.build))
    assert isinstance(made, Explained), made
    return made


def record(engine: Engine, program: Program, seed: str | None = None) -> ReplayOrder:
    engine.submit(Request("decided", program, LATE, seed))
    while not (done := engine.step()):
        pass
    ((_, made),) = done
    assert isinstance(made, Generation), made
    return ReplayOrder("why", program, LATE, made.run, made.output, made.outcome)


def through(engine: Engine, job: Job) -> Any:
    engine.background.submit("why", job)
    while True:
        for _, result in engine.step():
            return result


def variant(wording: int = 0, **changes: Any) -> Variant:
    return Variant(wording, tuple({**LATE, **changes}.items()))


def asking(*stages: tuple[Variant, ...], told: list[tuple[Score | None, ...]]) -> Any:
    """A plan that asks for these, one stage after another, and finds nothing."""

    def plan(question: Question) -> Plan[Found]:
        for stage in stages:
            told.append((yield stage))
        outcome = question.replay.outcome
        return Found(
            "withheld", ("no_change",), outcome, 0, 2, (), (), True, (), (), None, None, None, Tried(), "", Limits()
        )

    return plan


def test_a_decision_is_explained(engine: Engine, question: Question, explained: Explained) -> None:
    made = explained
    assert (made.id, made.replay_verdict, made.replay_reason) == ("why", "bit_exact", None)
    assert made.found is not None
    assert made.found.outcome == question.replay.outcome
    assert made.found.floor == 2  # equal prompts gave equal scores, and those of the record
    assert made.found.tried.wordings == 3
    assert len(made.found.effects) == 2
    assert made.cost.prompt_tokens == len(question.replay.run.prompt_tokens[0])
    assert made.cost.tokens > made.cost.prompt_tokens
    assert made.cost.tokens < made.found.tried.variants * made.cost.prompt_tokens
    assert made.cost.batches > 0
    assert made.cost.elapsed_us > 0
    assert (made.build, made.device, made.threads) == (engine.build, "cpu", 2)
    assert engine.background._spare._context is None


def test_what_a_plan_is_told(engine: Engine, question: Question) -> None:
    told: list[tuple[Score | None, ...]] = []
    stages = ((variant(), variant(1), variant(2)), (variant(room="much"), variant()), ())
    made = through(engine, Explaining(question, engine.build, asking(*stages, told=told)))
    assert made.found.reasons == ("no_change",)
    recorded = tuple(question.replay.run.alternatives.values())
    assert [scores[0] for scores in told[:1]] == [recorded]
    assert told[1] == (None, recorded)
    assert told[2] == ()
    expected = []
    for wording in WORDINGS:
        program = question.replay.program
        asked = replace(program, steps=(replace(program.steps[0], template=wording.template),))
        expected.append(tuple(record(engine, asked).run.alternatives.values()))
    assert list(told[0][1:]) == expected


def test_a_plan_that_breaks_ends_alone_and_tells_no_value(engine: Engine, question: Question) -> None:
    def breaking(_: Question) -> Plan[Found]:
        yield (variant(),)
        raise ValueError("sometimes late")

    fault = through(engine, Explaining(question, engine.build, breaking))
    assert isinstance(fault, PlanFailed)
    assert "ValueError" in str(fault)
    assert "late" not in str(fault)
    assert fault.__cause__ is None
    assert record(engine, question.replay.program).outcome == question.replay.outcome


@pytest.mark.parametrize("change", [{"outcome": "refuse"}, {"fields": {**LATE, "room": 121}}])
def test_what_is_not_repeated_is_not_explained(engine: Engine, question: Question, change: dict[str, Any]) -> None:
    order = replace(question.replay, **change)
    assert order != question.replay
    made = through(engine, Explaining(replace(question, replay=order), engine.build))
    assert (made.replay_verdict, made.found) == ("mismatch", None)
    assert made.replay_reason == ("outcome" if "outcome" in change else "prompt")
    assert made.cost.tokens == made.cost.batches == 0


def test_without_its_model_nothing_is_explained_and_nothing_surveyed(engine: Engine, question: Question) -> None:
    absent = "3" * 64
    program = replace(question.replay.program, model=absent)
    order = replace(question.replay, program=program, run=replace(question.replay.run, model=absent))
    made = through(engine, Explaining(replace(question, replay=order), engine.build))
    assert (made.replay_verdict, made.replay_reason) == ("not_replayable", "weights_absent")
    assert isinstance(through(engine, Surveying(SurveyOrder("s", program, (LATE,)), engine.build)), ModelMissing)
    odd = replace(question.replay.program, steps=())
    assert isinstance(through(engine, Surveying(SurveyOrder("s", odd, (LATE,)), engine.build)), ProgramInvalid)


def test_a_self_test_that_goes_first_takes_nothing_from_an_explanation(
    engine: Engine, question: Question, explained: Explained, tmp_path: Path
) -> None:
    small = replace(question.replay.program, context=Shape(n_ctx=64, n_batch=32, n_ubatch=32, threads=2))
    engine.background.submit("why", Explaining(question, engine.build))
    taken, found = 0, dict[str, Any]()
    while "why" not in found:
        found.update(engine.step())
        run = engine.background._jobs[0][1]._run if engine.background._jobs else None
        if run is not None and run._scoring is not None and run._tokens + run._scorer.tokens > 300 and taken < 1:
            taken += 1
            engine.background.submit("test", SelfTest(small, engine.build, tmp_path))
    assert taken == 1
    assert found["test"].determinism == "bit"
    assert found["why"].found == explained.found
    assert found["why"].cost.tokens > explained.cost.tokens


def test_a_survey_and_what_it_took(engine: Engine, bounded: Program) -> None:
    cases = tuple({"payment_record": "always on time", "room": room} for room in (0, 150, 300, 999))
    order = SurveyOrder("s", bounded, cases, WORDINGS, seed="cd", explained=1, limits=Limits(values=4, pairs=2))
    made = through(engine, Surveying(order, engine.build))
    assert isinstance(made, Surveyed), made
    assert (made.survey.cases, made.survey.skipped, made.survey.wordings) == (3, 1, 3)
    assert sum(made.survey.outcomes.values()) == 3
    assert sum(made.survey.verdicts.values()) == 1
    assert made.cost.tokens > 0
    assert 3 * 20 < made.cost.prompt_tokens < 3 * 60
    assert (made.device, made.threads) == ("cpu", 2)


def test_drawn_by_a_seed_and_in_the_throughput_lane(engine: Engine, bounded: Program) -> None:
    fast = Shape(n_ctx=512, n_batch=128, n_ubatch=128, threads=2, type_k="f16", type_v="f16", kv_unified=True)
    program = replace(bounded, context=fast, sampler=Sampler("gumbel", 900))
    asked = Question(record(engine, program, "seed-1"), WORDINGS, seed="ef", limits=Limits(values=4, pairs=2))
    made = through(engine, Explaining(asked, engine.build))
    assert made.replay_verdict in ("bit_exact", "token_exact")
    assert made.found is not None


STAGES = ((variant(), variant(room=80)), (variant(1), variant(2), variant(1, room=None)), (variant(room=60),))


class Tight:
    """An engine with memory for a context of so many sequences of a scorer, and for little more."""

    def __init__(self, engine: Engine, question: Question, folder: Path, models: Path, count: int) -> None:
        self.program = question.replay.program
        shape, spare = wide(self.program.context, count, None), engine.background._spare
        engine.load(self.program.model)
        spare.context(self.program.model, shape, 2 * shape.n_seq_max)
        size = spare.shelf.contexts[-1].size
        spare.drop()
        self._counter = Counter(folder, str(uuid.uuid4()))
        self.engine = Engine(models, self._counter, meter=Meter(), budget=Budget(1 << 32, size + (1 << 10)))
        self.told: list[tuple[Score | None, ...]] = []
        self.job = Surveying(SurveyOrder("s", self.program, (LATE,), WORDINGS), self.engine.build, self._plan)

    def _plan(self, _: SurveyOrder) -> Plan[Survey]:
        for stage in STAGES:
            self.told.append((yield stage))
        return Survey(0, 0, {}, 0, {}, {}, 0, 1)

    def close(self) -> None:
        self.engine.close()
        self._counter.close()


@pytest.fixture
def tight(engine: Engine, question: Question, model_file: ModelFile, tmp_path: Path) -> Iterator[Callable[..., Tight]]:
    made: list[Tight] = []

    def make(count: int) -> Tight:
        made.append(Tight(engine, question, tmp_path, model_file.path.parent, count))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture(scope="module")
def scores(engine: Engine, question: Question) -> list[tuple[Score | None, ...]]:
    told: list[tuple[Score | None, ...]] = []
    through(engine, Explaining(question, engine.build, asking(*STAGES, told=told)))
    return told


@pytest.mark.parametrize("count", [1, 2, 16])
def test_as_many_sequences_as_there_is_memory_for(
    tight: Callable[..., Tight], scores: list[tuple[Score | None, ...]], count: int
) -> None:
    one = tight(count)
    one.engine.background.submit("s", one.job)
    found: set[int] = set()
    while not (done := one.engine.step()):
        found |= {kept.context.sequences for kept in one.engine._shelf.contexts}
    assert isinstance(done[0][1], Surveyed)
    assert found == {count}
    assert one.told == scores
    assert one.engine._shelf.contexts == []


def test_without_memory_it_says_so(tight: Callable[..., Tight]) -> None:
    one = tight(1)
    one.engine._shelf.budget = Budget(1 << 32, 1 << 20)
    assert isinstance(through(one.engine, one.job), ModelUnusable)


def test_a_request_that_needs_the_memory_has_it_before_the_end(
    tight: Callable[..., Tight], scores: list[tuple[Score | None, ...]]
) -> None:
    one = tight(2)
    one.engine.background.submit("s", one.job)
    while len(one.told) < 1:
        one.engine.step()
    one.engine.submit(Request("high", one.program, LATE))
    order: list[str] = []
    while len(order) < 2:
        order += [name for name, _ in one.engine.step()]
    assert order == ["high", "s"]
    assert one.told == scores


@pytest.mark.parametrize(("limit", "most", "sizes"), [("_MOST", 2, [2, 2, 2]), ("_TOKENS", 1, [4, 2])])
def test_a_long_stage_is_several_trees(
    engine: Engine,
    question: Question,
    scores: list[tuple[Score | None, ...]],
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
    most: int,
    sizes: list[int],
) -> None:
    monkeypatch.setattr(f"runtime.explain.job.{limit}", most)
    trees: list[int] = []
    score = Scorer.score

    def noted(scorer: Scorer, variants: Sequence[Variant]) -> Generator[None, None, tuple[Score | None, ...]]:
        trees.append(len(variants))
        return score(scorer, variants)

    monkeypatch.setattr(Scorer, "score", noted)
    told: list[tuple[Score | None, ...]] = []
    whole = tuple(one for stage in STAGES for one in stage)
    through(engine, Explaining(question, engine.build, asking(whole, told=told)))
    assert told == [tuple(score for stage in scores for score in stage)]
    assert trees == sizes


class TestThroughTheSupervisor:
    """The worker's process, its pipe, and what happens meanwhile."""

    def test_explained_and_surveyed(self, supervisor: Supervisor, question: Question, explained: Explained) -> None:
        made = supervisor.explain(question).result(timeout=240)
        assert made.found == explained.found
        assert (made.id, made.replay_verdict) == ("why", "bit_exact")
        program = question.replay.program
        order = SurveyOrder("cases", program, (LATE,), WORDINGS, explained=0, limits=Limits(values=3))
        surveyed = supervisor.survey(order).result(timeout=240)
        assert (surveyed.id, surveyed.survey.cases) == ("cases", 1)

    def test_requests_are_answered_while_an_explanation_runs(
        self, supervisor: Supervisor, question: Question, explained: Explained
    ) -> None:
        running = supervisor.explain(question)
        program = question.replay.program
        for number in range(4):
            made = supervisor.generate(Request(f"meanwhile{number}", program, LATE)).result(timeout=120)
            assert made.run.alternatives == question.replay.run.alternatives
            assert not running.done()
        assert running.result(timeout=240).found == explained.found

    def test_one_that_is_cancelled_is_stopped(self, supervisor: Supervisor, question: Question) -> None:
        given_up = supervisor.explain(question)
        supervisor.generate(Request("before", question.replay.program, LATE)).result(timeout=120)
        supervisor.cancel("why")
        with pytest.raises(Stopped):
            given_up.result(timeout=120)
        assert supervisor.replay(question.replay).result(timeout=240).verdict == "bit_exact"

    def test_a_worker_that_is_killed_ends_it(
        self, question: Question, model_file: ModelFile, tmp_path: Path, workers: Any
    ) -> None:
        own = Supervisor(model_file.path.parent, tmp_path / "run")
        facts = own.start()
        lost = own.explain(question)
        own.generate(Request("begun", question.replay.program, LATE)).result(timeout=120)
        assert workers.kill(saying=facts.boot.encode()) == 1
        with pytest.raises(WorkerLost):
            lost.result(timeout=60)
        deadline = time.monotonic() + 60
        while own.boot is not None and time.monotonic() < deadline:
            time.sleep(0.05)
        assert own.replay(question.replay).result(timeout=240).verdict == "bit_exact"
        own.close()
