"""The tree against a naive one written from RFC 6962 section 2.1, and against the published cases."""

from __future__ import annotations

import base64
import json
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditlog.core.errors import ProofError
from auditlog.core.formats.merkle import (
    EMPTY_ROOT,
    leaf_hash,
    node_hash,
    prove_consistency,
    prove_inclusion,
    root_from_inclusion,
    root_hash,
    tree_root,
    verify_consistency,
    verify_inclusion,
)

SHARED = Path(__file__).parents[5] / "shared" / "vectors"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the published vectors (../shared/vectors) are not here")

LEAVES = [leaf_hash(b"%d" % index) for index in range(300)]


def naive_root(leaves):
    """MTH of RFC 6962 section 2.1, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha256(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:])).digest()


def naive_path(index, leaves):
    """PATH of RFC 6962 section 2.1.1."""
    if len(leaves) == 1:
        return ()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if index < k:
        return (*naive_path(index, leaves[:k]), naive_root(leaves[k:]))
    return (*naive_path(index - k, leaves[k:]), naive_root(leaves[:k]))


def naive_subproof(old, leaves, whole):
    """SUBPROOF of RFC 6962 section 2.1.2."""
    if old == len(leaves):
        return () if whole else (naive_root(leaves),)
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if old <= k:
        return (*naive_subproof(old, leaves[:k], whole), naive_root(leaves[k:]))
    return (*naive_subproof(old - k, leaves[k:], False), naive_root(leaves[:k]))


def reader(leaves):
    def read(nodes):
        for level, index in nodes:
            assert (index + 1) << level <= len(leaves), "a node must lie fully inside the tree"
        return [naive_root(leaves[index << level : (index + 1) << level]) for level, index in nodes]

    return read


def test_hashes():
    assert leaf_hash(b"") == sha256(b"\0").digest()
    assert node_hash(b"l" * 32, b"r" * 32) == sha256(b"\x01" + b"l" * 32 + b"r" * 32).digest()
    assert sha256(b"").digest() == EMPTY_ROOT == root_hash([]) == tree_root(0, reader([]))


def test_every_root_and_proof_of_small_trees():
    for size in range(1, 40):
        leaves = LEAVES[:size]
        root = naive_root(leaves)
        assert root_hash(leaves) == tree_root(size, reader(leaves)) == root
        for index in range(size):
            proof = prove_inclusion(index, size, reader(leaves))
            assert proof == naive_path(index, leaves)
            verify_inclusion(leaves[index], index, size, proof, root)
        for old in range(1, size + 1):
            proof = prove_consistency(old, size, reader(leaves))
            assert proof == naive_subproof(old, leaves, True)
            verify_consistency(old, naive_root(leaves[:old]), size, root, proof)


@settings(deadline=None)
@given(st.data())
def test_proofs_of_larger_trees_and_their_mutations(data):
    size = data.draw(st.integers(2, 300))
    leaves = LEAVES[:size]
    index = data.draw(st.integers(0, size - 1))
    root = root_hash(leaves)
    proof = list(prove_inclusion(index, size, reader(leaves)))
    verify_inclusion(leaves[index], index, size, proof, root)
    for other in mutations(proof, data):
        with pytest.raises(ProofError):
            verify_inclusion(leaves[index], index, size, other, root)
    with pytest.raises(ProofError):
        verify_inclusion(leaves[index - 1], index, size, proof, root)


@settings(deadline=None)
@given(st.data())
def test_consistency_of_larger_trees_and_its_mutations(data):
    size = data.draw(st.integers(2, 300))
    old = data.draw(st.integers(1, size - 1))
    old_root, root = root_hash(LEAVES[:old]), root_hash(LEAVES[:size])
    proof = list(prove_consistency(old, size, reader(LEAVES[:size])))
    verify_consistency(old, old_root, size, root, proof)
    for other in mutations(proof, data):
        with pytest.raises(ProofError):
            verify_consistency(old, old_root, size, root, other)
    for swapped in ((old, root, size, old_root), (old, root, size, root), (old, old_root, size, old_root)):
        with pytest.raises(ProofError):
            verify_consistency(*swapped, proof)


def mutations(proof, data):
    place = data.draw(st.integers(0, len(proof) - 1))
    changed = bytearray(proof[place])
    changed[data.draw(st.integers(0, 31))] ^= 1 << data.draw(st.integers(0, 7))
    yield [*proof[:place], bytes(changed), *proof[place + 1 :]]
    yield [*proof[:place], *proof[place + 1 :]]
    yield [*proof, proof[place]]
    yield [*proof[:place], proof[place][:31], *proof[place + 1 :]]


def test_one_read_per_proof():
    calls = []

    def read(nodes):
        calls.append(len(nodes))
        return reader(LEAVES)(nodes)

    prove_inclusion(7, 299, read)
    prove_consistency(100, 299, read)
    assert len(calls) == 2


def test_an_empty_old_tree_is_consistent_with_all():
    assert prove_consistency(0, 5, reader(LEAVES[:5])) == ()
    verify_consistency(0, EMPTY_ROOT, 5, root_hash(LEAVES[:5]), ())
    verify_consistency(0, EMPTY_ROOT, 0, EMPTY_ROOT, ())
    for case in (
        (0, LEAVES[0], 5, root_hash(LEAVES[:5]), ()),
        (0, EMPTY_ROOT, 5, root_hash(LEAVES[:5]), (LEAVES[0],)),
        (0, EMPTY_ROOT, 0, LEAVES[0], ()),
        (5, LEAVES[0], 5, LEAVES[1], ()),
        (5, LEAVES[0], 5, LEAVES[0], (LEAVES[0],)),
        (5, LEAVES[0], 4, LEAVES[0], ()),
        (-1, LEAVES[0], 4, LEAVES[0], ()),
        (3, LEAVES[0], 4, LEAVES[0], ()),
    ):
        with pytest.raises(ProofError):
            verify_consistency(*case)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 1), (5, 4), (-1, 4)])
def test_a_leaf_outside_the_tree(index, size):
    with pytest.raises(ProofError, match="index"):
        prove_inclusion(index, size, reader(LEAVES[:4]))
    with pytest.raises(ProofError, match="index"):
        root_from_inclusion(LEAVES[0], index, size, ())


def test_paths_of_another_height_lead_to_no_root():
    proof = prove_inclusion(3, 8, reader(LEAVES[:8]))
    assert root_from_inclusion(LEAVES[3], 3, 8, proof) == root_hash(LEAVES[:8])
    with pytest.raises(ProofError, match="longer"):
        root_from_inclusion(LEAVES[3], 3, 8, (*proof, LEAVES[0]))
    with pytest.raises(ProofError, match="too short"):
        root_from_inclusion(LEAVES[3], 3, 8, proof[:-1])


@pytest.mark.parametrize(("old", "new"), [(5, 4), (-1, 4)])
def test_no_proof_of_a_smaller_tree(old, new):
    with pytest.raises(ProofError):
        prove_consistency(old, new, reader(LEAVES[:4]))
    with pytest.raises(ProofError):
        tree_root(-1, reader([]))


def cases(folder):
    paths = sorted((SHARED / "merkle" / folder).rglob("*.json"))
    assert len(paths) == 98
    return [(str(path.relative_to(SHARED)), json.loads(path.read_text())) for path in paths]


def unbase64(text):
    return base64.b64decode(text or "")


def accepts(verify, *arguments):
    try:
        verify(*arguments)
    except ProofError:
        return False
    return True


@needs_shared
def test_published_inclusion_cases():
    differ = []
    for name, case in cases("inclusion"):
        proof = [unbase64(h) for h in case["proof"] or []]
        arguments = unbase64(case["leafHash"]), case["leafIdx"], case["treeSize"], proof, unbase64(case["root"])
        if accepts(verify_inclusion, *arguments) == case["wantErr"]:
            differ.append(name)
    assert differ == []


@needs_shared
def test_published_consistency_cases():
    differ = []
    for name, case in cases("consistency"):
        proof = [unbase64(h) for h in case["proof"] or []]
        arguments = case["size1"], unbase64(case["root1"]), case["size2"], unbase64(case["root2"]), proof
        if accepts(verify_consistency, *arguments) == case["wantErr"]:
            differ.append(name)
            assert len(arguments[1]) != 32, "only a root that is no SHA-256 hash may be judged differently"
    assert differ == ["merkle/consistency/additional/sizes-are-equal-one-and-proof-is-empty.json"]


@needs_shared
def test_published_known_answers():
    tested = 0
    for case in json.loads((SHARED / "tlog-json/merkle-known-answers.json").read_text())["cases"]:
        given_, expected = case["input"], case["expect"]
        if case["op"] == "leaf_hash":
            assert leaf_hash(unbase64(given_["data_b64"])) == unbase64(expected["hash_b64"])
        elif case["op"] == "tree_hash":
            size = 0 if given_["leaves"] == "none" else int(given_["leaves"].split('"leaf ')[-1].rstrip('"')) + 1
            assert root_hash([leaf_hash(b"leaf %d" % i) for i in range(size)]).hex() == expected["hash_hex"]
        elif case["op"] == "accumulate":
            assert accumulate(proofs="proofs" in case["name"]) == expected["sha256"]
        else:
            assert case["op"] == "valid_subtree"  # Merkle Tree Certificates, which we do not issue
            continue
        tested += 1
    assert tested == 10


def accumulate(*, proofs):
    """One hash over every valid subtree of up to 130 leaves, or over every inclusion proof in it."""
    leaves = [leaf_hash(bytes([i])) for i in range(130)]
    total = sha256()
    for end in range(131):
        for start in range(end + 1):
            part = leaves[start:end]
            if part and start % (1 << (len(part) - 1).bit_length()):
                continue
            if not proofs:
                total.update(f"[{start}, {end}) {root_hash(part).hex()}\n".encode())
                continue
            for i in range(len(part)):
                path = "".join(" " + h.hex() for h in prove_inclusion(i, len(part), fast_reader(part)))
                total.update(f"{start + i} [{start}, {end}){path}\n".encode())
    return total.hexdigest()


def fast_reader(leaves):
    return lambda nodes: [root_hash(leaves[index << level : (index + 1) << level]) for level, index in nodes]
