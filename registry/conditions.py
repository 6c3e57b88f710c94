"""Conditions of rules: a small language in JSON, and its answer about one system: yes, no, or which fact is missing.

`"fact"` (one of FACTS, or a condition that the rules name) · `{"not": c}` · `{"all": […]}` · `{"any": […]}` ·
`{"first_use_before": "id of a date"}` · `{"points": ["III.1"]}` (one of the points of Annex III, or below it) ·
`{"other_points_than": […]}` (any point beside these) · `{"products": ["I.A"]}` (of Annex I). Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final, TypeAlias

from registry.answers import Answers
from registry.canonical import Json
from registry.errors import FormatError
from registry.system import AISystem
from registry.values import NAME, Text

_WORD: Final = Text(40, pattern=NAME, example="a name of lower-case letters, digits and _")
_DATE: Final = Text(40, pattern=r"[0-9a-z.]{1,40}", example="the id of a date, as 113.c.i")
_PREFIX: Final = Text(10, pattern=r"I{1,3}(\.[A-B0-9a-e]{1,2}){0,2}", example="a point as III.6 or III.5.a, or I.A")
_DEEPEST: Final = 8


@dataclass(frozen=True, slots=True)
class Condition:
    """`kind`: fact, not, all, any, or the name of a test. `names`: its words; `parts`: the conditions in it."""

    kind: str
    names: tuple[str, ...] = ()
    parts: tuple[Condition, ...] = ()

    def facts(self) -> Iterator[str]:
        """Every fact, or name of another condition, that it asks for."""
        if self.kind == "fact":
            yield from self.names
        for part in self.parts:
            yield from part.facts()

    def dates(self) -> Iterator[str]:
        """Every date that it asks for."""
        if self.kind == "first_use_before":
            yield from self.names
        for part in self.parts:
            yield from part.dates()


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a condition holds; None where that hangs on facts that are `missing` (paths in the record)."""

    value: bool | None
    missing: tuple[str, ...] = ()


YES, NO = Verdict(True), Verdict(False)
_LISTS: Final = ("points", "other_points_than", "products")


@dataclass(frozen=True, slots=True)
class ConditionKind:
    """The kind of a member that holds a condition (see `registry.values`)."""

    def parse(self, value: Json, path: str) -> Condition:
        return _parse(value, path, 0)

    def format(self, value: Condition) -> Json:
        return _format(value)

    def schema(self) -> dict[str, Json]:
        return {"type": ["string", "object"]}

    def text(self, value: Condition, _lang: str) -> str:
        return str(_format(value))


def _parse(value: Json, path: str, depth: int) -> Condition:
    if isinstance(value, str):
        return Condition("fact", (_WORD.parse(value, path),))
    if not isinstance(value, dict) or len(value) != 1 or depth > _DEEPEST:
        fix = "write the name of a fact, or an object with one member: not, all, any, first_use_before, "
        raise FormatError(f"is no condition; {fix}{', '.join(_LISTS)}", field=path)
    ((kind, inner),) = value.items()
    place = f"{path}.{kind}" if kind in {"not", "all", "any", "first_use_before", *_LISTS} else path
    if kind == "not":
        return Condition(kind, parts=(_parse(inner, place, depth + 1),))
    if kind == "first_use_before":
        return Condition(kind, (_DATE.parse(inner, place),))
    if place == path or not isinstance(inner, list) or not inner:
        raise FormatError("is no condition that is known; see registry/conditions.py", field=path)
    if kind in _LISTS:
        return Condition(kind, tuple(_PREFIX.parse(item, f"{place}[{index}]") for index, item in enumerate(inner)))
    return Condition(
        kind, parts=tuple(_parse(item, f"{place}[{index}]", depth + 1) for index, item in enumerate(inner))
    )


