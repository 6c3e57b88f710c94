"""Whether what is on top matters more than anything else: taking it away, and putting it back. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import combinations

from runtime.explain.question import Curve
from runtime.explain.shapley import EXACT, Odds, Taken
from runtime.explain.wordings import shuffle

LONGEST = 3
"""Parts that are taken away at most."""
DECISIVE = 2
"""Parts on top that must beat any others; of three parts one, as any two of them overlap with the top two."""


def length(count: int) -> int:
    """How far the curves go, for so many parts."""
    return min(LONGEST, count - 1)


def ranked(effects: Sequence[int]) -> tuple[int, ...]:
    """Places of the effects, what spoke most for the outcome first, equals in order.

    Not by size alone: a detail that spoke against the outcome, however much, makes the odds rise when it goes, and the
    test would blame an attribution for being right about it.
    """
    return tuple(sorted(range(len(effects)), key=lambda at: -effects[at]))


def sample_sets(count: int, size: int, orders: int, seed: str) -> tuple[Taken, ...]:
    """The sets that the first `size` parts are held against: of few parts every set, else those of drawn orders.

    One drawn order is read from several places, two parts on each time, so that the first two of each differ: sets that
    overlap by chance would say little.
    """
    if count <= EXACT:
        return tuple(map(frozenset, combinations(range(count), size)))
    found, turns = [], count // DECISIVE
    for number in range(max(1, orders)):
        order = shuffle(range(count), f"{seed}|orders|{number // turns}")
        start = number % turns * DECISIVE
        found.append(frozenset((*order[start:], *order[:start])[:size]))
    return tuple(found)


def wanted(effects: Sequence[int], orders: int, seed: str) -> Iterator[Taken]:
    """The sets that must be away once, for both curves."""
    count, order = len(effects), ranked(effects)
    every = frozenset(range(count))
    for size in range(1, length(count) + 1):
        for taken in (frozenset(order[:size]), *sample_sets(count, size, orders, seed)):
            yield from (taken, every - taken)


def deletion(effects: Sequence[int], orders: int, seed: str, odds: Odds) -> Curve:
    """Odds with the first k parts away."""
    return _curve(effects, orders, seed, odds)


def insertion(effects: Sequence[int], orders: int, seed: str, odds: Odds) -> Curve:
    """Odds with nothing but the first k parts."""
    every = frozenset(range(len(effects)))
    return _curve(effects, orders, seed, lambda kept: odds(every - kept))


def beats_chance(curve: Curve, count: int) -> bool:
    """Whether the odds fall further without the top ones of so many parts than without any others, on average."""
    at = min(DECISIVE, count // 2) - 1
    return curve.top[at] < curve.random[at]


def _curve(effects: Sequence[int], orders: int, seed: str, odds: Odds) -> Curve:
    count, order = len(effects), ranked(effects)
    top, random = [], []
    for size in range(1, length(count) + 1):
        sets = sample_sets(count, size, orders, seed)
        top.append(odds(frozenset(order[:size])))
        random.append(round(Fraction(sum(map(odds, sets)), len(sets))))
    return Curve(tuple(top), tuple(random))
