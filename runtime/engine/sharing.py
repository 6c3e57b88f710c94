"""Who gets how many rows of the next batch. Pure.

Those who write go first, one row each. A prompt that is read beside them gets a part of the batch only, so that a long
one does not stall them; alone, prompts get all of it. The shortest rest goes first, for the sooner first token, but
a quarter is for whoever has waited longest, so that no long prompt starves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

CHUNK = 128


@dataclass(frozen=True, slots=True)
class Claim:
    """How many rows one request could use now, and whether it is writing."""

    rows: int
    writing: bool


def share_batch(claims: Sequence[Claim], rows: int, chunk: int = CHUNK) -> list[int]:
    """The rows of each claim, in their order (which is that of admission)."""
    given = [0] * len(claims)
    writers = [i for i, claim in enumerate(claims) if claim.writing]
    readers = [i for i, claim in enumerate(claims) if not claim.writing]
    for i in writers:
        given[i] = min(claims[i].rows, rows)
        rows -= given[i]
    left = min(rows, chunk) if writers else rows
    if readers and left:
        first = readers[0]
        given[first] = min(claims[first].rows, max(left // 4, 1))
        left -= given[first]
    for i in sorted(readers, key=lambda i: claims[i].rows):
        more = min(claims[i].rows - given[i], left)
        given[i] += more
        left -= more
    return given
