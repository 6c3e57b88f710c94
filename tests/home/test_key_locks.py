"""One request at a time for each key: within this process they wait, another process is told of."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from auditlog.core.errors import CannotRecord
from home.errors import InProgress, UsageError
from home.key_locks import FILE, Turns
from service.deciding import decide
from service.deciding.idempotency import Key
from service.records.reading import CLI
from service.wiring import open_home

ONE, OTHER = b"a" * 32, b"b" * 32


def take(turns: Turns, folder: Path, tag: bytes, seconds: float = 0.0) -> Any:
    return turns.take(folder, tag, seconds=seconds, field="key")


def test_a_turn_that_is_taken_is_waited_for_and_no_longer_than_said(tmp_path: Path) -> None:
    turns = Turns()
    with take(turns, tmp_path, ONE):
        started = time.monotonic()
        with pytest.raises(InProgress, match="key: is still being decided"), take(turns, tmp_path, ONE, 0.2):
            pass
        assert 0.2 <= time.monotonic() - started < 5
        with take(turns, tmp_path, OTHER):
            pass
    with take(turns, tmp_path, ONE):
        pass


def test_who_waits_comes_next_also_after_a_failure(tmp_path: Path) -> None:
    turns, order, taken = Turns(), [], threading.Event()

    def wait() -> None:
        assert taken.wait(30)
        with take(turns, tmp_path, ONE, 30):
            order.append("second")

    def work() -> None:
        with take(turns, tmp_path, ONE):
            taken.set()
            time.sleep(0.1)
            order.append("first")
            raise ZeroDivisionError

    thread = threading.Thread(target=wait)
    thread.start()
    with pytest.raises(ZeroDivisionError):
        work()
    thread.join(30)
    assert order == ["first", "second"]


def test_nothing_is_left_behind_but_an_empty_file(tmp_path: Path) -> None:
    turns = Turns()
    with take(turns, tmp_path, ONE), take(turns, tmp_path, OTHER):
        assert [path.name for path in tmp_path.iterdir()] == [FILE]
        assert (tmp_path / FILE).read_bytes() == b""
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0


def test_a_place_that_cannot_be_used_is_no_ground_to_decide_twice(loan_home: Path, loan_input: dict[str, Any]) -> None:
    with open_home(loan_home) as g:
        (loan_home / "run" / FILE).mkdir()
        with pytest.raises(CannotRecord, match="run: cannot be used"):
            decide.decide(g, "social-loan-check", loan_input, key=Key("test", "a", "key", CLI))


@pytest.mark.parametrize("text", ["", "a" * 256, "a b", "a\n", "\u00e9", "\x7f"])
def test_a_key_is_visible_ascii(text: str) -> None:
    with pytest.raises(UsageError, match="key: must be 1 to 255 visible ASCII"):
        Key("test", text, "key", CLI)
    assert Key("test", "!" + "~" * 254, "key", CLI).text
