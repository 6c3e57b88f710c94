"""From what a replay found to its verdict. Pure: the rules of promise 5 in one place."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtime.output.answers import common
from runtime.replay.teacher_forcing import Forced
from runtime.replay.tolerance import UNCALIBRATED
from runtime.verdict import Bars, ReplayOrder

if TYPE_CHECKING:
    from runtime.output.steps import Paper

Position = tuple[int, int]
_EXACT = 1  # micro-nat: a log-probability was rounded once when it was recorded


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict, why it is no better, and where the runs first differed: (step, row of that step)."""

    verdict: str
    reason: str | None = None
    position: Position | None = None


@dataclass(frozen=True, slots=True)
class Numbers:
    """Differences of log-probabilities in micro-nats, null where none could be compared."""

    mean: int | None
    largest: int | None


def numbers(differences: list[int]) -> Numbers:
    """Mean (rounded up, so that it is 0 only where all are) and largest."""
    if not differences:
        return Numbers(None, None)
    return Numbers(-(-sum(differences) // len(differences)), max(differences))


def may_differ(order: ReplayOrder, build: str, device: str) -> bool:
    """Whether an honest replay here may choose other tokens: elsewhere, or where the record's class promises no more.

    On the same build and device, tokens of the reproducible lane must agree unless its self-test found otherwise.
    """
    here = (build, device) == (order.run.build, order.run.device)
    return not here or not order.program.context.reproducible or order.run.determinism == "tolerance"


def judge(forced: Forced, paper: Paper, found: Numbers, bars: Bars | None, *, tolerant: bool) -> Finding:
    """The verdict of a replay that ran to its end. `bars` are the calibration's; without one nothing is tolerated."""
    order = forced.order
    held = (found.mean or 0, found.largest or 0, forced.margin_max)
    within = tolerant and bars is not None and bars.hold(*held)
    if tokens_at := _tokens_at(forced, paper):
        return Finding("mismatch", "tokens", tokens_at)
    if forced.token_at is not None and not within:
        return Finding("mismatch", _why(forced), forced.token_at)
    if not _same(paper.output, order.output) or paper.outcome != order.outcome:
        return Finding("mismatch", "outcome", forced.token_at or (max(len(paper.tokens) - 1, 0), 0))
    if forced.rows_contradict:
        return Finding("mismatch", "rows", forced.row_at)
    if forced.token_at is not None:
        return Finding("within_tolerance", "tokens", forced.token_at)
    return _of_equal_tokens(forced, paper, found, bars or UNCALIBRATED)


def _same(one: Any, other: Any) -> bool:
    """Whether two JSON values are one. Python's own equality takes 1 for true."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _of_equal_tokens(forced: Forced, paper: Paper, found: Numbers, bars: Bars) -> Finding:
    exact = (found.largest or 0) <= _EXACT
    if forced.rows_agree and exact:
        return Finding("bit_exact")
    # Rows that are the record's have its log-probabilities; others must still be those of the same model.
    if forced.rows_agree or not bars.hold(found.mean or 0, found.largest or 0, 0):
        return Finding("mismatch", "logprobs", forced.row_at or forced.logprob_at(paper, _EXACT))
    if forced.order.run.rows:
        return Finding("token_exact", "rows", forced.row_at)
    return Finding("token_exact", "not_recorded" if exact else "logprobs")


def _tokens_at(forced: Forced, paper: Paper) -> Position | None:
    """Where the tokens of a run that was held on the recorded ones are others all the same: it ended elsewhere."""
    recorded = forced.order.run.output_tokens
    if forced.overrun_at is not None:
        return forced.token_at or forced.overrun_at
    if tuple(paper.tokens) == recorded:
        return None
    pairs = enumerate(zip(paper.tokens, recorded, strict=False))
    step, at = next(((i, common(*pair)) for i, pair in pairs if pair[0] != pair[1]), (len(paper.tokens) - 1, 0))
    return forced.token_at or (step, at)


def other_prompt(forced: Forced, step: int) -> Finding:
    """A later prompt is not the record's; where the answer that it quotes was another already, that comes first."""
    if forced.token_at is not None:
        return Finding("mismatch", _why(forced), forced.token_at)
    return Finding("mismatch", "prompt", (step, 0))


def _why(forced: Forced) -> str:
    """Rows that go on as recorded after a token that was not the best mean that the noise was another."""
    if forced.inner and forced.rows_agree and forced.order.program.sampler.kind != "greedy":
        return "seed"
    return "outcome" if forced.token_at == forced.outcome_at else "tokens"
