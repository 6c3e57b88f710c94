"""A recorded decision run again, and the verdict.

First everything that determines the answer is compared: model, sampler, seed, and each prompt, rendered from the
recorded fields and tokenized anew. Then the same steps run as in the engine (`steps.take_steps`), held on the recorded
tokens, over rows that come from one pass over prompt and output, or one by one. Choice under noise, grammar, biases and
limits, outcome and output are thus derived again, not believed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from runtime.capture import Run, token_digest
from runtime.engine.background import Spare
from runtime.errors import ModelAltered, ModelMissing, ModelUnusable, RuntimeFault
from runtime.llama import Context, Model
from runtime.output.answers import Ask, Tokens
from runtime.output.steps import Desk, Paper, Work, take_steps
from runtime.program import Request, check_fields, check_program
from runtime.replay.judge import Finding, Numbers, judge, may_differ, numbers, other_prompt
from runtime.replay.preconditions import flaws
from runtime.replay.prefill import Ahead
from runtime.replay.teacher_forcing import Forced
from runtime.replay.tolerance import bars_for
from runtime.sampler import logits
from runtime.shape import Shape
from runtime.verdict import Bars, Replayed, ReplayOrder

PIECE = 128  # rows a batch: as fast as more, and a request that comes meanwhile waits for no longer


@dataclass(slots=True)
class _Bound:
    """A run whose first prompt is the record's: what is left is to compute it."""

    work: Work
    paper: Paper
    forced: Forced
    ahead: Ahead
    prompt: Tokens = ()


class Replay:
    """A job of the background."""

    urgent = False

    def __init__(self, order: ReplayOrder, build: str) -> None:
        self._order, self._build = order, build
        self._device = "cpu"
        self._threads = 0
        self._spent_ns = 0
        self._bound: _Bound | None = None

    def step(self, spare: Spare) -> Replayed | None:
        """Binds the run to its record, then one batch a call. Raises RuntimeFault where it must be tried again."""
        began = time.monotonic_ns()
        found = self._bind(spare) if self._bound is None else self._advance(self._bound)
        self._spent_ns += time.monotonic_ns() - began
        return None if found is None else self._tell(found)

    def close(self) -> None:
        """Ends the run that it drives; the context is the background's."""
        if self._bound is not None:
            self._bound.work.close()
            self._bound = None

    # Everything that can be compared without the model's arithmetic

    def _bind(self, spare: Spare) -> Finding | None:
        order = self._order
        if order.program.model != order.run.model:
            return Finding("mismatch", "model")
        try:
            model = spare.model(order.program.model)
            if model is None:
                return None
            self._device = model.device
            if unsound := next(flaws(order, model.vocabulary.size), None):
                return unsound
            context = spare.context(order.program.model, alone(order.program.context, order.threads), PIECE)
            self._threads = context.threads
        except (ModelMissing, ModelAltered):
            return Finding("not_replayable", "weights_absent")
        except ModelUnusable:
            return Finding("not_replayable", "build")
        return self._begin(model, context)

    def _begin(self, model: Model, context: Context) -> Finding | None:
        order = self._order
        request = Request(order.id, order.program, order.fields, order.run.seed)
        request = replace(request, max_tokens=order.run.max_tokens, stop=order.run.stop)
        paper, forced = Paper(), Forced(order)
        try:
            check_program(order.program)
        except RuntimeFault:  # what a registration accepted once, this release runs no more
            return Finding("not_replayable", "build")
        try:
            values = check_fields(order.program, order.fields)
            templates = tuple(order.program.template(i) for i in range(len(order.program.steps)))
            desk = Desk(request, templates, values, model.vocabulary, context.room, forced.chosen)
            work = take_steps(desk, paper)
            first = next(work)
        except RuntimeFault:  # it could not have been asked like this
            return Finding("mismatch", "prompt", (0, 0))
        self._bound = _Bound(work, paper, forced, Ahead(context, PIECE))
        return self._ask(self._bound, first)

    # One batch

    def _advance(self, bound: _Bound) -> Finding | None:
        bound.ahead.decode()
        while (row := bound.ahead.take()) is not None:
            bound.forced.row(len(bound.paper.prompts), row)
            try:
                ask = bound.work.send(logits(row))
            except StopIteration:
                return self._judge(bound)
            except RuntimeFault:  # a later prompt that does not fit, though the recorded one did
                return other_prompt(bound.forced, len(bound.paper.prompts))
            if bound.forced.overrun_at:
                return self._judge(bound)
            if differs := self._ask(bound, ask):
                return differs
        return None

    def _ask(self, bound: _Bound, ask: Ask) -> Finding | None:
        """Hands on what is asked for next; a step's first ask is its whole prompt, which must be the record's."""
        run, step = self._order.run, len(bound.paper.prompts)
        if ask.keep == 0 and not _is_prompt(run, step, ask.tokens):
            return other_prompt(bound.forced, step)
        prompt = bound.prompt = ask.tokens if ask.keep == 0 else bound.prompt
        expected: Tokens = ()
        if self._order.passes == "one_pass":
            expected = prompt + run.output_tokens[step][:-1]
        bound.ahead.ask(ask, expected)
        return None

    # The verdict

    def _judge(self, bound: _Bound) -> Finding:
        found = numbers(bound.forced.differences(bound.paper))
        tolerant = may_differ(self._order, self._build, self._device)
        bars = None if bound.forced.rows_agree else self._bars()
        return judge(bound.forced, bound.paper, found, bars, tolerant=tolerant)

    def _bars(self) -> Bars | None:
        return self._order.bars or bars_for(self._order.run, self._build, self._device)

    def _tell(self, finding: Finding) -> Replayed:
        bound = self._bound
        forced = Forced(self._order) if bound is None else bound.forced
        found = Numbers(None, None) if bound is None else numbers(forced.differences(bound.paper))
        return Replayed(
            id=self._order.id,
            verdict=finding.verdict,
            reason=finding.reason,
            position=finding.position,
            rows=forced.rows,
            rows_equal=forced.rows_equal,
            tokens=forced.tokens,
            tokens_equal=forced.tokens_equal,
            logprob_mean=found.mean,
            logprob_max=found.largest,
            margin_max=forced.margin_max if forced.tokens else None,
            build=self._build,
            device=self._device,
            threads=self._threads,
            passes=self._order.passes,
            elapsed_us=self._spent_ns // 1000,
        )


def _is_prompt(run: Run, step: int, tokens: Tokens) -> bool:
    """Whether these are the recorded prompt of a step, or those that its digest stands for."""
    if step >= len(run.prompt_tokens):
        return False
    if run.prompt_digests:
        return token_digest(tokens) == run.prompt_digests[step]
    return tokens == run.prompt_tokens[step]


def alone(shape: Shape, threads: int | None) -> Shape:
    """The context of a replay: one sequence with the room that it had among others."""
    room = shape.n_ctx if shape.kv_unified else shape.n_ctx // shape.n_seq_max
    batch = min(shape.n_batch, room)
    micro = min(shape.n_ubatch, batch)
    lone = replace(shape, n_ctx=room, n_seq_max=1, n_batch=batch, n_ubatch=micro)
    return lone if threads is None else replace(lone, threads=threads)
