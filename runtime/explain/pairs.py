"""Changes of two details, where none alone gives another outcome. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations, product

from runtime.explain import counterfactuals
from runtime.explain import thresholds as numbers
from runtime.explain.counterfactuals import Counts, Flip
from runtime.explain.question import Plan
from runtime.explain.score_cache import ScoreCache
from runtime.explain.variants import Move, Subject

PER_FIELD = 6
"""Values of one field that are paired: those that lower the odds most, of numbers the lowest and the highest first."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two moves, or one that leaves two sentences out. `weight`: the shares of its fields, where effects do not add up;
    `predicted`: the sum of what the two do alone."""

    moves: tuple[Move, ...]
    weight: int
    predicted: int


def search(
    subject: Subject, asked: ScoreCache, names: tuple[str, ...], shares: Mapping[str, int]
) -> Plan[tuple[list[Flip], Counts]]:
    """The most promising pairs, at most `limits.pairs`; then numbers in those that were found, exactly.

    `shares` (empty where effects add up) go first: of two details that only count together, neither does anything
    alone, and single effects could not tell which two to try.
    """
    ordered = sorted(_pairs(subject, asked, names, shares), key=lambda pair: (-pair.weight, -pair.predicted))
    tried = ordered[: subject.question.limits.pairs]
    yield from asked.ask(counterfactuals.variant(subject, pair.moves) for pair in tried)
    found = [
        Flip(pair.moves) for pair in tried if subject.flips(asked.score(counterfactuals.variant(subject, pair.moves)))
    ]
    kept = counterfactuals.best(subject, found)
    values, thresholds = 0, 0
    for place in (0, 1):
        hunted = [_hunt(subject, asked, flip, place) for flip in kept]
        values += yield from numbers.narrow(subject, asked, [hunt for hunt in hunted if hunt is not None])
        thresholds += sum(hunt is not None for hunt in hunted)
        kept = [_nearer(subject, flip, place, hunt) for flip, hunt in zip(kept, hunted, strict=True)]
    return kept, Counts(pairs=len(tried) + values, thresholds=thresholds)


def _pairs(subject: Subject, asked: ScoreCache, names: tuple[str, ...], shares: Mapping[str, int]) -> Iterator[Pair]:
    falls = {name: _falls(subject, asked, name) for name in names}
    paired = {name: _ends_first(subject, name, falls[name])[:PER_FIELD] for name in names}
    for one, other in combinations(names, 2):
        if one in subject.spans and other in subject.spans:
            continue  # which sentence of which text is left out could not be told
        weight = abs(shares.get(one, 0)) + abs(shares.get(other, 0))
        for (fall, move), (more, second) in product(paired[one], paired[other]):
            yield Pair((move, second), weight, fall + more)
    for name in subject.spans:
        for (fall, move), (more, second) in combinations(falls.get(name, []), 2):
            both = subject.leave_out(name, tuple(sorted((*move.left_out, *second.left_out))))
            if both is not None:
                yield Pair((both,), 2 * abs(shares.get(name, 0)), fall + more)


def _falls(subject: Subject, asked: ScoreCache, name: str) -> list[tuple[int, Move]]:
    """What each move of a field does to the odds alone, the largest fall first."""
    base = asked.score(subject.variant({}))
    assert base is not None
    found = []
    for move in subject.moves(name):
        score = asked.score(counterfactuals.variant(subject, (move,)))
        if score is not None:
            found.append((subject.odds(base) - subject.odds(score), move))
    return sorted(found, key=lambda one: -one[0])


def _ends_first(subject: Subject, name: str, falls: list[tuple[int, Move]]) -> list[tuple[int, Move]]:
    """For a number, its lowest and highest value first: where it does nothing alone, its falls are but noise."""
    if subject.range_of(name) is None:
        return falls
    numbers_ = sorted(move.value for _, move in falls if isinstance(move.value, int))
    return sorted(falls, key=lambda one: one[1].value not in (numbers_[0], numbers_[-1]))


def _hunt(subject: Subject, asked: ScoreCache, flip: Flip, place: int) -> numbers.Hunt | None:
    """The search for the nearest number at one place of a pair, the other held; None where there is no number."""
    if len(flip.moves) <= place:
        return None
    move = flip.moves[place]
    fixed = {other.field: other.value for other in flip.moves if other is not move}
    hunts = numbers.hunts(subject, asked, move.field, fixed)
    return next((hunt for hunt in hunts if move.value in hunt.tried), None)


def _nearer(subject: Subject, flip: Flip, place: int, hunt: numbers.Hunt | None) -> Flip:
    if hunt is None:
        return flip
    move, threshold = numbers.threshold(subject, hunt)
    moves = tuple(move if at == place else other for at, other in enumerate(flip.moves))
    return replace(flip, moves=moves, threshold=threshold)
