"""Digests of rows of logits: what a run records of them, and what its replay compares. Pure.

Every row that was asked for counts, in the order of asking, over all steps of the version. A row is hashed as its
float32 values, little-endian; the chain is h = SHA-256(h + row's digest), from 32 zero bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

import numpy as np

from runtime.sampler import Row

START = bytes(32)
_HEAD = 8


def row_digest(row: Row) -> bytes:
    """SHA-256 over one row's float32 values, little-endian; 32 bytes. A contiguous row is hashed without a copy."""
    return sha256(np.ascontiguousarray(row, dtype="<f4").data).digest()


def chain(previous: bytes, digest: bytes) -> bytes:
    """The chain after one more row, from `START`."""
    return sha256(previous + digest).digest()


def head(digest: bytes) -> str:
    """What `Run.rows` keeps of a row: its first 8 bytes as hex."""
    return digest[:_HEAD].hex()


def chain_text(digests: Iterable[bytes]) -> str:
    """What `Run.digest` says of all rows of a run: `sha256:` and the end of the chain as hex."""
    end = START
    for digest in digests:
        end = chain(end, digest)
    return "sha256:" + end.hex()
