from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.canonical import MAX_INTEGER, digest, format_canonical, parse_json
from registry.errors import FormatError

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-MAX_INTEGER, MAX_INTEGER)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
    ),
    max_leaves=20,
)


@given(VALUES)
def test_canonical_bytes_read_back_as_the_same_value(value: object) -> None:
    data = format_canonical(value)
    assert parse_json(data) == value
    assert format_canonical(parse_json(data)) == data


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"a":1,"a":2}', "same member twice"),
        (b"1.0", "fraction"),
        (b"1e3", "fraction"),
        (b"NaN", "NaN"),
        (b"-Infinity", "NaN"),
        (rb'"\ud800"', "surrogate"),
        (rb'{"\udc00":1}', "surrogate"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b'"\xff"', "UTF-8"),
        (b"{", "line 1, column 2"),
        (b"9007199254740992", "2^53"),
        (b"9" * 5000, "thousands of digits"),
        (b"[" * 40 + b"]" * 40, "nested"),
        (b"[" * 500_000 + b"]" * 500_000, "nested"),
        (b'"' + b"a" * 1_048_576 + b'"', "1 MiB"),
    ],
    ids=str,
)
def test_what_is_not_strict_json_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message.replace("^", r"\^")):
        parse_json(data)


def test_a_digest_is_that_of_the_bytes() -> None:
    assert digest(b"") == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_a_fraction_cannot_be_written() -> None:
    with pytest.raises(FormatError, match="whole numbers"):
        format_canonical({"a": [0.5]})
    assert json.loads(format_canonical({"b": 1, "a": "é"})) == {"a": "é", "b": 1}
