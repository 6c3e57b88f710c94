"""Explanations and surveys as jobs of the background: a plan asks, the scorer answers, a batch at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from runtime.engine.background import Spare
from runtime.errors import Busy, ModelUnusable, PlanFailed, RuntimeFault
from runtime.explain.plan import explain
from runtime.explain.question import (
    Cost,
    Explained,
    Found,
    Plan,
    Question,
    Score,
    Survey,
    Surveyed,
    SurveyOrder,
    Variant,
    Wording,
)
from runtime.explain.scoring import SEQUENCES, Scorer, outputs, wide
from runtime.explain.survey import survey
from runtime.explain.wordings import templates
from runtime.llama import Context, Model
from runtime.program import Program, check_program
from runtime.prompt import Value
from runtime.replay.replay import Replay
from runtime.verdict import Replayed

T = TypeVar("T")
_AT_ONCE = 32  # prompts that are measured in one piece
# What is scored as one tree, in variants and in tokens of their prompts (none shared): then a request that needs the
# memory can have it. Long prompts hardly share anything, and 256 of them would be an hour of a small machine.
_MOST = 256
_TOKENS = 32_768
_FEWEST = 4  # the base, and what it is held against
_EXACT = ("bit_exact", "token_exact")
Scoring = Generator[None, None, tuple[Score | None, ...]]


class Explaining:
    """Replays a recorded decision and, where that was exact, explains it. A job of the background."""

    urgent = False

    def __init__(self, question: Question, build: str, plan: Callable[[Question], Plan[Found]] = explain) -> None:
        self._question, self._build = question, build
        self._replay = Replay(question.replay, build)
        self._replayed: Replayed | None = None
        order = question.replay
        task = Task(order.program, question.wordings, question.seed, (order.fields,), order.threads)
        self._run = PlanRun(plan(question), task)

    def step(self, spare: Spare) -> Explained | None:
        """A batch of the replay, then one of the plan at a time. Raises RuntimeFault where it must be tried again."""
        if self._replayed is None:
            self._replayed = self._replay.step(spare)
            if self._replayed is None:
                return None
            self._replay.close()
            return None if self._replayed.verdict in _EXACT else self._tell(self._replayed, None)
        found = self._run.step(spare)
        return None if found is None else self._tell(self._replayed, found)

    def close(self) -> None:
        """Lets go of the context, which is the background's. What the plan was told already is not asked again."""
        self._replay.close()
        self._run.close()

    def _tell(self, replayed: Replayed, found: Found | None) -> Explained:
        return Explained(
            id=self._question.replay.id,
            replay_verdict=replayed.verdict,
            replay_reason=replayed.reason,
            found=found,
            cost=self._run.cost(),
            build=self._build,
            device=replayed.device,
            threads=replayed.threads,
        )


class Surveying:
    """Runs the cases of a version. A job of the background."""

    urgent = False

    def __init__(self, order: SurveyOrder, build: str, plan: Callable[[SurveyOrder], Plan[Survey]] = survey) -> None:
        self._order, self._build, self._checked = order, build, False
        self._run = PlanRun(plan(order), Task(order.program, order.wordings, order.seed, order.cases))

    def step(self, spare: Spare) -> Surveyed | None:
        """A batch. Raises RuntimeFault where it must be tried again."""
        if not self._checked:  # a replay does this for an explanation
            check_program(self._order.program)
            self._checked = True
        run = self._run
        found = run.step(spare)
        if found is None:
            return None
        return Surveyed(self._order.id, found, run.cost(), self._build, run.device, run.threads)

    def close(self) -> None:
        """Lets go of the context, which is the background's."""
        self._run.close()


@dataclass(frozen=True, slots=True)
class Task:
    """What a plan asks about. `cases`: the decisions whose own prompts its cost is held against."""

    program: Program
    wordings: tuple[Wording, ...]
    seed: str
    cases: tuple[Mapping[str, Value | None], ...]
    threads: int | None = None


