"""The writer: dense, signed, guarded; what fails alone, what fails for all, and what a crash at each point leaves."""

from __future__ import annotations

import logging
import os
import threading
import time

import pytest
from sqlalchemy import text

from auditlog.core.entries.record import parse_entry
from auditlog.core.errors import CannotRecord, FormatError, GuardError
from auditlog.core.formats.checkpoint import open_checkpoint
from auditlog.core.formats.merkle import leaf_hash, prove_consistency, root_hash, verify_consistency
from auditlog.core.formats.proof import verify_proof
from auditlog.store.log import read_entries, read_head, read_tile, reader, reading, writing
from auditlog.writing.log import Unit


def stored(database):
    with reading(database.engine) as conn:
        head = read_head(conn, 1)
        return [] if head is None else read_entries(conn, 1, 0, head.size)


def check(database, known):
    """Head signed by both keys, root that of the entries, guard at the head, nothing beyond it; the entries' bytes."""
    entries = stored(database)
    with reading(database.engine) as conn:
        head = read_head(conn, 1)
        beyond = conn.execute(text("SELECT count(*) FROM auditlog_entry")).scalar_one()
    signed = open_checkpoint(head.note, known.keys, origin=known.origin)
    assert signed.checkpoint.root == root_hash([leaf_hash(data) for data in entries])
    assert signed.checkpoint.size == head.size == len(entries) == beyond
    assert database.guard.read() == (head.size, signed.checkpoint.root)
    return entries


def wait(tickets, seconds):
    for ticket in tickets:
        ticket.exception(seconds)


def test_an_entry_is_durable_sequenced_and_proven(database, make, known):
    log = database.started()
    for number in range(3):
        entry = make()
        integrated = log.append(Unit((entry,))).result(60)
        assert [s.index for s in integrated.sequenced] == [number]
        assert integrated.size == number + 1
        signed = verify_proof(integrated.proof(), entry.data, known.keys, origin=known.origin)
        assert signed.checkpoint.root == integrated.root
        assert database.guard.read() == (integrated.size, integrated.root)
    assert log.state().recording and log.state().size == 3
    check(database, known)


