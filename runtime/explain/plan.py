"""The plan of an explanation: what is asked of the model, stage by stage, and what follows from it. Pure.

First the bases, then all that is taken away or put in a protected field's place, then what tells whether the effects
can be relied on together with the search for changes. Everything random is ordered by SHA-256 of the question's seed.
"""

from __future__ import annotations

from collections.abc import Mapping

from runtime.explain import attribution, counterfactuals, faithfulness, pairs, reliability, shapley
from runtime.explain.attribution import Attribution, Unscored
from runtime.explain.counterfactuals import Counts
from runtime.explain.question import (
    Change,
    Curve,
    Effect,
    Found,
    GroupEffect,
    Plan,
    Question,
    Score,
    Stability,
    Tried,
)
from runtime.explain.score_cache import ScoreCache
from runtime.explain.variants import Subject, is_open

LEAST_FLOOR = 2
"""Micro-nats: two roundings."""


class Sheet:
    """An explanation while it is made."""

    def __init__(self, subject: Subject, asked: ScoreCache) -> None:
        self.subject = subject
        self.asked = asked
        self.outcome = subject.question.replay.outcome
        self.odds = 0
        self.floor = LEAST_FLOOR
        self.reasons: set[str] = set()
        self.effects: tuple[Effect, ...] = ()
        self.groups: tuple[GroupEffect, ...] = ()
        self.additive = True
        self.changes: tuple[Change, ...] = ()
        self.protected: tuple[Change, ...] = ()
        self.stability: Stability | None = None
        self.deletion: Curve | None = None
        self.insertion: Curve | None = None
        self.values = 0
        self.pairs = 0
        self.thresholds = 0
        self.wordings: tuple[int, ...] = (0,)

    def count(self, counts: Counts) -> None:
        """Adds what a search tried."""
        self.values += counts.values
        self.pairs += counts.pairs
        self.thresholds += counts.thresholds

    def found(self) -> Found:
        """The sheet with its verdict."""
        if 2 * self.asked.failed > len(self.asked.mine):
            self.reasons.add("too_long")
        verdict = "set_aside" if self.protected else "withheld" if self.reasons else "explained"
        question = self.subject.question
        return Found(
            verdict=verdict,
            reasons=() if self.protected else reliability.in_order(self.reasons),
            outcome=self.outcome,
            odds=self.odds,
            floor=self.floor,
            effects=self.effects,
            groups=self.groups,
            additive=self.additive,
            changes=self.changes,
            protected=self.protected,
            stability=self.stability,
            deletion=self.deletion,
            insertion=self.insertion,
            tried=Tried(len(self.asked.mine), self.values, self.pairs, self.thresholds, len(self.wordings)),
            seed=question.seed,
            limits=question.limits,
        )


def explain(question: Question, known: dict[str, Score | None] | None = None) -> Plan[Found]:
    """Why the first step gave the recorded outcome. `known`: scores by `asking.key` that a survey already has."""
    sheet = Sheet(Subject(question), ScoreCache({} if known is None else known))
    if (yield from _can_run(sheet)):
        sheet.reasons |= _nothing_to_vary(sheet.subject)
        yield from _explain(sheet)
    return sheet.found()


def _can_run(sheet: Sheet) -> Plan[bool]:
    """The bases: whether the recorded outcome comes out again."""
    subject, asked = sheet.subject, sheet.asked
    if subject.at is None or len(subject.outcomes) < 2:
        sheet.reasons.add("no_outcome" if subject.at is None else "no_change")
        return False
    base = subject.variant({})
    wordings = range(len(subject.templates))
    repeated = yield from asked.ask((subject.variant({}, wording) for wording in wordings), again=base)
    score = asked.score(base)
    if score is None:
        sheet.reasons.add("too_long")
        return False
    sheet.wordings = tuple(at for at in wordings if asked.score(subject.variant({}, at)) is not None)
    sheet.odds, sheet.outcome = subject.odds(score), subject.outcomes[subject.chosen(score)].code
    _raise_floor(sheet, repeated)
    alternatives = subject.question.replay.run.alternatives
    codes = [outcome.code for outcome in subject.outcomes]
    if all(code in alternatives for code in codes):
        _raise_floor(sheet, tuple(alternatives[code] for code in codes))
    if subject.flips(score):
        sheet.reasons.add("not_repeated")  # whatever the replay says: this computation did not give that outcome
        return False
    return True


def _raise_floor(sheet: Sheet, again: Score | None) -> None:
    if again is not None:
        sheet.floor = max(sheet.floor, abs(sheet.subject.odds(again) - sheet.odds))


