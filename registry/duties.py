"""Which duties of the AI Act a system has, for whom, from which day, and what would show that they are met. Pure.

The rules are data (`registry.rules`); a fact that the record does not say makes a duty `unknown`, never a silent no.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Final, Literal

from registry.answers import Answers
from registry.conditions import Facts, Verdict
from registry.rules import DutyRule, Gate, RuleDate, Rules, Schedule
from registry.system import AISystem
from registry.values import Words

Applies = Literal["yes", "no", "not_yet", "unknown"]
APPLIES: Final[Mapping[Applies, Words]] = {
    "yes": {"en": "applies", "nl": "geldt"},
    "not_yet": {"en": "applies later", "nl": "geldt later"},
    "unknown": {"en": "not known", "nl": "niet bekend"},
    "no": {"en": "does not apply", "nl": "geldt niet"},
}


@dataclass(frozen=True, slots=True)
class Begins:
    """From when a duty applies. `day` None: from no day that is known. `contested`: readings of the law differ."""

    day: date | None
    basis: str
    contested: bool
    note: Words | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What would show that a duty is met; `found` None: nobody looked, or it is kept elsewhere."""

    code: str
    text: Words
    found: bool | None = None


@dataclass(frozen=True, slots=True)
class Duty:
    """One duty of one system. `missing`: facts that the record does not say, as paths; `begins` None where it does not
    apply. Of an `unknown` duty, `begins` is the earliest day that it could have."""

    id: str
    article: str
    who: str
    title: Words
    text: Words
    applies: Applies
    missing: tuple[str, ...]
    begins: Begins | None
    evidence: tuple[Evidence, ...]
    gate: Gate | None = None

    @property
    def binds(self) -> bool:
        """Whether it applies now, by a reading that nobody contests."""
        return self.applies == "yes" and self.begins is not None and not self.begins.contested


@dataclass(frozen=True, slots=True)
class Change:
    """What other rules make of one duty of a system. `what`: names of the members that differ; None: not there."""

    id: str
    article: str
    before: Duty | None
    after: Duty | None
    what: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Affected:
    """A system for which other rules change something."""

    system: str
    changes: tuple[Change, ...]


def duties(
    system: AISystem, answers: Answers | None, today: date, rules: Rules, *, changed: bool = False
) -> tuple[Duty, ...]:
    """Every duty of the rules for this system on a day, those that do not apply included, in the order of the rules.

    `answers`: the newest round; facts that the record does not say are taken from it. `changed`: the design changed
    significantly after the date of AI Act 113, which ends the later date of a system from before (111(2)).
    """
    days = {name: item.day for name, item in rules.dates.items()}
    facts = Facts(system, answers, rules.conditions, days, changed)
    return tuple(_duty(rule, facts, today, rules) for rule in rules.duties)


def _duty(rule: DutyRule, facts: Facts, today: date, rules: Rules) -> Duty:
    verdict = facts.holds(rule.when)
    evidence = tuple(Evidence(code, rules.evidence[code]) for code in rule.evidence)
    duty = Duty(rule.id, rule.article, rule.who, rule.title, rule.text, "no", (), None, evidence, rule.gate)
    if verdict.value is False:
        return duty
    begins, asked = _begins(rule.begins, facts, rules)
    missing = (*verdict.missing, *(name for name in asked.missing if name not in verdict.missing))
    if verdict.value is None or asked.value is None:
        return replace(duty, applies="unknown", missing=missing, begins=begins)
    now = begins.day is not None and begins.day <= today
    return replace(duty, applies="yes" if now else "not_yet", begins=begins)


def _begins(name: str, facts: Facts, rules: Rules) -> tuple[Begins, Verdict]:
    """From when, and whether that is certain: while a fact is missing, the earliest day that is possible."""
    known = rules.dates.get(name)
    if known is not None:
        return _from_date(known), Verdict(True)
    possible: list[Begins] = []
    missing: list[str] = []
    for begins, verdict in _steps(rules.schedules[name], facts, rules):
        if verdict.value is False:
            continue
        possible.append(begins)
        missing += [item for item in verdict.missing if item not in missing]
        if verdict.value:
            break
    first = min(possible, key=_order, default=Begins(None, "", False, None))
    return first, Verdict(None, tuple(missing)) if missing else Verdict(True)


def _order(begins: Begins) -> date:
    return begins.day or date.max


def _steps(schedule: Schedule, facts: Facts, rules: Rules) -> Iterable[tuple[Begins, Verdict]]:
    for step in schedule.steps:
        found = rules.dates[step.date] if step.date else None
        begins = _from_date(found) if found else Begins(None, step.basis or "", False, None)
        yield replace(begins, note=step.note or begins.note, basis=step.basis or begins.basis), facts.holds(step.when)


def _from_date(found: RuleDate) -> Begins:
    return Begins(found.day, found.basis, found.contested, found.note)


def reevaluate(
    systems: Iterable[tuple[AISystem, Answers | None]], today: date, old: Rules, new: Rules
) -> tuple[Affected, ...]:
    """The systems for which other rules change a duty on this day, and what changes; systems without a change are left
    out. A word that only reads otherwise changes no duty."""
    found = []
    for system, answers in systems:
        changes = _changes(duties(system, answers, today, old), duties(system, answers, today, new))
        if changes:
            found.append(Affected(system.slug, changes))
    return tuple(found)


def _changes(old: Iterable[Duty], new: Iterable[Duty]) -> tuple[Change, ...]:
    before, after = {duty.id: duty for duty in old}, {duty.id: duty for duty in new}
    found = []
    for name in dict.fromkeys((*before, *after)):
        one, other = before.get(name), after.get(name)
        what = _differences(one, other)
        if what:
            found.append(Change(name, (other or before[name]).article, one, other, what))
    return tuple(found)


def _differences(one: Duty | None, other: Duty | None) -> tuple[str, ...]:
    """Names of what differs. A duty that does not apply before and after changes nothing for the system."""
    if one is None or other is None:
        there = one or other
        return () if there is None or there.applies == "no" else ("duty",)
    if one.applies == other.applies == "no":
        return ()
    pairs = {
        "applies": (one.applies, other.applies),
        "day": (one.begins and one.begins.day, other.begins and other.begins.day),
        "contested": (one.begins and one.begins.contested, other.begins and other.begins.contested),
        "who": (one.who, other.who),
        "missing": (one.missing, other.missing),
        "evidence": ([item.code for item in one.evidence], [item.code for item in other.evidence]),
        "gate": (one.gate, other.gate),
    }
    return tuple(name for name, (left, right) in pairs.items() if left != right)
