"""The key store as a PostgreSQL database of its own: what the file of slots promises, for several hosts."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from auditlog.core.errors import CannotRecord, Erased, VaultError
from auditlog.vault.key_database import AHEAD, SLOT_BITS, DatabaseKeys, demand_apart
from auditlog.vault.key_encryption import KeyEncryptionKey

ROOT = Path(__file__).parents[3]
OWNER = "register.example/audit"
KEK = KeyEncryptionKey(b"k" * 32)


@pytest.fixture
def store(postgresql_url: str) -> Iterator[DatabaseKeys]:
    DatabaseKeys.create(postgresql_url, OWNER)
    opened = DatabaseKeys(postgresql_url, OWNER)
    yield opened
    opened.close()


def run(url: str, statement: str, **values: object) -> list[tuple]:
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with engine.connect() as conn:
        result = conn.execute(text(statement), values)
        rows = [tuple(row) for row in result] if result.returns_rows else []
    engine.dispose()
    return rows


def test_keys_come_back_by_random_slots(store: DatabaseKeys, postgresql_url: str) -> None:
    given = [store.allocate() for _ in range(2 * AHEAD + 3)]
    store.sync()
    assert all(store.read(slot) == key for slot, key in given)
    assert len(dict(given)) == len({key for _, key in given}) == len(given)
    slots = [slot for slot, _ in given]
    assert slots != sorted(slots)
    assert max(slots) < 1 << SLOT_BITS
    assert max(slots) > 1 << SLOT_BITS - 4
    other = DatabaseKeys(postgresql_url, OWNER)
    assert [other.read(slot) for slot in slots] == [key for _, key in given]
    other.close()


def test_keys_that_were_not_used_are_taken_back(postgresql_url: str) -> None:
    DatabaseKeys.create(postgresql_url, OWNER)
    opened = DatabaseKeys(postgresql_url, OWNER)
    opened.allocate()
    assert opened.count() == AHEAD
    opened.close()
    assert run(postgresql_url, "SELECT count(*) FROM greffier_key") == [(1,)]


def test_an_erased_slot_says_so_and_leaves_the_others(store: DatabaseKeys) -> None:
    given = dict(store.allocate() for _ in range(4))
    store.sync()
    first, second, third, fourth = given
    store.overwrite([second, fourth])
    store.overwrite([second])
    for slot in (second, fourth):
        with pytest.raises(Erased):
            store.read(slot)
    assert sorted([second, fourth]) == list(store.erased())
    assert store.read(first) == given[first]
    assert store.read(third) == given[third]


def test_a_slot_that_is_not_there_says_what_to_restore_and_erases_nothing(store: DatabaseKeys) -> None:
    slot, key = store.allocate()
    store.sync()
    for other in (-1, 0, 1 << 47, 1 << 62, 1 << 70):
        with pytest.raises(VaultError, match="younger replica"):
            store.read(other)
    for other in (0, 1 << 47):
        with pytest.raises(VaultError, match="younger replica"):
            store.overwrite([slot, other])
    assert store.read(slot) == key


def test_a_taken_slot_is_passed_over(postgresql_url: str) -> None:
    """Draws that repeat: the slot keeps its first key, and other ones are drawn."""
    drawn = iter([*[bytes([n]) * 40 for n in range(1, AHEAD + 1)] * 2, *[bytes([n]) * 40 for n in range(65, 250)]])
    DatabaseKeys.create(postgresql_url, OWNER)
    opened = DatabaseKeys(postgresql_url, OWNER, random=lambda _size: next(drawn))
    given = [opened.allocate() for _ in range(AHEAD + 1)]
    opened.sync()
    assert len({slot for slot, _ in given}) == AHEAD + 1
    assert all(opened.read(slot) == key for slot, key in given)
    opened.close()


def test_keys_that_a_fail_over_lost_are_written_again_before_the_entry(store, postgresql_url) -> None:
    slot, key = store.allocate()
    run(postgresql_url, "DELETE FROM greffier_key")
    store.sync()
    assert store.read(slot) == key


def test_threads_share_one_open_store(store: DatabaseKeys) -> None:
    found: list[tuple[int, bytes]] = []

    def work() -> None:
        for _ in range(100):
            found.append(store.allocate())
            store.sync()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(dict(found)) == 400
    assert all(store.read(slot) == key for slot, key in found)


WORKER = """
import sys
from auditlog.vault.key_database import DatabaseKeys
keys = DatabaseKeys(sys.argv[1], sys.argv[2])
for _ in range(int(sys.argv[3])):
    slot, key = keys.allocate()
    keys.sync()
    print(slot, key.hex(), flush=True)
