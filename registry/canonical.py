"""Strict JSON in, canonical JSON out (RFC 8785), for register files, records and manifests: integers only.

The register has this of its own because it imports nothing of ours.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, NoReturn, TypeAlias, cast

import rfc8785

from registry.errors import FormatError

Json: TypeAlias = Any  # None | bool | int | str | list[Json] | dict[str, Json]

_SURROGATE = re.compile("[\ud800-\udfff]")
MAX_BYTES = 1_048_576
MAX_DEPTH = 32
MAX_INTEGER = 2**53 - 1


def parse_json(data: bytes, *, what: str = "file") -> Json:
    """Read a JSON text of at most 1 MiB: strict UTF-8, no duplicates, no fractions, no lone surrogates, depth ≤ 32."""
    if len(data) > MAX_BYTES:
        raise FormatError("is larger than 1 MiB; shorten its texts", field=what)
    try:
        text = data.decode("utf-8")
        value = json.loads(
            text, object_pairs_hook=_refuse_duplicates, parse_float=_refuse_fraction, parse_constant=_refuse_constant
        )
    except UnicodeDecodeError:
        raise FormatError("is not UTF-8; save it as UTF-8", field=what) from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise FormatError(f"is not JSON at {place} ({error.msg}); correct that place", field=what) from None
    except RecursionError:
        raise FormatError(f"is nested deeper than {MAX_DEPTH} levels; flatten it", field=what) from None
    except ValueError:
        raise FormatError("holds a number of thousands of digits; write whole numbers below 2^53", field=what) from None
    _check(value, what, 0)
    return value


def format_canonical(value: Json) -> bytes:
    """RFC 8785 bytes of a value that holds integers within ±(2^53-1) and no fractions."""
    _check(value, "value", 0)
    return rfc8785.dumps(value)


def digest(data: bytes) -> str:
    """`sha256:` and 64 hexadecimal digits."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _refuse_duplicates(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise FormatError("an object has the same member twice; keep one of them", field="file")
    return found


def _refuse_fraction(_: str) -> NoReturn:
    raise FormatError("a number has a fraction; write whole numbers (thousandths, millionths)", field="file")


def _refuse_constant(_: str) -> NoReturn:
    raise FormatError("NaN and Infinity are not JSON; write a whole number or null", field="file")


def _check(value: Json, path: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise FormatError(f"is nested deeper than {MAX_DEPTH} levels; flatten it", field=path)
    if isinstance(value, list):
        for index, item in enumerate(value):
            _check(item, f"{path}[{index}]", depth + 1)
    elif isinstance(value, dict):
        for name, item in cast("dict[str, Json]", value).items():
            _check(name, f"{path} (a member's name)", depth + 1)
            _check(item, path, depth + 1)
    else:
        _check_scalar(value, path)


def _check_scalar(value: Json, path: str) -> None:
    if isinstance(value, str):
        if not value.isascii() and _SURROGATE.search(value):
            raise FormatError("holds half a surrogate pair; write the whole character", field=path)
    elif isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            raise FormatError("is beyond ±(2^53-1); write a smaller number", field=path)
    elif value is not None:
        raise FormatError("is not a JSON value of whole numbers", field=path)
