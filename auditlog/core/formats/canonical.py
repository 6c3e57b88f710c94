"""Forms with one spelling per value: RFC 8785 JSON, decimals, base64, key names.

What is hashed or signed must have exactly one spelling, so every parser here formats again and compares.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Callable
from typing import Final, NoReturn, TypeAlias, cast

from auditlog.core.errors import FormatError
from auditlog.core.formats import jcs

Json: TypeAlias = jcs.Json

MAX_INTEGER: Final = 2**53 - 1  # RFC 8785 section 3.2.2.3: what an IEEE 754 double holds exactly
MAX_UINT64: Final = 2**64 - 1
MAX_DEPTH: Final = 64
MAX_NAME: Final = 255  # bytes: ML-DSA-44 cosignatures give names and origins a one-byte length

_NO_TEXT = re.compile(r"[\x00-\x09\x0b-\x1f\ud800-\udfff]")
_DECIMAL = re.compile(r"(?:0|[1-9][0-9]{0,19})\Z")
# For integers, strings and ASCII names the C encoder writes RFC 8785: names sort the same by code point as by UTF-16
# unit, and both escape only quotation mark, backslash and controls (a property test compares them).
_SORTED = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))


def _encoder() -> Callable[[Json], str]:
    """`JSONEncoder.encode` makes its C encoder anew for each value, which costs more than a small value does.

    Circles need no look-out here: what is encoded was checked for its depth before.
    """
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return _SORTED.encode
    chunks = make(None, _SORTED.default, json.encoder.encode_basestring, None, ":", ",", True, False, False)
    return lambda value: "".join(chunks(value, 0))


_encode = _encoder()


class _BadValueError(Exception):
    """What is wrong, and the path of member names and positions that leads there (outermost first)."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.path: list[str] = []


def format_canonical(value: Json, *, fractions: bool = False) -> bytes:
    """Return `value` as RFC 8785 JSON in UTF-8. Integers lie within ±(2^53-1); `fractions` admits finite floats.

    Raises FormatError, whose `field` is the path of the member that is wrong.
    """
    try:
        simple = _check(value, MAX_DEPTH, fractions)
    except _BadValueError as problem:
        raise FormatError(str(problem), field=".".join(map(_plain, problem.path)) or None) from None
    if simple:
        return _encode(value).encode()
    return jcs.write(value).encode()


def parse_canonical(data: bytes, *, fractions: bool = False) -> Json:
    """Return the value of RFC 8785 JSON; any other spelling of it is a FormatError."""
    value = _parse(data, fractions=fractions)
    # ASCII bytes without fractions need no second look at each value: the decoder has checked the numbers, and a name
    # or string that was escaped although it could stand as it is comes out different below.
    plain = not fractions and data.isascii() and b"\\u" not in data
    again = _encode(value).encode() if plain else format_canonical(value, fractions=fractions)
    if again != data:
        raise FormatError("is JSON, but not in its canonical form (RFC 8785): sort members, drop white space")
    return value


def parse_json(data: bytes) -> Json:
    """Return the value of JSON in any layout, as people write it: fractions allowed, otherwise as strict as above."""
    value = _parse(data, fractions=True)
    if b"\\u" in data:  # only an escape can smuggle in a lone surrogate, since the bytes are valid UTF-8
        try:
            _check(value, MAX_DEPTH, True)
        except _BadValueError as problem:
            raise FormatError(str(problem)) from None
    return value


def _parse(data: bytes, *, fractions: bool) -> Json:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FormatError(f"is not UTF-8 at byte {error.start}") from None
    if text.startswith("\ufeff"):
        raise FormatError("begins with a byte order mark: remove it")
    # Cheap bound first: brackets inside strings may raise the count, never lower it.
    if text.count("[") + text.count("{") > MAX_DEPTH:
        _check_depth(text)
    try:
        value: Json = (_FRACTIONS if fractions else _INTEGERS).decode(text)
    except _BadValueError as problem:
        raise FormatError(str(problem)) from None
    except json.JSONDecodeError as error:
        raise FormatError(f"is not JSON: line {error.lineno}, column {error.colno} cannot be read") from None
    return value


def _check(value: Json, depth: int, fractions: bool) -> bool:
    """Raise _BadValueError unless `value` can be written; return whether the C encoder writes it as RFC 8785 does."""
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, int):  # True and False too
        if not -MAX_INTEGER <= value <= MAX_INTEGER:
            raise _BadValueError("is an integer beyond ±(2^53-1): write it as a string")
    elif isinstance(value, float):
        if not fractions:
            raise _BadValueError("is a fraction: use a whole number of a smaller unit")
        if not math.isfinite(value):
            raise _BadValueError("is not a finite number")
        return False
    elif value is not None:
        return _check_container(value, depth, fractions)
    return True