def test_proofs_hold_across_tile_boundaries(database, make, known):
    log = database.started()
    expected = []
    for size in (1, 255, 1, 3, 600, 1):
        entries = tuple(make() for _ in range(size))
        expected += [entry.data for entry in entries]
        integrated = log.append(Unit(entries)).result(60)
        for position in {0, size // 2, size - 1}:
            verify_proof(integrated.proof(position), entries[position].data, known.keys, origin=known.origin)
    assert check(database, known) == expected
    with reading(database.engine) as conn:
        assert read_tile(conn, 1, 1, 0, 3) == b"".join(
            root_hash([leaf_hash(data) for data in expected[low : low + 256]]) for low in (0, 256, 512)
        )
        proof = prove_consistency(257, 861, reader(conn, 1, 861))
    verify_consistency(257, root_hash([leaf_hash(d) for d in expected[:257]]), 861, integrated.root, proof)


def test_rows_of_a_unit_stand_or_fall_with_its_entries(database, make, known):
    with writing(database.engine) as conn:
        conn.execute(text("CREATE TABLE note (idx INTEGER PRIMARY KEY, id TEXT)"))
    log = database.started()

    def insert(conn, sequenced):
        for one in sequenced:
            conn.execute(text("INSERT INTO note VALUES (:i, :id)"), {"i": one.index, "id": one.entry.id})

    def insert_and_raise(conn, sequenced):
        insert(conn, sequenced)
        raise FormatError("of its own", field="outcome")

    def violate(conn, sequenced):
        insert(conn, sequenced)
        insert(conn, sequenced)

    held = threading.Event()
    blocker = log.append(Unit((make(),), lambda conn, s: held.wait(60)))
    good = [log.append(Unit((make(), make()), insert)) for _ in range(3)]
    bad = [log.append(Unit((make(),), insert_and_raise)), log.append(Unit((make(),), violate))]
    good.append(log.append(Unit((make(),), insert)))
    held.set()
    wait([blocker, *good, *bad], 20)
    with pytest.raises(FormatError, match="of its own"):
        bad[0].result()
    with pytest.raises(Exception, match=r"(?i)unique|duplicate"):
        bad[1].result()
    results = [future.result() for future in good]
    assert len({result.size for result in results}) == 1, "what waited was committed as one group"
    assert [s.index for result in results for s in result.sequenced] == list(range(1, 8))
    with reading(database.engine) as conn:
        rows = conn.execute(text("SELECT idx, id FROM note ORDER BY idx")).all()
    assert [tuple(row) for row in rows] == [(s.index, s.entry.id) for r in results for s in r.sequenced]
    assert log.state().recording
    check(database, known)


def test_a_taken_id_is_refused_alone(database, make, known):
    log = database.started()
    first, other = make(), make()
    log.append(Unit((first,))).result(60)
    held = threading.Event()
    futures = [log.append(Unit((make(),), lambda conn, s: held.wait(60)))]
    futures += [log.append(Unit(entries)) for entries in ((first,), (other,), (other,), (make(),))]
    held.set()
    wait(futures, 20)
    outcome = [future.exception() for future in futures]
    assert [type(error) for error in outcome] == [type(None), FormatError, type(None), FormatError, type(None)]
    assert len(check(database, known)) == 4


def test_two_logs_on_one_database_take_turns(database, make, known):
    logs = [database.started() for _ in range(2)]
    results = []
    lock = threading.Lock()

    def produce(log):
        for _ in range(40):
            future = log.append(Unit((make(),)))
            future.result(30)
            with lock:
                results.append(future)

    threads = [threading.Thread(target=produce, args=(log,)) for log in logs for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    indices = sorted(s.index for future in results for s in future.result().sequenced)
    assert indices == list(range(240))
    check(database, known)


def test_a_full_queue_says_busy(database, make):
    log = database.started(queue_limit=2)
    held = threading.Event()
    running = threading.Event()
    first = log.append(Unit((make(),), lambda conn, s: (running.set(), held.wait(60))))
    assert running.wait(60)
    waiting = [log.append(Unit((make(),))) for _ in range(2)]
    with pytest.raises(CannotRecord, match="busy") as caught:
        log.append(Unit((make(),)))
    assert caught.value.cause == "busy"
    held.set()
    assert [future.result(60).size for future in (first, *waiting)] == [1, 3, 3]
    log.close()
    with pytest.raises(CannotRecord, match="closed"):
        log.append(Unit((make(),)))


def test_cancelled_units_are_left_out(database, make, known):
    log = database.started()
    held = threading.Event()
    running = threading.Event()
    first = log.append(Unit((make(),), lambda conn, s: (running.set(), held.wait(60))))
    assert running.wait(60)
    second = log.append(Unit((make(),)))
    assert second.cancel()
    held.set()
    assert first.result(60).size == 1
    log.close()
    assert len(check(database, known)) == 1


# --- outages ----------------------------------------------------------------------------------------------------------


def kinds(database):
    return [parse_entry(data).kind for data in stored(database)]


def wait_until_recording(log):
    deadline = time.monotonic() + 60
    while not log.state().recording:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_database_that_refuses_is_an_outage_and_is_recorded_afterwards(database, make, known):
    log = database.started(retry_seconds=30)
    log.append(Unit((make(),))).result(60)
    with writing(database.engine) as conn:
        conn.execute(text("ALTER TABLE auditlog_tile RENAME TO gone"))
    futures = [log.append(Unit((make(),))) for _ in range(3)]
    wait(futures, 10)
    assert all(isinstance(future.exception(), CannotRecord) for future in futures)
    state = log.state()
    assert (state.recording, state.since, state.size) == (False, known.now, 1)
    with writing(database.engine) as conn:
        conn.execute(text("ALTER TABLE gone RENAME TO auditlog_tile"))
    assert [s.index for s in log.append(Unit((make(),))).result(60).sequenced] == [2]
    assert kinds(database) == ["pulse/1", "outage/1", "pulse/1"]
    assert log.state().recording
    check(database, known)


def test_a_read_only_database_is_unwritable(sqlite, make, known):
    log = sqlite.started()
    log.append(Unit((make(),))).result(60)

    def query_only(value):
        def apply(conn, sequenced):
            conn.exec_driver_sql(f"PRAGMA query_only={value}")

        return apply

    # The pragma stays with the writer's connection, which the failure drops.
    future = log.append(Unit((make(),), query_only(1)))
    with pytest.raises(CannotRecord) as caught:
        future.result(60)
    assert caught.value.cause == "unwritable"
    wait_until_recording(log)
    assert kinds(sqlite) == ["pulse/1", "outage/1"]
    assert parse_entry(stored(sqlite)[1]).members["cause"] == "unwritable"


def test_a_full_disk_is_an_outage_that_ends_by_itself(sqlite, make, known):
    log = sqlite.started(retry_seconds=30)
    log.append(Unit((make(),))).result(60)

    def fill(conn, sequenced):
        pages = conn.exec_driver_sql("PRAGMA page_count").scalar_one()
        conn.exec_driver_sql(f"PRAGMA max_page_count={pages}")
        conn.exec_driver_sql("CREATE TABLE filler (x)")
        conn.exec_driver_sql("INSERT INTO filler VALUES (zeroblob(1000000))")

    with pytest.raises(CannotRecord) as caught:
        log.append(Unit((make(),), fill)).result(60)
    assert caught.value.cause == log.state().cause == "disk_full"
    log.append(Unit((make(),))).result(60)
    assert kinds(sqlite) == ["pulse/1", "outage/1", "pulse/1"]
    check(sqlite, known)


def test_a_database_file_that_was_taken_away_is_noticed(sqlite, make, known, tmp_path):
    log = sqlite.started(retry_seconds=30)
    log.append(Unit((make(),))).result(60)
    path = tmp_path / "greffier.db"
    path.rename(tmp_path / "elsewhere.db")
    with pytest.raises(CannotRecord) as caught:
        log.append(Unit((make(),))).result(60)
    assert caught.value.cause == "database"


def test_a_connection_that_breaks_is_opened_again(postgresql, make, known):
    database = postgresql
    log = database.started(retry_seconds=30)
    log.append(Unit((make(),))).result(60)

    def cut(conn, sequenced):
        conn.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(CannotRecord) as caught:
        log.append(Unit((make(),), cut)).result(60)
    assert caught.value.cause == "database"
    log.append(Unit((make(),))).result(60)
    assert kinds(database) == ["pulse/1", "outage/1", "pulse/1"]
    check(database, known)


def test_a_key_store_that_cannot_sync_stops_the_log(database, make, known):
    failing = [False]

    def sync():
        if failing[0]:
            raise OSError(5, "Input/output error")

    log = database.started(before_commit=sync, retry_seconds=30)
    log.append(Unit((make(),))).result(60)
    failing[0] = True
    with pytest.raises(CannotRecord) as caught:
        log.append(Unit((make(),))).result(60)
    assert caught.value.cause == "key_store"
    failing[0] = False
    log.append(Unit((make(),))).result(60)
    assert parse_entry(stored(database)[1]).members["cause"] == "key_store"
    check(database, known)


def test_a_missing_guard_stops_the_log_and_it_recovers_by_itself(database, make, known):
    log = database.started()
    log.append(Unit((make(),))).result(60)
    kept = database.guard.path.rename(database.folder / "kept")
    with pytest.raises(GuardError, match="put back"):
        log.append(Unit((make(),))).result(60)
    assert log.state().cause == "guard"
    kept.rename(database.guard.path)
    wait_until_recording(log)
    log.close()
    assert kinds(database) == ["pulse/1", "outage/1"]
    check(database, known)


def test_a_guard_that_fails_after_the_commit_releases_nobody(database, make, known):
    kept = database.folder / "kept"

    def trace(point):
        if point == 6 and not kept.exists():
            database.guard.path.rename(kept)

    log = database.started(retry_seconds=30)
    log.append(Unit((make(),))).result(60)
    log.close()
    log = database.started(retry_seconds=30, trace=trace)
    with pytest.raises(GuardError):
        log.append(Unit((make(),))).result(60)
    assert (log.state().recording, log.state().size) == (False, 1)
    database.guard.path.write_bytes(kept.read_bytes())
    log.append(Unit((make(),))).result(60)
    assert kinds(database) == ["pulse/1", "pulse/1", "outage/1", "pulse/1"]
    check(database, known)


# --- start ------------------------------------------------------------------------------------------------------------


def grown(database, make, count):
    log = database.started()
    for _ in range(count):
        log.append(Unit((make(),))).result(60)
    log.close()


def copy_of(database):
    with reading(database.engine) as conn:
        return {
            name: conn.execute(text(f"SELECT * FROM {name}")).all()
            for name in ("auditlog_entry", "auditlog_tile", "auditlog_head")
        }


def put_back(database, tables):
    with writing(database.engine) as conn:
        for name, rows in tables.items():
            conn.execute(text(f"DELETE FROM {name}"))
            for row in rows:
                places = ", ".join(f":{column}" for column in row._fields)
                conn.execute(text(f"INSERT INTO {name} VALUES ({places})"), dict(row._mapping))


def test_a_rolled_back_database_is_refused_at_start(database, make):
    grown(database, make, 3)
    old = copy_of(database)
    grown(database, make, 2)
    put_back(database, old)
    log = database.log()
    with pytest.raises(GuardError, match="holds 3 entries, but 5 were vouched for"):
        log.start()
    assert (log.state().recording, log.state().cause) == (False, "guard")
    with pytest.raises(CannotRecord):
        log.append(Unit((make(),)))
    assert copy_of(database) == old


def test_a_database_rolled_back_under_a_running_log_is_refused(database, make):
    log = database.started(retry_seconds=30)
    log.append(Unit((make(),))).result(60)
    old = copy_of(database)
    log.append(Unit((make(),))).result(60)
    put_back(database, old)
    with pytest.raises(GuardError, match="holds 1 entries, but 2"):
        log.append(Unit((make(),))).result(60)


@pytest.mark.parametrize("more", [0, 2])
def test_a_forked_database_is_refused_at_start(database, make, more):
    grown(database, make, 3)
    line = database.guard.path.read_bytes()
    put_back(database, {"auditlog_entry": [], "auditlog_tile": [], "auditlog_head": []})
    database.guard.path.unlink()
    grown(database, make, 3 + more)
    database.guard.path.write_bytes(line)
    with pytest.raises(GuardError, match="replaced or forked"):
        database.log().start()


def test_a_missing_guard_names_the_fix(database, make):
    grown(database, make, 1)
    database.guard.path.unlink()
    with pytest.raises(GuardError, match="put back the file"):
        database.log().start()
    assert not database.guard.path.exists()


def test_another_logs_guard_is_refused(database, make):
    grown(database, make, 1)
    database.guard.path.write_bytes(database.guard.path.read_bytes().replace(b"/audit/1", b"/other/1"))
    with pytest.raises(GuardError, match="another log"):
        database.log().start()


@pytest.mark.parametrize("table", ["auditlog_tile", "auditlog_head"])
def test_a_damaged_head_or_edge_is_refused_at_start(database, make, table):
    grown(database, make, 3)
    column = "hashes" if table == "auditlog_tile" else "note"
    with writing(database.engine) as conn:
        value = bytes(conn.execute(text(f"SELECT {column} FROM {table}")).scalar_one())
        conn.execute(text(f"UPDATE {table} SET {column} = :v"), {"v": value[:40] + bytes([value[40] ^ 1]) + value[41:]})
    with pytest.raises(CannotRecord, match="log fsck") as caught:
        database.log().start()
    assert caught.value.cause == "database"


def test_a_head_without_rows_or_rows_without_head_is_refused(database, make):
    grown(database, make, 1)
    with writing(database.engine) as conn:
        conn.execute(text("DELETE FROM auditlog_head"))
    with pytest.raises(CannotRecord, match="without a signed head"):
        database.log().start()


# --- crashes ----------------------------------------------------------------------------------------------------------


def crash_at(point: int, rounds: int, database, make, open_database) -> list[tuple[int, str, int, bytes]]:
    """A process that appends until it dies at that point of that group; what it was told: index, id, size, root."""
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            append_until_crash(point, rounds, database, make, open_database, tell)
        finally:
            os._exit(1)
    os.close(tell)
    with os.fdopen(told, "rb") as pipe:
        lines = pipe.read().decode().splitlines()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 77
    words = [line.split() for line in lines]
    return [(int(index), id_, int(size), bytes.fromhex(root)) for index, id_, size, root in words]


def append_until_crash(point: int, rounds: int, database, make, open_database, tell: int) -> None:
    count = [0]

    def trace(at: int) -> None:
        count[0] += at == 1
        if at == point and count[0] == rounds:
            os._exit(77)

    with open_database(database.url, database.folder) as own:
        log = own.started(trace=trace)
        while True:
            futures = [log.append(Unit((make(),))) for _ in range(3)]
            for future in futures:
                done = future.result(60)
                one = done.sequenced[0]
                os.write(tell, f"{one.index} {one.entry.id} {done.size} {done.root.hex()}\n".encode())


@pytest.mark.parametrize("point", range(1, 9))
def test_a_crash_at_each_point_loses_and_forks_nothing(database, make, known, open_database, point):
    acknowledged: dict[int, str] = {}
    roots: dict[int, bytes] = {}
    for rounds in (1, 4, 3):
        for index, id_, size, root in crash_at(point, rounds, database, make, open_database):
            assert acknowledged.setdefault(index, id_) == id_, "one index was given out twice"
            assert roots.setdefault(size, root) == root, "two roots of one size were signed"
    log = database.started()
    log.append(Unit((make(),))).result(60)
    log.close()
    entries = check(database, known)
    ids = [parse_entry(data).id for data in entries]
    assert all(ids[index] == id_ for index, id_ in acknowledged.items())
    assert all(root_hash([leaf_hash(data) for data in entries[:size]]) == root for size, root in roots.items())
    assert acknowledged, "later rounds came after acknowledged groups"


def test_what_the_database_says_is_not_in_the_program_s_own_log(postgresql, make, caplog):
    """PostgreSQL quotes the failing row in its message."""
    caplog.set_level(logging.DEBUG, logger="auditlog")
    log = postgresql.started()

    def quote(conn, _):
        conn.execute(
            text("DO $$ BEGIN RAISE EXCEPTION 'disk full' USING ERRCODE = '53100', DETAIL = 'TEST-7731'; END $$")
        )

    with pytest.raises(CannotRecord) as error:
        log.append(Unit((make(),), quote)).result(60)
    assert error.value.cause == "disk_full"
    assert "disk_full" in caplog.text
    for told in (caplog.text, str(error.value)):
        assert "TEST-7731" not in told
