"""Signed notes and keys against the published cases, Wycheproof, and random damage."""

from __future__ import annotations

import base64
import contextlib
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditlog.core.errors import AuditLogError, FormatError, SignatureError
from auditlog.core.formats.cosignature import cosignature_message, parse_body, subtree_message
from auditlog.core.formats.note import (
    COSIGNATURE,
    ED25519,
    ML_DSA_44,
    Note,
    Signature,
    Signer,
    VerifierKey,
    format_note,
    format_signature,
    format_skey,
    format_vkey,
    open_note,
    parse_note,
    parse_signature,
    parse_skey,
    parse_vkey,
    verifier_key,
)

SHARED = Path(__file__).parents[5] / "shared" / "vectors"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the published vectors (../shared/vectors) are not here")

TEXT = "log.example/1\n1\n+zoErtsZtGO6sfiSV/v4UJSIyowisE8hvjw0q5+bD38=\n"
SIGNERS = {
    kind: Signer.generate("log.example/1", kind, bytes([kind]) * 32) for kind in (ED25519, COSIGNATURE, ML_DSA_44)
}
KEYS = [signer.vkey for signer in SIGNERS.values()]
NOTE = format_note(
    Note(TEXT, tuple(s.sign(TEXT, timestamp=1_800_000_000 if s.type == COSIGNATURE else 0) for s in SIGNERS.values()))
)
names = st.text(
    alphabet=st.characters(exclude_categories=("Cs", "Cc", "Z"), exclude_characters="+"), min_size=1, max_size=40
)
texts = st.text(alphabet=st.characters(exclude_categories=("Cs", "Cc")), max_size=200).map(lambda text: text + "\n")


def test_open_names_who_signed_and_when():
    opened = open_note(NOTE, KEYS)
    assert opened.note.text == TEXT
    assert opened.by == ((KEYS[0], None), (KEYS[1], 1_800_000_000), (KEYS[2], 0))


@given(
    texts, st.lists(st.tuples(names, st.binary(min_size=4, max_size=4), st.binary(min_size=1, max_size=99)), min_size=1)
)
def test_note_round_trip(text, lines):
    note = Note(text, tuple(Signature(*line) for line in lines))
    assert parse_note(format_note(note)) == note
    assert all(parse_signature(format_signature(line)) == line for line in note.signatures)


@settings(deadline=None)
@given(texts, names, st.sampled_from([ED25519, COSIGNATURE, ML_DSA_44]), st.binary(min_size=32, max_size=32))
def test_key_round_trips_and_signing(text, name, kind, seed):
    signer = Signer.generate(name, kind, seed)
    assert parse_skey(format_skey(signer)) == signer
    assert parse_vkey(format_vkey(signer.vkey)) == signer.vkey == verifier_key(name, kind, signer.vkey.public)
    signed_text = text if kind == ED25519 else TEXT
    data = format_note(Note(signed_text, (signer.sign(signed_text),)))
    assert open_note(data, [signer.vkey]).by == ((signer.vkey, None if kind == ED25519 else 0),)


