"""Planted deciders with noise: what decides is named, and where nothing does that is said."""

from __future__ import annotations

import random
from collections import Counter
from types import ModuleType

import pytest

from runtime.explain.plan import explain
from runtime.explain.question import Found

CASES = 200


def trial(planted: ModuleType, kind: str, number: int, noise: float, bonus: float, counts: Counter[str]) -> Found:
    """Explains one drawn case and counts what came of it."""
    made = planted.case(kind, 4 if number % 2 else 8, number, noise, bonus)
    found: Found = planted.run(explain(planted.asked_of(made.program, made.fields, made.decider)), made.decider)
    assert found.tried.wordings == 3
    changed = {frozenset(name for name, _ in change.values) for change in found.changes}
    tops = {name for top in found.stability.tops for name in top} if found.stability else set()
    counts["in_changes"] += all(one in changed for one in made.sets)
    counts["on_top"] += all(name in tops for one in made.sets for name in one)
    counts["explained"] += found.verdict == "explained"
    counts["named"] += (
        found.verdict == "explained"
        and all(one in changed for one in made.sets)
        and all(name in found.stability.tops[0] for one in made.sets for name in one)
    )
    counts["no_change"] += found.verdict == "withheld" and "no_change" in found.reasons
    counts.update(f"withheld: {reason}" for reason in found.reasons)
    if made.turning is not None and found.changes and found.changes[0].threshold is not None:
        counts["threshold"] += abs(found.changes[0].threshold.value - made.turning) <= 1
    return found


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["one", "both", "either", "neither", "number"])
def test_what_decides_is_named(planted: ModuleType, kind: str) -> None:
    counts: Counter[str] = Counter()
    for number in range(CASES):
        drawn = random.Random(f"{kind}|{number}")
        trial(planted, kind, number, drawn.uniform(0.05, 0.5), drawn.uniform(3, 6), counts)
    assert counts["named"] >= 0.95 * CASES, counts
    if kind == "number":
        assert counts["threshold"] >= 0.95 * CASES, counts


@pytest.mark.slow
def test_where_nothing_decides_no_change_is_found(planted: ModuleType) -> None:
    counts: Counter[str] = Counter()
    for number in range(CASES):
        drawn = random.Random(f"none|{number}")
        trial(planted, "none", number, drawn.uniform(0.05, 0.5), drawn.uniform(3, 6), counts)
    assert counts["no_change"] >= 0.95 * CASES, counts
    assert counts["explained"] == 0


def test_a_few_of_each(planted: ModuleType) -> None:
    for kind in ("one", "both", "either", "neither", "number", "none"):
        counts: Counter[str] = Counter()
        for number in range(6):
            trial(planted, kind, number, 0.1, 5, counts)
        assert counts["no_change" if kind == "none" else "named"] == 6, (kind, counts)
