"""64 clients at once, while worker and server are killed, the log stalls or cannot write, and the system is stopped.

Every answer that left has its record, every number of every boot is accounted for, and nobody is told of a fault of
ours. GREFFIER_SOAK_S sets how long (600 for the figure in docs/performance.md); each thing is done at least once.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import signal
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from accounts import api_keys
from auditlog.core.entries.record import Entry, parse_entry
from auditlog.store import log as log_store
from cli.demo.run import CASES
from home.greffier import Greffier
from service.keeping import fsck
from service.logs import gaps
from service.records import reading
from service.systems import lifecycle, register
from service.wiring import open_home

LOAN = "social-loan-check"
REPLY = "tax-question-reply"
QUESTION = {"message": "May I pay next month instead of now?", "bill_year": 2026}
CHAT = {"model": REPLY, "messages": [{"role": "user", "content": json.dumps(QUESTION)}], "stream": True}
SECONDS = float(os.environ.get("GREFFIER_SOAK_S", "20"))
CLIENTS = int(os.environ.get("GREFFIER_SOAK_CLIENTS", "64"))


@pytest.mark.slow
@pytest.mark.enable_socket
def test_every_released_answer_has_its_record_and_every_number_its_end(
    soak: Any, loan_home: Path, loan_input: dict[str, Any], free_port: Callable[[], int]
) -> None:
    rng = random.Random(int(os.environ.get("GREFFIER_SEED", "20261125")))
    with open_home(loan_home) as g:
        key = api_keys.create_key(g.engine, role="client", now=g.clock()).secret
        register_stream(g)
    asked = soak.Asked({"system": LOAN, "input": loan_input}, CHAT)
    server = soak.Server(loan_home, free_port())
    server.start()
    done: dict[str, int] = {}
    with soak.clients(server, key, asked, CLIENTS) as heard:
        ended = time.monotonic() + SECONDS
        things = [*THINGS]
        while things or time.monotonic() < ended:
            answered = len(heard.answers)
            wait_for(lambda answered=answered: len(heard.answers) >= answered + 8, "no more answers", heard)
            time.sleep(rng.uniform(0.0, 1.0))
            thing = things.pop(0) if things else rng.choice([*THINGS])
            THINGS[thing](server, rng)
            done[thing] = done.get(thing, 0) + 1
        answered = len(heard.answers)
        wait_for(lambda: len(heard.answers) >= answered + 8, "no more answers", heard)
    server.end(signal.SIGTERM)
    print(f"{done}; {dict(heard.ways)}; {dict(sorted(heard.statuses.items()))}")
    assert heard.wrong == []
    assert all(len(ids) == 1 for ids in heard.keys.values()), "one key led to two records"
    assert set(heard.ways) == {"once", "keyed", "later", "batch", "streamed"}
    check(loan_home, heard)


@pytest.mark.enable_socket
def test_a_server_that_is_told_to_end_answers_all_who_wait(
    soak: Any, loan_home: Path, loan_input: dict[str, Any], free_port: Callable[[], int]
) -> None:
    with open_home(loan_home) as g:
        key = api_keys.create_key(g.engine, role="client", now=g.clock()).secret
    server = soak.Server(loan_home, free_port())
    server.start()
    body = json.dumps({"system": LOAN, "input": loan_input}).encode()
    read_in = threading.Barrier(40)  # a connection whose request the server has not read yet, it may close unanswered

    def ask(others: threading.Barrier | None = None) -> tuple[int, str]:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=180)) as connection:
            connection.putrequest("POST", "/api/decisions")
            connection.putheader("Authorization", f"Bearer {key}")
            connection.putheader("Content-Type", "application/json")
            connection.putheader("Content-Length", str(len(body)))
            connection.putheader("Expect", "100-continue")
            connection.endheaders()
            connection.sock.recv(1, socket.MSG_PEEK)  # 100 Continue: the server reads
            if others is not None:
                others.wait(180)
            connection.send(body)
            answer = connection.getresponse()
            told = json.load(answer)
            return answer.status, told.get("id", told.get("reason"))

    until(lambda: ask()[0] == 201)
    with ThreadPoolExecutor(read_in.parties) as callers:
        waiting = [callers.submit(ask, read_in) for _ in range(read_in.parties)]
        until(lambda: any(one.done() for one in waiting))
        server.end(signal.SIGTERM)
        told = [one.result() for one in waiting]
    assert {status for status, _ in told} <= {201, 503}
    assert {what for status, what in told if status == 503} <= {"stopped"}
    with open_home(loan_home) as g:
        (boot,) = gaps.read_gaps(g).boots
        assert (boot.ended, boot.missing) == ("closed", ())
        assert boot.decisions == [status for status, _ in told].count(201) + 1
        assert fsck.check_all(g) == []


def until(condition: Any) -> None:
    deadline = time.monotonic() + 180
    while True:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if condition():
                return
        assert time.monotonic() < deadline
        time.sleep(0.05)


def register_stream(g: Greffier) -> None:
    """The demo's reply to a question about a tax bill, as a version that streams."""
    document = json.loads((CASES / f"{REPLY}.json").read_bytes())
    version = document["version"]
    version["streaming"], version["release"] = True, "immediate"
    for outcome in version["outcomes"]:
        outcome["release"] = None
    register.register(g, json.dumps(document).encode())
    for state in ("in_review", "approved", "active"):
        lifecycle.change_state(g, REPLY, state)


