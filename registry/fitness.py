"""How a version is tested before it decides about people: other wordings, invented cases, and what they must show."""

from __future__ import annotations

from dataclasses import dataclass, field

from registry.canonical import Json
from registry.declaration import Many, Part, declared
from registry.values import NAME, AnyValue, Code, Integer, Object, Text

_NAME = Text(40, pattern=NAME, example="lower-case letters, digits and _ (at most 40)")
_SHARE = Integer(0, 1000, scale=1000)

WORDINGS = Code(
    {
        "order": {"en": "the details in another order", "nl": "de gegevens in een andere volgorde"},
        "paraphrase": {"en": "the same in other words", "nl": "hetzelfde in andere woorden"},
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """A prompt that means the same as the first step's."""

    kind: str = field(metadata=declared(WORDINGS, en="Kind", nl="Soort"))
    template: str = field(metadata=declared(Text(20_000, lines=True), en="Prompt", nl="Opdracht"))


@dataclass(frozen=True, slots=True, kw_only=True)
class GridField:
    """A field and the values that it takes in the invented cases."""

    id: str = field(metadata=declared(_NAME, en="Id", nl="Id"))
    values: tuple[Json, ...] = field(metadata=declared(Many(AnyValue(), 1, 64), en="Values", nl="Waarden"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """What a survey must show, in thousandths of the cases. A protected characteristic may change no result at all."""

    same_outcome_most: int = field(
        metadata=declared(_SHARE, en="At most with the same result", nl="Hoogstens met dezelfde uitkomst")
    )
    sensitive_least: int = field(
        metadata=declared(_SHARE, en="At least with a detail that matters", nl="Minstens met een gegeven dat telt")
    )
    stable_least: int = field(
        metadata=declared(_SHARE, en="At least the same in all wordings", nl="Minstens gelijk in alle bewoordingen")
    )
    withheld_most: int = field(
        metadata=declared(_SHARE, en="At most without an explanation", nl="Hoogstens zonder uitleg")
    )
    unfit_most: int = field(
        metadata=declared(_SHARE, en="At most cut off or not readable", nl="Hoogstens afgebroken of onleesbaar")
    )


DEFAULT = Thresholds(
    same_outcome_most=950, sensitive_least=250, stable_least=700, withheld_most=500, unfit_most=50
)  # fmt: skip
"""Where a version declares none. Of the two that hold a version back, it may declare stricter ones alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitness:
    """The invented cases of a version: a grid of values (every combination), or a list of inputs, or both."""

    grid: tuple[GridField, ...] | None = field(
        metadata=declared(
            Many(Part(GridField), 1, 64), en="Every combination of", nl="Elke combinatie van", presence="omitted"
        )
    )
    cases: tuple[Json, ...] | None = field(
        metadata=declared(Many(Object(), 1, 2000), en="Cases", nl="Gevallen", presence="omitted")
    )
    explained: int | None = field(
        metadata=declared(Integer(0, 200), en="Explained in full", nl="Volledig uitgelegd", presence="omitted")
    )
    thresholds: Thresholds | None = field(
        metadata=declared(Part(Thresholds), en="What they must show", nl="Wat ze moeten laten zien", presence="omitted")
    )
