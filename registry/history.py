"""What differs between two records of a system, member by member, by the same declarations that they are read by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from registry import declaration
from registry.canonical import Json
from registry.declaration import Declared, Many, Part
from registry.system import AISystem
from registry.values import Kind, Multilingual, Words


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. `path`: as `purpose.en` or `risks[0].risk.nl`; `label`: the labels on the way, for people.

    `before` and `after`: the JSON values, None where there was none. Of texts in several languages each has its own.
    """

    path: str
    label: Words
    before: Json | None
    after: Json | None
    kind: Kind = field(repr=False, compare=False)

    def texts(self, lang: str) -> tuple[list[str], list[str]]:
        """Before and after as lines that a page shows in `lang`; no line where there was nothing."""
        return self._text(self.before, lang), self._text(self.after, lang)

    def _text(self, value: Json | None, lang: str) -> list[str]:
        if value is None:
            return []
        if isinstance(self.kind, Multilingual) and isinstance(value, str):
            return [value]
        shown = self.kind.text(self.kind.parse(value, self.path), lang)
        return shown if isinstance(shown, list) else [shown]


def differences(before: AISystem, after: AISystem) -> tuple[Change, ...]:
    """Every member whose value differs, in the order in which people read them."""
    return tuple(_of_record(before, after, AISystem, "", {}))


def _of_record(before: Any, after: Any, record: type[Any], path: str, label: Words) -> Iterator[Change]:
    for member in declaration.fields(record):
        was, now = getattr(before, member.attribute), getattr(after, member.attribute)
        place = f"{path}.{member.name}" if path else member.name
        yield from _of_value(was, now, member.kind, place, _joined(label, member))


def _of_value(before: Any, after: Any, kind: Kind, path: str, label: Words) -> Iterator[Change]:
    if before == after:
        return
    if isinstance(kind, Multilingual):
        was, now = before or {}, after or {}
        for lang in sorted({*was, *now}):
            if was.get(lang) != now.get(lang):
                yield Change(f"{path}.{lang}", label, was.get(lang), now.get(lang), kind)
    elif isinstance(kind, Part) and before is not None and after is not None:
        yield from _of_record(before, after, kind.record, path, label)
    elif isinstance(kind, Many) and isinstance(kind.kind, Part) and (before or after):
        yield from _of_items(before or (), after or (), kind.kind, path, label)
    else:
        yield Change(path, label, _json(kind, before), _json(kind, after), kind)


def _of_items(before: tuple[Any, ...], after: tuple[Any, ...], kind: Part, path: str, label: Words) -> Iterator[Change]:
    """Items at the same place are compared one by one, unless some moved: then those that came and went are told."""
    if len(before) == len(after) and not _moved(before, after):
        for index, (was, now) in enumerate(zip(before, after, strict=True)):
            yield from _of_value(was, now, kind, f"{path}[{index}]", label)
        return
    for index, was in enumerate(before):
        if was not in after:
            yield Change(f"{path}[{index}]", label, kind.format(was), None, kind)
    for index, now in enumerate(after):
        if now not in before:
            yield Change(f"{path}[{index}]", label, None, kind.format(now), kind)
    if sorted(map(repr, before)) == sorted(map(repr, after)):
        listed = Many(kind)
        yield Change(path, label, listed.format(before), listed.format(after), listed)


def _moved(before: tuple[Any, ...], after: tuple[Any, ...]) -> bool:
    """Whether an item of the one stands elsewhere in the other."""
    return any(was != now and (was in after or now in before) for was, now in zip(before, after, strict=True))


def _json(kind: Kind, value: Any) -> Json | None:
    return None if value is None else kind.format(value)


def _joined(label: Words, member: Declared) -> Words:
    """The label with that of the member behind it, per language."""
    return {lang: f"{label[lang]}: {words}" if lang in label else words for lang, words in member.label.items()}
