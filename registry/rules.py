"""The rules of the AI Act as data: dates, duties, prohibitions, Annexes I and III; read strictly, with a digest.

The five files of `registry/data` carry the day of the state of knowledge (`rules`). Another file in the place of one of
them is a change of the rules: see `registry.duties.reevaluate`.
"""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Any, Final

from registry import declaration
from registry.canonical import digest, format_canonical, parse_json
from registry.conditions import FACTS, Condition, ConditionKind
from registry.declaration import Many, Part, declared
from registry.errors import FormatError
from registry.parts.value_types import ANNEX_I, ANNEX_III
from registry.values import NAME, Code, Day, Flag, Kind, Multilingual, Text, Words

_ID: Final = Text(40, pattern=r"[0-9a-z._]{1,40}", example="lower-case letters, digits, . and _")
_CODE: Final = Text(40, pattern=NAME, example="lower-case letters, digits and _")
_LETTER: Final = Text(3, pattern=r"[a-z]{1,3}", example="the letter, as a or ba")
_WORDS: Final = Multilingual(1000)
WHO: Final = Code(
    {
        "provider": {"en": "provider", "nl": "aanbieder"},
        "deployer": {"en": "deployer", "nl": "gebruiksverantwoordelijke"},
        "both": {"en": "provider and deployer", "nl": "aanbieder en gebruiksverantwoordelijke"},
    }
)


