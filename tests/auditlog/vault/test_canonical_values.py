"""The short way to a canonical form gives the bytes of the strict one, or leaves the value to it."""

from __future__ import annotations

import enum
import math
import uuid
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditlog.core.errors import FormatError
from auditlog.core.formats.canonical import MAX_DEPTH, MAX_INTEGER
from auditlog.core.formats.commitment import canonical_value
from auditlog.vault.canonical_values import canonical_forms


class Text(str):
    __slots__ = ()


class Colour(enum.Enum):
    RED = "red"


ANY_TEXT = st.text(st.characters(), max_size=12)  # with lone surrogates
NUMBERS = st.integers(-(2**54), 2**54) | st.floats() | st.sampled_from([MAX_INTEGER, -MAX_INTEGER, 2**53, -0.0, 1e21])
ANYTHING = st.recursive(
    st.none() | st.booleans() | NUMBERS | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=12,
)


def either(make):
    try:
        return make()
    except FormatError as error:
        return error.field, str(error)


@given(ANYTHING)
def test_both_ways_agree(value):
    assert either(lambda: canonical_forms({"in_a": value})["in_a"]) == either(
        lambda: canonical_value(value, field="in_a")
    )


@pytest.mark.parametrize("code", [*range(32), 0x22, 0x5C, 0x7F, 0x2028, 0x2029, 0xFFFF, 0x10000])
def test_escapes_agree(code):
    for value in (chr(code), [chr(code)], {chr(code): chr(code)}):
        assert canonical_forms({"in_a": value})["in_a"] == canonical_value(value, field="in_a")


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        [math.inf],
        {"a": [math.nan]},
        MAX_INTEGER + 1,
        [-MAX_INTEGER - 1],
        "\ud800",
        ["\udfff"],
        {1: "a"},
        {None: 1},
        (1, 2),
        {"a": (1,)},
        uuid.UUID(int=0),
        [uuid.UUID(int=0)],
        Colour.RED,
        [Colour.RED],
        datetime(2026, 1, 1, tzinfo=UTC),
        {"a": b"bytes"},
        [{1}],
    ],
    ids=repr,
)
def test_what_json_cannot_hold_is_refused_with_the_fields_name(value):
    with pytest.raises(FormatError) as error:
        canonical_forms({"in_a": value})
    assert error.value.field == "in_a"


def test_depth_is_bounded_as_elsewhere():
    value = "x"
    for _ in range(MAX_DEPTH):
        value = [value]
    assert canonical_forms({"in_a": value})["in_a"] == canonical_value(value, field="in_a")
    with pytest.raises(FormatError):
        canonical_forms({"in_a": [value]})


def test_subclasses_are_written_as_what_they_are():
    assert canonical_forms({"in_a": Text("é"), "in_b": [Text("a")]}) == {
        "in_a": '"é"'.encode(),
        "in_b": b'["a"]',
    }
