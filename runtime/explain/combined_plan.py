"""Several plans in one: each round asks for what all of them want next, so that the worker gets large batches. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TypeVar

from runtime.explain.question import Plan, Score, Variant

T = TypeVar("T")


def together(plans: Sequence[Plan[T]]) -> Plan[tuple[T, ...]]:
    """Runs plans side by side; their results in their order."""
    results: dict[int, T] = {}
    waiting: dict[int, tuple[Variant, ...]] = {}

    def step(number: int, scores: tuple[Score | None, ...] | None) -> None:
        try:
            waiting[number] = next(plans[number]) if scores is None else plans[number].send(scores)
        except StopIteration as done:
            waiting.pop(number, None)
            results[number] = done.value

    for number in range(len(plans)):
        step(number, None)
    while waiting:
        asked = list(waiting.items())
        scores = iter((yield tuple(variant for _, variants in asked for variant in variants)))
        for number, variants in asked:
            step(number, tuple(islice(scores, len(variants))))
    return tuple(results[number] for number in range(len(plans)))
