"""Proof files: round trips, the published cases, and that no part can be changed."""

from __future__ import annotations

import base64
import contextlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditlog.core.errors import AuditLogError, FormatError, ProofError, SignatureError
from auditlog.core.formats.checkpoint import Checkpoint, sign_checkpoint
from auditlog.core.formats.keyring import key_ring
from auditlog.core.formats.merkle import leaf_hash, prove_inclusion, root_hash
from auditlog.core.formats.note import ED25519, ML_DSA_44, Signer, parse_vkey
from auditlog.core.formats.proof import LogProof, format_proof, parse_proof, verify_proof
from auditlog.core.formats.tiles import grow, nodes_reader

SHARED = Path(__file__).parents[5] / "shared" / "vectors"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the published vectors (../shared/vectors) are not here")

ORIGIN = "register.example/log/1"
SIGNERS = tuple(Signer.generate(ORIGIN, kind, bytes([kind]) * 32) for kind in (ED25519, ML_DSA_44))
KEYS = key_ring(signer.vkey for signer in SIGNERS)
ENTRIES = [b"entry %d" % index for index in range(11)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]
CHECKPOINT = sign_checkpoint(Checkpoint(ORIGIN, 11, root_hash(LEAVES)), SIGNERS)
READ = nodes_reader(lambda _: grow(0, {}, LEAVES).edge[0], 11)
PROOFS = [LogProof(index, prove_inclusion(index, 11, READ), CHECKPOINT) for index in range(11)]

proofs = st.builds(
    LogProof,
    st.integers(0, 2**64 - 1),
    st.lists(st.binary(min_size=32, max_size=32), max_size=64).map(tuple),
    st.just(CHECKPOINT),
    st.none() | st.binary(max_size=99),
)


@given(proofs)
def test_round_trip(proof):
    assert parse_proof(format_proof(proof)) == proof


@given(st.binary() | st.text(alphabet="c2sp.org/tlog-proof@v1\nindex 0AB=").map(str.encode))
def test_any_bytes_are_refused_or_a_proof(data):
    for candidate in (data, b"c2sp.org/tlog-proof@v1\n" + data + b"\n" + CHECKPOINT):
        with contextlib.suppress(FormatError):
            assert format_proof(parse_proof(candidate)) == candidate


def test_every_entry_is_proven():
    for entry, proof in zip(ENTRIES, PROOFS, strict=True):
        signed = verify_proof(parse_proof(format_proof(proof)), entry, KEYS, origin=ORIGIN)
        assert signed.checkpoint.size == 11
        assert signed.by == KEYS.vkeys


@settings(deadline=None)
@given(st.data())
def test_a_damaged_file_proves_nothing_else(data):
    whole = format_proof(PROOFS[6])
    damaged = bytearray(whole)
    damaged[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(AuditLogError):
        verify_proof(parse_proof(bytes(damaged)), ENTRIES[6], KEYS, origin=ORIGIN)


def test_other_entry_index_key_or_origin():
    with pytest.raises(ProofError):
        verify_proof(PROOFS[6], ENTRIES[5], KEYS, origin=ORIGIN)
    with pytest.raises(ProofError):
        verify_proof(replace(PROOFS[6], index=7), ENTRIES[6], KEYS, origin=ORIGIN)
    with pytest.raises(ProofError, match="index"):
        verify_proof(replace(PROOFS[6], index=11), ENTRIES[6], KEYS, origin=ORIGIN)
    with pytest.raises(SignatureError):
        verify_proof(PROOFS[6], ENTRIES[6], KEYS, origin="register.example/log/2")
    stranger = Signer.generate(ORIGIN, ML_DSA_44, bytes(32)).vkey
    with pytest.raises(SignatureError, match="missing"):
        verify_proof(PROOFS[6], ENTRIES[6], key_ring([KEYS.vkeys[0], stranger]), origin=ORIGIN)


@pytest.mark.parametrize(("index", "hashes"), [(-1, ()), (2**64, ()), (0, (bytes(31),)), (0, (bytes(32),) * 65)])
def test_proofs_refused(index, hashes):
    with pytest.raises(FormatError):
        LogProof(index, hashes, CHECKPOINT)


def test_what_follows_the_path_must_be_a_signed_note():
    for checkpoint in (b"", b"checkpoint\n", CHECKPOINT[:-1], CHECKPOINT + b"\n"):
        with pytest.raises(FormatError):
            parse_proof(format_proof(replace(PROOFS[0], checkpoint=checkpoint)))


def test_an_empty_extra_is_kept():
    proof = replace(PROOFS[0], extra=b"")
    assert parse_proof(format_proof(proof)) == proof


@needs_shared
def test_published_cases():
    cases = json.loads((SHARED / "tlog-json/tlog-proof.json").read_text())["cases"]
    assert len(cases) == 39
    for case in cases:
        expected = case["expect"]
        try:
            result = {"verify_proof": verified, "parse_proof": parsed, "format_proof": formatted}[case["op"]](
                case["input"]
            )
        except AuditLogError:
            result = {"ok": False}
        if "error" in expected:
            expected = {"ok": False}
        assert result == expected, case["name"]


def verified(given_):
    proof = parse_proof(given_["proof"].encode())
    assert format_proof(proof) == given_["proof"].encode()
    keys = key_ring(parse_vkey(vkey) for vkey in given_["vkeys"])
    signed = verify_proof(proof, base64.b64decode(given_["entry_b64"]), keys, origin=given_["origin"])
    result = {"ok": True, "index": proof.index, "size": signed.checkpoint.size, "hashes": len(proof.hashes)}
    return result | ({} if proof.extra is None else {"extra_b64": base64.b64encode(proof.extra).decode()})


def parsed(given_):
    parse_proof(given_["proof"].encode())
    return {"ok": True}


def formatted(given_):
    hashes = tuple(base64.b64decode(value) for value in given_["hashes_b64"])
    extra = base64.b64decode(given_["extra_b64"]) if "extra_b64" in given_ else None
    proof = LogProof(given_["index"], hashes, given_["checkpoint"].encode(), extra)
    return {"proof": format_proof(proof).decode()}
