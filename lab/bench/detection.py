"""What a replay catches: decisions recorded under load, replayed as they are and altered, counted by verdict.

Used by `greffier bench replay` and, at a smaller size, by the test of promise 5. Everything that is decided is made by
the engine itself, in a busy batch with slots that others used before; only the alterations are ours.
"""

from __future__ import annotations

import random
from collections import Counter as Tally
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from lab.bench.outcome import ended
from runtime.capture import Generation
from runtime.engine.engine import Engine
from runtime.program import Field, Outcome, Program, Request, Step
from runtime.replay.replay import Replay
from runtime.replay.tolerance import LEAST, calibrate
from runtime.sampler import Sampler
from runtime.shape import Shape
from runtime.verdict import Bars, Replayed, ReplayOrder

WAYS: Final[Mapping[str, dict[str, Any]]] = {"one_pass": {}, "alone": {"passes": "alone"}, "one_thread": {"threads": 1}}
PAYS: Final = ("always on time", "sometimes late", "often too late", "never yet")
_LOAN = "The applicant pays bills {{ pays }} and keeps {{ room }} euro a month. The chance of paying back is "
_CHAT = (
    "<|im_start|>user\nIn one sentence: why is the chance {{ result }} for someone who pays {{ pays }} and keeps "
    "{{ room }} euro?<|im_end|>\n<|im_start|>assistant\n"
)
SLOTS: Final = 8


@dataclass(frozen=True, slots=True)
class Decided:
    """One decision as a record holds it."""

    request: Request
    generation: Generation

    def order(self, **changes: Any) -> ReplayOrder:
        """Its replay; `changes` are members of the order."""
        made, request = self.generation, self.request
        order = ReplayOrder(made.id, request.program, request.fields, made.run, made.output, made.outcome)
        return replace(order, **changes)


def program(model: str, sampler: Sampler, *, lane: str = "reproducible", words: int = 32) -> Program:
    """A finite answer and a line of at most `words` tokens. `lane`: reproducible or throughput."""
    context = Shape(n_ctx=SLOTS * 256, n_batch=256, n_ubatch=256, n_seq_max=SLOTS)
    if lane == "throughput":
        context = replace(context, type_k="f16", type_v="f16", kv_unified=True)
    good = {"type": "string", "enum": ["good", "uncertain", "poor"]}
    return Program(
        model=model,
        fields=(
            Field("pays", {"type": "string", "enum": list(PAYS)}, "not stated"),
            Field("room", {"type": "integer", "minimum": 0}, "unknown"),
        ),
        steps=(Step("result", _LOAN, 4), Step("reason", _CHAT, words)),
        output_schema={
            "type": "object",
            "properties": {"result": good, "reason": {"type": "string", "minLength": 1, "maxLength": 400}},
            "required": ["result", "reason"],
            "additionalProperties": False,
        },
        outcomes=(Outcome("grant", "good", 1200), Outcome("refer", "uncertain"), Outcome("refuse", "poor", 900)),
        sampler=sampler,
        context=context,
    )


def decide(
    engine: Engine, program: Program, count: int, said: Callable[[int], None] = lambda _n: None
) -> list[Decided]:
    """So many decisions, as many at once as there are slots, each slot used again and again."""
    draws = program.sampler.kind != "greedy"
    requests = [
        Request(f"d{i}", program, {"pays": PAYS[i % len(PAYS)], "room": 7 * i}, f"seed-{i}" if draws else None)
        for i in range(count)
    ]
    waiting = list(requests)
    done: dict[str, Generation] = {}
    while len(done) < count:
        while waiting and count - len(waiting) - len(done) < 2 * SLOTS:
            engine.submit(waiting.pop(0))
        for name, result in engine.step():
            done[name] = ended(Generation, result)
            said(len(done))
    return [Decided(request, done[request.id]) for request in requests]


def replay(engine: Engine, order: ReplayOrder) -> Replayed:
    """Runs one order to its end; raises the fault that it ended with."""
    engine.background.submit(order.id, Replay(order, engine.build))
    while True:
        for _, result in engine.step():
            return ended(Replayed, result)


