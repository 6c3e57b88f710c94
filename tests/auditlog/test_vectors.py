"""The formats are stable: our own vectors come out as they did, and hold when read back."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from auditlog.core.errors import FormatError, ProofError
from auditlog.core.formats.canonical import format_canonical, parse_canonical
from auditlog.core.formats.checkpoint import open_checkpoint
from auditlog.core.formats.keyring import key_ring
from auditlog.core.formats.merkle import leaf_hash, verify_consistency, verify_inclusion
from auditlog.core.formats.note import format_skey, format_vkey, open_note, parse_skey, parse_vkey
from auditlog.core.formats.proof import parse_proof, verify_proof
from auditlog.core.formats.tiles import Tile, parse_entry_bundle, parse_tile_path

MAKERS = Path(__file__).parents[1] / "vectors"
FOLDER = Path(__file__).parents[2] / "docs" / "conformance" / "vectors"
VECTORS = json.loads((FOLDER / "formats.json").read_text())


def test_vectors_have_not_drifted():
    spec = importlib.util.spec_from_file_location("vectors_generate", MAKERS / "generate.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    assert generate.dump(generate.build(VECTORS)) == (FOLDER / "formats.json").read_text()


def test_canonical_vectors():
    for text in VECTORS["canonical"]["integers"]:
        assert format_canonical(parse_canonical(text.encode())) == text.encode()
    for text in VECTORS["canonical"]["fractions"]:
        value = parse_canonical(text.encode(), fractions=True)
        assert format_canonical(value, fractions=True) == text.encode()
    for text in VECTORS["canonical"]["refused"]:
        with pytest.raises(FormatError):
            parse_canonical(text.encode())


def test_merkle_vectors():
    roots = {int(size): bytes.fromhex(root) for size, root in VECTORS["merkle"]["roots"].items()}
    assert roots[17].hex() == VECTORS["root_of_17"]
    assert roots[70_000].hex() == VECTORS["root_of_edge"]
    for case in VECTORS["merkle"]["inclusion"]:
        proof = [bytes.fromhex(h) for h in case["proof"]]
        leaf = leaf_hash(f"entry {case['index']}".encode())
        verify_inclusion(leaf, case["index"], case["size"], proof, roots[case["size"]])
        with pytest.raises(ProofError):
            verify_inclusion(leaf_hash(b"another"), case["index"], case["size"], proof, roots[case["size"]])
    for case in VECTORS["merkle"]["consistency"]:
        proof = [bytes.fromhex(h) for h in case["proof"]]
        verify_consistency(case["old"], roots[case["old"]], case["new"], roots[case["new"]], proof)


def test_tile_vectors():
    for level, index, width, path in VECTORS["tiles"]["paths"]:
        assert parse_tile_path(path) == Tile(level, index, width)
    bundle = parse_entry_bundle(bytes.fromhex(VECTORS["tiles"]["bundle_of_3"]))
    assert bundle == [b"entry 0", b"entry 1", b"entry 2"]


def test_note_vectors():
    note = VECTORS["note"]
    keys = [parse_vkey(text) for text in note["vkeys"]]
    assert [format_vkey(key) for key in keys] == note["vkeys"]
    assert [format_skey(parse_skey(text)) for text in note["skeys"]] == note["skeys"]
    assert [parse_skey(text).vkey for text in note["skeys"]] == keys
    for size, text in note["checkpoints"].items():
        signed = open_checkpoint(text.encode(), key_ring(keys[:2]), origin=note["origin"])
        assert signed.checkpoint.size == int(size)
        assert [time for _, time in open_note(text.encode(), keys).by] == [None, 0, 1_800_000_000]
    proof = parse_proof(note["proof_of_entry_11"].encode())
    assert proof.extra == b"anything"
    assert verify_proof(proof, b"entry 11", key_ring(keys[:2]), origin=note["origin"]).checkpoint.size == 17
