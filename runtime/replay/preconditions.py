"""What a recorded run must be before any of it is computed: of its version's sampler, complete, of tokens that exist.

Pure. A record is someone's word: whatever is no such run ends in a verdict, never in a fault of the worker.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from runtime.errors import RuntimeFault
from runtime.program import check_seed
from runtime.replay.judge import Finding
from runtime.verdict import ReplayOrder


def flaws(order: ReplayOrder, vocabulary: int) -> Iterator[Finding]:
    """The mismatches of a run that no engine can have recorded for this program and size of vocabulary."""
    run = order.run
    if run.sampler != order.program.sampler.code:
        yield Finding("mismatch", "manifest")
    try:
        check_seed(order.program, run.seed if isinstance(run.seed, str) else None)
    except RuntimeFault:
        yield Finding("mismatch", "seed")
    steps = len(run.output_tokens)
    for name, lists in (("prompt", run.prompt_tokens), ("tokens", run.output_tokens), ("logprobs", run.logprobs)):
        if len(lists) != steps or not 1 <= steps <= len(order.program.steps):
            yield Finding("mismatch", name, (0, 0))
    if run.prompt_digests and len(run.prompt_digests) != steps:
        yield Finding("mismatch", "prompt", (0, 0))
    yield from _of_steps(order, vocabulary)
    if not _complete(run.alternatives, [outcome.code for outcome in order.program.outcomes]):
        yield Finding("mismatch", "logprobs", (0, 0))
    limited = run.max_tokens is None or (_whole([run.max_tokens]) and run.max_tokens >= 1)
    if not limited or any(type(text) is not str for text in run.stop):
        yield Finding("mismatch", "tokens", (0, 0))
    if (run.digest is None) != (not run.rows):
        yield Finding("mismatch", "rows")
    if not _is_object(order.output):
        yield Finding("mismatch", "outcome")


def _of_steps(order: ReplayOrder, vocabulary: int) -> Iterator[Finding]:
    run = order.run
    for name, lists in (("prompt", run.prompt_tokens), ("tokens", run.output_tokens)):
        for step, tokens in enumerate(lists):
            if not _whole(tokens) or not all(0 <= token < vocabulary for token in tokens):
                yield Finding("mismatch", name, (step, 0))
    for step, (tokens, logprobs) in enumerate(zip(run.output_tokens, run.logprobs, strict=False)):
        if len(tokens) != len(logprobs) or not _whole(logprobs):
            yield Finding("mismatch", "logprobs", (step, 0))


def _complete(alternatives: object, codes: list[str]) -> bool:
    """Whether every outcome, and nothing else, has its log-probability."""
    if not isinstance(alternatives, Mapping):
        return False
    return set(alternatives) == set(codes) and _whole(alternatives.values())


def _is_object(value: object) -> bool:
    return isinstance(value, Mapping)


def _whole(values: Iterable[object]) -> bool:
    return all(type(value) is int for value in values)
