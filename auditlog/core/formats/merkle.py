"""The Merkle tree of RFC 6962 section 2.1 and RFC 9162 section 2.1: hashes, proofs, and their verification.

A tree is described by its size and by the roots of its full subtrees ("nodes"), which a caller reads from wherever
they lie. All hashes are 32 bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from itertools import pairwise
from typing import Final, TypeAlias

from auditlog.core.errors import ProofError

Node: TypeAlias = tuple[int, int]
"""(level, index): the root over the leaves [index * 2^level, (index + 1) * 2^level)."""
Rows: TypeAlias = list[list[bytes]]
"""Of a subtree that fills from the left: row k holds the roots over 2^k of its hashes each, row 0 the hashes."""
ReadNodes: TypeAlias = Callable[[Sequence[Node]], Sequence[bytes]]
"""Returns the hashes of the nodes asked for, in the same order; each lies fully inside the tree."""

HASH_SIZE: Final = 32
EMPTY_ROOT: Final = sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of one entry: SHA-256(0x00 || entry)."""
    return sha256(b"\0" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an interior node: SHA-256(0x01 || left || right)."""
    return sha256(b"\1" + left + right).digest()


def root_hash(leaf_hashes: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes, or over roots of equal full subtrees of which the last may be smaller."""
    if not leaf_hashes:
        return EMPTY_ROOT
    level = list(leaf_hashes)
    while len(level) > 1:
        # Pairing level by level and carrying the odd last one up gives RFC 6962's tree: a split at the largest power
        # of two below n puts only full subtrees on the left.
        odd = level[-1:] if len(level) % 2 else []
        pairs = iter(level)
        level = [sha256(b"\1" + left + right).digest() for left, right in zip(pairs, pairs, strict=False)]
        level += odd
    return level[0]


def extend_rows(rows: Rows, hashes: Sequence[bytes]) -> Rows:
    """Return `rows` of a subtree (of 2^(len(rows) - 1) hashes) with more hashes at its right; `rows` stays as it is."""
    rows = [[*row] for row in rows]
    rows[0] += hashes
    for below, row in pairwise(rows):
        for place in range(2 * len(row), len(below) - 1, 2):
            row.append(sha256(b"\1" + below[place] + below[place + 1]).digest())
    return rows


def tree_root(size: int, read: ReadNodes) -> bytes:
    """Return the root of the tree of `size` leaves."""
    if size < 0:
        raise ProofError("must not be negative", field="size")
    if size == 0:
        return EMPTY_ROOT
    return _hash_ranges([(0, size)], read)[0]


def prove_inclusion(index: int, size: int, read: ReadNodes) -> tuple[bytes, ...]:
    """Return the audit path of leaf `index`, leaf side first (RFC 9162 section 2.1.3.1)."""
    if not 0 <= index < size:
        raise ProofError(f"leaf {index} is not in a tree of {size}", field="index")
    start, end = 0, size
    siblings: list[tuple[int, int]] = []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            siblings.append((middle, end))
            end = middle
        else:
            siblings.append((start, middle))
            start = middle
    return _hash_ranges(siblings[::-1], read)


def prove_consistency(old: int, new: int, read: ReadNodes) -> tuple[bytes, ...]:
    """Return the proof that the tree of `new` leaves begins with that of `old` (RFC 9162 section 2.1.4.1).

    It is empty for equal sizes, and for an old size of 0, with which every tree is consistent.
    """
    if not 0 <= old <= new:
        raise ProofError(f"no tree of {new} begins with one of {old}", field="size")
    if old in (0, new):
        return ()
    start, end = 0, new
    ranges: list[tuple[int, int]] = []
    while end != old:
        middle = start + _split(end - start)
        if old <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    if start:  # the verifier knows the old root, so the old tree itself is left out when it is one full subtree
        ranges.append((start, end))
    return _hash_ranges(ranges[::-1], read)


def root_from_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """Return the root to which an audit path leads (RFC 9162 section 2.1.3.2). `leaf` is a leaf hash."""
    if not 0 <= index < size:
        raise ProofError(f"leaf {index} is not in a tree of {size}", field="index")
    _check_hashes((leaf,), "leaf")
    _check_hashes(proof, "proof")
    position, last = index, size - 1
    root = leaf
    for sibling in proof:
        if last == 0:
            raise ProofError("is longer than the tree is high", field="proof")
        if position & 1 or position == last:
            root = node_hash(sibling, root)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            root = node_hash(root, sibling)
        position >>= 1
        last >>= 1
    if last:
        raise ProofError("is too short for the size of the tree", field="proof")
    return root


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Raise ProofError unless leaf hash `leaf` is number `index` in the tree of `size` leaves with this root."""
    _check_hashes((root,), "root")
    if root_from_inclusion(leaf, index, size, proof) != root:
        raise ProofError("does not lead to the root of the tree", field="proof")


def verify_consistency(old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Raise ProofError unless the new tree begins with the old one (RFC 9162 section 2.1.4.2)."""
    _check_hashes((old_root, new_root), "root")
    _check_hashes(proof, "proof")
    if not 0 <= old_size <= new_size:
        raise ProofError(f"no tree of {new_size} begins with one of {old_size}", field="size")
    for size, root in ((old_size, old_root), (new_size, new_root)):
        if size == 0 and root != EMPTY_ROOT:
            raise ProofError("of an empty tree must be SHA-256 of nothing", field="root")
    if old_size in (0, new_size):
        if proof:
            raise ProofError("must be empty for these sizes", field="proof")
        if old_size == new_size and old_root != new_root:
            raise ProofError("differs although the sizes are equal", field="root")
        return
    if _roots_from_consistency(old_size, old_root, new_size, proof) != (old_root, new_root):
        raise ProofError("does not lead to both roots", field="proof")


def _roots_from_consistency(
    old_size: int, old_root: bytes, new_size: int, proof: Sequence[bytes]
) -> tuple[bytes, bytes]:
    path = list(proof)
    if old_size & (old_size - 1) == 0:
        path.insert(0, old_root)
    if not path:
        raise ProofError("is too short for these sizes", field="proof")
    position, last = old_size - 1, new_size - 1
    while position & 1:
        position >>= 1
        last >>= 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise ProofError("is longer than the tree is high", field="proof")
        if position & 1 or position == last:
            old = node_hash(sibling, old)
            new = node_hash(sibling, new)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            new = node_hash(new, sibling)
        position >>= 1
        last >>= 1
    if last:
        raise ProofError("is too short for these sizes", field="proof")
    return old, new


def _check_hashes(hashes: Sequence[bytes], field: str) -> None:
    for value in hashes:
        if len(value) != HASH_SIZE:
            raise ProofError(f"must be made of hashes of {HASH_SIZE} bytes", field=field)


def _split(width: int) -> int:
    """Return the largest power of two below `width` (at least 2)."""
    return 1 << ((width - 1).bit_length() - 1)


def _nodes(start: int, end: int) -> list[Node]:
    """Return the full subtrees of [start, end), a range that the RFC's recursion makes, largest first."""
    nodes = []
    while start < end:
        level = (end - start).bit_length() - 1
        nodes.append((level, start >> level))
        start += 1 << level
    return nodes


def _hash_ranges(ranges: Sequence[tuple[int, int]], read: ReadNodes) -> tuple[bytes, ...]:
    """Return the root over each range of leaves, with one call of `read` for all."""
    parts = [_nodes(start, end) for start, end in ranges]
    hashes = iter(read([node for part in parts for node in part]))
    roots = []
    for part in parts:
        *rest, root = [next(hashes) for _ in part]
        for left in reversed(rest):
            root = node_hash(left, root)
        roots.append(root)
    return tuple(roots)
