"""Regular expressions of JSON Schema as GBNF, for the subset that both understand alike.

The language of the grammar lies inside the language of the pattern: a class such as `\\w` becomes its ASCII part.
Refused by name: look-around, back-references, lazy and possessive repetition, flags, anchors inside, `\\b` and the
like.
"""

from __future__ import annotations

import re
import warnings
from typing import NamedTuple

from runtime.errors import SchemaRefused

Ranges = list[tuple[int, int]]

_CONTROL: Ranges = [(0x00, 0x1F), (0x7F, 0x7F)]
_CLASSES = {"d": "09", "w": "09AZaz__", "s": "  "}
_ESCAPED = (ord('"'), ord("\\"))
_MAX_REPEAT = 1000  # llama.cpp unrolls a repetition, and refuses one of 2000 rules


class _Rule(NamedTuple):
    """A part of the right-hand side, and how many rules it unrolls to."""

    text: str
    weight: int


def grammar_of(pattern: str, where: str, *, quoted: bool = False) -> str:
    """The right-hand side of a GBNF rule; raises SchemaRefused at `where` for what lies outside the subset.

    `quoted`: of the text as it stands in JSON, where quotes and backslashes are escaped.
    """
    check_pattern(pattern, where)
    if not (pattern.startswith("^") and pattern.endswith("$") and not pattern.endswith(r"\$")):
        raise SchemaRefused("the pattern is not anchored", field=where, fix="begin it with ^ and end it with $")
    if any(ord(char) < 0x20 or ord(char) == 0x7F for char in pattern):
        raise SchemaRefused("the pattern holds a control character", field=where, fix="an output is printable text")
    parser = _Parser(pattern[1:-1], where, quoted=quoted)
    rule = parser.alternatives().text
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

    def __init__(self, text: str, where: str, *, quoted: bool) -> None:
        self._text = text
        self._quoted = quoted
        self._at = 0
        self._where = where

    def rest(self) -> str:
        return self._text[self._at :]

    def refuse(self, what: str) -> SchemaRefused:
        return SchemaRefused(
            f"the pattern uses {what}", field=self._where, fix="use plain classes, groups and repetition"
        )

    def alternatives(self) -> _Rule:
        branches = [self._sequence()]
        while self.rest().startswith("|"):
            self._at += 1
            branches.append(self._sequence())
        return _Rule(" | ".join(branch.text for branch in branches), sum(branch.weight for branch in branches))

    def _sequence(self) -> _Rule:
        items = []
        while self.rest() and self.rest()[0] not in "|)":
            items.append(self._repeated(self._item()))
        return _Rule(" ".join(item.text for item in items) or '""', 1 + sum(item.weight for item in items))

    def _next(self) -> str:
        self._at += 1
        return self._text[self._at - 1]

    def _item(self) -> _Rule:
        char = self._next()
        if char == "(":
            return self._group()
        if char == "[":
            return _Rule(self._class(), 1)
        if char == ".":
            return _Rule(char_class([], inverted=True, quoted=self._quoted), 1)
        ranges = self._escape() if char == "\\" else [(ord(char), ord(char))]
        if char in "^$*+?{":
            raise self.refuse(f"{char} where it has no meaning for a grammar")
        return _Rule(char_class(ranges, quoted=self._quoted), 1)

    def _group(self) -> _Rule:
        if self.rest().startswith("?:"):
            self._at += 2
        elif self.rest().startswith("?"):
            raise self.refuse("a group other than (…) and (?:…)")
        inner = self.alternatives()
        self._at += 1  # the closing bracket: re.compile has seen it
        return _Rule(f"({inner.text})", inner.weight)

    def _class(self) -> str:
        inverted = self.rest().startswith("^")
        self._at += inverted
        ranges: Ranges = []
        while self.rest()[0] != "]" or not ranges:
            one = self._member()
            if self.rest()[:1] == "-" and self.rest()[1:2] != "]":
                self._at += 1  # the dash of a range, whose ends re.compile has seen to be in order
                one = [(one[0][0], self._member()[0][1])]
            ranges += one
        self._at += 1
        return char_class(ranges, inverted=inverted, quoted=self._quoted)

    def _member(self) -> Ranges:
        char = self._next()
        if char == "[":
            raise self.refuse("a bracket inside a class")
        return self._escape() if char == "\\" else [(ord(char), ord(char))]

    def _escape(self) -> Ranges:
        char = self._next()
        if char in _CLASSES:
            ends = iter(_CLASSES[char])
            return [(ord(first), ord(last)) for first, last in zip(ends, ends, strict=True)]
        if char.isalnum():
            raise self.refuse(f"\\{char}")
        return [(ord(char), ord(char))]

    def _repeated(self, item: _Rule) -> _Rule:
        match = re.match(r"[*+?]|\{(\d+)(,?)(\d*)\}", self.rest())
        if match is None:
            return item
        self._at += match.end()
        if self.rest()[:1] in ("?", "+"):
            raise self.refuse("lazy or possessive repetition")
        times = max((int(number) for number in match.groups() if number and number != ","), default=1)
        if times * item.weight > _MAX_REPEAT:
            raise self.refuse(f"repetitions that come to more than {_MAX_REPEAT}")
        return _Rule(item.text + match.group(), max(times, 1) * item.weight)


def char_class(ranges: Ranges, *, inverted: bool = False, quoted: bool = False) -> str:
    """One character of these ranges, or outside them; never a control character outside them.

    Quoted, a quote or a backslash is one character of the text, but two of its JSON.
    """
    escaped = [code for code in _ESCAPED if quoted and inverted != any(a <= code <= b for a, b in ranges)]
    if inverted:
        bare = ranges + _CONTROL + [(code, code) for code in _ESCAPED if quoted]
    else:
        bare = [part for span in ranges for part in (_without(span, _ESCAPED) if quoted else [span])]
    parts = ["[" + "^" * inverted + "".join(map(_range, bare)) + "]"] if bare else []
    parts += [literal("\\" + chr(code)) for code in escaped]
    return parts[0] if len(parts) == 1 else f"({' | '.join(parts)})"


def _without(span: tuple[int, int], codes: tuple[int, ...]) -> Ranges:
    """A range without some characters (in order): what lies between them."""
    edges = [span[0], *(edge for code in codes if span[0] <= code <= span[1] for edge in (code - 1, code + 1)), span[1]]
    pairs = zip(edges[::2], edges[1::2], strict=True)
    return [(first, last) for first, last in pairs if first <= last]


def _range(span: tuple[int, int]) -> str:
    first, last = (_char(chr(code)) for code in span)
    return first if first == last else f"{first}-{last}"


def literal(text: str) -> str:
    """A text as GBNF spells it."""
    return '"' + "".join(map(_char, text)) + '"'


def _char(char: str) -> str:
    """One character, escaped so that neither quotes nor brackets of GBNF can be met."""
    return char if char.isascii() and char.isalnum() else f"\\U{ord(char):08X}"


PRINTABLE = char_class([], inverted=True)
