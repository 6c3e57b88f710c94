"""What explanations name, held against deciders of known rule; what they cost; how exactly equal prompts agree.

Used by `greffier bench explain`. Plan and scorer are those of the worker, and the scores those of real weights; only
the rules are ours (`planted.py`). Cases with the same input share its scores: that equal prompts score equally is
measured apart, as the floor.
"""

from __future__ import annotations

import os
import platform
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any, Final

from lab.bench import comparison, explain_cost, explain_forms, planted
from lab.bench.explain_counts import Judged, table
from lab.bench.explain_forms import Fields, Form
from lab.bench.planted import Case
from runtime import llama
from runtime.explain.plan import explain
from runtime.explain.question import Found, Plan, Score, Variant
from runtime.explain.scoring import SEQUENCES, Scorer, outputs, wide
from runtime.explain.wordings import templates
from runtime.llama import Context, Model
from runtime.sampler import MICRO

_CHUNK: Final = 512  # variants that are scored in one go
_THREADS: Final = 1  # as fast in sum on a machine that others use, too; threads move no bit
_STRENGTHS: Final = (1, 2, 4)  # nats; the main rules have 8
_TARGETS: Final = {
    "named": "≥ 95 % of cases with a rule",
    "none": "≥ 95 % of cases without",
    "thresholds": "within one step",
    "deletion": "p < 0.01 where explained",
    "cost": "all renderings and deletion ≤ 12 × one prefill; one field left out ≥ 4 × sequential, head cached ≥ 6 ×",
}


