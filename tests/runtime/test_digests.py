"""Digests of rows, against hashlib alone."""

from __future__ import annotations

import hashlib
import struct

import numpy as np

from runtime.digests import START, chain, chain_text, head, row_digest

_VALUES = (0.5, -1.25, 3.0)
_BYTES = struct.pack("<3f", *_VALUES)


def test_a_row_is_hashed_as_little_endian_float32_also_where_it_is_a_view() -> None:
    row = np.array(_VALUES, dtype=np.float32)
    strided = np.array([[value, 9.0] for value in _VALUES], dtype=np.float32)[:, 0]
    swapped = np.array(_VALUES, dtype=">f4")
    expected = hashlib.sha256(_BYTES).digest()
    assert [row_digest(one) for one in (row, strided, swapped)] == [expected] * 3
    assert head(expected) == expected.hex()[:16]


def test_the_chain_depends_on_every_row_and_their_order() -> None:
    one, other = (hashlib.sha256(text).digest() for text in (b"one", b"other"))
    by_hand = hashlib.sha256(hashlib.sha256(bytes(32) + one).digest() + other).hexdigest()
    assert chain_text([one, other]) == f"sha256:{by_hand}"
    assert chain(START, one).hex() in chain_text([one])
    assert len({chain_text(rows) for rows in ([], [one], [other], [one, other], [other, one])}) == 5
