"""Changes of one or two details that give another outcome: allowed values only, no protected field. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from runtime.explain import thresholds as numbers
from runtime.explain.question import Change, Plan, Threshold, Variant
from runtime.explain.score_cache import ScoreCache
from runtime.explain.variants import Move, Subject

MOST = 6
"""Changes that are kept, one for each set of fields."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What a search tried, beside the values that were asked for before it."""

    values: int = 0
    pairs: int = 0
    thresholds: int = 0


@dataclass(frozen=True, slots=True)
class Flip:
    """Moves that together gave another outcome."""

    moves: tuple[Move, ...]
    threshold: Threshold | None = None

    @property
    def fields(self) -> frozenset[str]:
        """The fields that are changed."""
        return frozenset(move.field for move in self.moves)

    @property
    def distance(self) -> Fraction:
        """Of all moves together."""
        return sum((move.distance for move in self.moves), Fraction(0))


def variant(subject: Subject, moves: Iterable[Move], wording: int = 0) -> Variant:
    """The prompt with these values instead."""
    return subject.variant({move.field: move.value for move in moves}, wording)


def wanted(subject: Subject, names: Iterable[str]) -> Iterator[Variant]:
    """Every move of some fields alone."""
    for name in names:
        for move in subject.moves(name):
            yield variant(subject, (move,))


def flips(subject: Subject, asked: ScoreCache, name: str) -> list[Flip]:
    """The moves of a field that give another outcome alone, the nearest first."""
    return [Flip((move,)) for move in subject.moves(name) if subject.flips(asked.score(variant(subject, (move,))))]


def singles(subject: Subject, asked: ScoreCache, names: Iterable[str]) -> Plan[tuple[list[Flip], Counts]]:
    """What changes the outcome alone, after `wanted` was asked; numbers exactly."""
    found, searched = [], []
    for name in names:
        hunts = numbers.hunts(subject, asked, name, {})
        searched += hunts
        if not hunts:
            found += flips(subject, asked, name)
    tried = yield from numbers.narrow(subject, asked, searched)
    for hunt in searched:
        move, threshold = numbers.threshold(subject, hunt)
        found.append(Flip((move,), threshold))
    return found, Counts(values=tried, thresholds=len({hunt.name for hunt in searched}))


def swing(subject: Subject, asked: ScoreCache, name: str) -> int:
    """The largest fall of the odds by another value of a field; 0 where there is none, or none was tried."""
    base = asked.score(subject.variant({}))
    moves = [move for move in subject.moves(name) if move.value is not None]
    scores = [asked.score(variant(subject, (move,))) for move in moves]
    falls = [subject.odds(base) - subject.odds(score) for score in scores if score is not None and base is not None]
    return max(0, *falls) if falls else 0


def best(subject: Subject, found: Iterable[Flip]) -> list[Flip]:
    """The nearest for each set of fields; fewest fields first, then the nearest, then in order of the fields."""
    places = {name: at for at, name in enumerate(subject.fields)}
    ordered = sorted(
        found, key=lambda flip: (len(flip.fields), flip.distance, sorted(places[name] for name in flip.fields))
    )
    kept: dict[frozenset[str], Flip] = {}
    for flip in ordered:
        kept.setdefault(flip.fields, flip)
    return list(kept.values())[:MOST]


def confirm(
    subject: Subject, asked: ScoreCache, found: list[Flip], wordings: tuple[int, ...]
) -> Plan[tuple[Change, ...]]:
    """The changes, after trying each in every other wording."""
    yield from asked.ask(variant(subject, flip.moves, wording) for flip in found for wording in wordings)
    return tuple(_change(subject, asked, flip, wordings) for flip in found)


def _change(subject: Subject, asked: ScoreCache, flip: Flip, wordings: tuple[int, ...]) -> Change:
    given = _outcome(subject, asked, variant(subject, flip.moves))
    assert given is not None
    agreeing = sum(
        _outcome(subject, asked, subject.variant({}, wording)) == subject.at
        and _outcome(subject, asked, variant(subject, flip.moves, wording)) == given
        for wording in wordings
    )
    moves = sorted(flip.moves, key=lambda move: list(subject.fields).index(move.field))
    left_out = next((move.left_out for move in moves if move.left_out), ())
    values = tuple((move.field, move.value) for move in moves)
    return Change(values, subject.outcomes[given].code, agreeing, flip.threshold, left_out)


def _outcome(subject: Subject, asked: ScoreCache, one: Variant) -> int | None:
    score = asked.score(one)
    return None if score is None else subject.chosen(score)
