"""Shares of parts whose single effects do not add up. Pure.

A part's share is what its coming adds to the odds, on average over all orders in which the parts could come into a
prompt where all are neutral (Shapley 1953). Of few parts that is counted exactly, of more it is sampled: each drawn
order with its reverse, whose errors partly cancel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import combinations
from math import comb, sqrt

from runtime.explain.wordings import shuffle

EXACT = 5
"""Up to so many parts every set of them is run: at most 32."""

Taken = frozenset[int]
"""Parts that are away, by place."""
Odds = Callable[[Taken], int]


def orders(count: int, permutations: int, seed: str) -> tuple[tuple[int, ...], ...]:
    """Drawn orders, each followed by its reverse."""
    drawn = [shuffle(range(count), f"{seed}|shapley|{number}") for number in range(max(1, permutations))]
    return tuple(order for one in drawn for order in (one, one[::-1]))


def wanted(count: int, permutations: int, seed: str) -> Iterator[Taken]:
    """The sets of parts that must be away once."""
    if count <= EXACT:
        for size in range(count + 1):
            yield from map(frozenset, combinations(range(count), size))
        return
    for order in orders(count, permutations, seed):
        for at in range(count + 1):
            yield frozenset(order[at:])


def shares(count: int, permutations: int, seed: str, odds: Odds) -> tuple[tuple[int, int], ...]:
    """Share and standard error of each part, micro-nats; the error of an exact share is 0."""
    if count <= EXACT:
        return tuple((_exact(part, count, odds), 0) for part in range(count))
    gains = [_gains(order, odds) for order in orders(count, permutations, seed)]
    return tuple(_sampled([(a[part] + b[part]) / 2 for a, b in _pairs(gains)]) for part in range(count))


def both_ends(count: int, odds: Odds) -> tuple[int, ...]:
    """Half of what a part's going takes from all and half of what its coming adds to none: a share's cheap stand-in,
    exact for parts that act alone or in twos."""
    every = frozenset(range(count))
    full, none = odds(frozenset()), odds(every)
    return tuple(
        round(Fraction(full - odds(frozenset((part,))) + odds(every - {part}) - none, 2)) for part in range(count)
    )


def ends(count: int) -> Iterator[Taken]:
    """The sets that `both_ends` looks at."""
    every = frozenset(range(count))
    yield every
    for part in every:
        yield from (frozenset((part,)), every - {part})


def _exact(part: int, count: int, odds: Odds) -> int:
    others = [other for other in range(count) if other != part]
    total = Fraction(0)
    for size in range(count):
        gains = [odds(frozenset(away)) - odds(frozenset((part, *away))) for away in combinations(others, size)]
        total += Fraction(sum(gains), comb(count - 1, size))
    return round(total / count)


def _gains(order: tuple[int, ...], odds: Odds) -> dict[int, int]:
    steps = [odds(frozenset(order[at:])) for at in range(len(order) + 1)]
    return {part: steps[at + 1] - steps[at] for at, part in enumerate(order)}


def _pairs(gains: Sequence[dict[int, int]]) -> Iterator[tuple[dict[int, int], dict[int, int]]]:
    return zip(gains[::2], gains[1::2], strict=True)


def _sampled(values: Sequence[float]) -> tuple[int, int]:
    mean = sum(values) / len(values)
    if len(values) < 2:
        return round(mean), round(abs(mean))  # one pair of orders says nothing about its own error
    spread = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return round(mean), round(sqrt(spread / len(values)))