class PlanRun(Generic[T]):
    """A plan on its way through the model. It outlives its context: the tree that was under way is then begun anew."""

    device = "cpu"
    threads = 0

    def __init__(self, plan: Plan[T], task: Task) -> None:
        self._plan, self._task = plan, task
        self._asked: tuple[Variant, ...] | None = None
        self._scores: list[Score | None] = []
        self._scorer: Scorer | None = None
        self._scoring: Scoring | None = None
        self._measured = self._prompts = 0  # cases whose prompts were measured, and their tokens
        self._tokens = self._batches = self._spent_ns = 0

    def step(self, spare: Spare) -> T | None:
        """At most one batch; what the plan found, once it has all it asked for."""
        began = time.monotonic_ns()
        try:
            return self._step(spare)
        finally:
            self._spent_ns += time.monotonic_ns() - began

    def _step(self, spare: Spare) -> T | None:
        if self._scorer is None:
            model = spare.model(self._task.program.model)
            if model is not None:
                self._scorer = self._open(spare, model)
            return None
        if self._measured < len(self._task.cases):
            self._measure(self._scorer)
            return None
        if self._asked is None:
            return self._send(None)
        if self._scoring is None:
            if len(self._scores) == len(self._asked):
                return self._send(tuple(self._scores))
            self._scoring = self._scorer.score(self._asked[len(self._scores) :][: self._most])
        try:
            next(self._scoring)
        except StopIteration as end:
            self._scores += end.value
            self._scoring = None
            if spare.scarce:
                self.close()
                spare.drop()
        return None

    @property
    def _most(self) -> int:
        """Variants of the next tree, by the mean length of the decisions' own prompts."""
        mean = self._prompts // len(self._task.cases) if self._task.cases else 0
        return min(_MOST, max(_FEWEST, _TOKENS // max(1, mean)))

    def _measure(self, scorer: Scorer) -> None:
        names = [declared.id for declared in self._task.program.fields]
        for case in self._task.cases[self._measured : self._measured + _AT_ONCE]:
            self._prompts += scorer.prompt_tokens(Variant(0, tuple((name, case.get(name)) for name in names)))
            self._measured += 1

    def _send(self, scores: tuple[Score | None, ...] | None) -> T | None:
        self._scores = []
        try:
            self._asked = next(self._plan) if scores is None else self._plan.send(scores)
        except StopIteration as end:
            found: T = end.value
            return found
        except RuntimeFault:
            raise
        except Exception as error:
            # Others' requests run in this worker. What the error says may hold a value of the input: it is not told.
            what = f"the plan broke by a fault of this program ({type(error).__name__})"
            raise PlanFailed(what, fix="report it, with the id of the record") from None
        return None

    def _open(self, spare: Spare, model: Model) -> Scorer:
        task = self._task
        context = _context(spare, task.program, task.threads)
        self.device, self.threads = model.device, context.threads
        return Scorer(model, context, task.program, templates(task.program, task.wordings, task.seed))

    def cost(self) -> Cost:
        """What it took until now, against the tokens of the decisions' own prompts."""
        self._settle()
        return Cost(self._tokens, self._prompts, self._batches, self._spent_ns // 1000)

    def close(self) -> None:
        """Lets go of the context."""
        self._settle()
        if self._scoring is not None:
            self._scoring.close()
        self._scorer = self._scoring = None

    def _settle(self) -> None:
        """Takes over what the scorer counted."""
        if self._scorer is not None:
            self._tokens += self._scorer.tokens
            self._batches += self._scorer.batches
            self._scorer.tokens = self._scorer.batches = 0


def _context(spare: Spare, program: Program, threads: int | None) -> Context:
    """A context of as many sequences as there is memory for."""
    for count in SEQUENCES:
        shape = wide(program.context, count, threads)
        with suppress(Busy, ModelUnusable):
            return spare.context(program.model, shape, outputs(shape))
    shape = wide(program.context, 1, threads)
    return spare.context(program.model, shape, outputs(shape))