@settings(deadline=None)
@given(st.data())
def test_a_damaged_note_is_never_opened(data):
    """Every byte counts: text, names, key ids, times and signatures. Only the lines' base64 of unknown keys is free."""
    damaged = bytearray(NOTE)
    damaged[data.draw(st.integers(0, len(NOTE) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        opened = open_note(bytes(damaged), KEYS)
    except (FormatError, SignatureError):
        return
    assert opened.note.text == TEXT
    assert len(opened.by) < len(KEYS)  # a name or key id was hit, so that one line became a stranger's


@given(
    st.binary()
    | st.text(alphabet="\n\u2014 aA+/=").map(str.encode)
    | st.binary().map(lambda b: TEXT.encode() + b"\n" + b)
)
def test_parsers_raise_nothing_but_format_errors(data):
    with contextlib.suppress(FormatError):
        assert format_note(parse_note(data)) == data
    text = data.decode("utf-8", "surrogateescape")
    for parse in (parse_vkey, parse_skey, parse_signature, parse_body):
        with contextlib.suppress(FormatError):
            parse(text)


@settings(deadline=None)
@given(st.sampled_from(list(SIGNERS.values())), st.data())
def test_damaged_keys_are_refused(signer, data):
    text = format_vkey(signer.vkey)
    place = data.draw(st.integers(0, len(text) - 1))
    changed = text[:place] + chr(ord(text[place]) ^ 1) + text[place + 1 :]
    for other in (changed, text[:place], text[place + 1 :], text + "\n"):
        with pytest.raises(FormatError):
            parse_vkey(other)


def test_sixteen_large_signatures_and_a_hundred_lines():
    other = [Signer.generate(f"witness.example/{i}", ML_DSA_44, bytes([i]) * 32) for i in range(1, 16)]
    lines = (*(signer.sign(TEXT, timestamp=i) for i, signer in enumerate(other)), SIGNERS[ML_DSA_44].sign(TEXT))
    assert len(open_note(format_note(Note(TEXT, lines)), [*KEYS, *(s.vkey for s in other)]).by) == 16
    stranger = Signature("other.example", b"1234", bytes(3700))
    assert len(parse_note(format_note(Note(TEXT, (stranger,) * 100))).signatures) == 100
    with pytest.raises(FormatError, match="100"):
        parse_note(format_note(Note(TEXT, (stranger,) * 101)))
    with pytest.raises(FormatError, match="larger"):
        parse_note(b"x" * 1_000_001)


def test_every_line_of_a_known_key_must_verify():
    good = SIGNERS[ED25519].sign(TEXT)
    bad = replace(good, blob=bytes(64))
    stranger = Signature("other.example", good.key_id, bytes(64))
    assert len(open_note(format_note(Note(TEXT, (good, stranger, good))), KEYS).by) == 1
    with pytest.raises(SignatureError, match="does not verify"):
        open_note(format_note(Note(TEXT, (good, bad))), KEYS)
    with pytest.raises(SignatureError, match="no signature of a known key"):
        open_note(format_note(Note(TEXT, (stranger,))), KEYS)
    with pytest.raises(SignatureError, match="wrong length"):
        open_note(format_note(Note(TEXT, (replace(good, blob=good.blob + b"x"),))), KEYS)


def test_a_repeated_cosignature_counts_once_as_it_stood_first():
    lines = tuple(SIGNERS[COSIGNATURE].sign(TEXT, timestamp=time) for time in (7, 5))
    assert open_note(format_note(Note(TEXT, lines)), KEYS).by == ((KEYS[1], 7),)


def test_a_signature_is_more_than_its_key_id():
    assert parse_signature("\u2014 log.example AAAAAAA=").blob == b"\0"
    with pytest.raises(FormatError, match="key id"):
        parse_signature("\u2014 log.example AAAAAA==")


@pytest.mark.parametrize("kind", [COSIGNATURE, ML_DSA_44])
def test_cosignatures_sign_checkpoints_only(kind):
    with pytest.raises(FormatError):
        SIGNERS[kind].sign("just a text\n")
    blob = SIGNERS[kind].sign(TEXT).blob
    with pytest.raises(SignatureError, match="no checkpoint"):
        SIGNERS[kind].vkey.verify("just a text\n", blob)


def test_signing_refuses():
    with pytest.raises(FormatError, match="newline"):
        SIGNERS[ED25519].sign("abc")
    with pytest.raises(FormatError, match="timestamp"):
        SIGNERS[ED25519].sign(TEXT, timestamp=1)
    with pytest.raises(FormatError):
        SIGNERS[ML_DSA_44].sign(TEXT, timestamp=-1)
    for seed, kind in ((bytes(31), ED25519), (bytes(32), 0x02), (bytes(32), 300)):
        with pytest.raises(FormatError):
            Signer.generate("log.example/1", kind, seed)
    with pytest.raises(FormatError):
        Signer.generate("log example", ED25519, bytes(32))
    with pytest.raises(FormatError, match="key type"):
        verifier_key("log.example", 300, bytes(32))


def test_keys_refused():
    key = KEYS[0]
    with pytest.raises(FormatError, match="key id"):
        VerifierKey(key.name, b"1234", key.type, key.public)
    with pytest.raises(FormatError, match="public key"):
        verifier_key(key.name, ML_DSA_44, key.public)
    skey = format_skey(SIGNERS[ED25519])
    for text in (skey.removeprefix("PRIVATE+KEY+"), skey.replace(key.key_id.hex(), "00000000"), skey[:-4], skey + "\n"):
        with pytest.raises(FormatError):
            parse_skey(text)
    with pytest.raises(FormatError):
        parse_vkey("name+00000000+====")


def test_a_signer_does_not_show_its_seed():
    assert repr(bytes([1]) * 32) not in repr(SIGNERS[ED25519])


def load(name):
    return json.loads((SHARED / "tlog-json" / name).read_text())["cases"]


@needs_shared
def test_published_notes_and_cosignatures():
    counts = Counter()
    for case in load("signed-note.json") + load("cosignature.json"):
        try:
            result = OPERATIONS[case["op"]](**case["input"])
        except AuditLogError:
            result = {"ok": False}
        expected = {"ok": True, **case["expect"]}
        if case.get("conflict"):
            expected = {"ok": False}  # the key id of vkey-0x06 is not its hash: a strict reader refuses it
        if not expected["ok"]:
            expected = {"ok": False}
        assert result == expected, case["name"]
        counts[case["op"]] += 1
    assert counts.total() == 77


def case_parse_vkey(vkey):
    key = parse_vkey(vkey)
    assert format_vkey(key) == vkey
    return {
        "ok": True,
        "name": key.name,
        "key_id": key.key_id.hex(),
        "type": key.type,
        "public_key_hex": key.public.hex(),
    }


def case_open_note(vkeys, note=None, note_b64=None):
    data = base64.b64decode(note_b64) if note_b64 else note.encode()
    opened = open_note(data, [parse_vkey(vkey) for vkey in vkeys])
    known = {(key.name, key.key_id) for key, _ in opened.by}
    # Upstream drops repeated lines.
    unverified = [s.name for s in dict.fromkeys(opened.note.signatures) if (s.name, s.key_id) not in known]
    return {
        "ok": True,
        "text": opened.note.text,
        "verified": [key.name for key, _ in opened.by],
        "unverified": unverified,
    }


def case_split_note(note):
    parsed = parse_note(note.encode())
    assert format_note(parsed) == note.encode()
    lines = [{"name": s.name, "key_id": s.key_id.hex()} for s in parsed.signatures]
    return {"ok": True, "text": parsed.text, "signatures": lines}


def case_sign_note(text, skey):
    signer = parse_skey(skey)
    assert format_skey(signer) == skey
    return {"ok": True, "note": format_note(Note(text, (signer.sign(text),))).decode()}


def case_verify_cosignature(body, line, vkey):
    key, signature = parse_vkey(vkey), parse_signature(line.removesuffix("\n"))
    ((_, timestamp),) = open_note(format_note(Note(body, (signature,))), [key]).by
    return {"ok": True, "timestamp": timestamp, "type": key.type}


def case_verify_subtree_cosignature(origin, start, end, hash_b64, line, vkey):
    key, signature = parse_vkey(vkey), parse_signature(line.removesuffix("\n"))
    timestamp, blob = int.from_bytes(signature.blob[:8], "big"), signature.blob[8:]
    root = base64.b64decode(hash_b64)
    message = subtree_message(name=key.name, timestamp=timestamp, origin=origin, start=start, end=end, root=root)
    key.verify_message(message, blob)
    return {"ok": True, "timestamp": timestamp}


def case_cosignature_message(
    timestamp, body=None, cosigner_name=None, origin=None, start=0, end=0, hash_b64="", **kind
):
    if kind["type"] == COSIGNATURE:
        message = cosignature_message(body, timestamp)
    else:
        root = base64.b64decode(hash_b64)
        message = subtree_message(
            name=cosigner_name, timestamp=timestamp, origin=origin, start=start, end=end, root=root
        )
    return {"ok": True, "message_b64": base64.b64encode(message).decode()}


def case_cosignature_timestamp(signature_b64):
    signature = parse_signature(f"\u2014 any {signature_b64}")
    if len(signature.blob) != 72:
        raise FormatError("carries no time")
    return {"ok": True, "timestamp": int.from_bytes(signature.blob[:8], "big")}


OPERATIONS = {name.removeprefix("case_"): value for name, value in list(globals().items()) if name.startswith("case_")}


@needs_shared
@pytest.mark.parametrize(
    ("name", "kind", "count"), [("ed25519_test", ED25519, 151), ("mldsa_44_verify_test", ML_DSA_44, 180)]
)
def test_wycheproof(name, kind, count):
    seen, wrong = 0, []
    for group in json.loads((SHARED / f"wycheproof/{name}.json").read_text())["testGroups"]:
        public = group["publicKey"]["pk"] if kind == ED25519 else group["publicKey"]
        for test in group["tests"]:
            seen += 1
            if test.get("ctx"):
                continue  # cosignatures use the empty context
            try:
                key = verifier_key("wycheproof", kind, bytes.fromhex(public))
                key.verify_message(bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"]))
                accepted = True
            except AuditLogError:
                accepted = False
            if accepted != (test["result"] == "valid"):
                wrong.append(test["tcId"])
    assert wrong == []
    assert seen == count


@needs_shared
def test_wycheproof_seeds():
    for group in json.loads((SHARED / "wycheproof/mldsa_44_sign_seed_slice.json").read_text())["testGroups"]:
        if "publicKey" in group:
            signer = Signer.generate("wycheproof", ML_DSA_44, bytes.fromhex(group["privateSeed"]))
            assert signer.vkey.public.hex() == group["publicKey"]
