"""Rows of the vault, on both databases."""

from __future__ import annotations

import pytest
from sqlalchemy import CheckConstraint, inspect
from sqlalchemy.exc import IntegrityError

from auditlog.store import decisions, metadata
from auditlog.store.engine import reading, writing
from auditlog.store.vault import (
    SealedRow,
    delete_sealed,
    find_erasure,
    find_sealed,
    ids_of_tag,
    insert_erasure,
    insert_sealed,
    iterate_erasures,
    iterate_sealed,
    iterate_subjects,
    slots_of,
    tags_of,
)

OURS = ("auditlog_sealed", "auditlog_subject", "auditlog_erasure", decisions.decision_table.name, "auditlog_review")


def sealed(n: int) -> SealedRow:
    return SealedRow(f"id-{n}", n, bytes([n]) * 12, bytes([n]) * 300)


@pytest.fixture
def filled(database):
    with writing(database.engine) as conn:
        insert_sealed(conn, sealed(1), [(b"a" * 32, "subject"), (b"b" * 32, "case")])
        insert_sealed(conn, sealed(2), [(b"a" * 32, "subject")])
        insert_sealed(conn, sealed(3))
    return database


def test_rows_come_back(filled):
    with reading(filled.engine) as conn:
        assert find_sealed(conn, "id-1") == sealed(1)
        assert find_sealed(conn, "id-9") is None
        assert list(iterate_sealed(conn)) == [sealed(1), sealed(2), sealed(3)]
        assert ids_of_tag(conn, b"a" * 32) == ["id-1", "id-2"]
        assert tags_of(conn, "id-1") == [(b"a" * 32, "subject"), (b"b" * 32, "case")]
        assert list(iterate_subjects(conn)) == [(b"a" * 32, "id-1"), (b"b" * 32, "id-1"), (b"a" * 32, "id-2")]
        assert slots_of(conn, ["id-1", "id-3", "id-9"]) == {"id-1": 1, "id-3": 3}


def test_deleting_takes_content_and_tags(filled):
    with writing(filled.engine) as conn:
        delete_sealed(conn, ["id-1", "id-9"])
        delete_sealed(conn, ["id-1"])
    with reading(filled.engine) as conn:
        assert [row.id for row in iterate_sealed(conn)] == ["id-2", "id-3"]
        assert list(iterate_subjects(conn)) == [(b"a" * 32, "id-2")]


@pytest.mark.parametrize("row", [SealedRow("id-1", 9, b"", b""), SealedRow("id-9", 1, b"", b"")])
def test_an_id_and_a_slot_are_used_once(filled, row):
    with pytest.raises(IntegrityError), writing(filled.engine) as conn:
        insert_sealed(conn, row)


def test_a_record_has_one_tombstone(database):
    with writing(database.engine) as conn:
        insert_erasure(conn, record="r", id_="t")
    with pytest.raises(IntegrityError), writing(database.engine) as conn:
        insert_erasure(conn, record="r", id_="u")
    with reading(database.engine) as conn:
        assert find_erasure(conn, "r") == "t"
        assert find_erasure(conn, "t") is None
        assert list(iterate_erasures(conn)) == [{"record": "r", "id": "t"}]


def test_reading_as_a_stream_does_not_change_the_connection(filled):
    with writing(filled.engine) as conn:
        assert len(list(iterate_sealed(conn))) == 3
        delete_sealed(conn, ["id-3"])
        assert find_sealed(conn, "id-3") is None


def test_all_constraints_and_indices_have_our_names(database):
    found = inspect(database.engine)
    for name in OURS:
        table = metadata.tables[name]
        assert table.primary_key.name == f"{name}_pkey"
        assert all(one.name for one in table.constraints if not isinstance(one, CheckConstraint))
        assert all(one.name.startswith("auditlog_") for one in table.indexes)
        assert found.get_pk_constraint(name)["name"] == f"{name}_pkey"
