"""A record as one row: a column for each value, by its path (`legal_basis.1.law`), and back. Pure.

The paths are stable ids, the names in the register file; a new member adds columns. `none` is an empty list.
A top-level member that has a column is what its columns say; one without is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from registry import declaration
from registry.canonical import Json
from registry.declaration import Many, Part
from registry.exchange.transfer import Draft, Fault
from registry.system import AISystem
from registry.values import LANGUAGE, Flag, Integer, Multilingual, say

EMPTY: Final = "none"
_YES: Final = frozenset({"true", "yes", "ja", "waar", "1"})
_NO: Final = frozenset({"false", "no", "nee", "onwaar", "0"})
MOST_INDEX: Final = 100


@dataclass(frozen=True, slots=True)
class Column:
    """A known path: the kind of its value, and its label for people."""

    path: str
    kind: Any  # a kind of `registry.values`; Many or Part for a cell that can say that there is nothing in it
    label: str


def cells(record: Mapping[str, Json]) -> dict[str, str]:
    """The text of each cell by path, in the order of the declarations."""
    return {path: _cell(value) for path, value in _walk(Part(AISystem), record, "") if value is not None}


def _walk(kind: Any, value: Json, path: str) -> Iterator[tuple[str, Json]]:
    if isinstance(kind, Part) and isinstance(value, Mapping):
        if not value:
            yield path, EMPTY
        for member in declaration.fields(kind.record):
            if member.name in value:
                yield from _walk(member.kind, value[member.name], f"{path}.{member.name}" if path else member.name)
    elif isinstance(kind, Many) and isinstance(value, list):
        if not value:
            yield path, EMPTY
        for index, item in enumerate(value, 1):
            yield from _walk(kind.kind, item, f"{path}.{index}")
    elif isinstance(kind, Multilingual) and isinstance(value, Mapping):
        for lang, text in value.items():
            yield f"{path}.{lang}", text
    else:
        yield path, value


def _cell(value: Json) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def find_column(path: str) -> Column | None:
    """The column of that path, or None where the register has no such value."""
    kind: Any = Part(AISystem)
    labels: list[str] = []
    for name in path.split("."):
        if isinstance(kind, Part):
            member = next((item for item in declaration.fields(kind.record) if item.name == name), None)
            if member is None:
                return None
            kind = member.kind
            labels.append(say(member.label, "en"))
        elif isinstance(kind, Many):
            if not re.fullmatch(r"[1-9][0-9]{0,2}", name) or int(name) > MOST_INDEX:
                return None
            kind = kind.kind
            labels.append(name)
        elif isinstance(kind, Multilingual) and re.fullmatch(LANGUAGE, name):
            kind = _Words(kind)
            labels.append(name)
        else:
            return None
    return None if isinstance(kind, Multilingual) else Column(path, kind, ": ".join(labels))


_NOTHING: Final[dict[str, Json]] = {}
"""A part of which nothing is given, as against one that has no cell."""


@dataclass(frozen=True, slots=True)
class _Words:
    """One language of a multilingual text."""

    kind: Multilingual


def read_row(columns: Sequence[Column], row: Sequence[str], line: int) -> tuple[Draft, list[Fault]]:
    """The members that a row gives; what no value can be is told by column, never with the value."""
    faults: list[Fault] = []
    tree: dict[str, Any] = {column.path.split(".")[0]: {} for column in columns}
    for column, text in zip(columns, row, strict=False):
        if text == "":
            continue
        try:
            value = _value(column.kind, text)
        except ValueError as error:
            faults.append(Fault(column.path, str(error), line))
            continue
        if not _put(tree, column.path, value):
            faults.append(Fault(column.path, f"has a value beside {EMPTY}; write one or the other", line))
    draft: Draft = {}
    for member in declaration.fields(AISystem):
        if member.name in tree:
            value = _built(member.kind, tree[member.name])
            if value is not None or member.presence != "required":
                draft[member.name] = value
    return draft, faults


def _put(tree: dict[str, Any], path: str, value: Json) -> bool:
    here: Any = tree
    *way, last = path.split(".")
    for name in way:
        here = here.setdefault(name, {})
        if here is _NOTHING or not isinstance(here, dict):
            return False
    if here.get(last):
        return False
    here[last] = value
    return True


def _value(kind: Any, text: str) -> Json:
    if isinstance(kind, Many | Part):
        if text.strip().lower() != EMPTY:
            raise ValueError(f"has values in columns of their own; write them there, or {EMPTY} here")
        return [] if isinstance(kind, Many) else _NOTHING
    if isinstance(kind, Flag):
        word = text.strip().lower()
        if word not in _YES | _NO:
            raise ValueError("is neither true nor false; write true or false")
        return word in _YES
    if isinstance(kind, Integer):
        if not re.fullmatch(r"-?[0-9]{1,18}", text.strip()):
            raise ValueError("is not a whole number; write digits alone")
        return int(text)
    return text


def _built(kind: Any, value: Any) -> Json:
    """JSON of a tree of cells: numbered members become lists, what is empty goes."""
    if value is _NOTHING:
        return {}
    if not isinstance(value, dict):
        return value if isinstance(value, str | bool | int | list) else None
    if isinstance(kind, Many):
        items = [_built(kind.kind, value[name]) for name in sorted(value, key=int)]
        found = [item for item in items if item is not None]
        return list(found) if found else None
    if isinstance(kind, Part):
        members = {item.name: item.kind for item in declaration.fields(kind.record)}
        built = {name: _built(members[name], item) for name, item in value.items()}
    else:
        built = dict(value)
    kept = {name: item for name, item in built.items() if item is not None}
    return kept or None
