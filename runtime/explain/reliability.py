"""When an explanation is reliable, and when it is withheld. Pure: numbers in, reasons out.

Effects are micro-nats, one for each part; the largest is meant by size.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from statistics import median

from runtime.explain.question import REASONS, Stability
from runtime.explain.wordings import ENOUGH

FLOORS = 3
MATERIAL = 5
"""An effect below a fifth of the largest has no rank of its own. With a tenth, noise of an eighth of a planted rule's
effect was enough to withhold every fifth sound explanation of eight fields (`tests/runtime/explain/test_quality.py`).
"""
RANKS = 600


def top(effects: Sequence[int]) -> frozenset[int]:
    """The parts on top, by place: effects of at least three quarters of the largest. Near ties are all on top."""
    largest = max(map(abs, effects), default=0)
    return frozenset(at for at, one in enumerate(effects) if largest and abs(one) * 4 >= largest * 3)


def levels(effects: Sequence[int], floor: int) -> list[int]:
    """Effects as they are ranked: what is not material counts as 0, and those on top as equals, each on its side."""
    largest = max(map(abs, effects), default=0)
    ahead = top(effects)
    found = []
    for at, one in enumerate(effects):
        if abs(one) < FLOORS * floor or abs(one) * MATERIAL < largest:
            found.append(0)
        elif at in ahead:
            found.append(largest if one > 0 else -largest)
        else:
            found.append(one)
    return found


def rank_correlation(one: Sequence[int], other: Sequence[int]) -> int:
    """Spearman's, ties by their average rank, in thousandths. Where one side has no ranks at all (everything tied),
    nothing contradicts: 1000, unless only one of them says that nothing counts."""
    if len(set(one)) <= 1 or len(set(other)) <= 1:
        return 1000 if any(one) == any(other) else 0
    a, b = _ranks(one), _ranks(other)
    mean = (len(a) + 1) / 2
    shared = sum((x - mean) * (y - mean) for x, y in zip(a, b, strict=True))
    return round(1000 * shared / sqrt(sum((x - mean) ** 2 for x in a) * sum((y - mean) ** 2 for y in b)))


def _ranks(values: Sequence[int]) -> list[float]:
    return [sum(other < one for other in values) + (sum(other == one for other in values) + 1) / 2 for one in values]


def stability(names: Sequence[str], rows: Sequence[Sequence[int]], floor: int) -> Stability:
    """From one row of effects for each wording, the version's own first."""
    tops = [top(row) for row in rows]
    ranked = [levels(row, floor) for row in rows]
    return Stability(
        tuple(tuple(names[at] for at in sorted(ahead)) for ahead in tops),
        bool(frozenset.intersection(*tops)) or not any(tops),  # that nothing counts at all is no disagreement
        tuple(rank_correlation(ranked[0], row) for row in ranked[1:]),
    )


def unreliable(effects: Sequence[int], floor: int, told: Stability) -> set[str]:
    """The reasons that attribution and wordings give: too_small, wordings_undeclared, wording."""
    reasons = set()
    if max(map(abs, effects), default=0) < FLOORS * floor:
        reasons.add("too_small")
    if len(told.tops) < ENOUGH:
        reasons.add("wordings_undeclared")
    if not told.same or (told.ranks and median(told.ranks) < RANKS):
        reasons.add("wording")
    return reasons


def in_order(reasons: set[str]) -> tuple[str, ...]:
    """Reasons in the order in which they are told."""
    return tuple(reason for reason in REASONS if reason in reasons)