def kill_worker(server: Any, _rng: random.Random) -> None:
    server.kill_worker()


def kill_server(server: Any, _rng: random.Random) -> None:
    server.end(signal.SIGKILL)
    server.start()


def restart(server: Any, _rng: random.Random) -> None:
    server.end(signal.SIGTERM)
    server.start()


def stall(server: Any, rng: random.Random) -> None:
    server.stall(rng.uniform(0.5, 2.0))


def lose_guard(server: Any, rng: random.Random) -> None:
    server.without_guard(rng.uniform(0.3, 1.5))


def stop_system(server: Any, rng: random.Random) -> None:
    assert server.command("stop", LOAN) == 0
    time.sleep(rng.uniform(0.0, 1.0))
    assert server.command("resume", LOAN) == 0


THINGS = {thing.__name__: thing for thing in (kill_worker, stop_system, stall, lose_guard, kill_server, restart)}


def check(home: Path, heard: Any) -> None:
    """What must hold of the log, once it is opened again."""
    with open_home(home) as g:
        assert fsck.check_all(g) == []
        g.runtime.start()  # its entry states what boots had reached that nobody closed
        entries = read(g)
        places = {entry.id: index for index, entry in entries.items() if entry.kind == "decision/1"}
        assert {id_: places.get(id_) for id_ in heard.answers} == heard.answers
        for id_, text in heard.streams.items():
            record = reading.open(g, reading.CLI, "receipt", id_)
            assert record.entry.members["opened"] is not None
            output: Any = record.values["output"]
            assert text == output["reply"], "a stream said another thing than its record"
        stopped_gives_nothing(entries)
        numbers = [
            (entry.members["boot"], entry.members["n"])
            for entry in entries.values()
            if entry.kind in {"decision/1", "unfinished/1"}
        ]
        assert len(numbers) == len(set(numbers)), "a number has two ends"
        boots = gaps.read_gaps(g).boots
    assert [boot.ended for boot in boots].count("open") == 1  # that of this very check
    assert {boot.ended for boot in boots} >= {"closed", "unclosed"}
    for boot in boots:
        # One that ended in order accounts for each of its numbers; of one that was killed its counter is stated.
        if boot.ended == "closed":
            assert (boot.missing, boot.opened) == ((), ()), boot
        if boot.ended == "unclosed":
            assert boot.reached is not None
            assert boot.reached >= (boot.last or 0), boot


def read(g: Greffier) -> dict[int, Entry]:
    with g.reading() as conn:
        parsed = {
            index: parse_entry(data)
            for index, data in log_store.iterate_entries(conn, g.log.number, 0, g.log.state().size)
        }
    return {index: entry for index, entry in parsed.items() if isinstance(entry, Entry)}


def stopped_gives_nothing(entries: dict[int, Entry]) -> None:
    """Between `stop` and `resume` stands no decision."""
    stopped = False
    for index in sorted(entries):
        entry = entries[index]
        if entry.kind == "state/1" and entry.members["system"] == LOAN:
            stopped = entry.members["to"] == "suspended"
        decided = entry.kind == "decision/1" and entry.members["system"] == LOAN
        assert not (stopped and decided), f"decided at {index} while it was stopped"


def wait_for(condition: Any, what: str, heard: Any, seconds: float = 180.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: {dict(heard.statuses)} {heard.wrong[:3]}"
        time.sleep(0.05)
