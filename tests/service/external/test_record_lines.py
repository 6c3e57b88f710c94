"""Lines of records cut out of a stream: the same however it comes in pieces, and in time that follows its length."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from home.errors import UsageError
from service.external.stream import MAX_LINE, Lines


def read(pieces):
    lines = Lines()
    batches = [batch for piece in pieces for batch in lines.add(piece)] + lines.end()
    return [
        (number, str(value) if isinstance(value, UsageError) else value) for batch in batches for number, value in batch
    ]


DATA = st.lists(st.sampled_from([b'{"n":1}', b"{", b"", b"  ", b"[2]", b'"\xc3\xa9"', b"\xff"]), max_size=8).map(
    b"\n".join
)


@given(DATA, st.lists(st.integers(0, 60), max_size=6))
def test_pieces_do_not_matter(data, cuts):
    ends = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    assert read(data[low:high] for low, high in pairwise(ends)) == read([data])


def test_a_long_line_byte_by_byte_costs_no_more_than_its_bytes():
    """Copied anew with each byte, a mebibyte of them would keep the server busy for minutes."""
    pieces = [b"[1]\n", *[b" "] * (MAX_LINE + 5), b"\n", b"[2]"]
    assert [(number, type(value)) for number, value in read(pieces)] == [(1, list), (2, str), (3, list)]
