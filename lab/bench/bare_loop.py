"""The least that a continuous batcher can do, as a yardstick: no record, no grammar, no limits, no second model.

It decodes, takes the best token of each row and goes on; prompts are read whole, as slots become free
(`../shared/reference/runtime.md` 1b). Its context is F16 with one stream for all: the fastest that this build has.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from lab.bench.comparison import WORDS, Answered
from runtime.engine.batch import Part
from runtime.llama import Context


@dataclass(slots=True)
class _Slot:
    """A request at work: what it waits to have decoded, and its tokens."""

    asked: float
    waiting: list[int]
    tokens: list[int] = field(default_factory=list)
    first: float = 0.0


def run(context: Context, prompts: Sequence[Sequence[int]], concurrency: int) -> tuple[list[Answered], float]:
    """Answers all prompts, `concurrency` at a time; gives answers, and the seconds that Python took beside decoding."""
    waiting, answers = [list(prompt) for prompt in prompts], []
    slots: dict[int, _Slot] = {}
    python = 0.0
    while waiting or slots:
        began = time.perf_counter()
        for number in range(concurrency):
            if number not in slots and waiting:
                slots[number] = _Slot(began, waiting.pop(0))
        parts = _parts(slots, context.n_batch)
        before = time.perf_counter()
        rows = context.run(parts)
        after = time.perf_counter()
        for part in parts:
            del slots[part.sequence].waiting[: len(part.tokens)]
        ready = [number for number in (part.sequence for part in parts) if not slots[number].waiting]
        for number, token in zip(ready, np.argmax(rows, axis=1).tolist() if ready else (), strict=True):
            slot = slots[number]
            slot.first = slot.first or after
            slot.tokens.append(token)
            slot.waiting = [token]
            if len(slot.tokens) == WORDS:
                answers.append(Answered(slot.first - slot.asked, after - slot.asked, WORDS))
                context.rewind(number, 0)
                del slots[number]
        python += time.perf_counter() - began - (after - before)
    return answers, python


def _parts(slots: dict[int, _Slot], rows: int) -> list[Part]:
    """As many rows as a batch holds, those that write first."""
    parts = []
    for number, slot in sorted(slots.items(), key=lambda one: len(one[1].waiting)):
        taken = slot.waiting[:rows]
        if taken:
            parts.append(Part(number, taken, int(len(taken) == len(slot.waiting))))
        rows -= len(taken)
    return parts