def _format(condition: Condition) -> Json:
    if condition.kind == "fact":
        return condition.names[0]
    if condition.kind == "not":
        return {"not": _format(condition.parts[0])}
    if condition.kind == "first_use_before":
        return {condition.kind: condition.names[0]}
    if condition.kind in _LISTS:
        return {condition.kind: list(condition.names)}
    return {condition.kind: [_format(part) for part in condition.parts]}


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one system. `named`: conditions by their names; `days`: dates by their ids.

    `changed`: its design changed significantly after the date of AI Act 113 (111(2)). `found`: facts that were asked
    for already.
    """

    system: AISystem
    answers: Answers | None
    named: Mapping[str, Condition]
    days: Mapping[str, date]
    changed: bool = False
    found: dict[str, Verdict] = field(default_factory=dict)

    def holds(self, condition: Condition) -> Verdict:
        """Whether the condition holds for this system."""
        return _TESTS[condition.kind](self, condition)

    def use(self, name: str) -> Verdict:
        """A fact about the use, from the record, or else from the answers that were given last."""
        use = self.system.use or (self.answers.use if self.answers else None)
        if use is None:
            return Verdict(None, (f"use.{name}",))
        return Verdict(bool(getattr(use, name)))


def _fact(facts: Facts, condition: Condition) -> Verdict:
    name = condition.names[0]
    if name not in facts.found:
        known = facts.named.get(name)
        facts.found[name] = facts.holds(known) if known is not None else FACTS[name](facts)
    return facts.found[name]


def _not(facts: Facts, condition: Condition) -> Verdict:
    inner = facts.holds(condition.parts[0])
    return inner if inner.value is None else Verdict(not inner.value)


def _all(facts: Facts, condition: Condition) -> Verdict:
    return _gathered((facts.holds(part) for part in condition.parts), deciding=False)


def _any(facts: Facts, condition: Condition) -> Verdict:
    return _gathered((facts.holds(part) for part in condition.parts), deciding=True)


def _gathered(verdicts: Iterator[Verdict], *, deciding: bool) -> Verdict:
    """One that decides is enough; else what is missing stands beside the others."""
    missing: list[str] = []
    for verdict in verdicts:
        if verdict.value is deciding:
            return Verdict(deciding)
        missing += [name for name in verdict.missing if name not in missing]
    return Verdict(None, tuple(missing)) if missing else Verdict(not deciding)


def _first_use_before(facts: Facts, condition: Condition) -> Verdict:
    first = facts.system.first_use
    return Verdict(first is not None and first < facts.days[condition.names[0]])


def _points(facts: Facts, condition: Condition) -> Verdict:
    return Verdict(any(_below(point, condition.names) for point in facts.system.classification.annex_iii))


def _other_points(facts: Facts, condition: Condition) -> Verdict:
    return Verdict(any(not _below(point, condition.names) for point in facts.system.classification.annex_iii))


def _products(facts: Facts, condition: Condition) -> Verdict:
    return Verdict(any(_below(product, condition.names) for product in facts.system.classification.annex_i))


def _below(point: str, prefixes: tuple[str, ...]) -> bool:
    return any(point == prefix or point.startswith(f"{prefix}.") for prefix in prefixes)


_TESTS: Final[Mapping[str, Callable[[Facts, Condition], Verdict]]] = {
    "fact": _fact,
    "not": _not,
    "all": _all,
    "any": _any,
    "first_use_before": _first_use_before,
    "points": _points,
    "other_points_than": _other_points,
    "products": _products,
}


def _annex_iii_high(facts: Facts) -> Verdict:
    """A use of Annex III that has no exit under 6(3); who profiles people has none (6(3), last subparagraph)."""
    named = facts.system.classification
    if not named.annex_iii:
        return NO
    return YES if named.exit_6_3 is None else facts.use("profiling")


def _exit(facts: Facts) -> Verdict:
    named = facts.system.classification
    if not named.annex_iii or named.exit_6_3 is None:
        return NO
    profiling = facts.use("profiling")
    return profiling if profiling.value is None else Verdict(not profiling.value)


def _controls_input(facts: Facts) -> Verdict:
    """Where results are made here, or asked for through us, the input is ours."""
    if facts.system.capture in {"runtime", "gateway", "external"}:
        return YES
    given = facts.answers.controls_input if facts.answers else None
    return Verdict(None, ("answers.controls_input",)) if given is None else Verdict(given)


def _controls_logs(facts: Facts) -> Verdict:
    if facts.system.capture != "none" or any(paper.kind == "log_access" for paper in facts.system.papers or ()):
        return YES
    given = facts.answers.controls_logs if facts.answers else None
    return Verdict(None, ("answers.controls_logs",)) if given is None else Verdict(given)


def _of_use(name: str) -> Callable[[Facts], Verdict]:
    return lambda facts: facts.use(name)


FactOf: TypeAlias = Callable[[Facts], Verdict]
_USES: Final = (
    "public_authority", "public_service", "decides_about_persons", "profiling", "personal_data", "workplace",
    "law_enforcement", "talks_with_people", "obviously_ai", "generates", "only_edits", "emotion_or_biometric",
    "deep_fakes", "publishes_text", "text_edited_by_person",
)  # fmt: skip
FACTS: Final[Mapping[str, FactOf]] = {
    "provider": lambda facts: Verdict(facts.system.role in {"provider", "both"}),
    "deployer": lambda facts: Verdict(facts.system.role in {"deployer", "both"}),
    "annex_iii_high": _annex_iii_high,
    "exit": _exit,
    "controls_input": _controls_input,
    "controls_logs": _controls_logs,
    "changed_significantly": lambda facts: Verdict(
        facts.changed or bool(facts.answers and facts.answers.changed_significantly)
    ),
    **{name: _of_use(name) for name in _USES},
}
"""Every fact that a condition may ask for, by its name."""
