"""Keys of requests, on both databases: one row a tag, one row a record."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import IntegrityError

from auditlog.store.engine import reading, writing
from auditlog.store.idempotency import KeyRow, delete_key_of, find_key, find_key_of, insert_key

FIRST = KeyRow(b"a" * 32, "id-1", b"d" * 32)
SECOND = KeyRow(b"b" * 32, "id-2", b"e" * 32)


@pytest.fixture
def filled(database):
    with writing(database.engine) as conn:
        insert_key(conn, FIRST)
        insert_key(conn, SECOND)
    return database


def test_rows_come_back_by_tag_and_by_record(filled):
    with reading(filled.engine) as conn:
        assert find_key(conn, FIRST.tag) == FIRST
        assert find_key_of(conn, "id-2") == SECOND
        assert find_key(conn, b"c" * 32) is None
        assert find_key_of(conn, "id-3") is None


@pytest.mark.parametrize("row", [KeyRow(FIRST.tag, "id-3", b"f" * 32), KeyRow(b"c" * 32, "id-1", b"f" * 32)])
def test_a_key_leads_to_one_record_and_a_record_has_one_key(filled, row):
    with pytest.raises(IntegrityError), writing(filled.engine) as conn:
        insert_key(conn, row)


def test_deleting_takes_one_and_may_be_repeated(filled):
    for _ in range(2):
        with writing(filled.engine) as conn:
            delete_key_of(conn, "id-1")
    with reading(filled.engine) as conn:
        assert find_key(conn, FIRST.tag) is None
        assert find_key(conn, SECOND.tag) == SECOND
