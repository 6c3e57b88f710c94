"""Commitments: the formula of DESIGN 5.2, opened one by one."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditlog.core.errors import FormatError, OpeningError
from auditlog.core.formats.canonical import format_canonical
from auditlog.core.formats.commitment import (
    LARGE,
    Opening,
    canonical_value,
    commit,
    commit_all,
    make_blob,
    open_field,
    salt_for,
    verify_opening,
)

VECTORS = json.loads((Path(__file__).parents[4] / "docs" / "conformance" / "vectors" / "commitments.json").read_text())
SECRETS = st.integers(0, 2**256 - 1).map(lambda number: number.to_bytes(32, "big"))
FIELDS = st.text("abcdefghijklmnopqrstuvwxyz0123456789_", min_size=1, max_size=43)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abé€😀"), inner, max_size=4)
)


@given(SECRETS, FIELDS, VALUES)
def test_the_formula(secret, field, value):
    salt = hmac.new(secret, b"greffier/1/salt\x00" + field.encode(), hashlib.sha256).digest()
    data = b"greffier/1/field\x00" + format_canonical(value, fractions=True)
    expected = hmac.new(salt, data, hashlib.sha256).hexdigest()
    assert salt_for(secret, field) == salt
    assert commit(salt, value) == expected
    assert commit_all(secret, {field: value}) == {field: expected}


@given(VALUES)
def test_the_short_way_is_rfc_8785(value):
    assert canonical_value(value, field="f") == format_canonical(value, fractions=True)


@given(SECRETS, st.dictionaries(FIELDS, VALUES, min_size=2, max_size=5))
def test_each_field_opens_alone(secret, values):
    commitments = commit_all(secret, values)
    for field, value in values.items():
        opening = open_field(secret, field, value)
        verify_opening(opening, commitments[field])
        for other in values.keys() - {field}:
            with pytest.raises(OpeningError):
                verify_opening(opening, commitments[other])


@given(SECRETS, FIELDS, VALUES, VALUES)
def test_another_value_does_not_open(secret, field, value, other):
    commitment = commit_all(secret, {field: value})[field]
    opening = Opening(field, other, open_field(secret, field, value).salt)
    if format_canonical(value, fractions=True) == format_canonical(other, fractions=True):
        verify_opening(opening, commitment)
    else:
        with pytest.raises(OpeningError, match=f"^{field}: "):
            verify_opening(opening, commitment)


@pytest.mark.parametrize("salt", ["", "00" * 31, "00" * 33, "0" * 63 + "G", "A" * 64, "0" * 64 + "\n"])
def test_a_salt_has_one_form(salt):
    with pytest.raises(FormatError, match=r"^outcome\.salt: "):
        verify_opening(Opening("outcome", "grant", salt), "0" * 64)


def test_what_cannot_be_committed_is_named_and_not_repeated():
    for value in (float("nan"), float("inf"), 2**53, "half \ud800 pair", {"a": object()}, {1: 2}):
        with pytest.raises(FormatError) as error:
            commit_all(bytes(32), {"in_note": value})
        assert error.value.field == "in_note"
        assert "half" not in str(error.value).replace("half a surrogate", "")


@pytest.mark.parametrize("field", ["", "In_name", "in name", "naïve", "x" * 44, "a\n"])
def test_names_of_fields(field):
    with pytest.raises(FormatError, match="name is 1 to 43"):
        commit_all(bytes(32), {field: 1})


@pytest.mark.parametrize("size", [0, 31, 33])
def test_the_secret_has_32_bytes(size):
    with pytest.raises(FormatError, match="32 bytes"):
        salt_for(bytes(size), "f")
    with pytest.raises(FormatError, match="32 bytes"):
        commit_all(bytes(size), {"f": 1})


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["field"])
def test_our_vectors(case):
    secret = bytes.fromhex(VECTORS["secret"])
    assert canonical_value(case["value"], field=case["field"]).decode() == case["canonical"]
    assert open_field(secret, case["field"], case["value"]).salt == case["salt"]
    assert commit_all(secret, {case["field"]: case["value"]}) == {case["field"]: case["commitment"]}
    verify_opening(Opening(case["field"], case["value"], case["salt"]), case["commitment"])


@pytest.mark.parametrize("case", VECTORS["large"], ids=lambda case: str(case["size"]))
def test_our_vectors_of_large_values(case):
    secret, value = bytes.fromhex(VECTORS["secret"]), case["text"] * case["times"]
    assert len(canonical_value(value, field="in_text")) == case["size"]
    assert (case["size"] > LARGE) == (case["blob"] is not None)
    assert open_field(secret, "in_text", value).salt == case["salt"]
    assert commit_all(secret, {"in_text": value}) == {"in_text": case["commitment"]}
    opening = Opening("in_text", value, case["salt"])
    verify_opening(opening, case["commitment"])
    with pytest.raises(OpeningError, match=r"^in_text: "):
        verify_opening(Opening("in_text", value[:-1] + "x", case["salt"]), case["commitment"])


def test_a_large_value_is_the_digest_of_its_blob():
    value = "é" * LARGE
    salt = salt_for(bytes(32), "in_text")
    blob = make_blob(salt, canonical_value(value, field="in_text"))
    stub = {"blob": hashlib.sha256(blob).hexdigest(), "size": 2 * LARGE + 2}
    by_hand = hmac.digest(salt, b"greffier/1/blob\0" + format_canonical(stub), "sha256").hex()
    assert commit_all(bytes(32), {"in_text": value}) == {"in_text": by_hand}
    # What only looks like a stub is a small value of its own, and opens as nothing else.
    with pytest.raises(OpeningError):
        verify_opening(Opening("in_text", stub, salt.hex()), by_hand)
    assert commit(salt, stub) != by_hand


def test_a_large_value_of_before_that_rule_still_opens():
    value = ["x" * LARGE]
    salt = salt_for(bytes(32), "run")
    old = hmac.digest(salt, b"greffier/1/field\0" + format_canonical(value), "sha256").hex()
    assert old != commit(salt, value)
    verify_opening(Opening("run", value, salt.hex()), old)
    with pytest.raises(OpeningError):
        verify_opening(Opening("run", ["y" * LARGE], salt.hex()), old)


def test_an_opened_field_does_not_help_to_guess_another():
    """A dictionary of 2,000 values, and all that one opened field and the entry give away."""
    secret = bytes(range(32))
    candidates = [f"{income} euro" for income in range(2_000)]
    values = {"in_income": candidates[1_234], "in_debts": candidates[99], "outcome": "refuse"}
    commitments = commit_all(secret, values)
    opened = open_field(secret, "in_debts", values["in_debts"])
    known = {bytes.fromhex(opened.salt), bytes(32), b"", *(bytes.fromhex(one) for one in commitments.values())}
    known |= {hmac.digest(key, b"greffier/1/salt\x00in_income", "sha256") for key in known}
    wanted = commitments["in_income"]
    assert all(commit(salt, guess) != wanted for salt in known for guess in candidates)
    assert all(hashlib.sha256(guess.encode()).hexdigest() != wanted for guess in candidates)
    # The test can fail: with the right salt the same search finds the value at once.
    assert any(commit(salt_for(secret, "in_income"), guess) == wanted for guess in candidates)