"""


def start(url: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WORKER, url, OWNER, str(count)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_hosts_share_one_store_and_a_kill_loses_no_key(store: DatabaseKeys, postgresql_url: str) -> None:
    workers = [start(postgresql_url, 150), start(postgresql_url, 100_000)]
    lines = [workers[1].stdout.readline().split() for _ in range(30)]
    workers[1].kill()
    for worker in workers:
        lines += [line.split() for line in worker.communicate(timeout=60)[0].splitlines()]
    whole = {int(line[0]): line[1] for line in lines if len(line) == 2 and len(line[1]) == 64}
    assert len(whole) >= 180
    assert all(store.read(slot).hex() == key for slot, key in whole.items())


# --- what the server keeps --------------------------------------------------------------------------------------------


def test_no_file_of_the_table_holds_an_erased_key(store: DatabaseKeys, postgresql_url: str, postgresql_server) -> None:
    """Overwriting writes a second version of the row; vacuuming moves other rows over the first."""
    given = [store.allocate() for _ in range(AHEAD)]
    store.sync()
    erased = given[3:AHEAD:9]
    store.overwrite([slot for slot, _ in erased])
    data = files_of(postgresql_url)
    assert not [slot for slot, key in erased if key in data]
    assert all(key in data for slot, key in given if (slot, key) not in erased)


def files_of(url: str) -> bytes:
    run(url, "CHECKPOINT")
    ((folder,),) = run(url, "SHOW data_directory")
    names = [
        name
        for (name,) in run(
            url, "SELECT pg_relation_filepath(c) FROM unnest(ARRAY['greffier_key','greffier_key_pkey']::regclass[]) c"
        )
    ]
    return b"".join(path.read_bytes() for name in names for path in Path(folder).glob(f"{name}*"))


# --- whose store it is ------------------------------------------------------------------------------------------------


def test_a_store_with_keys_is_never_replaced_and_an_empty_one_is_taken(store, postgresql_url) -> None:
    DatabaseKeys.create(postgresql_url, OWNER)
    store.allocate()
    with pytest.raises(VaultError, match="never replaced"):
        DatabaseKeys.create(postgresql_url, OWNER)
    for make in (DatabaseKeys.create, DatabaseKeys):
        with pytest.raises(VaultError, match=r"is the key store of register\.example/audit: name the one"):
            make(postgresql_url, "other.example/log")


def test_the_logs_own_database_is_refused(postgresql_url: str) -> None:
    run(postgresql_url, "CREATE TABLE auditlog_entry (id text)")
    with pytest.raises(VaultError, match=r"^key_store: names the log's own database"):
        DatabaseKeys.create(postgresql_url, OWNER)
    run(postgresql_url, "DROP TABLE auditlog_entry")
    DatabaseKeys.create(postgresql_url, OWNER)
    run(postgresql_url, "CREATE TABLE auditlog_entry (id text)")
    with pytest.raises(VaultError, match=r"^key_store: names the log's own database"):
        DatabaseKeys(postgresql_url, OWNER)
    with pytest.raises(VaultError, match=r"^key_store: names the log's own database"):
        demand_apart("postgresql://a:pw@h/keys", "postgresql+psycopg://b@h:5432/keys")
    demand_apart("postgresql://a@h/keys", "postgresql://a@h/log")
    demand_apart("postgresql://a@h/keys", "sqlite:///keys")


@pytest.mark.parametrize("url", ["postgresql://", "postgres:/x", "postgresql://nobody:s3cret@/gone?host=/nowhere"])
def test_a_server_that_is_not_there_is_an_error_without_its_password(url: str) -> None:
    with pytest.raises(VaultError, match=r"^key_store: ") as told:
        DatabaseKeys(url, OWNER)
    assert "s3cret" not in str(told.value)


def test_a_database_without_a_key_store_is_a_missing_one(postgresql_url: str) -> None:
    with pytest.raises(VaultError, match=r"^key_store: the key store is missing"):
        DatabaseKeys(postgresql_url, OWNER)


def test_a_store_that_is_taken_away_stops_recording(store: DatabaseKeys, postgresql_url: str) -> None:
    slot, key = store.allocate()
    run(postgresql_url, "ALTER TABLE greffier_key RENAME TO away")
    with pytest.raises(CannotRecord, match="the key store is missing") as told:
        store.sync()
    assert told.value.cause == "key_store"
    with pytest.raises(VaultError, match="missing"):
        store.read(slot)
    run(postgresql_url, "ALTER TABLE away RENAME TO greffier_key")
    store.sync()
    assert store.read(slot) == key


# --- under a key-encryption key ---------------------------------------------------------------------------------------


def test_an_existing_store_is_encrypted_and_its_programs_must_start_again(store, postgresql_url) -> None:
    given = [store.allocate() for _ in range(3)]
    store.sync()
    store.overwrite([given[2][0]])
    old = DatabaseKeys(postgresql_url, OWNER)
    assert store.encrypt(KEK) == AHEAD
    for action in (lambda: old.read(given[0][0]), lambda: old.overwrite([given[0][0]]), old.allocate):
        with pytest.raises(Exception, match=r"key_encryption: is not set, but the key store is encrypted"):
            action()
    with pytest.raises(VaultError, match="another key"):
        DatabaseKeys(postgresql_url, OWNER, kek=KeyEncryptionKey(b"x" * 32))
    opened = DatabaseKeys(postgresql_url, OWNER, kek=KEK)
    assert [opened.read(slot) for slot, _ in given[:2]] == [key for _, key in given[:2]]
    assert list(opened.erased()) == [given[2][0]]
    with pytest.raises(VaultError, match="already"):
        opened.encrypt(KEK)
    opened.encrypt(KeyEncryptionKey(b"x" * 32))
    opened.close()
    again = DatabaseKeys(postgresql_url, OWNER, kek=KeyEncryptionKey(b"x" * 32))
    assert again.read(given[0][0]) == given[0][1]
    again.close()
    old.close()
    data = files_of(postgresql_url)
    assert not [key for _, key in given if key in data]


def test_a_new_store_is_masked_from_the_beginning(postgresql_url: str) -> None:
    DatabaseKeys.create(postgresql_url, OWNER, kek=KEK)
    opened = DatabaseKeys(postgresql_url, OWNER, kek=KEK)
    slot, key = opened.allocate()
    opened.sync()
    assert opened.read(slot) == key
    ((content,),) = run(postgresql_url, "SELECT content FROM greffier_key WHERE slot = :slot", slot=slot)
    assert bytes(content) == KEK.mask(slot, key) != key
    opened.close()
