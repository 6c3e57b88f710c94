"""JSON in the form of RFC 8785, for values that the C encoder of `json` writes otherwise: fractions, and names whose
order by UTF-16 unit is not that by code point. A property test holds it against a library that we did not write.
"""

from __future__ import annotations

from json.encoder import encode_basestring
from typing import Final, TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

_WORDS: Final = {None: "null", True: "true", False: "false"}


def write(value: Json) -> str:
    """`value` as text. It must hold finite numbers and Unicode text only (see `canonical.format_canonical`)."""
    match value:
        case str():
            return encode_basestring(value)
        case None | bool():
            return _WORDS[value]
        case int():
            return str(int(value))
        case float():
            return write_double(value)
        case list():
            return f"[{','.join(map(write, value))}]"
    names = sorted(value, key=lambda name: name.encode("utf-16-be"))
    return f"{{{','.join(f'{encode_basestring(name)}:{write(value[name])}' for name in names)}}}"


def write_double(value: float) -> str:
    """A finite double as ECMAScript writes it (RFC 8785 section 3.2.2.3, ECMA-262 `Number::toString`).

    Python's `repr` finds the same shortest digits; only where the point stands, and from when on there is an exponent,
    differs.
    """
    if value == 0:
        return "0"  # minus zero too
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(digits) - len(fraction) + int(exponent or 0)  # the number is 0.digits × 10^point
    digits = digits.rstrip("0")
    if len(digits) <= point <= 21:
        text = digits.ljust(point, "0")
    elif 0 < point <= 21:
        text = f"{digits[:point]}.{digits[point:]}"
    elif -6 < point <= 0:
        text = f"0.{'0' * -point}{digits}"
    else:
        text = f"{digits[0]}{'.' if len(digits) > 1 else ''}{digits[1:]}e{point - 1:+d}"
    return f"-{text}" if value < 0 else text