def _check_container(value: list[Json] | dict[str, Json], depth: int, fractions: bool) -> bool:
    if depth == 0:
        raise _BadValueError(f"is nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, dict):
        return _check_object(value, depth - 1, fractions)
    if isinstance(value, list):
        return _check_array(value, depth - 1, fractions)
    raise _BadValueError(f"is no JSON value but a Python {type(value).__name__}")


_WHOLE = frozenset({int})


def _check_object(value: dict[str, Json], depth: int, fractions: bool) -> bool:
    simple = True
    name: object = None
    try:
        for name, member in value.items():
            if not ((type(name) is str and name.isascii()) or _check_member_name(name)):
                simple = False
            # The two commonest are looked at here: strings, and whole numbers that are not too large.
            if type(member) is str:
                if not member.isascii():
                    _check_text(member)
            elif type(member) is int and -MAX_INTEGER <= member <= MAX_INTEGER:
                pass
            elif not _check(member, depth, fractions):
                simple = False
    except _BadValueError as problem:
        problem.path.insert(0, str(name))
        raise
    return simple


def _check_member_name(name: object) -> bool:
    if not isinstance(name, str):
        raise _BadValueError("has a member whose name is not a string")
    _check_text(name)
    return name.isascii()


def _check_array(value: list[Json], depth: int, fractions: bool) -> bool:
    # Tokens and their probabilities: long lists of whole numbers, of which only the ends can be out of range.
    if _WHOLE.issuperset(map(type, value)):
        numbers = cast("list[int]", value)
        if not numbers or (min(numbers) >= -MAX_INTEGER and max(numbers) <= MAX_INTEGER):
            return True
    simple = True
    for position, item in enumerate(value):
        try:
            if not _check(item, depth, fractions):
                simple = False
        except _BadValueError as problem:
            problem.path.insert(0, str(position))
            raise
    return simple


def printable(text: str) -> str:
    """Names come from other people's files: what would play with a terminal is escaped, line ends stay."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def _plain(name: str) -> str:
    """A stranger's name in a sentence: half a surrogate could not even be printed, a control changes the terminal."""
    return name if name.isprintable() else ascii(name)[1:-1]


def _check_text(text: str) -> None:
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _BadValueError("holds half of a surrogate pair: it is no Unicode text") from None


def _check_depth(text: str) -> None:
    depth = 0
    for piece in _BRACKETS.findall(_STRINGS.sub("", text)):
        if piece in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise FormatError(f"is nested more than {MAX_DEPTH} levels deep")
        else:
            depth -= 1


_STRINGS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_BRACKETS = re.compile(r"[\[\]{}]")


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _BadValueError("is JSON with the same member name twice in one object")
    return members


def _integer(digits: str) -> int:
    value = int(digits) if len(digits) <= 17 else MAX_INTEGER + 1
    if not -MAX_INTEGER <= value <= MAX_INTEGER:
        raise _BadValueError("is JSON with an integer beyond ±(2^53-1): write it as a string")
    return value


def _whole_double(digits: str) -> int | float:
    """Among fractions a whole number may be a large double: then these digits are how RFC 8785 writes it."""
    value = int(digits) if len(digits) <= 22 else 10**22  # from 10^21 on a double is written with an exponent
    if -MAX_INTEGER <= value <= MAX_INTEGER:
        return value
    if jcs.write_double(float(value)) != digits:
        raise _BadValueError("is JSON with an integer that no double holds: write it as a string")
    return float(value)


def _fraction(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise _BadValueError("is JSON with a number too large for a double")
    return value


def _no_fraction(_digits: str) -> NoReturn:
    raise _BadValueError("is JSON with a fraction: use a whole number of a smaller unit")


def _constant(name: str) -> NoReturn:
    raise _BadValueError(f"is not JSON: {name} is no JSON value")


_FRACTIONS = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_whole_double, parse_float=_fraction, parse_constant=_constant
)
_INTEGERS = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_no_fraction, parse_constant=_constant
)


def parse_decimal(text: str, *, field: str, maximum: int = MAX_UINT64) -> int:
    """Return a number written in ASCII digits without sign or leading zero, at most `maximum`."""
    if not _DECIMAL.match(text):
        raise FormatError("must be a decimal number without sign, spaces or leading zeros", field=field)
    value = int(text)
    if value > maximum:
        raise FormatError(f"must be at most {maximum}", field=field)
    return value


def parse_base64(text: str, *, field: str, length: int | None = None) -> bytes:
    """Return the bytes of standard base64 (RFC 4648 section 4) with padding and zero pad bits; `length` in bytes."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise FormatError("must be standard base64 with padding", field=field) from None
    if base64.b64encode(data).decode() != text:
        raise FormatError("must be standard base64 in its canonical form", field=field)
    if length is not None and len(data) != length:
        raise FormatError(f"must be the base64 of {length} bytes", field=field)
    return data


def format_base64(data: bytes) -> str:
    """Return standard base64 with padding."""
    return base64.b64encode(data).decode()


def check_name(name: str, *, field: str) -> None:
    """Raise FormatError unless `name` can be a key name, or an origin of ours (c2sp.org/signed-note)."""
    if not name or "+" in name or any(c.isspace() or c < " " for c in name):
        raise FormatError("must be a non-empty name without white space, control characters or '+'", field=field)
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        raise FormatError("must be Unicode text", field=field) from None
    if size > MAX_NAME:
        raise FormatError(f"must be at most {MAX_NAME} bytes", field=field)


def check_text(text: str, *, field: str) -> None:
    """Raise FormatError unless `text` can be a note's: ends with a newline, and has no other control character."""
    if not text.endswith("\n"):
        raise FormatError("must end with a newline", field=field)
    if _NO_TEXT.search(text):
        raise FormatError("has a control character or half of a surrogate pair", field=field)
