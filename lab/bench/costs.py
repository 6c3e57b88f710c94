"""What Python costs beside decoding: choosing under a grammar, choosing an answer, recording a token.

In µs of processor time of the thread that does it, so that other programs disturb it through caches only; on rows that
the real model gives, not on made ones.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np

from lab.bench import comparison
from runtime import llama
from runtime.digests import chain, row_digest
from runtime.engine.batch import Part
from runtime.output.steps import Desk, Paper, take_steps
from runtime.program import GREEDY, Field, Outcome, Program, Request, Step
from runtime.sampler import Sampler, block_logits, micro_nats

_GUMBEL: Final = Sampler("gumbel", 700)
_REQUESTS: Final = 6
_ROWS: Final = 8
_WORDS: Final = 64
_REPEATS: Final = 40


def run(model: llama.Model, name: str) -> dict[str, Any]:
    """Medians and means of each; `name` is the model's SHA-256 in hex."""
    context = llama.Context(model, comparison.shape(_ROWS), outputs=_ROWS)
    try:
        found: dict[str, Any] = {"grammar": _grammar(model, context, name)}
        found["finite"] = _finite(model, context, name)
        found["recording"] = _recording(context, model.vocabulary.tokenize(comparison.question(1)))
    finally:
        context.close()
    return found


def _grammar(model: llama.Model, context: llama.Context, name: str) -> dict[str, Any]:
    """A token of a line, and of JSON, by the best score and under noise."""
    found = {}
    for form, sampler in ((f, s) for f in ("line", "json") for s in (GREEDY, _GUMBEL)):
        program = comparison.writing(
            name, comparison.shape(_ROWS), words=_WORDS, sampler=sampler, grammar=form == "json"
        )
        _drive(model, context, comparison.request(program, 0))  # what is made once for a version, and the first use
        took = [
            us for n in range(_REQUESTS) for us in list(_drive(model, context, comparison.request(program, n)))[1:-1]
        ]
        found[f"{form}_{sampler.kind}"] = _figures(took)
    return found


def _finite(model: llama.Model, context: llama.Context, name: str) -> dict[str, Any]:
    """One of twelve texts: each row of the tree of answers; and rendering and tokenizing before."""
    program = _twelve(name)
    rows, before = [], []
    for number in range(3 * _REQUESTS):
        first, *took = _timed_from_start(model, context, Request(f"f{number}", program, {"case": f"{number} cases"}))
        rows += took if number else []
        before.append(first)
    return {"row": _figures(rows), "prompt_and_answers_us": round(statistics.median(before), 1)}


def _twelve(name: str) -> Program:
    texts = [f"{verb} {what}" for verb in ("grant", "refuse", "refer") for what in ("it", "all", "a part", "nothing")]
    text = {"type": "string", "enum": texts}
    return Program(
        model=name,
        fields=(Field("case", {"type": "string"}),),
        steps=(Step("result", "Of {{ case }} the town will ", 4),),
        output_schema={
            "type": "object", "properties": {"result": text}, "required": ["result"], "additionalProperties": False,
        },
        outcomes=tuple(Outcome(f"o{i}", text) for i, text in enumerate(texts)),
        context=comparison.shape(_ROWS),
    )  # fmt: skip


def _recording(context: llama.Context, prompt: list[int]) -> dict[str, Any]:
    """A token's share of a step of eight: rows copied and summed, log-probability noted; and its row's digest."""
    for number in range(_ROWS):
        context.rewind(number, 0)
    block = context.run([Part(number, prompt[number:], 1) for number in range(_ROWS)]).copy()
    plain, digests = [], []
    for _ in range(_REPEATS):
        before = time.thread_time_ns()
        noted = [micro_nats(row.logprob(number)) for number, row in enumerate(block_logits(block.copy()))]
        plain.append((time.thread_time_ns() - before) / 1000 / len(noted))
        before, link = time.thread_time_ns(), bytes(32)
        for row in block:
            link = chain(link, row_digest(row))
        digests.append((time.thread_time_ns() - before) / 1000 / len(block))
    both = [one + other for one, other in zip(plain, digests, strict=True)]
    return {"without_rows": _figures(plain), "digest": _figures(digests), "with_rows": _figures(both)}


def _drive(model: llama.Model, context: llama.Context, request: Request) -> Iterator[float]:
    """µs of each row that the last step of a request is sent."""
    return iter(_timed_from_start(model, context, request)[2:])


def _timed_from_start(model: llama.Model, context: llama.Context, request: Request) -> list[float]:
    """µs of rendering the first prompt, and then of each row that the request is sent, until it is done."""
    program = request.program
    templates = tuple(program.template(i) for i in range(len(program.steps)))
    values = {name: value for name, value in request.fields.items() if value is not None}
    desk = Desk(request, templates, values, model.vocabulary, context.room, lambda _: None)
    took: list[float] = []
    before = time.thread_time_ns()
    work = take_steps(desk, Paper())
    ask = next(work)
    took.append((time.thread_time_ns() - before) / 1000)
    while True:
        context.rewind(0, ask.keep)
        for at in range(0, len(ask.tokens), context.n_batch):
            rows = context.run([Part(0, ask.tokens[at : at + context.n_batch], 1)])
        (row,) = block_logits(rows.copy())
        before = time.thread_time_ns()
        try:
            ask = work.send(row)
        except StopIteration:
            return took
        finally:
            took.append((time.thread_time_ns() - before) / 1000)


def _figures(took: list[float]) -> Mapping[str, float]:
    mean, median, high = statistics.mean(took), statistics.median(took), float(np.percentile(took, 95))
    return {"mean_us": round(mean, 1), "median_us": round(median, 1), "p95_us": round(high, 1), "of": len(took)}
