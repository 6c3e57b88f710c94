"""Digests of rows are those of the rows that were kept, whoever hashes them and whenever they are read."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from runtime.digests import chain_text, head, row_digest
from runtime.engine.hashing import Hasher, Trail

WIDTH = 5_000  # floats of a row: hashlib lets go of the lock


@pytest.fixture
def hasher() -> Iterator[Hasher]:
    hasher = Hasher()
    yield hasher
    hasher.close()


def block(seed: int, rows: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.random.default_rng(seed).normal(size=(rows, WIDTH)).astype(np.float32)


@pytest.mark.parametrize("started", [False, True])
def test_digests_are_those_of_the_rows_that_were_kept(hasher: Hasher, started: bool) -> None:
    given = block(1, 3)
    expected = [row_digest(row) for row in given]
    rows, digests = hasher.keep(given)
    if started:
        hasher.start()
    given[:] = 0  # the next decode
    assert not np.array_equal(rows, given)
    assert [digests[index] for index in (2, 0, 1)] == [expected[index] for index in (2, 0, 1)]


def test_one_row_is_read_before_the_others_are_hashed(hasher: Hasher) -> None:
    given = block(2, 4)
    _, digests = hasher.keep(given)
    assert digests[1] == row_digest(given[1])
    hasher.start()
    assert [digests[index] for index in range(4)] == [row_digest(row) for row in given]


def test_steps_of_any_size_follow_each_other(hasher: Hasher) -> None:
    """More steps than buffers, the rows of some hashed by the thread and those of others not at all until the end."""
    trail, expected = Trail(), []
    for number, rows in enumerate([1, 16, 2, 16, 1, 1, 7] * 6):
        given = block(number, rows)
        if number % 3:
            hasher.start()
        _, digests = hasher.keep(given)
        trail.add(0, digests, rows - 1)
        expected.append(row_digest(given[-1]))
    rows_of_step, digest = trail.read()
    assert rows_of_step == (tuple(map(head, expected)),)
    assert digest == chain_text(expected)
