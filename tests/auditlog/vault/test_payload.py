"""The plain bytes that are sealed: both forms are read, one is written, lengths tell little."""

from __future__ import annotations

import importlib.util
import json
import uuid
import zlib
from pathlib import Path
from random import Random

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from auditlog.core.errors import VaultError
from auditlog.core.formats.commitment import Stub, canonical_value, commit_all
from auditlog.store.vault import SealedRow
from auditlog.vault.idempotency import SealedRequest
from auditlog.vault.payload import (
    FORM_1,
    FORM_2,
    PADDING,
    WORTH,
    Held,
    format_payload,
    frame,
    parse_payload,
    unframe,
)
from auditlog.vault.references import Refs
from auditlog.vault.seal import Vault

VECTORS = json.loads(Path(__file__).with_name("payloads.json").read_text())


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["name"])
def test_our_vectors(case):
    """Form 1 as it was written until form 2 came, and both as they are read for ever."""
    key, nonce = bytes.fromhex(VECTORS["key"]), bytes.fromhex(VECTORS["nonce"])
    sealed = bytes.fromhex(case["ciphertext"])

    class Keys:
        def read(self, slot):
            assert slot == 7
            return key

    vault = Vault(Keys(), VECTORS["origin"], bytes(32))
    opened = vault.open_row(SealedRow(VECTORS["id"], 7, nonce, sealed))
    assert opened.secret.hex() == VECTORS["secret"]
    assert opened.values == case["values"]
    assert (opened.asked is not None) == case["asked"]
    assert opened.refs == Refs(**case["refs"])
    assert commit_all(opened.secret, opened.values) == case["commitments"]


def test_the_vectors_are_those_of_the_code():
    path = Path(__file__).parents[2] / "vectors" / "generate_payloads.py"
    spec = importlib.util.spec_from_file_location("generate_payloads", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert json.loads(module.build()) == VECTORS


@given(st.binary(max_size=9000))
def test_a_frame_comes_back(data):
    framed = frame(data)
    assert unframe(framed) == data
    assert len(framed) % PADDING == 0


def test_buckets_are_few():
    rng = Random(3)
    sizes = {len(frame(rng.randbytes(size))) for size in range(0, 4000, 7)}
    assert sizes == {*range(PADDING, 4097, PADDING)}
    larger = {len(frame(rng.randbytes(size))) for size in range(8_192, 65_000, 97)}
    assert len(larger) <= 25
    for size in (5_000, 70_000, 300_000):
        assert size < len(frame(rng.randbytes(size))) <= size * 1.13 + PADDING


def test_compressed_only_where_that_saves_a_bucket():
    assert frame(b"a" * 3000)[0] == 1
    assert len(frame(b"a" * 3000)) == PADDING
    assert frame(Random(1).randbytes(3000))[0] == 0
    assert len(frame(b"a" * (WORTH - 5))) == WORTH, "a small record is left as it is"
    assert len(frame(b"a" * (WORTH - 4))) == PADDING


@pytest.mark.parametrize(
    "damage",
    [
        lambda good: b"",
        lambda good: good[:4],
        lambda good: b"\x02" + good[1:],
        lambda good: good + bytes(PADDING),
        lambda good: good[:-PADDING],
        lambda good: good[:-1] + b"x",
        lambda good: good[:1] + (10**9).to_bytes(4, "big") + good[5:],
        lambda good: good[:5] + b"\xff\xff\xff" + good[8:],
        lambda good: good[:5] + zlib.compress(b"x" * 9000)[:100].ljust(len(good) - 5, b"\0"),
    ],
)
def test_other_frames_are_none(damage):
    good = frame(b"a" * 100_000)
    with pytest.raises(VaultError, match="no payload"):
        unframe(damage(good))


def test_all_members_come_back():
    asked, refs = SealedRequest(bytes(32), "nl"), Refs("s1:z1", "s1:gesprek", 3)
    held = {"in_doc": Held("ab" * 16, Stub("cd" * 32, 20_000))}
    text = format_payload(bytes(32), {"outcome": b'"grant"'}, asked=asked, refs=refs, blobs=held)
    content = parse_payload(FORM_2, frame(text))
    assert (content.values, content.asked, content.refs, content.blobs) == ({"outcome": "grant"}, asked, refs, held)
    assert canonical_value(json.loads(text), field="x") == text
    assert parse_payload(FORM_1, text + b" " * 17) == content


@pytest.mark.parametrize(
    "changed",
    [
        {"refs": {}},
        {"refs": {"case": 1}},
        {"refs": {"turn": True}},
        {"refs": {"other": "s1:a"}},
        {"refs": ["s1:a"]},
        {"blobs": []},
        {"blobs": {"in_a": {"blob": "00", "name": "a", "size": 1}}},
        {"blobs": {"in_a": {"blob": "00" * 32, "name": "a"}}},
        {"more": 1},
        {"secret": "00"},
        {"values": None},
    ],
    ids=repr,
)
def test_a_payload_that_says_it_otherwise_is_none(changed):
    text = canonical_value({"secret": "00" * 32, "values": {}, **changed}, field="x")
    for form, plain in ((FORM_1, text), (FORM_2, frame(text))):
        with pytest.raises(VaultError, match=r"^ciphertext: "):
            parse_payload(form, plain)


def test_one_form_does_not_pass_for_the_other(vault):
    id_ = str(uuid.uuid4())
    row = vault.prepare(id_, {"outcome": "grant"}).row
    assert row.ciphertext[:1] == FORM_2
    with pytest.raises(VaultError, match="no payload"):
        vault.open_row(SealedRow(id_, row.slot, row.nonce, FORM_1 + row.ciphertext[1:]))
    slot, key = vault.keys.allocate()
    old = AESGCM(key).encrypt(
        bytes(12), b'{"secret":"%s","values":{}}' % (b"00" * 32), f"{id_}\n{vault.origin}".encode()
    )
    assert vault.open_row(SealedRow(id_, slot, bytes(12), FORM_1 + old)).values == {}
    with pytest.raises(VaultError, match="no payload"):
        vault.open_row(SealedRow(id_, slot, bytes(12), FORM_2 + old))
    with pytest.raises(VaultError, match="no form"):
        vault.open_row(SealedRow(id_, slot, bytes(12), b"\x03" + old))
