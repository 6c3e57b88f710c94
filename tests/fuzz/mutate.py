"""Changes to inputs that keep most of their structure: bytes, lines, words, numbers, base64, JSON members, DER.

One `Mutator` is one deterministic stream; everything it does follows from its `Random`.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

MAX_INPUT = 64 * 1024
"""Bytes of an input: what a parser does with more is bounded by its own limits, which the corpus holds cases of."""

NUMBERS = (
    *(b"0", b"1", b"2", b"-1", b"-0", b"+1", b"00", b"01", b" 1", b"1 ", b"1_0", b"1.0", b"1e3", b"0x1", b"", b"255"),
    *(b"256", b"257", b"65535", b"65536", b"9007199254740991", b"9007199254740992", b"9223372036854775807"),
    *(b"9223372036854775808", b"18446744073709551615", b"18446744073709551616", b"1" * 30, b"9" * 400, b"1e400"),
    *(
        "\u0661".encode(),
        "\u00b2".encode(),
        b"0.1",
        b"1E2",
        b"1e-7",
        b"1e21",
        b"-9007199254740993",
        b"NaN",
        b"Infinity",
    ),
)
TOKENS = (
    *(
        b"\n",
        b"\n\n",
        b"\r\n",
        b" ",
        b"\t",
        b"\x00",
        b"\x1b",
        b"\x7f",
        b"\xff",
        b"\xc2\x9b",
        b"\xc2\xa0",
        b"\xe2\x80\xa8",
    ),
    *(b"\xe2\x80\xae", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xe2\x80\x94 ", b"+", b"=", b"#", b"# valid from 1\n"),
    *(
        b"# valid from 3 until 7\n",
        b'"',
        b"\\",
        b"\\u0000",
        b"\\ud800",
        b"\\u0061",
        b"/",
        b"..",
        b"tile/",
        b".p/1",
        b"x",
    ),
    *(b"{", b"}", b"[", b"]", b"[[[[[[[[", b'{"a":' * 70, b"[" * 70, b",", b":", b"null", b"true", b"A" * 300, b"old "),
    *(
        b"quorum none\n",
        b"group g any a\n",
        b"witness w ",
        b"log ",
        b"all",
        b"index ",
        b"extra ",
        b"\xe2\x80\x94",
        b"-",
    ),
)
_NUMBER = re.compile(rb"[0-9]+")
_BASE64 = re.compile(rb"[A-Za-z0-9+/]{8,}={0,2}")
_WORD = re.compile(rb"[^ \n]+")
JSON_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2**53, 0.5, 1e300, "", "a", [], {}, [None], {"a": 1}, "\u0000", "\u20ac", "A" * 50),
    *(
        "\n",
        [[]],
        10**40,
        -0.0,
        "sha256:" + "0" * 64,
        "0" * 64,
        "2026-01-01T00:00Z",
        "00000000-0000-4000-8000-000000000000",
    ),
)


class Mutator:
    """Makes inputs from a pool of others; `form` is "text", "json", "der" or "bytes"."""

    def __init__(self, rng: Random, form: str) -> None:
        self._random = rng.random
        self._ways: tuple[Callable[[bytes, Sequence[bytes]], bytes], ...] = (
            *(_of(self, name) for name in ("flip", "put", "insert", "delete", "repeat", "splice", "cut")),
        )
        if form != "bytes":
            self._ways += tuple(_of(self, name) for name in ("number", "encoded", "token", "token"))
        if form == "text":
            self._ways += tuple(_of(self, name) for name in ("line", "line", "word", "word", "number", "encoded"))
        if form == "json":
            self._ways += (*[self.member] * 6, *[self.inner] * 3, self.layout)
        if form == "der":
            self._ways = (*self._ways[:7], *[self.element] * 9)

    def __call__(self, pool: Sequence[bytes]) -> bytes:
        """One changed input: mostly one change, at times several."""
        data = pool[self._below(len(pool))]
        again = 1.0
        while again >= 0.35:
            data = self._ways[self._below(len(self._ways))](data, pool)
            again = self._random()
            if again < 0.65:
                break
        return data[:MAX_INPUT]

    def _below(self, count: int) -> int:
        return int(self._random() * count)

    def _span(self, data: bytes) -> tuple[int, int]:
        """A place, and another one not far behind it."""
        start = self._below(len(data) + 1)
        return start, min(len(data), start + 1 + int(self._random() ** 3 * 40))

    # --- bytes --------------------------------------------------------------------------------------------------------

    def flip(self, data: bytes, pool: Sequence[bytes]) -> bytes:
        if not data:
            return b"\0"
        place = self._below(len(data))
        return data[:place] + bytes((data[place] ^ (1 << self._below(8)),)) + data[place + 1 :]

    def put(self, data: bytes, pool: Sequence[bytes]) -> bytes:
        place = self._below(len(data) + 1)
        return data[:place] + bytes((self._below(256),)) + data[place + 1 :]

    def insert(self, data: bytes, pool: Sequence[bytes]) -> bytes:
        place = self._below(len(data) + 1)
        return data[:place] + bytes([self._below(256) for _ in range(1 + self._below(4))]) + data[place:]

    def delete(self, data: bytes, pool: Sequence[bytes]) -> bytes:
        start, end = self._span(data)
        return data[:start] + data[end:]

    def repeat(self, data: bytes, pool: Sequence[bytes]) -> bytes:
        start, end = self._span(data)
        return data[:end] + data[start:end] * (1 + int(self._random() ** 8 * 200)) + data[end:]

    def splice(self, data: bytes, pool: Sequence[bytes]) -> bytes:
        other = pool[self._below(len(pool))]
        return data[: self._below(len(data) + 1)] + other[self._below(len(other) + 1) :]

    def cut(self, data: bytes, pool: Sequence[bytes]) -> bytes:
        place = self._below(len(data) + 1)
        return data[:place] if self._random() < 0.7 else data[place:]

    # --- text ---------------------------------------------------------------------------------------------------------

    def _replace(self, pattern: re.Pattern[bytes], data: bytes, change: Callable[[bytes], bytes]) -> bytes:
        """Change one match, the first one behind a random place."""
        found = pattern.search(data, self._below(len(data) + 1)) or pattern.search(data)
        if found is None:
            return self.token(data, ())
        return data[: found.start()] + change(found[0]) + data[found.end() :]

    def number(self, data: bytes, pool: Sequence[bytes]) -> bytes:
        return self._replace(_NUMBER, data, self._number)

    def _number(self, digits: bytes) -> bytes:
        way = self._random()
        if way < 0.5:
            return NUMBERS[self._below(len(NUMBERS))]
        if way < 0.6:
            return b"0" + digits
        value = int(digits[:30]) + (1, -1, 2, 256, 2**32, 2**64)[self._below(6)]
        return b"%d" % value

    def encoded(self, data: bytes, pool: Sequence[bytes]) -> bytes:
        return self._replace(_BASE64, data, self._encoded)

    def _encoded(self, text: bytes) -> bytes:
        way = self._random()
        if way < 0.2:  # another last digit: pad bits that are not zero
            bare = text.rstrip(b"=")
            return bare[:-1] + b"ABCDwxyz0189+/-_"[self._below(16) :][:1] + text[len(bare) :]
        if way < 0.4:
            return text.rstrip(b"=") if way < 0.3 else text + b"="
        try:
            blob = base64.b64decode(text + b"=" * (-len(text) % 4))
        except ValueError:
            return text[:-1]
        blob = (self.flip, self.put, self.insert, self.delete, self.cut)[self._below(5)](blob, (blob,))
        return base64.b64encode(blob)

    def token(self, data: bytes, pool: Sequence[bytes]) -> bytes:
        place = self._below(len(data) + 1)
        end = place + (self._below(3) if self._random() < 0.3 else 0)
        return data[:place] + TOKENS[self._below(len(TOKENS))] + data[end:]

    def line(self, data: bytes, pool: Sequence[bytes]) -> bytes:
        lines = data.split(b"\n")
        place, way = self._below(len(lines)), self._below(5)
        if way == 0:
            del lines[place]
        elif way == 1:
            lines.insert(place, lines[self._below(len(lines))])
        elif way == 2:
            other = self._below(len(lines))
            lines[place], lines[other] = lines[other], lines[place]
        elif way == 3 and pool:
            others = pool[self._below(len(pool))].split(b"\n")
            lines[place] = others[self._below(len(others))]
        else:
            lines.insert(place, TOKENS[self._below(len(TOKENS))])
        return b"\n".join(lines)

    def word(self, data: bytes, pool: Sequence[bytes]) -> bytes:
        def change(word: bytes) -> bytes:
            way = self._random()
            if way < 0.3:
                return TOKENS[self._below(len(TOKENS))]
            if way < 0.6:
                other = pool[self._below(len(pool))] if pool else data
                found = _WORD.search(other, self._below(len(other) + 1))
                return word if found is None else found[0]
            return word + b" " + word if way < 0.8 else self.flip(word, ())

        return self._replace(_WORD, data, change)

    # --- JSON ---------------------------------------------------------------------------------------------------------

    def member(self, data: bytes, pool: Sequence[bytes]) -> bytes:
        """Change, drop, double, rename or move one member or item, anywhere in the value."""

        def change(place: dict[str, Any] | list[Any], key: Any) -> None:
            way = self._below(6)
            if way == 0:
                del place[key]
            elif way == 1:
                place[key] = JSON_VALUES[self._below(len(JSON_VALUES))]
            elif way == 2 and isinstance(place, dict):
                place[f"{key}{'x' if self._random() < 0.5 else ''}"[: self._below(12)]] = place.pop(key)
            elif way == 3 and isinstance(place, list):
                place.insert(self._below(len(place) + 1), place[key])
            elif way == 4:
                place[key] = [place[key]] if self._random() < 0.5 else {"a": place[key]}
            elif isinstance(place[key], int) and not isinstance(place[key], bool):
                place[key] += (1, -1, 2**31, 2**53)[self._below(4)]
            elif isinstance(place[key], str):
                place[key] = self._text(place[key], pool)

        return self._json(data, change)

    def inner(self, data: bytes, pool: Sequence[bytes]) -> bytes:
        """Change a text inside: a note, a proof, an entry as a string."""

        def change(place: dict[str, Any] | list[Any], key: Any) -> None:
            if isinstance(place[key], str):
                place[key] = self._text(place[key], pool)

        return self._json(data, change)

    def _text(self, text: str, pool: Sequence[bytes]) -> str:
        octets = text.encode("utf-8", "surrogatepass")
        names = ("flip", "insert", "delete", "cut", "number", "encoded", "token", "line", "word")
        changed = getattr(self, names[self._below(len(names))])(octets, (octets,))
        return str(changed, "utf-8", "replace")

    def layout(self, data: bytes, pool: Sequence[bytes]) -> bytes:
        try:
            value = json.loads(data)
        except (ValueError, RecursionError):
            return self.token(data, pool)
        ways: tuple[dict[str, Any], ...] = ({"indent": 1}, {"ensure_ascii": False}, {"sort_keys": True}, {})
        return _dumped(value, **ways[self._below(4)])

    def _json(self, data: bytes, change: Callable[[Any, Any], None]) -> bytes:
        try:
            value = json.loads(data)
        except (ValueError, RecursionError):
            return self.token(data, ())
        compact = b", " not in data[:200] and b": " not in data[:200]
        place: Any = value
        if not isinstance(place, dict | list) or not place:
            return _dumped(JSON_VALUES[self._below(len(JSON_VALUES))])
        while True:
            keys = list(place) if isinstance(place, dict) else range(len(place))
            key = keys[self._below(len(keys))]
            if isinstance(place[key], dict | list) and place[key] and self._random() < 0.8:
                place = place[key]
                continue
            change(place, key)
            break
        if compact:
            return _dumped(value, separators=(",", ":"), sort_keys=self._random() < 0.9, ensure_ascii=False)
        return _dumped(value, indent=2, ensure_ascii=False)

    # --- DER ----------------------------------------------------------------------------------------------------------

    def element(self, data: bytes, pool: Sequence[bytes]) -> bytes:
        """Change one element of the tree; the lengths around it are put right, or, at times, are not."""
        chain = self._chain(data)
        if not chain:
            return self.flip(data, pool)
        start, header, end = chain[-1]
        whole, content = data[start:end], data[start + header : end]
        way = self._below(8)
        if way == 0:
            new = b""
        elif way == 1:
            new = whole + whole
        elif way == 2:
            new = bytes((self._below(256),)) + whole[1:]
        elif way == 3:
            new = _der(whole[0], self.flip(content, ()))
        elif way == 4:
            new = _der(whole[0], self.cut(content, ()))
        elif way == 5:
            new = _der(whole[0], b"\x30\x00" * (1 + int(self._random() ** 6 * 300)))
        elif way == 6:
            other = pool[self._below(len(pool))]
            found = self._chain(other)
            new = whole if not found else other[found[-1][0] : found[-1][2]]
        else:
            new = bytes((0x30, 0x80 | self._below(8))) + whole[1:]
        if self._random() < 0.1:
            return data[:start] + new + data[end:]
        for outer, inner in zip(reversed(chain[:-1]), reversed(chain[1:]), strict=True):
            new = _der(data[outer[0]], data[outer[0] + outer[1] : inner[0]] + new + data[inner[2] : outer[2]])
        return new

    def _chain(self, data: bytes) -> list[tuple[int, int, int]]:
        """(start, length of the header, end) from the outermost element to one inside it."""
        chain: list[tuple[int, int, int]] = []
        start, limit = 0, len(data)
        while True:
            inside = _elements(data, start, limit)
            if not inside:
                return chain
            chosen = inside[self._below(len(inside))]
            chain.append(chosen)
            if not data[chosen[0]] & 0x20 or self._random() < 0.15:
                return chain
            start, limit = chosen[0] + chosen[1], chosen[2]


def _of(mutator: Mutator, name: str) -> Callable[[bytes, Sequence[bytes]], bytes]:
    found: Callable[[bytes, Sequence[bytes]], bytes] = getattr(mutator, name)
    return found


def _dumped(value: Any, **options: Any) -> bytes:
    try:
        return json.dumps(value, **options).encode("utf-8", "surrogatepass")
    except (ValueError, RecursionError):
        return b"{}"


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def _elements(data: bytes, start: int, limit: int) -> list[tuple[int, int, int]]:
    """The elements that lie side by side in a range; none where it is no DER."""
    found = []
    while start + 2 <= limit:
        length, header = data[start + 1], 2
        if length >= 0x80:
            header += length & 0x7F
            if not 1 <= length & 0x7F <= 4:
                return []
            length = int.from_bytes(data[start + 2 : start + header], "big")
        end = start + header + length
        if end > limit:
            return []
        found.append((start, header, end))
        start = end
    return found if start == limit else []
