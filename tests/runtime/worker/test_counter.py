from __future__ import annotations

import subprocess
import sys
import threading
import uuid
from pathlib import Path

import pytest

from runtime.errors import CounterDamaged
from runtime.worker.counter import Counter, counter_path, forget, read_counter, unclosed


def boot() -> str:
    return str(uuid.uuid4())


def test_it_rises_in_the_file_at_once(tmp_path: Path) -> None:
    counter = Counter(tmp_path, boot())
    assert (counter.n, read_counter(tmp_path, counter.boot)) == (0, 0)
    for n in range(1, 600):
        assert counter.rise() == n
        assert counter_path(tmp_path, counter.boot).read_bytes() == n.to_bytes(8, "little")
    counter.close()


def test_a_living_boot_is_not_unclosed_and_cannot_be_forgotten(tmp_path: Path) -> None:
    counter = Counter(tmp_path, boot())
    counter.rise()
    assert unclosed(tmp_path) == []
    forget(tmp_path, [counter.boot])
    assert read_counter(tmp_path, counter.boot) == 1
    counter.close()
    assert unclosed(tmp_path) == [(counter.boot, 1)]
    forget(tmp_path, [counter.boot])
    assert unclosed(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_killed_process_leaves_its_number(tmp_path: Path) -> None:
    name = boot()
    script = (
        "import os, signal, sys; from pathlib import Path; from runtime.worker.counter import Counter\n"
        "c = Counter(Path(sys.argv[1]), sys.argv[2])\n"
        "for _ in range(300): c.rise()\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path), name], check=False)
    assert done.returncode == -9
    assert unclosed(tmp_path) == [(name, 300)]


def test_a_boot_has_one_counter(tmp_path: Path) -> None:
    counter = Counter(tmp_path, boot())
    with pytest.raises(CounterDamaged):
        Counter(tmp_path, counter.boot)
    assert [path.name for path in tmp_path.iterdir()] == [f"{counter.boot}.n"]
    counter.close()
    with pytest.raises(CounterDamaged):
        Counter(tmp_path, "../outside")


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    name = boot()
    counter_path(tmp_path, name).write_bytes(b"123")
    (tmp_path / "notes.n").write_bytes(b"not ours")
    with pytest.raises(CounterDamaged) as caught:
        unclosed(tmp_path)
    assert caught.value.field == f"run/{name}.n"


def test_a_boot_that_another_process_forgets_meanwhile_is_no_error(tmp_path: Path) -> None:
    ended = threading.Event()

    def come_and_go() -> None:
        while not ended.is_set():
            counter = Counter(tmp_path, boot())
            counter.close()
            forget(tmp_path, [counter.boot])

    threads = [threading.Thread(target=come_and_go) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3000):
            assert all(n == 0 for _, n in unclosed(tmp_path))
    finally:
        ended.set()
        for thread in threads:
            thread.join()
