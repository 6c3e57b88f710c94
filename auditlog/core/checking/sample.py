"""Drawing a sample that neither side can choose. Pure; `docs/conformance/sample.md` says the same for other programs.

The population are the decisions of one system (or of all) in a range of the log, made on real people: live or pilot.
Whoever asks for the sample draws a nonce of 32 bytes and has its SHA-256 recorded together with the range (checkpoint
A). Later a witness outside cosigns a checkpoint whose root nobody knew then (B), and the nonce is revealed:

    seed   = SHA-256(nonce || root of B)
    key(i) = SHA-256("greffier/1/draw" 0x00 || seed || i)      i: index of the entry, 8 bytes, most significant first

The sample are the `count` entries of the population with the smallest keys, in the order of these keys.
"""

from __future__ import annotations

import heapq
import re
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from typing import Final

from auditlog.core.entries.record import Entry
from auditlog.core.errors import FormatError
from auditlog.core.formats.policy import Policy

NONCE_SIZE: Final = 32
SAMPLED_MODES: Final = ("live", "pilot")
_DRAW = b"greffier/1/draw\0"
_DECISION = "decision/1"
_IS_DECISION = b'"kind":"decision/1"'
# Parsing ten million entries takes minutes. They are canonical (members sorted, one spelling) and were parsed when they
# were written; after `kind` a decision holds no object, so what stands there up to the last brace are its own members.
_TAIL = re.compile(
    rb'"id":"([0-9a-f-]{36})","kind":"decision/1",[^{}]*"mode":"(?:%b)",[^{}]*'
    rb'"system":"([a-z0-9-]{1,64})","time":"([0-9TZ:-]{17})","version":[0-9]+\}\Z' % "|".join(SAMPLED_MODES).encode()
)


def is_sampled(entry: Entry, system: str | None) -> bool:
    """Whether an entry belongs to the population of a system, or of all (None)."""
    members = entry.members
    return (
        entry.kind == _DECISION and members["mode"] in SAMPLED_MODES and (system is None or members["system"] == system)
    )


@dataclass(frozen=True, slots=True)
class Sampled:
    """What a decision of a population says of itself in clear: its id, its system, its minute."""

    id: str
    system: str
    time: str


def sampled(entries: Iterable[tuple[int, bytes]], system: str | None) -> Iterator[tuple[int, Sampled]]:
    """Those of `entries` (index, canonical bytes) that belong to the population of a system, or of all (None)."""
    for index, data in entries:
        if _IS_DECISION in data:
            found = _TAIL.search(data)
            if found is not None:
                one = Sampled(*(part.decode("ascii") for part in found.groups()))
                if system is None or one.system == system:
                    yield index, one


def population(entries: Iterable[tuple[int, bytes]], system: str | None) -> array[int]:
    """The indices of the population, in rising order as the log has them: 8 bytes each."""
    return array("Q", (index for index, _ in sampled(entries, system)))


def nonce_hash(nonce: bytes) -> str:
    """What hides the nonce until the draw: its SHA-256, 64 hex digits. Raises FormatError unless it has 32 bytes."""
    if len(nonce) != NONCE_SIZE:
        raise FormatError(f"must be {NONCE_SIZE} random bytes", field="nonce")
    return sha256(nonce).hexdigest()


def cosigned_at(policy: Policy, times: Mapping[str, int]) -> dict[str, int]:
    """Name of a witness as its keys bear it → when it cosigned (POSIX seconds): with all of its keys that did.

    `times` as `cosigned_by` gives them, by the names that the policy gives to keys.
    """
    found: dict[str, int] = {}
    for witness in policy.witnesses:
        if witness.name in times:
            name, time = witness.vkey.name, times[witness.name]
            found[name] = min(found.get(name, time), time)
    return found


def seed_of(nonce: bytes, root: bytes) -> bytes:
    """The seed: SHA-256 of the nonce and the root of checkpoint B, 32 bytes each. Raises FormatError."""
    if len(nonce) != NONCE_SIZE:
        raise FormatError(f"must be {NONCE_SIZE} random bytes", field="nonce")
    if len(root) != 32:
        raise FormatError("must be 32 bytes", field="root")
    return sha256(nonce + root).digest()


def draw(seed: bytes, indices: Sequence[int], count: int) -> list[int]:
    """`count` of the indices, the first drawn first. The first k of a larger draw are the draw of k.

    `indices` in strictly rising order. Raises FormatError for another order, and for a count that is not 1 to their
    number.
    """
    if len(seed) != 32:
        raise FormatError("must be 32 bytes", field="seed")
    if not 1 <= count <= len(indices):
        raise FormatError(f"must be 1 to {len(indices)}, the number of decisions to draw from", field="count")
    if any(a >= b for a, b in pairwise(indices)):
        raise FormatError("must be in strictly rising order", field="population")
    start = sha256(_DRAW + seed)

    def key(index: int) -> bytes:
        one = start.copy()
        one.update(index.to_bytes(8, "big"))
        return one.digest()

    return heapq.nsmallest(count, indices, key=key)
