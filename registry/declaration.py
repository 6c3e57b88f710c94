"""One declaration a member: from it come parsing, formatting, messages, JSON Schema, and the label and value on pages.

A record is a frozen dataclass whose fields carry `metadata=declared(…)`. Adding a field is adding that line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import fields as dataclass_fields
from json import dumps
from typing import Any, Literal, TypeVar

from registry.canonical import Json
from registry.errors import FormatError
from registry.values import NAME, Kind, Words, say

Presence = Literal["required", "nullable", "omitted"]
"""required: must be there. nullable: null says "none", and is written. omitted: left out when there is none, so that
a record made before the field existed keeps its bytes and its digest: the presence for every field added later."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Declared:
    """One member of a record: its name in the file, the words for people, its kind, and the law that asks for it."""

    name: str
    attribute: str
    label: Words
    doc: str
    kind: Kind
    article: str
    presence: Presence


def declared(
    kind: Kind, *, en: str, nl: str, doc: str = "", article: str = "", presence: Presence = "required"
) -> dict[str, Any]:
    """The metadata of a dataclass field. A Python keyword as member name gets a trailing `_` in the dataclass only."""
    return {"kind": kind, "label": {"en": en, "nl": nl}, "doc": doc, "article": article, "presence": presence}


def fields(record: type[Any]) -> Iterator[Declared]:
    """The declared members of a record class, in the order in which people read them."""
    yield from _declarations(record)


_FOUND: dict[type[Any], tuple[Declared, ...]] = {}


def _declarations(record: type[Any]) -> tuple[Declared, ...]:
    """Kept once found: a gate reads a manifest for each decision."""
    if record not in _FOUND:
        _FOUND[record] = tuple(
            Declared(name=field.name.rstrip("_"), attribute=field.name, **field.metadata)
            for field in dataclass_fields(record)
        )
    return _FOUND[record]


def parse_object(record: type[T], value: Json, path: str) -> T:
    """Build a record from its JSON object; unknown and missing members are errors, named by their path."""
    if not isinstance(value, dict):
        raise FormatError("is not an object; write its members between { and }", field=path)
    members = _declarations(record)
    unknown = sorted(set(value) - {member.name for member in members})
    if unknown:
        known = ", ".join(member.name for member in members)
        what = f"the member {unknown[0]}" if re.fullmatch(NAME, unknown[0]) else "a member"
        raise FormatError(f"has {what}, which the format does not know; it may have {known}", field=path)
    found: dict[str, Any] = {}
    for member in members:
        place = f"{path}.{member.name}"
        if member.presence == "required" and member.name not in value:
            raise FormatError(f"is missing; give it ({say(member.label, 'en').lower()})", field=place)
        given = value.get(member.name)
        absent = given is None and member.presence != "required"
        found[member.attribute] = None if absent else member.kind.parse(given, place)
    return record(**found)


def format_object(record: Any) -> dict[str, Json]:
    """The JSON object of a record: what `parse_object` reads, in its one form."""
    found: dict[str, Json] = {}
    for member in _declarations(type(record)):
        value = getattr(record, member.attribute)
        if value is not None:
            found[member.name] = member.kind.format(value)
        elif member.presence == "nullable":
            found[member.name] = None
    return found


def object_schema(record: type[Any]) -> dict[str, Json]:
    """JSON Schema (2020-12) of a record class: titles and descriptions are the declared words."""
    properties: dict[str, Json] = {}
    for member in _declarations(record):
        schema = member.kind.schema()
        if member.presence != "required":
            schema = {"anyOf": [schema, {"type": "null"}]}
        note = " ".join(part for part in (member.doc, f"Source: {member.article}." if member.article else "") if part)
        properties[member.name] = {
            "title": say(member.label, "en"),
            **({"description": note} if note else {}),
            **schema,
        }
    required = [member.name for member in _declarations(record) if member.presence == "required"]
    return {"type": "object", "additionalProperties": False, "required": required, "properties": properties}


def rows(record: Any, lang: str) -> list[tuple[str, str | list[str]]]:
    """Label and value of every member that holds something, in `lang`: what a page or document shows as it stands."""
    found: list[tuple[str, str | list[str]]] = []
    for member in _declarations(type(record)):
        value = getattr(record, member.attribute)
        if value is not None and value != ():
            found.append((say(member.label, lang), member.kind.text(value, lang)))
    return found


@dataclass(frozen=True, slots=True)
class Part:
    """A record inside a record."""

    record: type[Any]

    def parse(self, value: Json, path: str) -> Any:
        return parse_object(self.record, value, path)

    def format(self, value: Any) -> Json:
        return format_object(value)

    def schema(self) -> dict[str, Json]:
        return object_schema(self.record)

    def text(self, value: Any, lang: str) -> list[str]:
        return [
            f"{label}: {', '.join(shown) if isinstance(shown, list) else shown}" for label, shown in rows(value, lang)
        ]


@dataclass(frozen=True, slots=True)
class Many:
    """A list of `fewest` to `most` values of one kind, none twice; a tuple in Python."""

    kind: Kind
    fewest: int = 0
    most: int = 100

    def parse(self, value: Json, path: str) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise FormatError("is not a list; write its values between [ and ]", field=path)
        if not self.fewest <= len(value) <= self.most:
            raise FormatError(f"has {len(value)} values; give {self.fewest} to {self.most}", field=path)
        found = tuple(self.kind.parse(item, f"{path}[{index}]") for index, item in enumerate(value))
        seen: set[str] = set()
        for index, item in enumerate(found):
            form = dumps(self.kind.format(item), sort_keys=True)
            if form in seen:
                raise FormatError("stands in the list twice; keep one of them", field=f"{path}[{index}]")
            seen.add(form)
        return found

    def format(self, value: tuple[Any, ...]) -> Json:
        return [self.kind.format(item) for item in value]

    def schema(self) -> dict[str, Json]:
        limits: dict[str, Json] = {"minItems": self.fewest, "maxItems": self.most, "uniqueItems": True}
        return {"type": "array", "items": self.kind.schema(), **limits}

    def text(self, value: tuple[Any, ...], lang: str) -> list[str]:
        shown = [self.kind.text(item, lang) for item in value]
        return [", ".join(item) if isinstance(item, list) else item for item in shown]
