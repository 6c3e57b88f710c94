"""Regular expressions of JSON Schema as GBNF, for the subset that both understand alike.

The language of the grammar lies inside the language of the pattern: a class such as `\\w` becomes its ASCII part.
Refused by name: look-around, back-references, lazy and possessive repetition, flags, anchors inside, `\\b` and the
like.
"""

from __future__ import annotations

import re
import warnings

from runtime.errors import SchemaRefused

_CONTROL = r"\x00-\x1F\x7F"
PRINTABLE = f"[^{_CONTROL}]"
_CLASSES = {"d": "0-9", "w": "0-9A-Za-z_", "s": r"\x20"}
_MAX_REPEAT = 1000


def grammar_of(pattern: str, where: str) -> str:
    """The right-hand side of a GBNF rule; raises SchemaRefused at `where` for what lies outside the subset."""
    check_pattern(pattern, where)
    if not (pattern.startswith("^") and pattern.endswith("$") and not pattern.endswith(r"\$")):
        raise SchemaRefused("the pattern is not anchored", field=where, fix="begin it with ^ and end it with $")
    parser = _Parser(pattern[1:-1], where)
    rule = parser.alternatives()
    if parser.rest():
        raise parser.refuse("an unmatched bracket")
    return rule


def check_pattern(pattern: str, where: str) -> None:
    """Raises SchemaRefused unless Python's `re`, which the validator uses, takes the pattern without complaint."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            re.compile(pattern)
    except (re.error, Warning) as error:
        raise SchemaRefused("the pattern is no regular expression", field=where) from error


class _Parser:
    """Recursive descent over the pattern: alternatives, sequences, one item with its repetition."""

    def __init__(self, text: str, where: str) -> None:
        self._text = text
        self._at = 0
        self._where = where

    def rest(self) -> str:
        return self._text[self._at :]

    def refuse(self, what: str) -> SchemaRefused:
        return SchemaRefused(
            f"the pattern uses {what}", field=self._where, fix="use plain classes, groups and repetition"
        )

    def alternatives(self) -> str:
        branches = [self._sequence()]
        while self.rest().startswith("|"):
            self._at += 1
            branches.append(self._sequence())
        return " | ".join(branches)

    def _sequence(self) -> str:
        items = []
        while self.rest() and self.rest()[0] not in "|)":
            items.append(self._item() + self._repetition())
        return " ".join(items) or '""'

    def _next(self) -> str:
        self._at += 1
        return self._text[self._at - 1]

    def _item(self) -> str:
        char = self._next()
        if char == "(":
            return self._group()
        if char == "[":
            return self._class()
        if char == ".":
            return PRINTABLE
        if char == "\\":
            return f"[{self._escape()}]"
        if char in "^$*+?{":
            raise self.refuse(f"{char} where it has no meaning for a grammar")
        return f"[{_char(char)}]"

    def _group(self) -> str:
        if self.rest().startswith("?:"):
            self._at += 2
        elif self.rest().startswith("?"):
            raise self.refuse("a group other than (…) and (?:…)")
        inner = self.alternatives()
        self._at += 1  # the closing bracket: re.compile has seen it
        return f"({inner})"

    def _class(self) -> str:
        inverted = self.rest().startswith("^")
        self._at += inverted
        parts: list[str] = []
        while self.rest()[0] != "]" or not parts:
            char = self._next()
            if char == "[":
                raise self.refuse("a bracket inside a class")
            parts.append(self._escape() if char == "\\" else char if self._is_range(parts) else _char(char))
        self._at += 1
        return f"[^{''.join(parts)}{_CONTROL}]" if inverted else f"[{''.join(parts)}]"

    def _is_range(self, parts: list[str]) -> bool:
        """Whether the character just read is the dash of a range, which stays bare."""
        return self._text[self._at - 1] == "-" and bool(parts) and not self.rest().startswith("]")

    def _escape(self) -> str:
        char = self._next()
        if char in _CLASSES:
            return _CLASSES[char]
        if char.isalnum():
            raise self.refuse(f"\\{char}")
        return _char(char)

    def _repetition(self) -> str:
        match = re.match(r"[*+?]|\{(\d+)(,?)(\d*)\}", self.rest())
        if match is None:
            return ""
        self._at += match.end()
        if self.rest()[:1] in ("?", "+"):
            raise self.refuse("lazy or possessive repetition")
        if any(int(number) > _MAX_REPEAT for number in match.groups() if number and number != ","):
            raise self.refuse(f"more than {_MAX_REPEAT} repetitions")
        return match.group()


def _char(char: str) -> str:
    """One character, escaped so that neither quotes nor brackets of GBNF can be met."""
    return char if char.isascii() and char.isalnum() else f"\\U{ord(char):08X}"