def run(cases: int, rounds: int, *, report: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """About `cases` cases of each rule, and `rounds` inputs for each cost line and floor."""
    llama.start()
    began, load = time.monotonic(), round(os.getloadavg()[0], 2)
    with tempfile.TemporaryDirectory(prefix="greffier-bench-") as name:
        folder = Path(name)
        report("making the Q4_0 file")
        _, file = comparison.models(folder / "models")
        model = Model(str(file.path))
        try:
            judged = quality(model, file.sha256, cases, report)
            costs = explain_cost.run(model, file, folder, rounds, report)
        finally:
            model.close()
    return {
        "bench": "explain",
        "what": "what explanations of decisions by a known rule name; their cost; how far equal prompts differ",
        "file": "SmolLM2-135M-Instruct Q4_0, made from the demo's Q4_1",
        "runtime": llama.RELEASE,
        "seed": planted.SEED,
        "bonus_nats": planted.BONUS // MICRO,
        "quality": table(judged),
        **costs,
        "targets": _TARGETS,
        "cpus": os.cpu_count(),
        "threads": comparison.THREADS,
        "load": [load, round(os.getloadavg()[0], 2)],
        "elapsed_s": round(time.monotonic() - began),
        "python": platform.python_version(),
    }


def quality(model: Model, sha256: str, cases: int, report: Callable[[str], None]) -> list[Judged]:
    """Every case of every rule, explained. A form's cases go on together, so that the model has full batches."""
    rng = random.Random(planted.SEED)
    judged = []
    for form, profiles in (
        (explain_forms.prose(sha256, 4), ceil(cases * 0.06)),
        (explain_forms.prose(sha256, 8), ceil(cases * 0.015)),
        (explain_forms.shown(sha256), ceil(cases * 1.2)),
    ):
        inputs = explain_forms.draw(form, profiles, rng)
        with Scores(model, form, report) as scores:
            fitted = form.biased(_biases(form, explain_forms.draw(form, 24, rng), scores))
            report(f"{form.name}: explaining")
            judged += explained(list(_cases(fitted, inputs, cases, rng)), scores)
            report(f"{form.name}: {scores.tokens} tokens, {len(scores.known)} prompts")
    return judged


def _cases(form: Form, inputs: Sequence[Fields], count: int, rng: random.Random) -> Iterable[Case]:
    if form.name == explain_forms.SHOWN:
        yield from planted.rules("shown", inputs, form, len(inputs), rng)
        yield from planted.rules("constant", inputs, form, ceil(count * 0.8), rng)
        return
    share = 0.75 if len(form.program.fields) == 4 else 0.25
    for kind in ("one", "both", "threshold"):
        yield from planted.rules(kind, inputs, form, ceil(count * share), rng)
    yield from planted.rules("constant", inputs, form, count, rng)
    yield from planted.rules("alone", inputs, form, count, rng)
    for nats in _STRENGTHS if len(form.program.fields) == 4 else ():
        yield from planted.rules("one", inputs, form, ceil(count / 4), rng, bonus=nats * MICRO)


@dataclass(slots=True)
class Scores:
    """The real scores of a form's prompts, each asked once."""

    model: Model
    form: Form
    report: Callable[[str], None]
    known: dict[Variant, Score | None] = field(default_factory=dict)
    _context: Context | None = None
    _scorer: Scorer | None = None

    def __enter__(self) -> Scores:
        program = self.form.program
        shape = wide(program.context, SEQUENCES[0], _THREADS)
        self._context = Context(self.model, shape, outputs=outputs(shape))
        self._scorer = Scorer(self.model, self._context, program, templates(program, self.form.wordings, ""))
        return self

    def __exit__(self, *_: object) -> None:
        if self._context is not None:
            self._context.close()

    @property
    def tokens(self) -> int:
        """How many were decoded."""
        return self._scorer.tokens if self._scorer else 0

    def fetch(self, variants: Iterable[Variant]) -> None:
        """Scores those that are not known."""
        assert self._scorer is not None
        new = [variant for variant in dict.fromkeys(variants) if variant not in self.known]
        for at in range(0, len(new), _CHUNK):
            some = new[at : at + _CHUNK]
            self.known.update(zip(some, explain_cost.finish(self._scorer.score(some)), strict=True))
            self.report(f"{self.form.name}: {len(self.known)} prompts, {self.tokens} tokens")


def _biases(form: Form, inputs: Sequence[Fields], scores: Scores) -> list[int]:
    """Biases (milli-nats) under which each outcome's median score is the same; of worked examples, under which their
    two answers lie as far from the turn, each on its own side."""
    asked = [_variant(fields) for fields in inputs]
    scores.fetch(asked)
    rows = [score for variant in asked if (score := scores.known[variant]) is not None]
    if form.name == explain_forms.SHOWN:
        gaps: list[list[int]] = [[], []]
        for fields, row in zip(inputs, rows, strict=True):
            gaps[fields["door"] == "open"].append(row[0] - row[1])
        return [0, round(sum(statistics.median(some) for some in gaps) / 2000)]
    medians = [statistics.median(column) for column in zip(*rows, strict=True)]
    return [round((medians[0] - median) / 1000) for median in medians]


def explained(cases: Sequence[Case], scores: Scores) -> list[Judged]:
    """All cases, each by a plan of its own, step by step together."""
    scores.fetch(_variant(case.fields) for case in cases)
    judged: list[Judged | None] = [None] * len(cases)
    waiting: list[tuple[int, Plan[Found], tuple[Variant, ...]]] = []
    for number, case in enumerate(cases):
        score = _planted(case, _variant(case.fields), scores)
        assert score is not None
        question = explain_forms.question(case.form, case.fields, score, seed=f"{planted.SEED + case.profile:032x}")
        plan = explain(question)
        waiting.append((number, plan, next(plan)))
        judged[number] = Judged(case, question.replay.outcome, None)
    while waiting:
        scores.fetch(variant for _, _, asked in waiting for variant in asked)
        going = []
        for number, plan, asked in waiting:
            case = cases[number]
            try:
                going.append((number, plan, plan.send(tuple(_planted(case, one, scores) for one in asked))))
            except StopIteration as end:
                judged[number] = Judged(case, judged[number].outcome, end.value)  # type: ignore[union-attr]
        waiting = going
    return [one for one in judged if one is not None]


def _planted(case: Case, variant: Variant, scores: Scores) -> Score | None:
    score = scores.known[variant]
    return None if score is None else case.rule.planted(score, dict(variant.fields))


def _variant(fields: Fields) -> Variant:
    return Variant(0, tuple(fields.items()))
