"""A set of record ids under one root, so that an entry can name many and give away none.

Each id has a salt of its own, `HMAC-SHA-256(secret, "greffier/1/id" 0x00 id)`, and the leaf `salt || id` in a Merkle
tree (RFC 9162) over the ids in rising order. One member is shown by its salt and its path; the ids of a log are public,
and without the secret nobody can try them against the root.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from auditlog.core.errors import FormatError, NotFound
from auditlog.core.formats.merkle import Node, leaf_hash, prove_inclusion, root_hash, verify_inclusion

SECRET_SIZE: Final = 32
_LABEL: Final = b"greffier/1/id\0"


@dataclass(frozen=True, slots=True)
class Membership:
    """What shows that one id is in a set of `size` ids: its place, its salt (32 bytes), its path."""

    index: int
    size: int
    salt: bytes
    path: tuple[bytes, ...]


def id_root(secret: bytes, ids: Collection[str]) -> bytes:
    """The root over a set of ids in any order, 32 bytes. Raises FormatError for one that comes twice."""
    return root_hash(_leaves(secret, _ordered(ids)))


def prove_member(secret: bytes, ids: Collection[str], member: str) -> Membership:
    """Show that `member` is in the set and nothing of the others. Raises NotFound where it is not."""
    ordered = _ordered(ids)
    if member not in ordered:
        raise NotFound("is not in the set", field="id")
    index, leaves = ordered.index(member), _leaves(secret, ordered)

    def read(nodes: Sequence[Node]) -> list[bytes]:
        return [root_hash(leaves[place << level : (place + 1) << level]) for level, place in nodes]

    return Membership(index, len(leaves), _salt(secret, member), prove_inclusion(index, len(leaves), read))


def verify_member(membership: Membership, member: str, root: bytes) -> None:
    """Raises ProofError where the id is not the one at that place of the set."""
    leaf = leaf_hash(membership.salt + member.encode("ascii"))
    verify_inclusion(leaf, membership.index, membership.size, membership.path, root)


def _ordered(ids: Collection[str]) -> list[str]:
    ordered = sorted(ids)
    if len(set(ordered)) != len(ordered):
        raise FormatError("holds an id twice", field="ids")
    return ordered


def _leaves(secret: bytes, ordered: Sequence[str]) -> list[bytes]:
    return [leaf_hash(_salt(secret, id_) + id_.encode("ascii")) for id_ in ordered]


def _salt(secret: bytes, id_: str) -> bytes:
    if len(secret) != SECRET_SIZE:
        raise FormatError(f"must be {SECRET_SIZE} bytes", field="secret")
    return hmac.digest(secret, _LABEL + id_.encode("ascii"), "sha256")
