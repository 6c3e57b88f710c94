"""What a log says of its keys, its predecessor and its end, against the key file and that log itself. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from auditlog.core.entries.lineage import Lineage, Predecessor
from auditlog.core.errors import VerifyError
from auditlog.core.formats.keyring import KeyRing, LogKey, Sizes, key_digest


def check_rotation(keys: Mapping[str, Sizes], members: Mapping[str, Any]) -> str | None:
    """What is wrong with a rotation entry, given the sizes that earlier ones gave; None where nothing is."""
    added, retired = members["added"], members["retired"]
    if not added and not retired:
        return "changes no key; a rotation adds or retires at least one"
    if set(added) & set(retired):
        return "adds and retires the same key"
    if any(digest in keys for digest in added):
        return "adds a key that an earlier entry added or retired; a key is added once"
    if any(keys.get(digest, (0, None))[1] is not None for digest in retired):
        return "retires a key that an earlier entry retired; a key is retired once"
    return None


@dataclass(frozen=True, slots=True)
class Known:
    """What a log itself showed. `root` is None where only its entries were read."""

    origin: str
    size: int
    root: bytes | None
    lineage: Lineage


def check_predecessor(stated: Predecessor, own: str, known: Known) -> str | None:
    """What is wrong with the predecessor that the genesis of log `own` states; None where nothing is.

    Where a loss is stated, what is left of that log may be shorter; where all of it counts as
    lost, what is left may be anything.
    """
    if stated.origin != known.origin:
        return f"continues {stated.origin}, but the log given before this one is {known.origin}"
    if stated.lost == stated.size:
        return None
    problem = _check_end(stated.size, own, known) if stated.lost is None else _check_loss(stated, stated.lost, known)
    if problem is None and known.size == stated.size and known.root not in (None, stated.root):
        return (
            f"names another root than {known.origin} has at size {known.size}: that log was replaced, or this one "
            "continues another"
        )
    return problem


def _check_end(size: int, own: str, known: Known) -> str | None:
    if known.lineage.closed_at is None:
        return f"continues {known.origin}, which has no freeze entry: get the whole of that log, with its last entry"
    if known.lineage.successor != own:
        return f"continues {known.origin}, whose last entry names another log as its successor"
    if size != known.size:
        return f"says that {known.origin} ended with {size} entries, but that log has {known.size}"
    return None


def _check_loss(stated: Predecessor, lost: int, known: Known) -> str | None:
    # An export may end before what is kept: at the last checkpoint that was cosigned. The verifier says by how much.
    if known.size <= stated.size:
        return None
    return (
        f"says that {known.origin} had {stated.size} entries, of which {lost} are lost, but that log has {known.size}"
    )


def check_ring(ring: KeyRing, origin: str, size: int, keys: Mapping[str, Sizes]) -> None:
    """Raise VerifyError at the first entry, in their order, on which the key file and the log's rotations differ.

    The key file may know more: keys that were added or retired beyond `size`.
    """
    wrong = sorted(_differences(ring.of(origin), size, keys), key=lambda one: one[0])
    if wrong:
        index, sentence = wrong[0]
        raise VerifyError(sentence, field=f"entry {index}" if index < size else "log.vkey")


def _differences(ring: KeyRing, size: int, keys: Mapping[str, Sizes]) -> Iterator[tuple[int, str]]:
    known = {key_digest(key.vkey): key for key in ring.keys}
    for digest, (first, last) in keys.items():
        key = known.get(digest)
        added, retired = first - 1, size if last is None else last - 1
        if key is None:
            did = "adds" if added >= 0 else "retires"
            yield (
                added if added >= 0 else retired,
                f"{did} a key that the key file does not hold: get the newest key file; if the agency never published "
                "this key, somebody else had a hand in the log",
            )
        elif key.valid_from != first:
            sentence = f"adds key {_id(key)} from size {first} on, but the key file says {key.valid_from}"
            yield (added, sentence) if added >= 0 else (size, _unsaid(key, "begins", key.valid_from))
        elif last is not None and key.valid_until != last:
            yield retired, _retired(key, last)
        elif last is None and key.valid_until is not None and key.valid_until <= size:
            yield size, _unsaid(key, "was retired", key.valid_until)
    for digest, key in known.items():
        if digest not in keys and 0 < key.valid_from <= size:
            yield size, _unsaid(key, "begins", key.valid_from)
        elif digest not in keys and key.valid_until is not None and key.valid_until <= size:
            yield size, _unsaid(key, "was retired", key.valid_until)


def _retired(key: LogKey, last: int) -> str:
    says = "that it is valid still" if key.valid_until is None else f"size {key.valid_until}"
    return f"retires key {_id(key)} at size {last}, but the key file says {says}: get the newest key file"


def _unsaid(key: LogKey, what: str, at: int) -> str:
    return (
        f"says that key {_id(key)} {what} at size {at}, but no rotation entry of the log says so: compare the key files"
    )


def _id(key: LogKey) -> str:
    return key.vkey.key_id.hex()
