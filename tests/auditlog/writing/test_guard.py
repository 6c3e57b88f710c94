"""The guard's line: never lower, never another root, durable, and damage is said."""

from __future__ import annotations

import hashlib
import os
import threading

import pytest

from auditlog.core.errors import GuardError
from auditlog.core.formats.merkle import EMPTY_ROOT
from auditlog.writing.guard import Guard, GuardLine, format_guard_line, parse_guard_line

ORIGIN = "register.example/audit/1"


def root(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest()


@pytest.fixture
def guard(tmp_path):
    made = Guard(tmp_path / "guards" / "guard")
    made.create(ORIGIN)
    return made


def test_a_new_guard_stands_at_the_empty_tree(guard):
    assert guard.read() == (0, EMPTY_ROOT)
    assert guard.path.read_text() == f"{ORIGIN} 0 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
    assert guard.path.stat().st_mode & 0o077 == 0
    with pytest.raises(GuardError, match="exists already"):
        guard.create(ORIGIN)


def test_it_rises_and_never_falls(guard):
    guard.raise_to(9, root(9))
    guard.raise_to(10, root(10))
    guard.raise_to(9, root(9))
    guard.raise_to(10, root(10))
    assert guard.read() == (10, root(10))
    assert Guard(guard.path).require(ORIGIN) == (10, root(10))


def test_another_root_of_the_same_size_is_a_fork(guard):
    guard.raise_to(9, root(9))
    with pytest.raises(GuardError, match="forked"):
        guard.raise_to(9, root(8))
    assert guard.read() == (9, root(9))


def test_a_missing_guard_names_the_fix(tmp_path):
    guard = Guard(tmp_path / "guard")
    assert guard.read() is None
    for call in (lambda: guard.require(ORIGIN), lambda: guard.raise_to(1, root(1))):
        with pytest.raises(GuardError, match="put back the file") as caught:
            call()
        assert caught.value.cause == "guard"
    assert not guard.path.exists()


def test_another_logs_guard_is_refused(guard):
    with pytest.raises(GuardError, match="belongs to another log"):
        guard.require("register.example/audit/2")


def test_the_line_is_parsed_strictly(guard):
    good = guard.path.read_bytes()
    assert parse_guard_line(good) == GuardLine(ORIGIN, 0, EMPTY_ROOT)
    for bad in (
        b"",
        good[:-1],
        good + good,
        good.replace(b" 0 ", b" 00 "),
        good.replace(b" 0 ", b" +1 "),
        good.replace(b" 0 ", b" -1 "),
        good.replace(b" 0 ", b"  0 "),
        good.replace(b"47DE", b"47D"),
        good.replace(b"47DE", b"47D*"),
        good.replace(b"uFU=", b"uFV="),
        good[:-2] + b"\n",
        b"\xff" + good,
    ):
        guard.path.write_bytes(bad)
        for call in (guard.read, lambda: guard.raise_to(5, root(5))):
            with pytest.raises(GuardError, match="damaged"):
                call()
        assert guard.path.read_bytes() == bad


def test_a_longer_line_stays_within_one_sector(tmp_path):
    guard = Guard(tmp_path / "guard")
    guard.create("o" * 255)
    guard.raise_to(2**53 - 1, root(1))
    assert len(guard.path.read_bytes()) < 512
    assert guard.read() == (2**53 - 1, root(1))
    with pytest.raises(GuardError, match="255"):
        Guard(tmp_path / "other").create("o" * 500)


def test_an_unreadable_or_unwritable_guard_says_so(guard, tmp_path):
    folder = Guard(tmp_path / "folder")
    folder.path.mkdir()
    with pytest.raises(GuardError, match="cannot be read"):
        folder.read()
    with pytest.raises(GuardError, match="cannot be written"):
        folder.raise_to(1, root(1))


def test_threads_and_processes_that_race_leave_the_highest(guard):
    children = []
    for part in range(3):
        child = os.fork()
        if child == 0:
            try:
                for size in range(part, 150, 3):
                    Guard(guard.path).raise_to(size + 1, root(size + 1))
            finally:
                os._exit(0 if size >= 147 else 1)
        children.append(child)
    seen = []
    while children and len(seen) < 500:
        seen.append(guard.read()[0])
    for child in children:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    threads = [threading.Thread(target=guard.raise_to, args=(size, root(size))) for size in range(150, 160)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == sorted(seen)
    assert guard.read() == (159, root(159))
    assert parse_guard_line(format_guard_line(GuardLine(ORIGIN, 159, root(159)))).size == 159
