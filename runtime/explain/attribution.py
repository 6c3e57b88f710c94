"""What each part of a prompt does to the odds of the recorded outcome: taken away alone, in every wording. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from runtime.explain.question import GroupEffect, Sentence, Variant
from runtime.explain.score_cache import ScoreCache
from runtime.explain.shapley import Odds, Taken
from runtime.explain.variants import Part, Subject


class Unscored(Exception):
    """A variant that a number needs could not be run."""


@dataclass(frozen=True, slots=True)
class Attribution:
    """Effects in micro-nats. `wordings`: those whose own base could be scored, 0 first; `by_part`: one row for each of
    them, in the order of `subject.parts`; `by_field` the same for the fields that the first prompt reads. `total`: the
    fall of the odds with every part away."""

    wordings: tuple[int, ...]
    by_part: tuple[tuple[int, ...], ...]
    by_field: tuple[tuple[int, ...], ...]
    total: int


def wanted(subject: Subject) -> Iterator[Variant]:
    """Each part away in each wording; all away; groups; sentences of texts beside other fields."""
    for wording in range(len(subject.templates)):
        for part in (*subject.parts, *(Part(name) for name in subject.read)):
            if part.field in subject.named[wording]:
                yield subject.without((part,), wording)
    yield subject.without(subject.parts)
    for group in subject.question.groups:
        yield subject.without(_read(subject, group))
    for name, spans in subject.spans.items():
        for number in range(len(spans)):
            yield subject.without((Part(name, number),))


def attribute(subject: Subject, asked: ScoreCache) -> Attribution:
    """From the scores of the bases and of `wanted`; raises Unscored where one of the version's own wording lacks."""
    fields = tuple(Part(name) for name in subject.read)
    rows = {}
    for wording in range(len(subject.templates)):
        try:
            rows[wording] = (
                tuple(effect(subject, asked, (part,), wording) for part in subject.parts),
                tuple(effect(subject, asked, (part,), wording) for part in fields),
            )
        except Unscored:
            if wording == 0:
                raise
    return Attribution(
        tuple(rows),
        tuple(row for row, _ in rows.values()),
        tuple(row for _, row in rows.values()),
        effect(subject, asked, subject.parts),
    )


def effect(subject: Subject, asked: ScoreCache, taken: tuple[Part, ...], wording: int = 0) -> int:
    """How far the odds fall without some parts; 0 where the wording names none of them. Raises Unscored."""
    base = asked.score(subject.variant({}, wording))
    if base is None:
        raise Unscored
    if not any(part.field in subject.named[wording] for part in taken):
        return 0
    return subject.odds(base) - _odds(subject, asked, subject.without(taken, wording))


def odds_without(subject: Subject, asked: ScoreCache, wording: int = 0) -> Odds:
    """The odds by which parts are away (by place in `subject.parts`), from scores. It raises Unscored."""
    return lambda taken: _odds(subject, asked, away(subject, taken, wording))


def away(subject: Subject, taken: Taken, wording: int = 0) -> Variant:
    """The prompt without these parts."""
    return subject.without([subject.parts[at] for at in sorted(taken)], wording)


def _odds(subject: Subject, asked: ScoreCache, variant: Variant) -> int:
    score = asked.score(variant)
    if score is None:
        raise Unscored
    return subject.odds(score)


def groups(subject: Subject, asked: ScoreCache) -> tuple[GroupEffect, ...]:
    """What the declared groups do together."""
    return tuple(GroupEffect(group, effect(subject, asked, _read(subject, group))) for group in subject.question.groups)


def sentences(subject: Subject, asked: ScoreCache, name: str) -> tuple[Sentence, ...]:
    """What each sentence of a text does, in the version's own wording."""
    return tuple(
        Sentence(start, end, effect(subject, asked, (Part(name, number),)))
        for number, (start, end) in enumerate(subject.spans.get(name, ()))
    )


def is_additive(effects: tuple[int, ...], total: int, floor: int) -> bool:
    """Whether single effects add up to the effect of all: within a quarter of the larger, or three floors."""
    rest = abs(sum(effects) - total)
    return rest * 4 <= max(abs(sum(effects)), abs(total)) or rest <= 3 * floor


def _read(subject: Subject, group: tuple[str, ...]) -> tuple[Part, ...]:
    return tuple(Part(name) for name in group if name in subject.read)
