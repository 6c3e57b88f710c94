"""JSON that others wrote: larger than our own files may be, with fractions; still strict where it could mislead."""

from __future__ import annotations

import json
import re
from typing import Any, Final, NoReturn

from registry.canonical import Json
from registry.errors import FormatError

MOST_BYTES: Final = 10_000_000
MOST_DEPTH: Final = 100
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def parse_foreign(data: bytes) -> Json:
    """Read a JSON text of at most 10 MB: UTF-8, no member twice, no lone surrogates, no NaN.

    Raises FormatError that says where, and never what stands there.
    """
    if len(data) > MOST_BYTES:
        raise FormatError(f"is larger than {MOST_BYTES // 1_000_000} MB; split it", field="file")
    try:
        value = json.loads(data.decode("utf-8-sig"), object_pairs_hook=_once, parse_constant=_no_number)
    except UnicodeDecodeError:
        raise FormatError("is not UTF-8; save it as UTF-8", field="file") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise FormatError(f"is not JSON at {place} ({error.msg}); correct that place", field="file") from None
    except RecursionError:
        raise FormatError(f"is nested deeper than {MOST_DEPTH} levels; flatten it", field="file") from None
    except ValueError:
        raise FormatError("holds a number of thousands of digits; write shorter ones", field="file") from None
    _check(value, 0)
    return value


def _once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise FormatError("has a member twice in one object; keep one of them", field="file")
    return found


def _no_number(_: str) -> NoReturn:
    raise FormatError("holds NaN or Infinity, which is no JSON; leave it out", field="file")


def _check(value: Any, depth: int) -> None:
    if depth > MOST_DEPTH:
        raise FormatError(f"is nested deeper than {MOST_DEPTH} levels; flatten it", field="file")
    if isinstance(value, str) and _SURROGATE.search(value):
        raise FormatError("holds half a character (a lone surrogate); write it whole", field="file")
    if isinstance(value, dict):
        for name, item in value.items():
            _check(name, depth)
            _check(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, depth + 1)