def alterations(
    decided: Decided, near: Decided, other: Decided, rng: random.Random
) -> Iterator[tuple[str, ReplayOrder]]:
    """One decision in every way that a record could lie about it.

    `near`: another decision of the program, `other`: the same one made by another quantisation.
    """
    order, run = decided.order(), decided.generation.run
    fields = {**order.fields, "room": int(str(order.fields["room"])) + 1}
    yield "field", replace(order, fields=fields)
    # Input and prompt are another decision's, and agree with each other; the rest is this one's.
    prompts = replace(run, prompt_tokens=near.generation.run.prompt_tokens)
    yield "field_and_prompt", replace(order, fields=near.request.fields, run=prompts)
    step = len(run.output_tokens) - 1
    tokens = list(run.output_tokens[step])
    at = rng.randrange(len(tokens))
    tokens[at] = rng.choice([token for token in _likely(run.output_tokens) if token != tokens[at]])
    yield "token", replace(order, run=replace(run, output_tokens=(*run.output_tokens[:step], tuple(tokens))))
    if run.seed is not None:
        yield "seed", replace(order, run=replace(run, seed=f"{run.seed}x"))
    # All of the other model's run, under the name of the one that was registered.
    made = other.generation
    named = replace(made.run, model=run.model)
    yield "quantisation", replace(order, run=named, output=made.output, outcome=made.outcome)


def _likely(tokens: Sequence[Sequence[int]]) -> list[int]:
    """Tokens that occur in the answer: the hardest to see, since the grammar allows them."""
    return sorted({token for step in tokens for token in step} | {260, 282, 338})


def bars(engine: Engine, decided: Sequence[Decided]) -> Bars:
    """A calibration from honest decisions of one program, at least 50."""
    found = [replay(engine, one.order()) for one in decided]
    return calibrate(found, decided[0].generation.run).bars


def count(verdicts: Mapping[str, Sequence[Replayed]]) -> dict[str, dict[str, Any]]:
    """For each condition how many verdicts of each sort and why, and the shares of rows and tokens that were equal."""
    table = {}
    for condition, found in verdicts.items():
        sorts = Tally(one.verdict for one in found)
        table[condition] = {
            "decisions": len(found),
            **dict(sorted(sorts.items())),
            "reasons": dict(sorted(Tally(one.reason or "none" for one in found).items())),
            "rows_equal": _share(sum(one.rows_equal for one in found), sum(one.rows for one in found)),
            "tokens_equal": _share(sum(one.tokens_equal for one in found), sum(one.tokens for one in found)),
        }
    return table


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def table(
    engine: Engine,
    model: str,
    other: str,
    *,
    decisions: int,
    lane: str,
    sampler: Sampler,
    words: int = 32,
    said: Callable[[str], None] = lambda _what: None,
) -> dict[str, dict[str, Any]]:
    """Decisions of one lane recorded under load, replayed honestly in three ways and altered in every way.

    In the throughput lane the bars come from 50 further decisions, which are not counted.
    """
    said(f"{lane}, {sampler.code}: deciding")
    extra = LEAST if lane == "throughput" else 0
    made = decide(engine, program(model, sampler, lane=lane, words=words), decisions + extra)
    others = decide(engine, program(other, sampler, lane=lane, words=words), decisions)
    allowed = bars(engine, made[decisions:]) if extra else None
    verdicts: dict[str, list[Replayed]] = {}
    for way, changes in WAYS.items():
        said(f"{lane}, {sampler.code}: {way}")
        verdicts[way] = [replay(engine, one.order(bars=allowed, **changes)) for one in made[:decisions]]
    rng = random.Random(7)
    said(f"{lane}, {sampler.code}: altered")
    for at, one in enumerate(made[:decisions]):
        near = made[(at + len(PAYS)) % decisions]
        for name, order in alterations(one, near, others[at], rng):
            verdicts.setdefault(name, []).append(replay(engine, replace(order, bars=allowed)))
    return count(verdicts)
