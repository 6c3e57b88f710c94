"""What can be varied in a question: the parts of its first prompt, and the values that the version allows. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from json import dumps
from typing import Any

from runtime.errors import InputInvalid
from runtime.explain.odds import chosen, odds
from runtime.explain.question import Question, Score, Variant
from runtime.explain.sentences import Span, parts, without
from runtime.explain.wordings import named, templates
from runtime.messages import is_messages
from runtime.output.schema import validate_field
from runtime.program import Field, Outcome, Program
from runtime.prompt import Value
from runtime.sampler import Draw

_FAR = Fraction(1)
_PROTECTED = 8
"""Of a protected field so many times as many listed values are tried: one of them may be treated apart."""


@dataclass(frozen=True, slots=True)
class Part:
    """What is taken away as one: a field, or one sentence of it (where a text is all that the prompt reads)."""

    field: str
    sentence: int | None = None

    @property
    def name(self) -> str:
        """As it is told where parts are compared."""
        return self.field if self.sentence is None else f"{self.field}[{self.sentence}]"


@dataclass(frozen=True, slots=True)
class Move:
    """Another allowed value of one field. `distance` from the recorded one: 0 to 1, by place in the schema's list, or
    by share of the range. `left_out`: the sentences of a text that are missing then."""

    field: str
    value: Value | None
    distance: Fraction
    left_out: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Range:
    """Whole numbers from `lowest` to `highest` in steps, both included."""

    lowest: int
    highest: int
    step: int = 1

    def spread(self, start: int, end: int, count: int) -> tuple[int, ...]:
        """At most `count` (two or more) of its numbers, evenly from `start` to `end` (either order), both included."""
        steps = abs(end - start) // self.step
        sign = self.step if end >= start else -self.step
        if steps < count:
            return tuple(start + sign * number for number in range(steps + 1))
        return tuple(start + sign * (number * steps // (count - 1)) for number in range(count))


class Subject:
    """A question with all that is derived from it. Names of fields are in declared order everywhere."""

    def __init__(self, question: Question) -> None:
        order = question.replay
        self.question = question
        self.program: Program = order.program
        self.outcomes: tuple[Outcome, ...] = order.program.outcomes
        self.fields: dict[str, Field] = {field.id: field for field in order.program.fields}
        self.recorded: dict[str, Value | None] = {name: order.fields.get(name) for name in self.fields}
        self.templates = templates(order.program, question.wordings, question.seed)
        self.named = tuple(named(template) for template in self.templates)
        self.read = tuple(name for name in self.fields if name in self.named[0])
        codes = [outcome.code for outcome in self.outcomes]
        self.at = codes.index(order.outcome) if order.outcome in codes else None
        self.draw = Draw(order.program.sampler, order.run.seed)
        self._moves: dict[str, tuple[Move, ...]] = {}

    @cached_property
    def spans(self) -> Mapping[str, tuple[Span, ...]]:
        """The sentences of each text that the first prompt reads and that has at least two."""
        found = {}
        for name in self.read:
            value = self.recorded[name]
            if isinstance(value, str) and is_text(self.fields[name].schema):
                spans = parts(value, self.question.limits.sentences)
                if len(spans) > 1:
                    found[name] = spans
        return found

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """What is taken away one by one: the fields of the first prompt; of a lone text, its sentences."""
        if len(self.read) == 1 and self.read[0] in self.spans:
            return tuple(Part(self.read[0], number) for number in range(len(self.spans[self.read[0]])))
        return tuple(Part(name) for name in self.read)

    @property
    def free(self) -> tuple[str, ...]:
        """Fields that may be proposed as a change: read, and no protected characteristic."""
        return tuple(name for name in self.read if name not in self.question.protected)

    @property
    def protected(self) -> tuple[str, ...]:
        """Protected fields that the first prompt reads."""
        return tuple(name for name in self.read if name in self.question.protected)

    def variant(self, instead: Mapping[str, Value | None], wording: int = 0) -> Variant:
        """The recorded fields with some values instead."""
        return Variant(wording, tuple((name, instead.get(name, value)) for name, value in self.recorded.items()))

    def without(self, taken: Iterable[Part], wording: int = 0) -> Variant:
        """With parts taken away: fields neutral, sentences left out; a text without any sentence is neutral."""
        instead: dict[str, Value | None] = {}
        missing: dict[str, list[int]] = {}
        for part in taken:
            if part.sentence is None:
                instead[part.field] = None
            else:
                missing.setdefault(part.field, []).append(part.sentence)
        for name, numbers in missing.items():
            instead[name] = self.shortened(name, tuple(numbers)) or None
        return self.variant(instead, wording)

    def shortened(self, name: str, left_out: tuple[int, ...]) -> str:
        """A text without some of its sentences."""
        return without(str(self.recorded[name]), self.spans[name], left_out)

    def odds(self, score: Score) -> int:
        """Odds of the recorded outcome; it must be a declared one."""
        assert self.at is not None
        return odds(score, self.outcomes, self.at)

    def chosen(self, score: Score) -> int:
        """The number of the outcome that these scores give."""
        return chosen(score, self.outcomes, self.draw)

    def flips(self, score: Score | None) -> bool:
        """Whether these scores give another outcome than the recorded one."""
        return score is not None and self.chosen(score) != self.at

    def range_of(self, name: str) -> Range | None:
        """The numbers that a field allows, where both ends are declared and they are no list."""
        schema = self.fields[name].schema
        if (
            schema["type"] != "integer"
            or not {"minimum", "maximum"} <= schema.keys()
            or {"enum", "const"} & schema.keys()
        ):
            return None
        step = schema.get("multipleOf", 1)
        return Range(-(-schema["minimum"] // step) * step, schema["maximum"] // step * step, step)

    def moves(self, name: str) -> tuple[Move, ...]:
        """Every other value of a field that is tried alone, the nearest first; at most `limits.values`.

        Of a protected field whose schema names none, that it is not stated, too: it would never be tried else.
        """
        if name not in self._moves:
            within = self.range_of(name)
            if name in self.spans:
                found = [self.leave_out(name, (at,)) for at in range(len(self.spans[name]))]
            else:
                found = self._listed(name) if within is None else self._numbers(name, within)
            fine = [move for move in found if move is not None and self._allowed(move)]
            # The sort is stable: equals keep the schema's order.
            fine.sort(key=lambda move: move.distance)
            if name in self.question.protected and self.unnamed(name) and self.recorded[name] is not None:
                fine.append(Move(name, None, _FAR))
            self._moves[name] = tuple(fine)
        return self._moves[name]

    def unnamed(self, name: str) -> bool:
        """Whether a schema names no other values: a text, a conversation, a number without both bounds."""
        schema = self.fields[name].schema
        return self.fields[name].neutral is not None and not listed(schema) and self.range_of(name) is None

    def move(self, name: str, number: int) -> Move:
        """A number of a field with a range."""
        within, recorded = self.range_of(name), self.recorded[name]
        assert within is not None
        width = max(1, within.highest - within.lowest)
        return Move(name, number, _FAR if not isinstance(recorded, int) else Fraction(abs(number - recorded), width))

    def leave_out(self, name: str, left_out: tuple[int, ...]) -> Move | None:
        """A text without some of its sentences; None where nothing or no allowed text would be left."""
        count = len(self.spans[name])
        if len(left_out) >= count:
            return None
        move = Move(name, self.shortened(name, left_out), Fraction(len(left_out), count), left_out)
        return move if self._allowed(move) else None

    def _numbers(self, name: str, within: Range) -> list[Move | None]:
        grid = within.spread(within.lowest, within.highest, max(2, self.question.limits.values))
        return [self.move(name, number) for number in grid if number != self.recorded[name]]

    def _listed(self, name: str) -> list[Move | None]:
        values = listed(self.fields[name].schema)
        recorded = self.recorded[name]
        at = values.index(recorded) if recorded in values else None
        width = max(1, len(values) - 1)
        found: list[Move | None] = [
            Move(name, value, _FAR if at is None else Fraction(abs(number - at), width))
            for number, value in enumerate(values)
            if value != recorded
        ]
        most = self.question.limits.values * (_PROTECTED if name in self.question.protected else 1)
        if len(found) <= most:
            return found
        # Of a protected field each case tries others: what no case tried could turn every result unnoticed.
        start = self._turn(name, len(found)) if name in self.question.protected else 0
        chosen = sorted((start + n * len(found) // most) % len(found) for n in range(most))
        return [found[at] for at in chosen]

    def _turn(self, name: str, count: int) -> int:
        """A number below `count` that seed, field and recorded values fix."""
        text = dumps([self.question.seed, name, self.recorded], sort_keys=True)
        return int.from_bytes(hashlib.sha256(text.encode()).digest()) % count

    def _allowed(self, move: Move) -> bool:
        if self.recorded[move.field] is None and move.value == self.fields[move.field].neutral:
            return False  # the prompt would be the same
        try:
            validate_field(self.fields[move.field].schema, move.value, move.field)
        except InputInvalid:
            return False
        return True


def is_text(schema: Mapping[str, Any]) -> bool:
    """Whether a field is a text that is not chosen from a list."""
    return schema["type"] == "string" and "enum" not in schema and "const" not in schema


def is_open(schema: Mapping[str, Any]) -> bool:
    """Whether a field holds a text of its own, or a conversation: nothing that could be put in its place is allowed."""
    return is_text(schema) or is_messages(schema)


def listed(schema: Mapping[str, Any]) -> tuple[Value, ...]:
    """The values that a schema lists, in its order."""
    if "const" in schema:
        return (schema["const"],)
    if "enum" in schema:
        return tuple(schema["enum"])
    return (False, True) if schema["type"] == "boolean" else ()
