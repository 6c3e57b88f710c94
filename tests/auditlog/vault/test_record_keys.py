"""The key store: slots that several processes share, that survive a crash, and that can be erased for good."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from auditlog.core.errors import CannotRecord, Erased, VaultError
from auditlog.vault.record_keys import KEY_SIZE, RecordKeys

ROOT = Path(__file__).parents[3]


def test_keys_come_back(keys, key_store):
    given = [keys.allocate() for _ in range(5)]
    keys.sync()
    assert [slot for slot, _ in given] == [0, 1, 2, 3, 4]
    assert len({key for _, key in given}) == 5
    assert all(keys.read(slot) == key for slot, key in given)
    assert keys.count() == 5
    again = RecordKeys(key_store)
    assert [again.read(slot) for slot, _ in given] == [key for _, key in given]
    again.close()


def test_the_file_is_the_owners_alone(key_store):
    assert key_store.stat().st_mode & 0o777 == 0o600
    key_store.chmod(0o640)
    with pytest.raises(VaultError, match=r"^key_store: .*0600"):
        RecordKeys(key_store)


def test_an_existing_key_store_is_never_replaced(keys, key_store):
    keys.allocate()
    keys.sync()
    with pytest.raises(VaultError, match="never replaced"):
        RecordKeys.create(key_store)
    assert key_store.stat().st_size == KEY_SIZE


def test_an_erased_slot_says_so_and_leaves_the_others(keys, key_store):
    given = dict(keys.allocate() for _ in range(4))
    keys.sync()
    keys.overwrite([1, 3])
    keys.overwrite([1])
    for slot in (1, 3):
        with pytest.raises(Erased):
            keys.read(slot)
        assert given[slot] not in key_store.read_bytes()
    assert keys.read(0) == given[0]
    assert keys.read(2) == given[2]
    assert keys.allocate()[0] == 4


@pytest.mark.parametrize("slot", [-1, 2, 10**9, 2**63 - 1])
def test_a_slot_beyond_the_file_says_what_to_restore(keys, slot):
    keys.allocate()
    with pytest.raises(VaultError, match="younger replica"):
        keys.read(slot)
    with pytest.raises(VaultError, match="younger replica"):
        keys.overwrite([0, slot])
    keys.sync()
    assert len(keys.read(0)) == KEY_SIZE


def test_a_missing_key_store_says_what_to_restore(tmp_path):
    with pytest.raises(VaultError, match=r"^key_store: .*put back its replica"):
        RecordKeys(tmp_path / "gone")


def test_a_key_store_that_is_taken_away_stops_recording(keys, key_store):
    keys.allocate()
    key_store.rename(key_store.with_suffix(".away"))
    with pytest.raises(CannotRecord) as error:
        keys.sync()
    assert error.value.cause == "key_store"
    with pytest.raises(VaultError, match="put back"):
        keys.read(0)
    RecordKeys.create(key_store)
    with pytest.raises(CannotRecord, match="replaced"):
        keys.sync()
    key_store.with_suffix(".away").replace(key_store)
    keys.sync()
    assert len(keys.read(0)) == KEY_SIZE


def test_a_torn_slot_is_stepped_over(keys, key_store):
    keys.allocate()
    keys.sync()
    with key_store.open("ab") as file:
        file.write(b"x" * 11)  # what a power loss leaves of an append
    slot, key = keys.allocate()
    keys.sync()
    assert slot == 2
    assert keys.read(2) == key


def test_threads_share_one_open_store(keys):
    found: list[tuple[int, bytes]] = []

    def work() -> None:
        for _ in range(200):
            found.append(keys.allocate())
            keys.sync()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(slot for slot, _ in found) == list(range(800))
    assert all(keys.read(slot) == key for slot, key in found)


WORKER = """
import sys
from pathlib import Path
from auditlog.vault.record_keys import RecordKeys
keys = RecordKeys(Path(sys.argv[1]))
for _ in range(int(sys.argv[2])):
    slot, key = keys.allocate()
    keys.sync()
    print(slot, key.hex(), flush=True)
"""


def start(path: Path, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WORKER, str(path), str(count)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_processes_share_one_file(keys, key_store):
    workers = [start(key_store, 150) for _ in range(3)]
    lines = [line.split() for worker in workers for line in worker.communicate(timeout=60)[0].splitlines()]
    assert all(worker.returncode == 0 for worker in workers)
    assert sorted(int(slot) for slot, _ in lines) == list(range(450))
    assert all(keys.read(int(slot)).hex() == key for slot, key in lines)


def test_a_kill_loses_no_key_that_was_given_out(keys, key_store):
    worker = start(key_store, 100_000)
    lines = [worker.stdout.readline().split() for _ in range(50)]
    worker.send_signal(signal.SIGKILL)
    rest = worker.communicate(timeout=60)[0].splitlines()
    lines += [line.split() for line in rest if len(line.split()) == 2 and len(line.split()[1]) == 64]
    assert all(keys.read(int(slot)).hex() == key for slot, key in lines)
    assert keys.allocate()[0] >= len(lines)  # the lock went with the process


def test_a_full_disk_stops_recording_and_harms_nothing(keys, key_store):
    """A limit on the size of files stands in for the disk: the write fails the same way, at the same call."""
    given = [keys.allocate() for _ in range(2)]
    keys.sync()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        for limit in (2 * KEY_SIZE, 2 * KEY_SIZE + 9):  # nothing of the slot fits; a part of it fits
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
            with pytest.raises(CannotRecord, match=r"^key_store: ") as error:
                keys.allocate()
            assert error.value.cause in {"disk_full", "key_store"}
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    slot, key = keys.allocate()
    keys.sync()
    assert [keys.read(s) for s, _ in given] == [k for _, k in given]
    assert keys.read(slot) == key


def test_a_folder_is_no_key_store(tmp_path):
    with pytest.raises(VaultError, match="key_store"):
        RecordKeys(tmp_path)
    (tmp_path / "real").touch(0o600)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(VaultError, match="key_store"):
        RecordKeys(tmp_path / "link")
    assert os.listdir(tmp_path)
