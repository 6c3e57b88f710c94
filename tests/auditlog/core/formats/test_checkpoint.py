"""Checkpoints: what the log signs, and that a reader demands every key of the log."""

from __future__ import annotations

import base64
import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditlog.core.errors import AuditLogError, FormatError, SignatureError
from auditlog.core.formats.checkpoint import (
    Checkpoint,
    format_checkpoint,
    open_checkpoint,
    parse_checkpoint,
    sign_checkpoint,
)
from auditlog.core.formats.cosignature import parse_body
from auditlog.core.formats.keyring import key_ring
from auditlog.core.formats.merkle import EMPTY_ROOT
from auditlog.core.formats.note import COSIGNATURE, ED25519, ML_DSA_44, Note, Signer, format_note, parse_vkey

SHARED = Path(__file__).parents[5] / "shared" / "vectors"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the published vectors (../shared/vectors) are not here")

ORIGIN = "register.example/log/1"
ED, ML = (Signer.generate(ORIGIN, kind, bytes([kind]) * 32) for kind in (ED25519, ML_DSA_44))
KEYS = key_ring((ED.vkey, ML.vkey))
CHECKPOINT = Checkpoint(ORIGIN, 3, bytes(range(32)))
TEXT = format_checkpoint(CHECKPOINT)
WITNESS = Signer.generate("witness.example", COSIGNATURE, bytes(32))

names = st.text(
    alphabet=st.characters(exclude_categories=("Cs", "Cc", "Z"), exclude_characters="+"), min_size=1, max_size=40
)


def note(*signatures, text=TEXT):
    return format_note(Note(text, signatures))


@given(names, st.integers(1, 2**64 - 1), st.binary(min_size=32, max_size=32))
def test_round_trip(origin, size, root):
    checkpoint = Checkpoint(origin, size, root)
    assert parse_checkpoint(format_checkpoint(checkpoint)) == checkpoint


@given(st.text() | st.text(max_size=9).map(lambda text: TEXT.replace("3", text)))
def test_any_text_is_a_checkpoint_or_refused(text):
    with contextlib.suppress(FormatError):
        assert format_checkpoint(parse_checkpoint(text)) == text


def test_signed_by_both_keys():
    data = sign_checkpoint(CHECKPOINT, (ED, ML))
    signed = open_checkpoint(data, KEYS, origin=ORIGIN)
    assert signed.checkpoint == CHECKPOINT
    assert signed.note == data
    assert signed.by == KEYS.vkeys
    assert data.decode().startswith(TEXT + "\n")
    assert len(data.splitlines()) == 6


def test_the_empty_log():
    empty = Checkpoint(ORIGIN, 0, EMPTY_ROOT)
    assert open_checkpoint(sign_checkpoint(empty, (ED, ML)), KEYS, origin=ORIGIN).checkpoint == empty
    with pytest.raises(FormatError, match="root"):
        Checkpoint(ORIGIN, 0, bytes(32))


def test_every_key_of_the_log_is_demanded():
    for signers in ((ED,), (ML,)):
        with pytest.raises(SignatureError, match="is missing"):
            open_checkpoint(sign_checkpoint(CHECKPOINT, signers), KEYS, origin=ORIGIN)
        assert open_checkpoint(sign_checkpoint(CHECKPOINT, signers), key_ring([signers[0].vkey]), origin=ORIGIN)
    with pytest.raises(SignatureError, match="key file"):
        open_checkpoint(sign_checkpoint(CHECKPOINT, (ED, ML)), key_ring([]), origin=ORIGIN)


def test_a_witness_line_neither_helps_nor_harms():
    witnessed = WITNESS.sign(TEXT, timestamp=1_800_000_000)
    assert open_checkpoint(note(ED.sign(TEXT), ML.sign(TEXT), witnessed), KEYS, origin=ORIGIN).by == KEYS.vkeys
    with pytest.raises(SignatureError):
        open_checkpoint(note(witnessed), KEYS, origin=ORIGIN)


