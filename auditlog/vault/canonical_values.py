"""RFC 8785 forms of a record's values on the writer's path: the same bytes as `canonical_value`, sooner.

What a C encoder writes in the one form that RFC 8785 knows goes through it: strings, and lists and objects without
fractions, in ASCII. Everything else, and whatever it refuses, takes the strict way, which also words the error. A
property test compares both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import orjson

from auditlog.core.formats.canonical import MAX_DEPTH, Json
from auditlog.core.formats.commitment import canonical_value

# Whole numbers beyond 2^53-1 and subclasses of str, int, list or dict raise, and so do names that are no string.
_OPTIONS: Final = (
    orjson.OPT_SORT_KEYS
    | orjson.OPT_STRICT_INTEGER
    | orjson.OPT_PASSTHROUGH_SUBCLASS
    | orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
)
_LEAVES: Final = frozenset({str, int, bool, type(None)})
_NULL: Final = b"null"


def canonical_forms(values: Mapping[str, Json]) -> dict[str, bytes]:
    """Field → value in RFC 8785 form. Raises FormatError with the field's name."""
    forms = {}
    for name, value in values.items():
        if value is None:
            forms[name] = _NULL
            continue
        if type(value) is str or _is_plain(value, MAX_DEPTH):
            try:
                form = orjson.dumps(value, option=_OPTIONS)
            except TypeError:  # the library's error for what it does not write
                pass
            else:
                # Names sort differently by UTF-8 than by UTF-16, so only ASCII is sure to be in order.
                if type(value) is str or form.isascii():
                    forms[name] = form
                    continue
        forms[name] = canonical_value(value, field=name)
    return forms


def _is_plain(value: object, depth: int) -> bool:
    """Whether a value is made of lists, objects, strings and whole numbers alone, exactly those types."""
    if type(value) is dict:
        members = value.values()
    elif type(value) is list:
        members = value  # type: ignore[assignment]
    else:
        return type(value) in _LEAVES
    if depth == 0:
        return False
    if _LEAVES.issuperset(map(type, members)):
        return True
    return all(type(member) in _LEAVES or _is_plain(member, depth - 1) for member in members)
