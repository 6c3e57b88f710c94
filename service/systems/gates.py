"""What duties ask of a system on its way into use, from pilot on: some refuse, some warn (DESIGN §5.6).

A duty refuses once it applies by a reading that nobody contests; before that, and where readings differ, it warns
(`gate_contested` makes it refuse then, too). Past most of them leads an override that everybody can read; past
Article 5 and a false exit from Annex III leads none. Answers count as far as the log tells of them (`answers_check`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final, Literal

from home.greffier import Greffier
from registry import wizard
from registry.answers import Answers
from registry.duties import Duty
from registry.errors import AnswersChanged, TransitionRefused
from registry.evidence import in_record
from registry.gate_report import GROUNDS, parse_statement
from registry.lifecycle import MODES
from registry.rules import Rules
from registry.store import systems as store
from registry.store.systems import StateChange
from registry.system import AISystem
from service.systems import answers_check
from service.systems import duties as duties_action
from service.systems.admission import Override
from service.systems.answers_check import Held

if TYPE_CHECKING:
    from sqlalchemy import Connection

Effect = Literal["warn", "refuse"]
ANSWERS: Final = "answers"
"""In the place of a duty: the answers about the class are not those that the log tells of."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one duty says. `text` is for staff, in English, and ends with what to do."""

    duty: str
    article: str
    effect: Effect
    text: str
    overridable: bool


@dataclass(frozen=True, slots=True)
class Passed:
    """What was found on the way into use. `overridden`: a duty refused, and an override in public lets it through."""

    findings: tuple[Finding, ...]
    overridden: bool


def look(g: Greffier, slug: str) -> tuple[Finding, ...]:
    """What the duties say of a system today, whether it is in use or not. Raises UnknownSystem."""
    with g.reading() as conn:
        return _findings(g, conn, store.read_system(conn, slug).system)


def demand(g: Greffier, change: StateChange, override: Override | None) -> Passed:
    """Whether the duties let a step be taken. Raises TransitionRefused: the first duty that refuses, and what to do;
    AnswersChanged where the answers about the system are not those that the log tells of.

    A step that leads to no decision is not asked.
    """
    if change.target not in MODES:
        return Passed((), False)
    with g.reading() as conn:
        found = _findings(g, conn, store.read_system(conn, change.system).system)
    refusing = [one for one in found if one.effect == "refuse"]
    if not refusing:
        return Passed(found, False)
    if refusing[0].duty == ANSWERS:
        raise AnswersChanged(_refusal(refusing[0]), field="system")
    if override is None or not all(one.overridable for one in refusing):
        first = next((one for one in refusing if not one.overridable), refusing[0])
        raise TransitionRefused(_refusal(first), field="system")
    GROUNDS.parse(override.ground, "override")
    parse_statement(dict(override.because), "because")
    return Passed(found, True)


def _refusal(found: Finding) -> str:
    way = "; or give --override GROUND --because TEXT, which is public" if found.overridable else ""
    return f"AI Act {found.article}: {found.text}{way}"


def _findings(g: Greffier, conn: Connection, system: AISystem) -> tuple[Finding, ...]:
    rules, today = duties_action.rules_of(g), g.clock().date()
    held = answers_check.held(conn, system.slug)
    answers = held.counted
    known = duties_action.evaluate(conn, system, answers, today, rules)
    strict = g.settings.gate_contested == "refuse"
    return (
        *_answers(system, held),
        *(_article_5(system, held.forbidding, today, rules) if held.standing != "changed" else ()),
        *_exit(system),
        *(one for duty in known if (one := _gate(duty, system, answers, today, rules, strict=strict)) is not None),
    )


def _answers(system: AISystem, held: Held) -> Iterator[Finding]:
    """How the answers stand to the log, where they are not what it tells of."""
    if held.standing == "changed":
        text = answers_check.CHANGED if held.rounds else f"{answers_check.MISSING} (`greffier classify {system.slug}`)"
        yield Finding(ANSWERS, "5", "refuse", text, overridable=False)
    elif held.standing == "not_told":
        yield Finding(ANSWERS, "5", "warn", f"{answers_check.NOT_TOLD} {system.slug}`", overridable=False)


def _article_5(system: AISystem, answers: Answers | None, today: date, rules: Rules) -> Iterator[Finding]:
    article = "5"
    if answers is None:
        text = f"nobody has answered whether it is prohibited; run `greffier classify {system.slug}`"
        yield Finding("5", article, "warn", text, overridable=False)
        return
    for item in wizard.prohibited(answers, rules):
        named = f"5(1)({item.letter})"
        if not item.certain:
            yield Finding("5", named, "warn", "it was not certain that this does not apply; find out", False)
        elif item.day <= today:
            yield Finding("5", named, "refuse", "this use is prohibited; it may not run", False)
        else:
            text = f"this use is prohibited from {item.day.isoformat()} on; end it before that day"
            yield Finding("5", named, "warn", text, False)
    left = [letter.letter for letter in rules.letters if letter.letter not in {one.letter for one in answers.article_5}]
    if left:
        text = f"letter ({left[0]}) was not answered; run `greffier classify {system.slug}` again"
        yield Finding("5", article, "warn", text, False)


def _exit(system: AISystem) -> Iterator[Finding]:
    if system.classification.exit_6_3 is not None and system.use is not None and system.use.profiling:
        text = "it profiles people and has no exit from Annex III; write exit_6_3 null in its record"
        yield Finding("6.3", "6(3)", "refuse", text, overridable=False)


def _gate(
    duty: Duty, system: AISystem, answers: Answers | None, today: date, rules: Rules, *, strict: bool
) -> Finding | None:
    """What a duty with a gate says: None where it is met, or does not apply."""
    if duty.gate is None or duty.begins is None or duty.applies == "no":
        return None
    lacking = [item for item in duty.evidence if in_record(item.code, system, answers, rules) is False]
    if not lacking:
        return None
    begun = duty.begins.day is not None and duty.begins.day <= today
    certain = begun and (strict or not duty.begins.contested)
    effect: Effect = "refuse" if certain and duty.gate.refuse else "warn"
    return Finding(duty.id, duty.article, effect, _asks(duty, lacking[0].text["en"], begun=begun), duty.gate.override)


def _asks(duty: Duty, lacking: str, *, begun: bool) -> str:
    assert duty.begins is not None
    day = duty.begins.day
    since = (
        "from no known day on"
        if day is None
        else f"{'since' if begun else 'from'} {day.isoformat()}{'' if begun else ' on'}"
    )
    contested = ", contested" if duty.begins.contested else ""
    if duty.applies == "unknown":
        facts = ", ".join(duty.missing)
        return f"may be needed {since}{contested}: {lacking}; say {facts} in its record (`greffier classify`)"
    return f"is needed {since}{contested} ({duty.begins.basis}) and missing: {lacking}"
