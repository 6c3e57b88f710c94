"""A statement in words: with the labels that the version and the register have for its codes and values. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, cast

from auditlog.core.formats.canonical import Json
from registry.manifest import InputField, Manifest
from registry.system import AISystem
from reports.explanation.context import Alternative as ToldAlternative
from reports.explanation.context import Detail, Explanation, Replacement, Used, Value
from runtime.explain.question import Limits
from runtime.explain.sentences import parts, without
from service.explaining.new_decision import WITHHELD, Fresh
from service.explaining.statement import Alternative, Statement


@dataclass(frozen=True, slots=True)
class Made:
    """An explanation's entry: its id, and the day on which it was recorded."""

    id: str
    day: date


def words(
    made: Made,
    statement: Statement | None,
    system: AISystem,
    manifest: Manifest | None,
    *,
    values: Mapping[str, Json] | None = None,
    fresh: Fresh | None = None,
    reasons: tuple[str, ...] = (),
) -> Explanation:
    """The explanation as it is told. `values`: the recorded inputs by field id, None where they are not here.

    `manifest`: of the version that decided, None where the register has it no more. Without a statement it is withheld
    for `reasons`, and no outcome is known here.
    """
    if statement is None:
        statement = Statement(system.slug, 0, "", WITHHELD, reasons, None)
    fields = {} if manifest is None else {field.id: field for field in manifest.fields}
    named = _Named(fields, tuple(system.name))
    due = fresh is not None and fresh.state == "due"
    return Explanation(
        id=made.id,
        made=made.day,
        verdict=cast("Any", statement.verdict),
        reasons=statement.reasons,
        system=system.name,
        result=_result(manifest, statement.outcome),
        result_code=statement.outcome or None,
        details=tuple(
            Detail(
                given=named.value(one.field, one.value),
                direction=cast("Any", one.direction),
                strength=cast("Any", one.strength),
                certainty=cast("Any", one.certainty),
            )
            for one in statement.details
        ),
        alternatives=tuple(_alternative(one, statement, manifest, named) for one in statement.changes),
        protected=tuple(named.label(name) for name in statement.protected),
        tried=statement.tried,
        wordings=statement.wordings,
        fresh=None if fresh is None else fresh.state,
        fresh_before=fresh.before if fresh is not None and due else None,
        used=() if values is None else tuple(_used(field, values, named) for field in fields.values()),
        oversight=system.human_oversight,
        overdue=fresh is not None and fresh.overdue,
    )


def _result(manifest: Manifest | None, code: str) -> Mapping[str, str] | None:
    outcome = None if manifest is None else manifest.outcome(code)
    return None if outcome is None else outcome.label


@dataclass(frozen=True, slots=True)
class _Named:
    """Fields by what the version calls them; by their ids, in each language, where the register has it no more."""

    fields: Mapping[str, InputField]
    languages: tuple[str, ...]

    def label(self, name: str) -> Mapping[str, str]:
        field = self.fields.get(name)
        return dict.fromkeys(self.languages, name) if field is None else field.label

    def value(self, name: str, value: Json) -> Value:
        field = self.fields.get(name)
        return Value(label=self.label(name), value=value, words=None if field is None else field.words(value))

    def ordered(self, names: Iterable[str]) -> list[str]:
        """As the version declares them."""
        order = list(self.fields)
        return sorted(names, key=lambda name: order.index(name) if name in self.fields else len(order))


def _used(field: InputField, values: Mapping[str, Json], named: _Named) -> Used:
    return Used(given=named.value(field.id, values.get(field.id)), source=field.source)


def _alternative(
    change: Alternative, statement: Statement, manifest: Manifest | None, named: _Named
) -> ToldAlternative:
    recorded = {one.field: one.value for one in statement.details}
    return ToldAlternative(
        replacements=tuple(
            _replacement(change, name, recorded.get(name), named) for name in named.ordered(change.values)
        ),
        result=_result(manifest, change.outcome),
        result_code=change.outcome,
        certainty=cast("Any", change.certainty),
    )


def _replacement(change: Alternative, name: str, given: Json, named: _Named) -> Replacement:
    exact, instead = change.threshold_field == name, change.values[name]
    return Replacement(
        given=named.value(name, given),
        instead=named.value(name, instead),
        threshold=cast("Any", change.threshold) if exact else None,
        beyond=change.beyond if exact else None,
        left_out=_left_out(change, given, instead),
    )


def _left_out(change: Alternative, given: Json, instead: Json) -> tuple[str, ...]:
    """The sentences that are missing in a text; none for a field that was changed otherwise."""
    if not change.left_out or not isinstance(given, str):
        return ()
    spans = parts(given, Limits().sentences)
    if without(given, spans, change.left_out) != instead:
        return ()
    return tuple(given[slice(*spans[number])] for number in change.left_out)
