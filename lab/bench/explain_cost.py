"""What an explanation costs beside the decision that it explains, and how far equal prompts differ in each lane."""

from __future__ import annotations

import contextlib
import random
import statistics
import time
import uuid
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeVar

from lab.bench import comparison, explain_forms
from lab.bench.comparison import LANES, ratios, spread
from lab.bench.explain_forms import Fields, Form
from lab.bench.outcome import ended
from lab.bench.planted import SEED
from runtime.capture import Generation
from runtime.energy import Meter
from runtime.engine.batch import Part
from runtime.engine.engine import Engine
from runtime.explain.plan import explain
from runtime.explain.question import Found, Limits, Question, Score, Variant
from runtime.explain.scoring import SEQUENCES, Scorer, outputs, wide
from runtime.explain.wordings import shuffle, templates
from runtime.llama import Block, Context, Model
from runtime.models.weights import ModelFile
from runtime.program import Program, Request
from runtime.shape import Shape
from runtime.verdict import ReplayOrder
from runtime.worker.counter import Counter

T = TypeVar("T")
_SLOTS: Final = 8
_DECIDED: Final = 4  # decisions whose floor is measured, a round
# The floor needs no search: only what the base is held against.
_FEW: Final = Limits(values=2, pairs=1, orders=1, permutations=1)
_TAKEN: Final = 3  # fields that the deletion test takes away at most
_ORDERS: Final = 3


def finish(work: Generator[Any, None, T]) -> T:
    """Runs a job that pauses to its end."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]


class Clocked(Context):
    """A context that counts the seconds in which it decodes."""

    seconds = 0.0

    def run(self, parts: Sequence[Part]) -> Block:
        """As its parent."""
        began = time.perf_counter()
        try:
            return super().run(parts)
        finally:
            self.seconds += time.perf_counter() - began


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds, those of them in which was decoded, and tokens."""

    seconds: float
    decoding: float
    tokens: int


@dataclass(slots=True)
class Stand:
    """One form on one context, in which nothing is known at the start of a measurement."""

    model: Model
    form: Form
    context: Clocked

    def fresh(self) -> Scorer:
        """A scorer in an empty context."""
        for sequence in range(self.context.sequences):
            self.context.rewind(sequence, 0)
        program = self.form.program
        return Scorer(self.model, self.context, program, templates(program, self.form.wordings, ""))

    def timed(self, scorer: Scorer, work: Callable[[], object]) -> Took:
        """What a piece of work on a scorer took."""
        tokens, decoding, began = scorer.tokens, self.context.seconds, time.perf_counter()
        work()
        took = time.perf_counter() - began
        return Took(took, self.context.seconds - decoding, scorer.tokens - tokens)


def run(
    model: Model, file: ModelFile, folder: Path, rounds: int, report: Callable[[str], None]
) -> dict[str, dict[str, Any]]:
    """Cost lines over `rounds` inputs, and the floor of four decisions a round in each lane."""
    report("cost")
    costs = _costs(model, explain_forms.policy(file.sha256), rounds, report)
    report("floor in both lanes")
    floors = {lane: _floor(model, file.sha256, folder, lane, _DECIDED * rounds) for lane in LANES}
    return {"cost": costs, "floor": floors}


@contextlib.contextmanager
def _stand(model: Model, form: Form) -> Iterator[Stand]:
    shape = wide(form.program.context, SEQUENCES[0], comparison.THREADS)
    context = Clocked(model, shape, outputs=outputs(shape))
    try:
        yield Stand(model, form, context)
    finally:
        context.close()


def _costs(model: Model, form: Form, rounds: int, report: Callable[[str], None]) -> dict[str, Any]:
    """Paired within each round, over one input each; medians, lowest and highest."""
    rng = random.Random(SEED)
    took: dict[str, list[Took]] = {}
    with _stand(model, form) as stand:
        inputs = explain_forms.draw(form, 2 * rounds, rng)
        for turn in range(rounds):
            report(f"cost, round {turn + 1} of {rounds}")
            for name, one in _round(stand, inputs[2 * turn], inputs[2 * turn + 1], turn).items():
                took.setdefault(name, []).append(one)
    prefill = took["prefill"]
    return {
        name: {
            "ms": spread([one.seconds * 1000 for one in some], 1),
            "tokens": round(statistics.median(one.tokens for one in some)),
            "prefills": spread(ratios([x.seconds for x in some], [x.seconds for x in prefill]), 2),
            "prefills_by_tokens": spread(ratios([x.tokens for x in some], [x.tokens for x in prefill]), 2),
            "beside_decode_percent": spread([100 * (1 - one.decoding / one.seconds) for one in some], 1),
        }
        for name, some in took.items()
    } | {
        "faster_than_sequential": _faster(took, "one_left_out"),
        "faster_with_cached_head": _faster(took, "one_left_out_head_cached"),
    }


def _faster(took: Mapping[str, list[Took]], name: str) -> list[float]:
    return spread(ratios([x.seconds for x in took["sequential"]], [x.seconds for x in took[name]]), 2)