def test_the_log_s_own_line_carries_no_time():
    with pytest.raises(SignatureError, match="time 0"):
        open_checkpoint(note(ED.sign(TEXT), ML.sign(TEXT, timestamp=1)), KEYS, origin=ORIGIN)


def test_of_another_log():
    with pytest.raises(SignatureError, match="origin"):
        open_checkpoint(sign_checkpoint(CHECKPOINT, (ED, ML)), KEYS, origin="register.example/log/2")


def test_extension_lines_are_refused_although_a_signature_holds():
    extended = TEXT + "extension\n"
    with pytest.raises(FormatError, match="extension"):
        open_checkpoint(note(ED.sign(extended), ML.sign(TEXT), text=extended), KEYS, origin=ORIGIN)


def test_signatures_of_another_size_do_not_move():
    other = format_checkpoint(Checkpoint(ORIGIN, 4, CHECKPOINT.root))
    for signatures in ((ED.sign(TEXT), ML.sign(other)), (ED.sign(other), ML.sign(TEXT))):
        with pytest.raises(SignatureError, match="does not belong to this checkpoint"):
            open_checkpoint(note(*signatures, text=other), KEYS, origin=ORIGIN)


@pytest.mark.parametrize(
    ("origin", "size", "root"),
    [("", 1, bytes(32)), ("a b", 1, bytes(32)), ("a", -1, bytes(32)), ("a", 2**64, bytes(32)), ("a", 1, bytes(31))],
)
def test_checkpoints_refused(origin, size, root):
    with pytest.raises(FormatError):
        Checkpoint(origin, size, root)


def test_bodies_of_any_log():
    body = parse_body(TEXT.replace(ORIGIN, "go.sum database tree") + "one\ntwo\n")
    assert (body.origin, body.extensions) == ("go.sum database tree", ("one", "two"))
    for text in (TEXT + "\n", TEXT + "one\n\ntwo\n", TEXT[:-1], TEXT.replace(ORIGIN, ""), TEXT + "\x01\n"):
        with pytest.raises(FormatError):
            parse_body(text)
    with pytest.raises(FormatError, match="origin"):
        parse_checkpoint(TEXT.replace(ORIGIN, "go.sum database tree"))


def load():
    return json.loads((SHARED / "tlog-json/checkpoint.json").read_text())["cases"]


@needs_shared
def test_published_bodies():
    """A reader of 32-byte roots only: cases with another root are refused, as their note allows."""
    seen = 0
    for case in load():
        if case["op"] != "parse_checkpoint_body":
            continue
        seen += 1
        expected = case["expect"]
        acceptable = expected["ok"] and len(base64.b64decode(expected["hash_b64"])) == 32
        try:
            body = parse_body(case["input"]["body"])
        except FormatError:
            assert not acceptable, case["name"]
            continue
        assert acceptable, case["name"]
        assert (body.origin, body.size) == (expected["origin"], expected["size"])
        assert base64.b64encode(body.root).decode() == expected["hash_b64"]
        assert "".join(line + "\n" for line in body.extensions) == expected["extension"]
    assert seen == 30


@needs_shared
def test_published_checkpoints():
    """A log whose keys bear another name is refused: a ring tells logs apart by the names of their keys."""
    seen = 0
    for case in load():
        if case["op"] != "open_checkpoint":
            continue
        seen += 1
        given_, expected = case["input"], case["expect"]
        try:
            keys = key_ring(parse_vkey(vkey) for vkey in given_["vkeys"])
            signed = open_checkpoint(given_["checkpoint"].encode(), keys, origin=given_["origin"])
        except AuditLogError:
            named = all(key.name == given_["origin"] for key in keys.vkeys)
            assert case.get("optional") or not named or not expected["ok"], case["name"]
            continue
        assert expected["ok"], case["name"]
        assert signed.checkpoint.size == expected["size"]
        assert base64.b64encode(signed.checkpoint.root).decode() == expected["hash_b64"]
        assert [key.name for key in signed.by] == expected["verified"]
    assert seen == 8
