"""Statements over entries, tiles and heads, and what the engine switches on."""

from __future__ import annotations

import sqlite3

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from auditlog.core.errors import CannotRecord, NotFound
from auditlog.core.formats.merkle import leaf_hash, prove_inclusion, verify_inclusion
from auditlog.core.formats.tiles import grow, root_from_edge
from auditlog.store.engine import cannot_record, open_engine, outage_cause
from auditlog.store.log import (
    Head,
    entries_of_kinds,
    find_entry,
    insert_entries,
    iterate_entries,
    read_edge,
    read_entries,
    read_head,
    read_tile,
    reader,
    reading,
    taken_ids,
    write_head,
    write_tiles,
    writing,
)
from auditlog.writing.log import Unit


def test_heads_are_swapped_by_size(database):
    with writing(database.engine) as conn:
        assert read_head(conn, 1) is None
        assert write_head(conn, 1, Head(0, b"zero"), old=None)
        assert not write_head(conn, 1, Head(9, b"nine"), old=None), "there is one already"
        assert write_head(conn, 1, Head(3, b"three"), old=Head(0, b"zero"))
        assert not write_head(conn, 1, Head(9, b"nine"), old=Head(2, b"two")), "another writer was first"
        assert read_head(conn, 1) == Head(3, b"three")
        assert read_head(conn, 1, "published") is None
        assert read_head(conn, 2) is None


def test_entries_are_read_back_in_order_and_gaps_are_said(database):
    rows = [(f"id-{number}", f"data {number}".encode()) for number in range(5)]
    with writing(database.engine) as conn:
        insert_entries(conn, 1, 0, rows[:2])
        insert_entries(conn, 1, 2, rows[2:])
        insert_entries(conn, 1, 5, [])
        insert_entries(conn, 2, 0, [("other", b"log")])
    with reading(database.engine) as conn:
        assert read_entries(conn, 1, 0, 5) == [data for _, data in rows]
        assert read_entries(conn, 1, 1, 3) == [data for _, data in rows[1:3]]
        assert list(iterate_entries(conn, 1, 3, 5)) == [(3, b"data 3"), (4, b"data 4")]
        assert list(iterate_entries(conn, 1)) == [], "nothing is integrated"
        assert (found := find_entry(conn, "id-3")) and (found.log, found.index, found.data) == (1, 3, b"data 3")
        assert find_entry(conn, "id-9") is None
        assert taken_ids(conn, [f"id-{number}" for number in range(3, 1200)]) == {"id-3", "id-4"}
        with pytest.raises(NotFound, match="entry 5"):
            read_entries(conn, 1, 4, 6)
    with writing(database.engine) as conn:
        conn.execute(text("DELETE FROM auditlog_entry WHERE idx = 2"))
    with reading(database.engine) as conn, pytest.raises(NotFound, match="entry 2"):
        read_entries(conn, 1, 0, 5)


@pytest.mark.parametrize(("start", "id_"), [(0, "new"), (9, "id-0")])
def test_an_index_and_an_id_are_given_once(database, start, id_):
    with writing(database.engine) as conn:
        insert_entries(conn, 1, 0, [("id-0", b"a")])
    with pytest.raises(IntegrityError), writing(database.engine) as conn:
        insert_entries(conn, 1, start, [(id_, b"b")])


def test_tiles_grow_and_are_read_at_any_width(database):
    leaves = [leaf_hash(str(number).encode()) for number in range(300)]
    first = grow(0, {}, leaves[:200])
    second = grow(200, first.edge, leaves[200:])
    with writing(database.engine) as conn:
        write_tiles(conn, 1, first.tiles)
        assert read_edge(conn, 1, 200) == first.edge
        write_tiles(conn, 1, second.tiles)
        write_tiles(conn, 1, ())
    with reading(database.engine) as conn:
        assert read_edge(conn, 1, 300) == second.edge
        assert read_edge(conn, 1, 0) == {}
        assert read_tile(conn, 1, 0, 0, 10) == b"".join(leaves[:10])
        for place in ((1, 0, 1, 45), (1, 0, 2, 1), (1, 1, 0, 2), (2, 0, 0, 1)):
            with pytest.raises(NotFound, match=f"tile {place[1]}/{place[2]}"):
                read_tile(conn, *place)
        proof = prove_inclusion(123, 300, reader(conn, 1, 300))
    verify_inclusion(leaves[123], 123, 300, proof, root_from_edge(300, second.edge))


def test_what_actions_ask_of_the_log(database, make):
    log = database.started()
    made = [make(), make("refused/1", system=None, version=None, reason="unknown_system", boot=None, n=None), make()]
    for entry in made:
        log.append(Unit((entry,))).result(60)
    with reading(database.engine) as conn:
        assert [(index, entry.id) for index, entry in entries_of_kinds(conn, 1, {"refused/1"})] == [(1, made[1].id)]
        assert [data for _, data in iterate_entries(conn, 1)] == [entry.data for entry in made]


# --- the engine -------------------------------------------------------------------------------------------------------


def test_sqlite_is_durable_and_forgets_what_is_deleted(sqlite):
    with reading(sqlite.engine) as conn:
        found = {
            name: conn.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete", "recursive_triggers")
        }
    assert found == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "secure_delete": 1,
        "recursive_triggers": 1,
    }


def test_a_writer_holds_the_lock_from_its_beginning_and_readers_go_on(sqlite, tmp_path):
    with writing(sqlite.engine) as conn:
        insert_entries(conn, 1, 0, [("a", b"a")])
        other = sqlite3.connect(tmp_path / "greffier.db", timeout=0, isolation_level=None)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.close()
        with reading(sqlite.engine) as reader_conn:
            assert find_entry(reader_conn, "a") is None
    with reading(sqlite.engine) as conn:
        assert find_entry(conn, "a") is not None


def test_a_reader_sees_one_snapshot(database):
    with reading(database.engine) as conn:
        assert find_entry(conn, "a") is None
        with writing(database.engine) as other:
            insert_entries(other, 1, 0, [("a", b"a")])
        assert find_entry(conn, "a") is None


def test_a_transaction_that_raises_leaves_nothing(database):
    with pytest.raises(KeyError), writing(database.engine) as conn:
        insert_entries(conn, 1, 0, [("a", b"a")])
        raise KeyError
    with reading(database.engine) as conn:
        assert find_entry(conn, "a") is None


def test_what_an_error_means(database, tmp_path):
    with pytest.raises(DBAPIError) as caught, reading(database.engine) as conn:
        conn.execute(text("SELECT nothing FROM nowhere"))
    assert outage_cause(caught.value) is None
    assert cannot_record(caught.value).cause == "unknown"
    assert outage_cause(KeyError("x")) is None
    told = CannotRecord("told", cause="guard")
    assert cannot_record(told) is told


@pytest.mark.parametrize(
    "url", ["sqlite:////proc/nowhere/greffier.db", "postgresql://nobody@/none?host=/nowhere/at/all"], ids=str
)
def test_a_database_that_cannot_be_opened_is_an_outage(url):
    engine = open_engine(url)
    with pytest.raises(DBAPIError) as caught, reading(engine):
        pass
    assert cannot_record(caught.value).cause == "database"
    engine.dispose()


def test_a_file_that_is_no_database_is_an_outage(tmp_path):
    (tmp_path / "greffier.db").write_bytes(b"no database " * 1000)
    engine = open_engine(f"sqlite:///{tmp_path}/greffier.db")
    with pytest.raises(DBAPIError) as caught, reading(engine):
        pass
    assert cannot_record(caught.value).cause == "database"
    engine.dispose()
