"""What an explanation is asked and answers, and what a survey of a version is. Pure data.

Odds are log-odds of an outcome against all others, its bias included, in micro-nats. An effect is how much the odds of
the recorded outcome fall when a detail says its neutral value instead: above 0 it spoke for that outcome.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from runtime.program import Program
from runtime.prompt import Value
from runtime.verdict import ReplayOrder

VERDICTS = ("explained", "withheld", "set_aside")
# Why an explanation is withheld, in the order in which they are told. First what could not be run at all, then what
# leaves nothing to vary, then what was measured and is not reliable.
REASONS = (
    "erased",
    "elsewhere",  # it ran outside this installation, or its provider's model did
    "model_missing",
    "not_recorded",
    "not_repeated",  # the replay was neither bit-exact nor token-exact
    "no_outcome",  # it was cut off, or could not be read: there is no declared outcome to explain
    "neutral_undeclared",
    "one_field",  # a single detail without parts that could be left out
    "free_text",  # nothing but a text of one sentence, or a conversation
    "too_long",  # a variant, or all of them, do not fit into a sequence
    "too_small",  # largest effect below three times the floor
    "wordings_undeclared",  # fewer than three wordings: stability cannot be measured
    "wording",  # another wording, another detail on top; or ranks correlate below 0.6
    "deletion",  # taking the top two away did no more than taking any two away
    "no_change",  # no change of one or two details that was tried gives another outcome
)
WORDINGS = ("order", "paraphrase")

Score: TypeAlias = tuple[int, ...]
"""Log-probability of each outcome's text, in the order of the program's outcomes, without bias, in micro-nats."""


@dataclass(frozen=True, slots=True)
class Wording:
    """Another template of the first step that means the same. `kind`: other order of the details, or other words."""

    kind: str
    template: str


@dataclass(frozen=True, slots=True)
class Variant:
    """One prompt to be scored: `wording` 0 is the version's own template; every declared field, null where neutral."""

    wording: int
    fields: tuple[tuple[str, Value | None], ...]


T = TypeVar("T")
Plan: TypeAlias = Generator[tuple[Variant, ...], tuple[Score | None, ...], T]
"""Asks for scores of variants, all those of one yield in one go, and is sent them in that order; None for a variant
that cannot be run (too long, or not allowed by the schema). It computes nothing of the model."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is tried; part of what an explanation states."""

    values: int = 24  # other values of one field
    pairs: int = 64
    orders: int = 3  # random orders that the deletion test is held against
    permutations: int = 8  # of the Shapley sampling, each with its reverse
    sentences: int = 12


@dataclass(frozen=True, slots=True)
class Question:
    """A recorded decision to be explained. `replay` has inputs, run, output and outcome as recorded.

    `wordings` besides the version's own; `protected`: fields that hold a protected characteristic; `groups`: fields
    that are also taken away together. `seed` (hex) fixes every random order.
    """

    replay: ReplayOrder
    wordings: tuple[Wording, ...] = ()
    protected: tuple[str, ...] = ()
    groups: tuple[tuple[str, ...], ...] = ()
    seed: str = ""
    limits: Limits = Limits()


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a text, [start, end) in characters, and what leaving it out does to the odds."""

    start: int
    end: int
    effect: int


@dataclass(frozen=True, slots=True)
class Effect:
    """What one field does. `effects` by wording, the version's own first. `used`: the number that counts (the Shapley
    value where single effects do not add up). `swing`: the largest fall of the odds by another allowed value, 0 where
    there is none. `read`: whether the first prompt names the field at all."""

    field: str
    effects: tuple[int, ...]
    used: int
    swing: int
    read: bool = True
    shapley: int | None = None
    shapley_error: int | None = None
    sentences: tuple[Sentence, ...] = ()


@dataclass(frozen=True, slots=True)
class GroupEffect:
    """What several fields do together, in the version's own wording."""

    fields: tuple[str, ...]
    effect: int


