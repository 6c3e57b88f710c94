"""What an explanation in words is made of: measured facts about the result, or why there are none.

Nothing here says why the agency decided: that is the officer's to say (`letter.context.OfficerDecision`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, TypeAlias

Json: TypeAlias = bool | int | float | str | list[Any] | dict[str, Any] | None
Words: TypeAlias = Mapping[str, str]

Verdict = Literal["explained", "withheld", "set_aside"]
Direction = Literal["for", "against", "none"]
"""For: this value made the result that was given likelier, compared with not stating it."""
Strength = Literal["decided", "strong", "some", "little", "none"]
"""Decided: changing this detail alone changed the result. The others by the size of the effect against the largest."""
Certainty = Literal["all_wordings", "most_wordings", "own_wording"]
"""In how many wordings of the question it was seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A detail with a value, as people read it."""

    label: Words
    """What the detail is called, per language."""
    value: Json
    """The value; None for one that was not given."""
    words: Words | None = None
    """How the value reads, per language; None where the version has no words for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """What one detail did."""

    given: Value
    """The detail as the system read it."""
    direction: Direction
    """Whether it spoke for the result."""
    strength: Strength
    """How much it counted."""
    certainty: Certainty
    """How sure that is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """A detail that stood otherwise in a test."""

    given: Value
    """As the system read it for the person."""
    instead: Value
    """As it stood in the test."""
    threshold: Literal["below", "above"] | None = None
    """For numbers: `instead` is the nearest number below (above) the given one that gave the other result."""
    left_out: tuple[str, ...] = ()
    """For a text: the sentences that were left out in the test; `instead` is then of no use."""
    beyond: bool | None = None
    """With a threshold: whether every number tried further on gave the same other result; None where nobody knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """A change of one or two details after which the result was another one."""

    replacements: tuple[Replacement, ...]
    """What stood otherwise."""
    result: Words | None
    """The other result in words, per language; None for a code without words."""
    result_code: str
    """Its code."""
    certainty: Certainty
    """How sure that is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """A detail that the system read, whatever it did."""

    given: Value
    """The detail as the system read it."""
    source: Words
    """Where it came from, per language."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One measured explanation of one result."""

    id: str
    """Id of its entry in the log."""
    made: date
    """The day on which it was measured."""
    verdict: Verdict
    """Whether there is one."""
    reasons: tuple[str, ...]
    """Codes of `runtime.explain.question.REASONS`; empty when it is explained or set aside."""
    system: Words
    """The system's name, per language."""
    result: Words | None
    """The result that was given, in words; None for a reserved code."""
    result_code: str | None
    """Its code; None where nobody here can know it: erased, or kept by its sender."""
    details: tuple[Detail, ...]
    """What each detail did, the strongest first; empty unless it is explained."""
    alternatives: tuple[Alternative, ...]
    """Changes that gave another result, the smallest first; empty unless it is explained."""
    protected: tuple[Words, ...]
    """Labels of the protected characteristics that changed the result alone: then it is set aside."""
    tried: int
    """How many times the system was run again with other details or wordings."""
    wordings: int
    """In how many wordings."""
    fresh: Literal["due", "done"] | None
    """A member of staff must decide again without the result, or has done so; None where that is not needed."""
    fresh_before: date | None
    """The day before which the person hears about it; given while it is due."""
    used: tuple[Used, ...] = ()
    """Every detail that the system read, for the text of its own; empty where they are erased. A letter has them."""
    oversight: Words | None = None
    """Who decides, as whole sentences from the register, for the text of its own. A letter has it."""
    overdue: bool = False
    """Whether the day before which the person hears about a fresh decision is past, and it is still due."""

    def __post_init__(self) -> None:
        if (self.verdict == "withheld") != bool(self.reasons):
            raise ValueError("reasons: give them for a withheld explanation, and for no other")
        if self.result_code is None and (self.verdict != "withheld" or self.result is not None):
            raise ValueError("result_code: give the one of this result")
        # What is not reliable must not reach a template at all: a withheld explanation has nothing that could leak.
        if self.verdict != "explained" and (self.details or self.alternatives):
            raise ValueError("details, alternatives: give them for a result that is explained, and for no other")
        if (self.verdict == "set_aside") != bool(self.protected):
            raise ValueError("protected: give it for a result that is set aside, and for no other")
        if (self.fresh == "due") != (self.fresh_before is not None):
            raise ValueError("fresh_before: give it while a fresh decision is due, and never else")
        if self.overdue and self.fresh != "due":
            raise ValueError("overdue: only what is due can be")