def _round(stand: Stand, fields: Fields, before: Fields, turn: int) -> dict[str, Took]:
    """`before`: another input, whose prompts have left the head in the context."""
    base, single = _variant(fields), _left_out(fields)
    found = {}
    scorer = stand.fresh()
    scores: list[Score | None] = []
    found["prefill"] = stand.timed(scorer, lambda: scores.extend(finish(scorer.score((base,)))))
    one_by_one = stand.fresh()
    found["sequential"] = stand.timed(one_by_one, lambda: _sequentially(stand, one_by_one, single))
    batched = stand.fresh()
    found["one_left_out"] = stand.timed(batched, lambda: finish(batched.score(single)))
    again = stand.fresh()
    finish(again.score(_left_out(before)))
    found["one_left_out_head_cached"] = stand.timed(again, lambda: finish(again.score(single)))
    tests = stand.fresh()
    found["wordings_and_deletion"] = stand.timed(tests, lambda: _tests(stand.form, tests, fields, f"{turn}"))
    whole = stand.fresh()
    assert scores[0] is not None
    question = explain_forms.question(stand.form, fields, scores[0], seed=f"{SEED:032x}")
    found["whole_explanation"] = stand.timed(whole, lambda: drive(question, whole))
    return found


def _sequentially(stand: Stand, scorer: Scorer, variants: Sequence[Variant]) -> None:
    """Each prompt whole, one after the other, as a decision would be made."""
    for variant in variants:
        one = stand.fresh()
        finish(one.score((variant,)))
        scorer.tokens += one.tokens


def _tests(form: Form, scorer: Scorer, fields: Fields, seed: str) -> None:
    """All wordings, one field left out each; then 1 to 3 left out and put back, by effect and in random orders."""
    names = list(fields)
    count = 1 + len(form.wordings)
    first = [one for wording in range(count) for one in _left_out(fields, wording)]
    scores = finish(scorer.score((*first, first[0], _variant(dict.fromkeys(names)))))
    base = scores[0] or (0,)
    effects = {name: abs(base[0] - (score or base)[0]) for name, score in zip(names, scores[1:], strict=False)}
    orders = [sorted(names, key=lambda name: -effects[name])]
    orders += [list(shuffle(names, f"{seed}|{number}")) for number in range(_ORDERS)]
    taken = [set(order[:k]) for order in orders for k in range(1, _TAKEN + 1)]
    taken += [set(names) - some for some in taken]
    finish(scorer.score([_variant(_without(fields, some)) for some in taken]))


def drive(question: Question, scorer: Scorer) -> Found:
    """An explanation by a scorer, nothing shared with another."""
    plan = explain(question)
    asked = next(plan)
    while True:
        try:
            asked = plan.send(finish(scorer.score(asked)))
        except StopIteration as end:
            found: Found = end.value
            return found


def _variant(fields: Fields, wording: int = 0) -> Variant:
    return Variant(wording, tuple(fields.items()))


def _without(fields: Fields, names: set[str]) -> Fields:
    return {name: None if name in names else value for name, value in fields.items()}


def _left_out(fields: Fields, wording: int = 0) -> list[Variant]:
    """The whole, and each field left out in turn."""
    return [_variant(fields, wording), *(_variant(_without(fields, {name}), wording) for name in fields)]


def _floor(model: Model, sha256: str, folder: Path, lane: str, count: int) -> dict[str, Any]:
    """The floor that explanations find of decisions made in a batch of 8 in this lane, in micro-nats."""
    form = explain_forms.prose(sha256, 4)
    form = replace(form, program=replace(form.program, context=_lane(form.program.context, lane)))
    inputs = explain_forms.draw(form, count, random.Random(SEED))
    made = _decide(folder, form.program, inputs)
    floors = []
    with _stand(model, form) as stand:
        for fields, one in zip(inputs, made, strict=True):
            order = ReplayOrder(one.id, form.program, fields, one.run, one.output, one.outcome)
            floors.append(drive(Question(order, form.wordings, seed="0", limits=_FEW), stand.fresh()).floor)
    return {"decisions": len(floors), "micronats": spread(floors, 0), "only_rounding": sum(one <= 2 for one in floors)}


def _lane(shape: Shape, lane: str) -> Shape:
    return shape if lane == LANES[0] else replace(shape, type_k="f16", type_v="f16", kv_unified=True)


def _decide(folder: Path, program: Program, inputs: Sequence[Fields]) -> list[Generation]:
    """Decisions by the engine itself, as many at once as there are slots."""
    (folder / "run").mkdir(exist_ok=True)
    counter = Counter(folder / "run", str(uuid.uuid4()))
    engine = Engine(folder / "models", counter, meter=Meter(), slots=_SLOTS)
    done: dict[str, Generation] = {}
    try:
        for number, fields in enumerate(inputs):
            engine.submit(Request(f"d{number}", program, fields))
        while len(done) < len(inputs):
            for name, result in engine.step():
                done[name] = ended(Generation, result)
    finally:
        engine.close()
        counter.close()
    return [done[f"d{number}"] for number in range(len(inputs))]
