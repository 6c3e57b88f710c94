"""The page `docs/duties.md`, made from the rules: dates, duties, prohibitions. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from registry.conditions import Condition
from registry.rules import DutyRule, Rules
from registry.values import say

_HEAD: Final = """# Duties

Made from `registry/data/*.json` (rules of {version}, `{digest}`); a test holds this page to them. It supports work with
the AI Act (Regulation (EU) 2024/1689 as amended by Regulation (EU) 2026/1744). It is no legal advice, and no system
meets the law by being listed here.

`greffier duties SLUG` gives the duties of a system with the evidence that record and log hold; the public has the same
list without evidence at `/register/{{slug}}/duties.json`. `greffier classify SLUG` asks for the facts. A fact that the
record does not say makes a duty *unknown*, with the path of the fact: never a silent no.

**Change a rule.** Edit a copy of the file; `greffier duties --rules FILE` lists the systems that it affects and what
changes for each; then name it in the setting `rules_file`. **Add a duty:** one object in `duties.json` (and, if its
evidence is new, its words there and one line in `registry/evidence.py` or `service/systems/duty_evidence.py`), one
case that triggers it and one that does not in `tests/registry/test_duties.py`.

**Gates** bind from pilot on. A duty marked *gate* refuses the step into use once it applies by a reading that nobody
contests, and warns before; where readings differ it warns (setting `gate_contested`). An override with its reasons is
public. Article 5 and an exit under 6(3) of a system that profiles people have no override.

**Incidents** (26(5), 73) are recorded by officers and approvers at `/console/incidents`, or with `greffier incident`;
auditors read them. The list says whom the law wants told until when: 15 days, 10 at a death, 2 for a widespread
infringement or critical infrastructure, from the day on which the agency knew.

**Notices**: that workers (26(7)) or people (26(11), 50) were told is recorded with `greffier notice` or POST
`/api/notices`; each is an entry in the log, and the evidence by which the duty is found to be met.
"""
_READS: Final = """
A condition names facts of the record; `annex_iii_high` is a use of Annex III without a valid exit, `high_risk` that or
a product of Annex I section A. The list of acts in Annex I, and that Article 2(2) leaves the duties for section B to
the sector's own acts, come from general knowledge: check them in the text before you quote them.
"""


def describe(rules: Rules) -> str:
    """The whole page."""
    return "\n".join(
        [
            _HEAD.format(version=rules.version, digest=rules.digest),
            *_dates(rules),
            *_duties(rules),
            _READS,
            *_schedules(rules),
            *_letters(rules),
            "",
        ]
    )


def _dates(rules: Rules) -> Iterator[str]:
    yield "## Dates\n\n| day | what applies | basis | contested | mark |\n|---|---|---|---|---|"
    for item in rules.dates.values():
        contested = "yes" if item.contested else ""
        yield f"| {item.day.isoformat()} | {say(item.applies, 'en')} | {item.basis} | {contested} | {item.mark} |"
    yield "\nMarks: P read in the text itself, S several secondary sources agree, ? not settled.\n"


def _duties(rules: Rules) -> Iterator[str]:
    yield "## Duties in the rules\n"
    yield "| article | duty | who | when | from | gate | evidence |\n|---|---|---|---|---|---|---|"
    for rule in rules.duties:
        evidence = ", ".join(rule.evidence)
        cells = (
            rule.article,
            say(rule.title, "en"),
            rule.who,
            words(rule.when),
            _from(rule, rules),
            _gate(rule),
            evidence,
        )
        yield f"| {' | '.join(cells)} |"


def _from(rule: DutyRule, rules: Rules) -> str:
    known = rules.dates.get(rule.begins)
    if known is None:
        return f"see *{rule.begins}*"
    return f"{known.day.isoformat()}{', contested' if known.contested else ''}"


def _gate(rule: DutyRule) -> str:
    return "" if rule.gate is None else "refuses" if rule.gate.refuse else "warns"


def _schedules(rules: Rules) -> Iterator[str]:
    yield "## Schedules\n\nThe first row that holds gives the day.\n"
    for schedule in rules.schedules.values():
        yield f"| {schedule.id} | from | basis |\n|---|---|---|"
        for step in schedule.steps:
            found = rules.dates[step.date] if step.date else None
            day = found.day.isoformat() if found else "no day that is known"
            yield f"| {words(step.when)} | {day} | {step.basis or (found.basis if found else '')} |"
        yield ""
    for name, when in rules.conditions.items():
        yield f"- `{name}`: {words(when)}"


def _letters(rules: Rules) -> Iterator[str]:
    yield "\n## Article 5, letter by letter\n\n| letter | question | prohibited from |\n|---|---|---|"
    for letter in rules.letters:
        day = rules.dates[letter.date].day.isoformat()
        yield f"| ({letter.letter}) | {say(letter.question, 'en')} | {day} |"


def words(condition: Condition, *, inner: bool = False) -> str:
    """A condition in one line: names of facts with and, or, not."""
    if condition.kind == "fact":
        return condition.names[0]
    if condition.kind == "not":
        return f"not {words(condition.parts[0], inner=True)}"
    if condition.kind in {"all", "any"}:
        joined = (" and " if condition.kind == "all" else " or ").join(
            words(part, inner=True) for part in condition.parts
        )
        return f"({joined})" if inner and len(condition.parts) > 1 else joined
    names = ", ".join(condition.names)
    return {
        "first_use_before": f"first use before the date {names}",
        "points": f"one of {names}",
        "other_points_than": f"a point other than {names}",
        "products": f"a product of {names}",
    }[condition.kind]
