"""Receipts: read strictly, and every part of one is checked."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from auditlog.core.entries.receipt import fields_for_person, format_receipt, parse_receipt, verify_receipt
from auditlog.core.entries.record import parse_entry
from auditlog.core.errors import AuditLogError, FormatError, OpeningError, ProofError, SignatureError, VerifyError
from auditlog.core.formats.commitment import Opening
from auditlog.core.formats.keyring import key_ring
from auditlog.core.formats.note import parse_vkey

VECTORS = json.loads((Path(__file__).parents[4] / "docs" / "conformance" / "vectors" / "receipts.json").read_text())
KEYS = key_ring(parse_vkey(vkey) for vkey in VECTORS["vkeys"])
ORIGIN = VECTORS["origin"]
DATA = VECTORS["receipt"].encode()


def changed(**parts) -> bytes:
    return json.dumps({**json.loads(DATA), **parts}).encode()


def opening(field: str, /, **parts) -> bytes:
    openings = json.loads(DATA)["openings"]
    return changed(openings=[{**one, **(parts if one["field"] == field else {})} for one in openings])


def verify(data: bytes):
    return verify_receipt(parse_receipt(data), KEYS, origin=ORIGIN)


def test_a_receipt_verifies_and_comes_back():
    receipt = parse_receipt(DATA)
    assert format_receipt(receipt) == DATA
    verified = verify(DATA)
    assert verified.entry == parse_entry(VECTORS["entries"][-1].encode())
    assert (verified.index, verified.checkpoint.checkpoint.size) == (4, 5)
    assert {one.field: one.value for one in verified.openings}["outcome"] == "refuse"


def test_layout_is_free():
    assert verify(json.dumps(json.loads(DATA)).encode()) == verify(DATA)
    assert verify(b"\n" + DATA + b"\n\n").openings == verify(DATA).openings


def test_a_receipt_opens_input_output_and_outcome_and_nothing_else():
    names = [one["field"] for one in json.loads(DATA)["openings"]]
    assert sorted(names) == ["in_payment_record", "in_ratio", "in_remark", "in_room", "outcome", "output"]
    for text in VECTORS["entries"][:-1]:
        assert fields_for_person(parse_entry(text.encode())) == ()


def test_a_receipt_without_openings_still_proves_the_entry():
    receipt = replace(parse_receipt(DATA), openings=())
    assert verify(format_receipt(receipt)).openings == ()


ENTRY = json.loads(DATA)["entry"]
PROOF = json.loads(DATA)["proof"]


@pytest.mark.parametrize(
    ("data", "part", "error"),
    [
        (b"", "receipt", FormatError),
        (b"[]", "receipt", FormatError),
        (DATA + b"{}", "receipt", FormatError),
        (b'{"entry":"","entry":"","openings":[],"proof":""}', "receipt", FormatError),
        (changed(note="call Jan"), "receipt", FormatError),
        (b'{"entry":"","openings":[]}', "receipt", FormatError),
        (changed(entry=3), "entry", FormatError),
        (changed(entry=ENTRY + " "), "entry", FormatError),
        (changed(entry=ENTRY.replace('"mode":"live"', '"mode":"lief"')), "entry", FormatError),
        (changed(entry=ENTRY.replace('"mode":"live"', '"mode":"test"')), "proof", ProofError),
        (changed(entry='{"kind":"later/1"}'), "entry", VerifyError),
        (changed(entry=VECTORS["entries"][0]), "proof", ProofError),
        (changed(proof=None), "proof", FormatError),
        (changed(proof=""), "proof", FormatError),
        (changed(proof=PROOF + "\n"), "proof", FormatError),
        (changed(proof=PROOF.replace("index 4", "index 3")), "proof", ProofError),
        (changed(proof=PROOF.replace(f"{ORIGIN}\n", "register.example/other\n", 1)), "proof", AuditLogError),
        (changed(openings={}), "openings", FormatError),
        (changed(openings=[1]), "openings[0]", FormatError),
        (changed(openings=[{"field": "outcome", "value": 1}]), "openings[0]", FormatError),
        (changed(openings=[{"field": "Jan de Boer", "value": 1, "salt": "0" * 64}]), "openings[0].field", FormatError),
        (changed(openings=json.loads(DATA)["openings"] * 2), "openings", FormatError),
        (opening("outcome", value="grant"), "openings.outcome", OpeningError),
        (opening("outcome", value=None), "openings.outcome", OpeningError),
        (opening("outcome", salt="0" * 64), "openings.outcome", OpeningError),
        (opening("outcome", salt="0" * 63), "openings.outcome.salt", FormatError),
        (opening("outcome", field="in_age"), "openings.in_age", OpeningError),
        (opening("outcome", field="parent"), "openings.parent", OpeningError),
        (opening("in_room", value=120.5), "openings.in_room", OpeningError),
    ],
)
def test_what_is_wrong_is_named(data, part, error):
    with pytest.raises(error) as raised:
        verify(data)
    assert raised.value.field == part
    assert "Jan" not in str(raised.value)


def test_numbers_that_are_equal_open_alike():
    # 120.0 and 120 are one number, hence one form, in RFC 8785.
    assert verify(opening("in_room", value=120.0)).openings


def test_each_signature_is_demanded():
    lines = PROOF.rstrip("\n").split("\n")
    assert lines[-2].startswith("— ")
    assert lines[-1].startswith("— ")
    for left_out in (-1, -2):
        kept = "\n".join(line for position, line in enumerate(lines) if position != len(lines) + left_out) + "\n"
        with pytest.raises(SignatureError) as raised:
            verify(changed(proof=kept))
        assert raised.value.field == "proof"


def test_another_log_is_refused():
    with pytest.raises(AuditLogError) as raised:
        verify_receipt(parse_receipt(DATA), KEYS, origin="register.example/other")
    assert raised.value.field == "proof"


def test_every_changed_character_is_caught():
    """Of entry, proof and openings alike; the file around them is layout."""
    value = json.loads(DATA)
    for name in ("entry", "proof"):
        text = value[name]
        for position in range(0, len(text), 7):
            other = "0" if text[position] != "0" else "1"
            with pytest.raises(AuditLogError):
                verify(changed(**{name: text[:position] + other + text[position + 1 :]}))


def test_openings_made_up_for_a_kind_without_commitments():
    receipt = parse_receipt(DATA)
    with pytest.raises(AuditLogError):
        verify_receipt(
            replace(receipt, entry=VECTORS["entries"][0].encode(), openings=(Opening("outcome", "x", "0" * 64),)),
            KEYS,
            origin=ORIGIN,
        )
