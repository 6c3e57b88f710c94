"""What the letter is made of that explains one result (AI Act 86, GDPR 15; checklist in the law notes, D.2).

The *result* is what the system gave: it comes from the record. The *decision* is what the agency decided: it comes from
the officer's review. The two never mix.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, TypeAlias

from registry.system import AISystem
from reports.agency import Agency, LogStamp
from reports.explanation.context import Explanation

Json: TypeAlias = bool | int | float | str | list[Any] | dict[str, Any] | None

Basis = Literal["ai_act_86", "gdpr_15_1_h", "gdpr_15_1", "sector", "reasons", "voluntary"]
"""Why the person gets the explanation; a letter states exactly one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedValue:
    """One detail that the system read."""

    label: Mapping[str, str]
    """What it is called, per language."""
    value: Json
    """What the system read; None when it was not given."""
    source: Mapping[str, str]
    """Where it came from, per language."""
    data_class: Literal["none", "personal", "special", "criminal"]
    """How sensitive it is."""
    words: Mapping[str, str] | None = None
    """How the value reads to people, per language; None where the version has no words for it."""
    corrected: date | None = None
    """The day on which it was corrected (GDPR 16); None where it never was."""
    right: Json = None
    """What is right, where it was corrected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What the system gave."""

    code: str
    """Outcome code; the reserved `length`, `invalid` and `refusal` have words of their own."""
    label: Mapping[str, str] | None
    """The outcome in words, per language; None for a reserved code."""
    text: str | None
    """The text that the system wrote, such as a reply; None when it only chose an outcome."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficerDecision:
    """What a member of staff decided, from the review's record."""

    action: Literal["confirm", "override", "refer", "release"]
    """What was done with the result."""
    decision: str
    """The agency's decision, as recorded; of a case that was passed on (`refer`) it is none, and not shown."""
    reasons: str | None
    """The officer's reasons, as recorded; None when none were recorded."""
    reviewed: date
    """The day of the review."""
    notified: date | None
    """The day on which the decision was sent; the term for an objection runs from it. None when not yet sent."""
    effect: str | None = None
    """What the decision means for the person, as recorded; None when nothing was."""
    sent: str | None = None
    """The text that went to the person, as recorded; None where the decision is all that was said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredRequest:
    """The request that the letter answers (GDPR 12(3))."""

    received: date
    """The day on which it came in."""
    due: date
    """The last day for an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the proof of a result rests on, beside the log: digests of public things, and of its entry."""

    entry: str
    """Digest of the record's entry in the log, `sha256:` and hex digits."""
    manifest: str
    """Digest of the version's manifest."""
    model: str | None
    """Digest of the file of the AI model; None where it ran elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """The explanation of one result."""

    agency: Agency
    """Who writes."""
    reference: str
    """Id of the record."""
    written: date
    """Date of the letter."""
    given: date
    """The day on which the system gave the result."""
    system: AISystem
    """The register's record."""
    version: int
    """The version that gave the result."""
    url: str
    """The system's page in the register."""
    mode: Literal["live", "pilot", "test"]
    """Whether the result was meant to count."""
    result: Result
    """What the system gave."""
    held: bool
    """True when a member of staff had to see the result before it went out."""
    data: tuple[UsedValue, ...]
    """Every detail that the system read, in the order of the manifest."""
    basis: Basis
    """Why the person gets this letter."""
    law: str | None
    """The law and article; demanded for the bases `sector` and `reasons`, None otherwise."""
    decision: OfficerDecision | None
    """None while no member of staff has decided."""
    check_url: str
    """Where a receipt is checked."""
    index: int
    """Number of the record's entry in the log."""
    log: LogStamp
    """The log at the moment of writing."""
    evidence: Evidence
    """What the proof rests on."""
    explanation: Explanation | None = None
    """What was measured about the result; None while nobody has measured it."""
    asked: AnsweredRequest | None = None
    """The request that it answers; None for a letter that nobody had to ask for."""
    told: date | None = None
    """The day on which the person was told of the system's use (AI Act 26(11)); None where no record says so."""
    objection_until: date | None = None
    """The last day for an objection; given once the decision was sent."""
    code: str | None = None
    """Access code with which this person alone can open the record on the site; None where none was made."""
    others: int = 0
    """How many other people the record is about: their details are left out (GDPR 15(4))."""

    def __post_init__(self) -> None:
        # Two or no legal grounds in one letter would leave the reader without any: better no letter.
        if (self.law is not None) != (self.basis in {"sector", "reasons"}):
            raise ValueError("law: give it for the bases sector and reasons, and for no other")
        if (self.result.label is None) != (self.result.code in {"length", "invalid", "refusal"}):
            raise ValueError("result.label: give it for a declared outcome, and for no reserved one")
        if (self.objection_until is not None) != (self.decision is not None and self.decision.notified is not None):
            raise ValueError("objection_until: give it once the decision was sent, and not before")
        if self.decision is not None and self.decision.action == "refer" and self.decision.notified is not None:
            raise ValueError("decision.notified: give it once somebody decided; a case was passed on")
        if self.explanation is None:
            return
        if self.explanation.result_code != self.result.code:
            raise ValueError("explanation: give the one of this result")
        # The letter sends the reader to the reasons of that decision.
        if self.explanation.fresh == "done" and self.decision is None:
            raise ValueError("decision: give the fresh one, of which the explanation says that it is done")