def _as(kind: Kind, what: str, presence: declaration.Presence = "required") -> dict[str, Any]:
    # Read by those who keep the rules, and shown on no page: one word does for both languages.
    return declared(kind, en=what, nl=what, presence=presence)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleDate:
    """A day from which something applies. `mark`: how certain (reference A); `contested`: readings differ."""

    id: str = field(metadata=_as(_ID, "id"))
    day: date = field(metadata=_as(Day(), "day"))
    basis: str = field(metadata=_as(Text(100), "basis"))
    mark: str = field(metadata=_as(Text(40), "mark"))
    contested: bool = field(metadata=_as(Flag(), "contested"))
    applies: Words = field(metadata=_as(_WORDS, "what applies"))
    note: Words | None = field(metadata=_as(_WORDS, "note", "omitted"), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A row of a schedule: where `when` holds, duties begin on this date; without one, on none that is known."""

    when: Condition = field(metadata=_as(ConditionKind(), "condition"))
    date: str | None = field(metadata=_as(_ID, "id of a date", "nullable"))
    basis: str | None = field(metadata=_as(Text(100), "basis", "omitted"), default=None)
    note: Words | None = field(metadata=_as(_WORDS, "note", "omitted"), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """From when duties apply, by the first step that holds."""

    id: str = field(metadata=_as(_CODE, "id"))
    steps: tuple[Step, ...] = field(metadata=_as(Many(Part(Step), 1), "steps"))


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedCondition:
    """A condition that others ask for by its name."""

    id: str = field(metadata=_as(_CODE, "id"))
    when: Condition = field(metadata=_as(ConditionKind(), "condition"))


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceWords:
    """What would show that a duty is met."""

    code: str = field(metadata=_as(_CODE, "code"))
    text: Words = field(metadata=_as(_WORDS, "text"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """The duty is asked on the way into use: `refuse` once it applies, warn before; `override`: in public, past it."""

    refuse: bool = field(metadata=_as(Flag(), "refuses"))
    override: bool = field(metadata=_as(Flag(), "may be overridden"))


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyRule:
    """One duty. `begins`: the id of a date or of a schedule."""

    id: str = field(metadata=_as(_ID, "id"))
    article: str = field(metadata=_as(Text(60), "article"))
    who: str = field(metadata=_as(WHO, "who"))
    when: Condition = field(metadata=_as(ConditionKind(), "condition"))
    begins: str = field(metadata=_as(_ID, "date or schedule"))
    title: Words = field(metadata=_as(_WORDS, "title"))
    text: Words = field(metadata=_as(_WORDS, "text"))
    evidence: tuple[str, ...] = field(metadata=_as(Many(_CODE), "evidence"))
    gate: Gate | None = field(metadata=_as(Part(Gate), "gate", "omitted"), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One letter of Article 5(1), as a question whose yes is prohibited from `date` on."""

    letter: str = field(metadata=_as(_LETTER, "letter"))
    date: str = field(metadata=_as(_ID, "id of a date"))
    question: Words = field(metadata=_as(_WORDS, "question"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One point of Annex III."""

    id: str = field(metadata=_as(ANNEX_III, "point"))
    area: Words = field(metadata=_as(_WORDS, "area"))
    words: Words = field(metadata=_as(_WORDS, "words"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One act of Annex I."""

    id: str = field(metadata=_as(ANNEX_I, "number"))
    act: str = field(metadata=_as(Text(100), "act"))
    words: Words = field(metadata=_as(_WORDS, "words"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Dates:
    rules: date = field(metadata=_as(Day(), "day of the state of knowledge"))
    dates: tuple[RuleDate, ...] = field(metadata=_as(Many(Part(RuleDate), 1), "dates"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Duties:
    rules: date = field(metadata=_as(Day(), "day of the state of knowledge"))
    conditions: tuple[NamedCondition, ...] = field(metadata=_as(Many(Part(NamedCondition)), "conditions"))
    schedules: tuple[Schedule, ...] = field(metadata=_as(Many(Part(Schedule)), "schedules"))
    evidence: tuple[EvidenceWords, ...] = field(metadata=_as(Many(Part(EvidenceWords)), "evidence"))
    duties: tuple[DutyRule, ...] = field(metadata=_as(Many(Part(DutyRule), 1), "duties"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Letters:
    rules: date = field(metadata=_as(Day(), "day of the state of knowledge"))
    letters: tuple[Letter, ...] = field(metadata=_as(Many(Part(Letter), 1), "letters"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Points:
    rules: date = field(metadata=_as(Day(), "day of the state of knowledge"))
    points: tuple[Point, ...] = field(metadata=_as(Many(Part(Point), 1), "points"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Products:
    rules: date = field(metadata=_as(Day(), "day of the state of knowledge"))
    products: tuple[Product, ...] = field(metadata=_as(Many(Part(Product), 1), "products"))


_FILES: Final[Mapping[str, type[Any]]] = {
    "dates": _Dates, "duties": _Duties, "article_5": _Letters, "annex_iii": _Points, "annex_i": _Products,
}  # fmt: skip
_MARK: Final[Mapping[str, str]] = {
    "dates": "dates", "duties": "duties", "letters": "article_5", "points": "annex_iii", "products": "annex_i",
}  # fmt: skip
"""The member by which a file is known → its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """All rules. `version`: the newest day of the files; `digest`: over all of them, as answers and pages name it."""

    version: str
    digest: str
    dates: Mapping[str, RuleDate]
    conditions: Mapping[str, Condition]
    schedules: Mapping[str, Schedule]
    evidence: Mapping[str, Words]
    duties: tuple[DutyRule, ...]
    letters: tuple[Letter, ...]
    points: tuple[Point, ...]
    products: tuple[Product, ...]


def parse_rules(files: Mapping[str, bytes]) -> Rules:
    """The rules of the five files by their names. Raises FormatError with the path of what is wrong."""
    values = {name: parse_json(files[name], what=name) for name in _FILES}
    found: dict[str, Any] = {
        name: declaration.parse_object(record, values[name], name) for name, record in _FILES.items()
    }
    dates, duties = found["dates"], found["duties"]
    rules = Rules(
        version=max(part.rules for part in found.values()).isoformat(),
        digest=digest(format_canonical(values)),
        dates=_by((item.id, item) for item in _once(dates.dates, "dates.dates", "id")),
        conditions=_by((item.id, item.when) for item in _once(duties.conditions, "duties.conditions", "id")),
        schedules=_by((item.id, item) for item in _once(duties.schedules, "duties.schedules", "id")),
        evidence=_by((item.code, item.text) for item in _once(duties.evidence, "duties.evidence", "code")),
        duties=_once(duties.duties, "duties.duties", "id"),
        letters=_once(found["article_5"].letters, "article_5.letters", "letter"),
        points=_once(found["annex_iii"].points, "annex_iii.points", "id"),
        products=_once(found["annex_i"].products, "annex_i.products", "id"),
    )
    _verify(rules)
    return rules


@lru_cache(maxsize=4)
def with_file(data: bytes) -> Rules:
    """The shipped rules with one file in the place of the one that has its members. Raises FormatError."""
    value = parse_json(data, what="rules")
    names = [name for mark, name in _MARK.items() if isinstance(value, dict) and mark in value]
    if not names:
        raise FormatError(f"is no file of rules; it has one of {', '.join(_MARK)}", field="rules")
    name = "duties" if "duties" in names else names[0]
    return parse_rules({**read_files(), name: data})


def read_files() -> dict[str, bytes]:
    """The files that ship with this program, by their names."""
    folder = importlib.resources.files("registry").joinpath("data")
    return {name: folder.joinpath(f"{name}.json").read_bytes() for name in _FILES}


@lru_cache(maxsize=1)
def shipped() -> Rules:
    """The rules that ship with this program."""
    return parse_rules(read_files())


def _once(items: tuple[Any, ...], path: str, member: str) -> tuple[Any, ...]:
    seen: set[str] = set()
    for index, item in enumerate(items):
        if getattr(item, member) in seen:
            raise FormatError("is used twice; choose another", field=f"{path}[{index}].{member}")
        seen.add(getattr(item, member))
    return items


def _by(items: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    return dict(items)


def _verify(rules: Rules) -> None:
    """What the files say of each other: each date, schedule, condition and evidence that is named must be there."""
    known = {*FACTS, *rules.conditions}
    steps = [(f"duties.schedules.{item.id}", step) for item in rules.schedules.values() for step in item.steps]
    asked = [(f"duties.conditions.{name}", when) for name, when in rules.conditions.items()]
    asked += [(path, step.when) for path, step in steps]
    asked += [(f"duties.duties.{rule.id}", rule.when) for rule in rules.duties]
    for path, when in asked:
        _demand(set(when.facts()) - known, path, "asks for a fact that is not known")
        _demand(set(when.dates()) - rules.dates.keys(), path, "names a date that is not there")
    for path, step in steps:
        _demand({step.date or ""} - {*rules.dates, ""}, path, "names a date that is not there")
    for rule in rules.duties:
        path = f"duties.duties.{rule.id}"
        _demand({rule.begins} - {*rules.dates, *rules.schedules}, path, "begins on a date that is not there")
        _demand(set(rule.evidence) - rules.evidence.keys(), path, "names evidence that is not there")
    for letter in rules.letters:
        _demand({letter.date} - rules.dates.keys(), f"article_5.{letter.letter}", "names a date that is not there")
    _verify_order(rules)


def _verify_order(rules: Rules) -> None:
    """A named condition asks for those above it only: then it always comes to an end."""
    above = set(FACTS)
    for name, when in rules.conditions.items():
        path = f"duties.conditions.{name}"
        if name in FACTS:
            raise FormatError("has the name of a fact; choose another", field=path)
        _demand(set(when.facts()) - above, path, "asks for a condition below itself")
        above.add(name)


def _demand(wrong: set[str], path: str, message: str) -> None:
    if wrong:
        raise FormatError(f"{message}: {min(wrong)}", field=path)
