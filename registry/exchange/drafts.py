"""What a draft still needs to be a record, and what of a record did not come back from a format. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from registry import declaration
from registry.canonical import Json
from registry.declaration import Many, Part
from registry.errors import FormatError
from registry.exchange.transfer import Draft, Fault, Filled, Imported, Lost, Missing, Place, Source
from registry.system import AISystem, format_system
from registry.values import LANGUAGE, Multilingual, say

_INDEX = re.compile(r"\[[0-9]+\]")


def checked(found: Imported) -> Imported:
    """The same with what the register still demands (`missing`), and without members it would refuse (`faults`).

    A member of which parts are missing stays: somebody fills it in.
    """
    draft: Draft = {}
    faults = list(found.faults)
    for member in declaration.fields(AISystem):
        if member.name not in found.draft:
            continue
        value = found.draft[member.name]
        if not list(_needed(member, value, member.name)):
            try:
                if value is not None:
                    member.kind.parse(value, member.name)
            except FormatError as error:
                field = error.field or member.name
                faults.append(Fault(field, str(error).removeprefix(f"{field}: "), found.line))
                continue
        draft[member.name] = value
    return replace(found, draft=draft, missing=needed(draft), faults=tuple(faults))


def needed(draft: Mapping[str, Json]) -> tuple[Missing, ...]:
    """The members that a record must have and this draft has not, by path."""
    return tuple(
        item
        for member in declaration.fields(AISystem)
        for item in _needed(member, draft.get(member.name), member.name, there=member.name in draft)
    )


def _needed(member: declaration.Declared, value: Json, path: str, *, there: bool = True) -> Iterator[Missing]:
    if not there or value is None:
        if member.presence == "required":
            yield Missing(path, say(member.label, "en"), path, member.article)
        return
    if isinstance(member.kind, Part) and isinstance(value, dict):
        for inner in declaration.fields(member.kind.record):
            yield from _needed(inner, value.get(inner.name), f"{path}.{inner.name}", there=inner.name in value)


def registrable(draft: Mapping[str, Json]) -> tuple[Draft, tuple[str, ...]]:
    """The draft without optional members of which parts are still missing, and the names of those."""
    optional = {member.name for member in declaration.fields(AISystem) if member.presence != "required"}
    unfinished = {item.member.split(".")[0] for item in needed(draft)} & optional
    return {name: value for name, value in draft.items() if name not in unfinished}, tuple(sorted(unfinished))


def uncut(draft: Json, known: Json) -> Json:
    """The draft, with each text that is only the beginning of the known one (`…` at its end) whole again.

    So that what was cut on its way out cuts nothing when it comes back.
    """
    if isinstance(draft, dict) and isinstance(known, dict):
        return {name: uncut(value, known.get(name)) for name, value in draft.items()}
    if isinstance(draft, str) and isinstance(known, str) and draft.endswith("…") and known.startswith(draft[:-1]):
        return known
    return draft


def lost_of(
    source: Source, back: Mapping[str, Json], places: tuple[Place, ...], filled: Filled, *, one_language: bool = False
) -> tuple[Lost, ...]:
    """The members of a record that did not come back from its export, whole members where no part of one did.

    `one_language`: the format's texts are in the language of the source alone.
    """
    record = format_system(source.system)
    returned = dict(leaves(back))
    found: dict[str, dict[str, str]] = {}
    whole: dict[str, bool] = {}
    for path, value in leaves(record):
        if value is None or value in ([], {}):
            continue
        root = re.split(r"[.\[]", path, maxsplit=1)[0]
        if path in returned and returned[path] == value and type(returned[path]) is type(value):
            whole[root] = False
            continue
        how = _how(source, _INDEX.sub("", path), places, filled)
        if how == "in_words" and one_language and _language(_INDEX.sub("", path)) not in {None, source.lang}:
            how = "language"
        found.setdefault(root, {})[_INDEX.sub("[]", path)] = how
        whole.setdefault(root, True)
    result: list[Lost] = []
    for root, lost in found.items():
        if whole[root] and len(set(lost.values())) == 1:
            result.append(Lost(root, next(iter(lost.values()))))
        else:
            result += [Lost(path, how) for path, how in lost.items()]
    told = {item.what for item in result}
    return tuple(result) + tuple(Lost(name, "withheld") for name in sorted(source.withheld - told))


def _how(source: Source, plain: str, places: tuple[Place, ...], filled: Filled) -> str:
    if plain.split(".", maxsplit=1)[0] in source.withheld:
        return "withheld"
    saying = [
        place
        for place in places
        if filled.values.get(place.id) is not None and any(_covers(member, plain) for member in place.members)
    ]
    if not saying:
        return "left_out"
    return "shortened" if any(place.id in filled.cut for place in saying) else "in_words"


def _covers(member: str, path: str) -> bool:
    return path == member or path.startswith(f"{member}.")


def _language(path: str) -> str | None:
    """The language at the end of a path to a multilingual text; None for another path."""
    kind: Any = Part(AISystem)
    for name in path.split("."):
        if isinstance(kind, Many):
            kind = kind.kind
        if isinstance(kind, Multilingual):
            return name if re.fullmatch(LANGUAGE, name) else None
        if not isinstance(kind, Part):
            return None
        kind = next((item.kind for item in declaration.fields(kind.record) if item.name == name), None)
    return None


def leaves(value: Json, path: str = "") -> Iterator[tuple[str, Json]]:
    """Each value of an object with its path (`legal_basis[0].law`); empty lists and objects are values themselves."""
    if isinstance(value, Mapping) and value:
        for name, item in value.items():
            yield from leaves(item, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from leaves(item, f"{path}[{index}]")
    elif path:
        yield path, value