@dataclass(frozen=True, slots=True)
class Threshold:
    """Where a number changes the outcome: the allowed value nearest to the recorded one that does. `beyond`: whether
    every value tried further on does so, too."""

    field: str
    value: int
    side: str  # "below" or "above" the recorded value
    beyond: bool


@dataclass(frozen=True, slots=True)
class Change:
    """A change that gives another outcome. `values`: what stands instead, field by field; `left_out`: the sentences
    that are missing then, by index. `agreeing`: in how many wordings it gives that outcome, of all that were tried."""

    values: tuple[tuple[str, Value | None], ...]
    outcome: str
    agreeing: int
    threshold: Threshold | None = None
    left_out: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Stability:
    """How far wordings agree. `tops`: the fields on top in each (those within a quarter of the largest effect);
    `ranks`: rank correlation of each other wording with the version's own, in thousandths."""

    tops: tuple[tuple[str, ...], ...]
    same: bool
    ranks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Curve:
    """Odds as the first k fields are taken away (or put back), k from 1: by effect, and the mean of random orders."""

    top: tuple[int, ...]
    random: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Tried:
    """What was run, by number of distinct variants; `thresholds`: numbers searched by bisection."""

    variants: int = 0
    values: int = 0
    pairs: int = 0
    thresholds: int = 0
    wordings: int = 1


@dataclass(frozen=True, slots=True)
class Found:
    """What a plan found: the pure part of an explanation. `reasons` are those that hold, in the order of REASONS.

    `odds`, `outcome`: of the version's own wording, as measured. `floor`: how far equal prompts differed, at least the
    rounding. `changes`: the smallest that were found, best first; `protected`: protected fields that flip the outcome
    alone, each with the value that did.
    """

    verdict: str
    reasons: tuple[str, ...]
    outcome: str
    odds: int
    floor: int
    effects: tuple[Effect, ...]
    groups: tuple[GroupEffect, ...]
    additive: bool
    changes: tuple[Change, ...]
    protected: tuple[Change, ...]
    stability: Stability | None
    deletion: Curve | None
    insertion: Curve | None
    tried: Tried
    seed: str
    limits: Limits


@dataclass(frozen=True, slots=True)
class Cost:
    """Tokens that were decoded, against those of the decision's own prompt; batches; time of the device in µs."""

    tokens: int = 0
    prompt_tokens: int = 0
    batches: int = 0
    elapsed_us: int = 0


@dataclass(frozen=True, slots=True)
class Explained:
    """An explanation, with the replay that came before it. `found` is None where that was not exact enough."""

    id: str
    replay_verdict: str
    replay_reason: str | None
    found: Found | None
    cost: Cost
    build: str
    device: str
    threads: int


@dataclass(frozen=True, slots=True)
class SurveyOrder:
    """Invented cases of a version. `explained`: how many of them are explained in full, drawn by the seed."""

    id: str
    program: Program
    cases: tuple[Mapping[str, Value | None], ...]
    wordings: tuple[Wording, ...] = ()
    protected: tuple[str, ...] = ()
    groups: tuple[tuple[str, ...], ...] = ()
    seed: str = ""
    explained: int = 8
    limits: Limits = Limits()


@dataclass(frozen=True, slots=True)
class Survey:
    """What a survey counted; all but `cases` and `skipped` (cases that cannot be run) of the cases that ran.

    `sensitive`: cases in which another allowed value of one unprotected field changes the outcome; `by_field` the same
    for each field; `protected` for each protected one. `stable`: cases with the same outcome in all wordings.
    `verdicts` and `reasons` of those that were explained in full.
    """

    cases: int
    skipped: int
    outcomes: Mapping[str, int]
    sensitive: int
    by_field: Mapping[str, int]
    protected: Mapping[str, int]
    stable: int
    wordings: int
    verdicts: Mapping[str, int] = field(default_factory=dict)
    reasons: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Surveyed:
    """A survey and what it took."""

    id: str
    survey: Survey
    cost: Cost
    build: str
    device: str
    threads: int