def _nothing_to_vary(subject: Subject) -> set[str]:
    """Reasons that lie in the question itself."""
    if any(subject.fields[name].neutral is None for name in subject.read):
        return {"neutral_undeclared"}
    if all(is_open(subject.fields[name].schema) and name not in subject.spans for name in subject.read):
        return {"free_text"} if subject.read else {"one_field"}
    return {"one_field"} if len(subject.parts) < 2 else set()


def _explain(sheet: Sheet) -> Plan[None]:
    subject, asked = sheet.subject, sheet.asked
    protected = list(counterfactuals.wanted(subject, subject.protected))
    away = [] if sheet.reasons else list(attribution.wanted(subject))
    sheet.values += len(protected)
    _raise_floor(sheet, (yield from asked.ask((*protected, *away), again=subject.variant({}))))
    flips = [flip for name in subject.protected for flip in counterfactuals.flips(subject, asked, name)]
    if flips:
        sheet.protected = yield from counterfactuals.confirm(
            subject, asked, counterfactuals.best(subject, flips), sheet.wordings
        )
    if sheet.reasons:
        return
    try:
        found = attribution.attribute(subject, asked)
        sheet.wordings = found.wordings
        sheet.groups = attribution.groups(subject, asked)
        shares = yield from _weigh(sheet, found)
        sheet.effects = _effects(sheet, found, shares)
    except Unscored:
        sheet.reasons.add("too_long")
        return
    if not flips:
        yield from _search(sheet, shares)


def _weigh(sheet: Sheet, found: Attribution) -> Plan[dict[str, tuple[int, int]]]:
    """Stability and curves; returns shares of fields and their errors, none where single effects add up."""
    subject, asked, question = sheet.subject, sheet.asked, sheet.subject.question
    count, limits, seed = len(subject.parts), question.limits, question.seed
    own, rows = found.by_part[0], found.by_part
    odds = attribution.odds_without(subject, asked)
    sheet.additive = attribution.is_additive(own, found.total, sheet.floor)
    singles = list(counterfactuals.wanted(subject, subject.free))
    sheet.values += len(singles)
    shares: tuple[tuple[int, int], ...] = ()
    if not sheet.additive:
        sets = list(shapley.wanted(count, limits.permutations, seed))
        ends = [(taken, wording) for wording in found.wordings[1:] for taken in shapley.ends(count)]
        lone = (attribution.away(subject, taken, wording) for taken, wording in ends)
        yield from asked.ask((*(attribution.away(subject, taken) for taken in sets), *lone, *singles))
        shares = shapley.shares(count, limits.permutations, seed, odds)
        own = tuple(share for share, _ in shares)
        others = (attribution.odds_without(subject, asked, wording) for wording in found.wordings[1:])
        rows = (own, *(shapley.both_ends(count, other) for other in others))
    curves = (attribution.away(subject, taken) for taken in faithfulness.wanted(own, limits.orders, seed))
    yield from asked.ask((*curves, *singles))
    sheet.deletion = faithfulness.deletion(own, limits.orders, seed, odds)
    sheet.insertion = faithfulness.insertion(own, limits.orders, seed, odds)
    sheet.stability = reliability.stability([part.name for part in subject.parts], rows, sheet.floor)
    sheet.reasons |= reliability.unreliable((*found.by_part[0], *own), sheet.floor, sheet.stability)
    if not faithfulness.beats_chance(sheet.deletion, count):
        sheet.reasons.add("deletion")
    return {part.field: one for part, one in zip(subject.parts, shares, strict=False) if part.sentence is None}


def _search(sheet: Sheet, shares: Mapping[str, tuple[int, int]]) -> Plan[None]:
    """The smallest changes: of one field, and where there is none, of two."""
    subject, asked = sheet.subject, sheet.asked
    flips, counts = yield from counterfactuals.singles(subject, asked, subject.free)
    sheet.count(counts)
    if not flips:
        weights = {name: share for name, (share, _) in shares.items()}
        flips, counts = yield from pairs.search(subject, asked, subject.free, weights)
        sheet.count(counts)
    sheet.changes = yield from counterfactuals.confirm(
        subject, asked, counterfactuals.best(subject, flips), sheet.wordings
    )
    if not sheet.changes:
        sheet.reasons.add("no_change")


def _effects(sheet: Sheet, found: Attribution, shares: Mapping[str, tuple[int, int]]) -> tuple[Effect, ...]:
    subject, asked = sheet.subject, sheet.asked
    effects = []
    for name in subject.fields:
        if name not in subject.read:
            effects.append(Effect(name, (0,) * len(found.wordings), 0, 0, read=False))
            continue
        row = tuple(wording[subject.read.index(name)] for wording in found.by_field)
        share, error = shares.get(name, (None, None))
        used = row[0] if share is None else share
        swing = counterfactuals.swing(subject, asked, name)
        told = attribution.sentences(subject, asked, name)
        effects.append(Effect(name, row, used, swing, True, share, error, told))
    return tuple(effects)
