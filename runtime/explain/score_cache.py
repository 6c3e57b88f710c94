"""Asking for scores once: what is known is not asked again, but for the floor. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from json import dumps

from runtime.explain.question import Plan, Score, Variant


def key(variant: Variant) -> str:
    """A text that is equal for equal variants; true and 1 are two."""
    return dumps([variant.wording, variant.fields], sort_keys=True, separators=(",", ":"))


@dataclass(slots=True)
class ScoreCache:
    """Scores by variant. `known` may be shared with other explanations of one survey; `mine` is what this one used."""

    known: dict[str, Score | None] = field(default_factory=dict)
    mine: set[str] = field(default_factory=set)

    def ask(self, variants: Iterable[Variant], again: Variant | None = None) -> Plan[Score | None]:
        """Asks for those that are not known, in one go. `again` is asked for whether or not it is known, in the middle
        of the others; its new score is returned and not kept."""
        wanted = {key(variant): variant for variant in variants}
        self.mine.update(wanted)
        new = {name: variant for name, variant in wanted.items() if name not in self.known}
        if not new and again is None:
            return None
        order, at = list(new.values()), len(new) // 2
        scores = list((yield (*order[:at], *(() if again is None else (again,)), *order[at:])))
        repeated = None if again is None else scores.pop(at)
        self.known.update(zip(new, scores, strict=True))
        return repeated

    def score(self, variant: Variant) -> Score | None:
        """The score of a variant that was asked for."""
        return self.known[key(variant)]

    def knows(self, variant: Variant) -> bool:
        """Whether a variant was asked for by this explanation."""
        return key(variant) in self.mine

    @property
    def failed(self) -> int:
        """How many of those that this one used could not be run."""
        return sum(self.known[name] is None for name in self.mine)
