"""What a member of a record may hold: one small class a kind, each parses, formats, describes and shows its value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol, TypeAlias

from registry.canonical import Json
from registry.errors import FormatError

Words: TypeAlias = Mapping[str, str]
"""A text per language: `{"en": "…", "nl": "…"}`, at least one."""

LANGUAGE = r"[a-z]{2,3}(-[A-Z]{2})?"
SLUG = r"[a-z0-9-]{1,64}"
NAME = r"[a-z0-9_]{1,40}"
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_LINE_END = re.compile(r"[\t\n\u2028\u2029]")


class Kind(Protocol):
    """A kind of value. `parse` raises FormatError with the path; `text` gives a line, or several."""

    def parse(self, value: Json, path: str) -> Any: ...
    def format(self, value: Any) -> Json: ...
    def schema(self) -> dict[str, Json]: ...
    def text(self, value: Any, lang: str, /) -> str | list[str]: ...


def say(words: Words, lang: str) -> str:
    """The text in `lang`, else English, else whatever there is."""
    return words.get(lang) or words.get("en") or next(iter(words.values()))


@dataclass(frozen=True, slots=True)
class Text:
    """A text of 1 to `longest` characters; `pattern` must match the whole of it and `example` says what to write."""

    longest: int = 400
    pattern: str = ""
    example: str = ""
    lines: bool = False

    def parse(self, value: Json, path: str) -> str:
        if not isinstance(value, str):
            raise FormatError(f"is not a text; write {self.example or 'a text between quotes'}", field=path)
        if not value.strip():
            raise FormatError(f"is empty; write {self.example or 'a text'}", field=path)
        if len(value) > self.longest:
            fix = f"write {self.example}" if self.example else "shorten it"
            raise FormatError(f"is longer than {self.longest} characters; {fix}", field=path)
        if _CONTROL.search(value) or (not self.lines and _LINE_END.search(value)):
            rule = "control characters" if self.lines else "line ends or control characters"
            raise FormatError(f"holds {rule}; leave them out", field=path)
        if self.pattern and not re.fullmatch(self.pattern, value):
            raise FormatError(f"does not have the right form; write {self.example or self.pattern}", field=path)
        return value

    def format(self, value: str) -> Json:
        return value

    def schema(self) -> dict[str, Json]:
        found: dict[str, Json] = {"type": "string", "minLength": 1, "maxLength": self.longest}
        return found | ({"pattern": f"^({self.pattern})$"} if self.pattern else {})

    def text(self, value: str, _lang: str) -> str:
        return value


@dataclass(frozen=True, slots=True)
class Multilingual:
    """A text per language, at least one; languages by their code (`en`, `nl`)."""

    longest: int = 2000

    def parse(self, value: Json, path: str) -> Words:
        if not isinstance(value, dict) or not value:
            raise FormatError('is not a text per language; write {"en": "…", "nl": "…"}', field=path)
        for lang in value:
            if not re.fullmatch(LANGUAGE, lang):
                raise FormatError("has a member that is no language code; write en, nl, de …", field=path)
        text = Text(longest=self.longest, lines=True)
        return {lang: text.parse(words, f"{path}.{lang}") for lang, words in sorted(value.items())}

    def format(self, value: Words) -> Json:
        return dict(value)

    def schema(self) -> dict[str, Json]:
        words = {"type": "string", "minLength": 1, "maxLength": self.longest}
        names = {"pattern": f"^{LANGUAGE}$"}
        return {"type": "object", "minProperties": 1, "propertyNames": names, "additionalProperties": words}

    def text(self, value: Words, lang: str) -> str:
        return say(value, lang)


@dataclass(frozen=True, slots=True)
class Code:
    """One of a list of codes, each with the words that people read."""

    codes: Mapping[str, Words]

    def parse(self, value: Json, path: str) -> str:
        if not isinstance(value, str) or value not in self.codes:
            raise FormatError(f"is not one of the codes; write {_either(list(self.codes))}", field=path)
        return value

    def format(self, value: str) -> Json:
        return value

    def schema(self) -> dict[str, Json]:
        return {"type": "string", "enum": list(self.codes)}

    def text(self, value: str, lang: str) -> str:
        return say(self.codes[value], lang)


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number from `low` to `high`; shown divided by `scale` (a price in millionths has 1,000,000)."""

    low: int
    high: int
    scale: int = 1

    def parse(self, value: Json, path: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise FormatError("is not a whole number; write one without quotes", field=path)
        if not self.low <= value <= self.high:
            raise FormatError(f"is out of range; write {self.low} to {self.high}", field=path)
        return value

    def format(self, value: int) -> Json:
        return value

    def schema(self) -> dict[str, Json]:
        return {"type": "integer", "minimum": self.low, "maximum": self.high}

    def text(self, value: int, lang: str) -> str:
        if self.scale == 1:
            return str(value)
        whole, rest = divmod(abs(value), self.scale)
        cents = str(rest).zfill(len(str(self.scale)) - 1).rstrip("0").ljust(2, "0")
        return f"{'-' if value < 0 else ''}{whole}{',' if lang == 'nl' else '.'}{cents}"


@dataclass(frozen=True, slots=True)
class Flag:
    """true or false."""

    def parse(self, value: Json, path: str) -> bool:
        if not isinstance(value, bool):
            raise FormatError("is neither true nor false; write true or false without quotes", field=path)
        return value

    def format(self, value: bool) -> Json:
        return value

    def schema(self) -> dict[str, Json]:
        return {"type": "boolean"}

    def text(self, value: bool, lang: str) -> str:
        return say({"en": "yes", "nl": "ja"} if value else {"en": "no", "nl": "nee"}, lang)


@dataclass(frozen=True, slots=True)
class Day:
    """A calendar day, "YYYY-MM-DD"."""

    def parse(self, value: Json, path: str) -> date:
        try:
            if isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
                return date.fromisoformat(value)
        except ValueError:
            pass
        raise FormatError('is not a day; write it as "2026-12-31"', field=path)

    def format(self, value: date) -> Json:
        return value.isoformat()

    def schema(self) -> dict[str, Json]:
        return {"type": "string", "format": "date", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}

    def text(self, value: date, lang: str) -> str:
        return f"{value.day}-{value.month}-{value.year}" if lang == "nl" else value.isoformat()


@dataclass(frozen=True, slots=True)
class AnyValue:
    """Any JSON value but null and the empty text; `objects` demands an object (a JSON Schema)."""

    objects: bool = False

    def parse(self, value: Json, path: str) -> Json:
        if value is None or value == "":
            raise FormatError("is empty; write a value", field=path)
        if self.objects and not (isinstance(value, dict) and isinstance(value.get("type"), str)):
            raise FormatError('is not a JSON Schema with a type; write {"type": "string"} or another', field=path)
        return value

    def format(self, value: Json) -> Json:
        return value

    def schema(self) -> dict[str, Json]:
        if self.objects:
            return {"type": "object", "required": ["type"], "properties": {"type": {"type": "string"}}}
        return {"not": {"enum": [None, ""]}}

    def text(self, value: Json, _lang: str) -> str:
        return str(value)


@dataclass(frozen=True, slots=True)
class Object:
    """A JSON object with members of any name and value."""

    def parse(self, value: Json, path: str) -> Json:
        if not isinstance(value, dict) or not value:
            raise FormatError("is no object with members; write them between { and }", field=path)
        return value

    def format(self, value: Json) -> Json:
        return value

    def schema(self) -> dict[str, Json]:
        return {"type": "object", "minProperties": 1}

    def text(self, value: Json, _lang: str) -> str:
        members = value if isinstance(value, dict) else {}
        return ", ".join(f"{name}: {item}" for name, item in members.items())


def _either(codes: list[str]) -> str:
    return codes[0] if len(codes) == 1 else ", ".join(codes[:-1]) + " or " + codes[-1]
