"""Canonical JSON against RFC 8785's and JSONTestSuite's files, and the other forms with one spelling."""

from __future__ import annotations

import base64
import contextlib
import json
import struct
from pathlib import Path

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from auditlog.core.errors import FormatError
from auditlog.core.formats.canonical import (
    MAX_INTEGER,
    check_name,
    check_text,
    format_base64,
    format_canonical,
    parse_base64,
    parse_canonical,
    parse_decimal,
    parse_json,
)

SHARED = Path(__file__).parents[5] / "shared" / "vectors"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the published vectors (../shared/vectors) are not here")

scalars = st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | st.text()
integers_only = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=20
)
with_fractions = st.recursive(
    scalars | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(integers_only)
def test_the_fast_encoder_agrees_with_rfc8785(value):
    assert format_canonical(value) == rfc8785.dumps(value)


@given(integers_only)
def test_round_trip_of_integers_and_text(value):
    data = format_canonical(value)
    assert parse_canonical(data) == value
    assert parse_canonical(data, fractions=True) == value
    assert parse_json(json.dumps(value, indent=2).encode()) == value


@given(with_fractions)
def test_round_trip_with_fractions(value):
    data = format_canonical(value, fractions=True)
    assert data == rfc8785.dumps(value)
    assert format_canonical(parse_canonical(data, fractions=True), fractions=True) == data


@given(integers_only, st.data())
def test_one_changed_byte_is_refused_or_is_another_canonical_text(value, data):
    text = bytearray(format_canonical(value))
    text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    try:
        again = parse_canonical(bytes(text))
    except FormatError:
        return
    assert format_canonical(again) == text


@given(st.binary() | st.text(alphabet='[]{}",:0123456789.eE+-\\u dnultrefas\n').map(str.encode))
def test_parsers_raise_nothing_but_format_errors(data):
    for parse in (parse_canonical, parse_json, lambda d: parse_canonical(d, fractions=True)):
        with contextlib.suppress(FormatError):
            parse(data)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"a":1,"a":1}', "twice"),
        ('{"b":1,"a":2}', "canonical form"),
        ('{"a" :1}', "canonical form"),
        (" 1", "canonical form"),
        ("1\n", "canonical form"),
        ('"\\u0041"', "canonical form"),
        ('"\\/"', "canonical form"),
        ("-0", "canonical form"),
        ("1.0", "fraction"),
        ("1e2", "fraction"),
        ("9007199254740992", "beyond"),
        ("-9007199254740992", "beyond"),
        ("1" * 5000, "beyond"),
        ('"\\ud800"', "surrogate"),
        ('{"\\udc00":1}', "surrogate"),
        ("NaN", "NaN"),
        ("-Infinity", "Infinity"),
        ("\ufeff1", "byte order mark"),
        ("", "not JSON"),
        ("[" * 65 + "]" * 65, "nested"),
        ('{"a":' * 65 + "1" + "}" * 65, "nested"),
    ],
)
def test_refused(text, says):
    with pytest.raises(FormatError, match=says):
        parse_canonical(text.encode())


def test_depth_counts_nesting_and_not_brackets():
    assert parse_canonical(b"[" * 64 + b"]" * 64)
    siblings = b"[" + b",".join([b"[]"] * 500) + b"]"
    assert len(parse_canonical(siblings)) == 500
    assert parse_canonical(b'["' + b"[{" * 500 + b'"]') == ["[{" * 500]
    assert parse_canonical(b'["\\"' + b"[{" * 500 + b'"]') == ['"' + "[{" * 500]
    with pytest.raises(FormatError, match="nested"):
        parse_json(b"[" * 100_000)


def test_not_utf8_names_the_byte_and_not_the_content():
    with pytest.raises(FormatError, match="byte 6"):
        parse_json(b'"Janna\xff"')


def test_format_names_the_member():
    with pytest.raises(FormatError) as caught:
        format_canonical({"outer": [1, {"inner": 0.5}]})
    assert caught.value.field == "outer.1.inner"


@pytest.mark.parametrize(
    "value",
    [2**53, -(2**53), float("nan"), float("inf"), {1: 2}, (1, 2), b"x", {"a": {3}}, "\ud800", {"\ud800": 1}, object()],
)
def test_format_refuses(value):
    with pytest.raises(FormatError):
        format_canonical(value, fractions=True)


def test_format_refuses_depth():
    value = []
    for _ in range(64):
        value = [value]
    with pytest.raises(FormatError, match="nested"):
        format_canonical(value)
    assert format_canonical(value[0])


