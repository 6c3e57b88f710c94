"""A log that falls behind says so at once, and takes no number for what it could not record."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from auditlog.core.errors import CannotRecord
from auditlog.writing.log import Unit
from cli import CANNOT_RECORD, exit_code, message
from home.greffier import Greffier
from service.deciding import decide
from service.keeping import fsck
from service.logs import gaps
from service.wiring import open_home

pytestmark = pytest.mark.enable_socket

LOAN = "social-loan-check"
# More than the queue and one group hold.
ENOUGH = 9_000


@contextlib.contextmanager
def blocked(home: Path) -> Iterator[None]:
    """Another program holds the database's one write lock, for less than the log waits for it."""
    other = sqlite3.connect(home / "greffier.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


def fill(g: Greffier, units: list[Unit]) -> CannotRecord:
    """Hand in units until there is no room, also after the writer has taken its group and waits for the database."""
    waiting = iter(units)
    for _ in range(2):
        with pytest.raises(CannotRecord) as refused:
            for unit in waiting:
                g.log.append(unit)
        time.sleep(0.3)
    return refused.value


def pulses(g: Greffier) -> list[Unit]:
    return [Unit((g.make("pulse/1", boots=[], recording="ok"),)) for _ in range(ENOUGH)]


def settled(g: Greffier) -> None:
    """What was queued is recorded: the queue has room again, and nothing waits in front."""
    deadline = time.monotonic() + 60
    while True:
        try:
            g.log.append(Unit((g.make("pulse/1", boots=[], recording="ok"),))).result(60)
        except CannotRecord:
            assert time.monotonic() < deadline, "the log did not recover"
            time.sleep(0.1)
        else:
            return


def test_a_full_queue_is_told_to_clients_with_the_time_to_wait(
    loan_home: Path, loan_input: dict[str, Any], portals: Any
) -> None:
    with portals.served(loan_home) as portal, portal.client() as client:
        g, key = portal.g, portal.key("client")
        body = {"system": LOAN, "input": loan_input, "lang": "en"}
        assert client.post("/api/decisions", json=body, headers=key).status_code == 201
        reached, units = g.runtime.reached(), pulses(g)
        with blocked(loan_home):
            fill(g, units)
            answers = [
                client.post("/api/decisions", json=asked, headers=key)
                for asked in (body, body | {"system": "unknown-system"}, body | {"input": {"income": 7}})
            ]
        for answer in answers:
            assert answer.status_code == 503, answer.text
            assert answer.headers["content-type"] == "application/problem+json"
            assert 1 <= int(answer.headers["retry-after"]) <= 5
            assert answer.json()["cause"] == "busy"
            assert "try again in a moment" in answer.json()["detail"]
        assert g.runtime.reached() == reached, "the model ran for what could not be recorded"
        settled(g)
        assert client.post("/api/decisions", json=body, headers=key).status_code == 201
        assert all(boot.missing == () for boot in gaps.read_gaps(g).boots)
        assert fsck.check_all(g) == []


def test_what_the_model_has_answered_waits_for_room(loan_home: Path, loan_input: dict[str, Any]) -> None:
    with open_home(loan_home) as g, ThreadPoolExecutor(1) as pool:
        decide.decide(g, LOAN, loan_input)
        (_, reached), units = g.runtime.reached(), pulses(g)
        with blocked(loan_home):
            deciding = pool.submit(decide.decide, g, LOAN, loan_input)
            while g.runtime.reached() == (g.runtime.boot, reached):
                time.sleep(0.001)
            fill(g, units)
            time.sleep(1.5)
            assert not deciding.done(), "the model was slower than this test supposes, or the answer did not wait"
        answer = deciding.result(60)
        assert answer.id
        assert all(boot.missing == () for boot in gaps.read_gaps(g).boots)


def test_the_command_line_says_try_again(loan_home: Path) -> None:
    with open_home(loan_home) as g:
        units = pulses(g)
        with blocked(loan_home):
            error = fill(g, units)
        settled(g)
    assert error.cause == "busy"
    assert exit_code(error) == CANNOT_RECORD == 4
    assert message(error) == "the log is busy: try again in a moment"


def test_a_command_beside_a_program_that_holds_the_database(loan_home: Path, input_file: Path, greffier: Any) -> None:
    before = json.loads(greffier("log", "gaps", "--home", loan_home, "--json").stdout)
    with blocked(loan_home):
        told = greffier("decide", "--home", loan_home, LOAN, "--input", input_file)
    assert told.returncode == 4
    assert told.stdout == ""
    assert told.stderr.startswith("greffier: ")
    assert told.stderr.count("\n") == 1
    with open_home(loan_home) as g:
        assert fsck.check_all(g) == []
        assert len(gaps.read_gaps(g).boots) == len(before["boots"])
