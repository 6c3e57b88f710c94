"""Rows of time-stamped checkpoints, on both databases."""

from __future__ import annotations

import pytest

from auditlog.store.engine import reading, writing
from auditlog.store.timestamps import (
    StampedNote,
    insert_timestamp,
    iterate_timestamps,
    newest_timestamp,
    oldest_timestamp,
)


def stamped(size: int, *, log: int = 1, mark: bytes = b"") -> StampedNote:
    return StampedNote(log, size, b"note %d" % size + mark, b"\x30\x00\xff" + mark, f"2026-03-02T09:30:{size:02}Z")


@pytest.fixture
def filled(database):
    with writing(database.engine) as conn:
        assert all(insert_timestamp(conn, row) for row in (stamped(9), stamped(4), stamped(30, log=2), stamped(5)))
    return database


def test_each_log_has_its_own_in_the_order_of_their_sizes(filled):
    with reading(filled.engine) as conn:
        assert list(iterate_timestamps(conn, 1)) == [stamped(4), stamped(5), stamped(9)]
        assert list(iterate_timestamps(conn, 2)) == [stamped(30, log=2)]
        assert list(iterate_timestamps(conn, 3)) == []
        assert newest_timestamp(conn, 1) == stamped(9)
        assert newest_timestamp(conn, 3) is None


@pytest.mark.parametrize(("index", "size"), [(0, 4), (3, 4), (4, 5), (5, 9), (8, 9), (9, None)])
def test_the_oldest_that_covers_an_entry_is_the_smallest_above_its_index(filled, index, size):
    with reading(filled.engine) as conn:
        found = oldest_timestamp(conn, 1, index)
    assert found == (None if size is None else stamped(size))


def test_the_first_token_of_a_size_stays(filled):
    with writing(filled.engine) as conn:
        assert not insert_timestamp(conn, stamped(9, mark=b"later"))
    with reading(filled.engine) as conn:
        assert newest_timestamp(conn, 1) == stamped(9)