def test_parse_json_takes_people_s_layout_and_fractions():
    assert parse_json(b'\n{ "b" : 1.5e1,\t"a": "\\u00e9" }\r\n') == {"b": 15.0, "a": "é"}
    with pytest.raises(FormatError, match="twice"):
        parse_json(b'{"a":1, "a":2}')
    with pytest.raises(FormatError, match="too large"):
        parse_json(b"1e999")
    with pytest.raises(FormatError, match="surrogate"):
        parse_json(b'["\\ud800"]')


def test_large_whole_numbers_among_fractions_are_doubles_or_refused():
    assert parse_json(b"9007199254740992") == 2.0**53
    assert isinstance(parse_json(b"-9007199254740991"), int)
    assert parse_canonical(b"-100000000000000000000", fractions=True) == -1e20
    for text in (b"9007199254740993", b"1000000000000000000000", b"123456789012345678", b"9" * 400):
        with pytest.raises(FormatError, match="no double holds"):
            parse_json(text)
    with pytest.raises(FormatError, match="beyond"):
        parse_canonical(b"9007199254740992")


@needs_shared
def test_rfc8785_files():
    names = sorted(path.stem for path in (SHARED / "jcs/input").glob("*.json"))
    assert len(names) == 6
    for name in names:
        expected = bytes.fromhex((SHARED / f"jcs/outhex/{name}.txt").read_text())
        value = parse_json((SHARED / f"jcs/input/{name}.json").read_bytes())
        assert format_canonical(value, fractions=True) == expected, name
        assert format_canonical(parse_canonical(expected, fractions=True), fractions=True) == expected, name


@needs_shared
def test_es6_numbers():
    lines = (SHARED / "jcs/es6-numbers-10000.txt").read_text().splitlines()
    assert len(lines) == 10_000
    for line in lines:
        bits, expected = line.split(",")
        value = struct.unpack(">d", bytes.fromhex(bits.zfill(16)))[0]
        assert format_canonical(value, fractions=True).decode() == expected
        assert parse_canonical(expected.encode(), fractions=True) == value


# Strict where the suite is neutral about meaning: it only asks whether the text is JSON.
STRICTER = {"y_object_duplicated_key.json", "y_object_duplicated_key_and_value.json"}


@needs_shared
def test_json_test_suite():
    wrong, seen = [], {"y": 0, "n": 0, "i": 0}
    for path in sorted((SHARED / "json-parsing").glob("*.json")):
        seen[path.name[0]] += 1
        try:
            parse_json(path.read_bytes())
            accepted = True
        except FormatError:
            accepted = False
        if path.name[0] == "y" and accepted == (path.name in STRICTER):
            wrong.append(path.name)
        if path.name[0] == "n" and accepted:
            wrong.append(path.name)
    assert wrong == []
    assert seen == {"y": 95, "n": 188, "i": 35}


@given(st.integers(0, 2**64 - 1))
def test_decimals(value):
    assert parse_decimal(str(value), field="size") == value


@pytest.mark.parametrize(
    "text", ["", "00", "01", "+1", "-1", " 1", "1 ", "1\n", "1_0", "0x1", "1e3", "١٢", str(2**64), "9" * 5000]
)
def test_decimals_refused(text):
    with pytest.raises(FormatError, match="size"):
        parse_decimal(text, field="size")


def test_decimal_maximum():
    assert parse_decimal("255", field="width", maximum=255) == 255
    with pytest.raises(FormatError, match="at most 255"):
        parse_decimal("256", field="width", maximum=255)


@given(st.binary())
def test_base64(data):
    assert parse_base64(format_base64(data), field="root", length=len(data)) == data


@given(st.text(alphabet="AB/+=-_ \né", max_size=9))
def test_base64_has_one_spelling(text):
    try:
        data = parse_base64(text, field="root")
    except FormatError:
        return
    assert base64.b64encode(data).decode() == text


@pytest.mark.parametrize("text", ["QQ", "QR==", "QQ==\n", "QQ==QQ==", "_-8=", "é", "=", "QQ= ="])
def test_base64_refused(text):
    with pytest.raises(FormatError, match="root"):
        parse_base64(text, field="root")


def test_base64_length():
    with pytest.raises(FormatError, match="32 bytes"):
        parse_base64("QUFB", field="root", length=32)


@pytest.mark.parametrize("name", ["a", "example.com/log/1", "é" * 127 + "a", "a" * 255])
def test_names(name):
    check_name(name, field="origin")


@pytest.mark.parametrize(
    "name", ["", "a b", "a+b", "a\tb", "a\nb", "a\u00a0b", "a\u2028b", "a\x00", "\ud800", "a" * 256, "é" * 128]
)
def test_names_refused(name):
    with pytest.raises(FormatError, match="origin"):
        check_name(name, field="origin")


@pytest.mark.parametrize("text", ["", "a", "a\r\n", "a\x00\n", "\ud800\n"])
def test_texts_refused(text):
    with pytest.raises(FormatError, match="note text"):
        check_text(text, field="note text")
