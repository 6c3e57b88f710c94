"""Promise 2 under `kill -9`: of the server and of its worker, at random moments of a loop of decisions.

GREFFIER_KILLS sets how many kills; the figure of a full run (200) is in docs/performance.md.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from accounts import api_keys
from auditlog.store.cursor import DecisionFilter
from cli.demo.run import CASES
from service.keeping import fsck
from service.logs import gaps
from service.records import query
from service.records.reading import CLI
from service.wiring import open_home

LOAN = "social-loan-check"
KILLS = int(os.environ.get("GREFFIER_KILLS", "24"))


class Loop:
    """`greffier serve`, asked for one decision after the other until it is killed; `answers`: the ids that left it."""

    def __init__(self, home: Path, port: int, answers: set[str], key: str) -> None:
        command = [sys.executable, "-m", "cli", "serve", "--home", str(home), "--port", str(port)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.url, self.key = f"http://127.0.0.1:{port}", key
        self.started = threading.Event()
        self.answers = answers
        self.seen = 0
        self.client = threading.Thread(target=self.ask, daemon=True)
        self.client.start()

    def ask(self) -> None:
        cases = json.loads((CASES / f"{LOAN}.inputs.json").read_text("utf-8"))
        headers = {"authorization": f"Bearer {self.key}"}
        with httpx.Client(base_url=self.url, headers=headers, trust_env=False, timeout=60) as client:
            while self.process.poll() is None:
                asked = {"system": LOAN, "input": cases[self.seen % len(cases)]["input"]}
                try:
                    answer = client.post("/api/decisions", json=asked)
                except httpx.TransportError:
                    time.sleep(0.02)
                    continue
                self.started.set()
                self.seen += 1
                if answer.status_code == 201:
                    self.answers.add(answer.json()["id"])

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.client.join()


@pytest.mark.slow
@pytest.mark.enable_socket
def test_no_kill_releases_an_answer_without_its_record(
    loan_home: Path, workers: Any, free_port: Callable[[], int]
) -> None:
    rng = random.Random(int(os.environ.get("GREFFIER_SEED", "20261124")))
    answers: set[str] = set()
    loop: Loop | None = None
    with open_home(loan_home) as g:
        key = api_keys.create_key(g.engine, role="client", now=g.clock()).secret
    killed = {"server": 0, "worker": 0}
    for _ in range(KILLS):
        loop = loop or Loop(loan_home, free_port(), answers, key)
        assert loop.started.wait(120), "the server did not answer"
        time.sleep(rng.uniform(0.0, 1.2))
        before = loop.seen
        if rng.random() < 0.5 and workers.kill(loop.process.pid, saying=b"runtime.worker.child"):
            killed["worker"] += 1
            wait_for(lambda loop=loop, before=before: loop.seen > before or loop.process.poll() is not None)
            assert loop.process.poll() is None, "the server ended with its worker"
            continue
        loop.kill()
        killed["server"] += 1
        loop = None
        check(loan_home, answers)
    if loop is not None:
        loop.kill()
    check(loan_home, answers)
    assert killed["server"] >= KILLS // 5
    assert killed["worker"] >= KILLS // 5


def check(home: Path, answers: set[str]) -> None:
    """After a restart: a clean log, every answer recorded, and every unclosed boot named with how far it came."""
    with open_home(home) as g:
        assert fsck.check_all(g) == []
        # The start of the next worker states what the killed boots had reached.
        g.runtime.start()
        recorded = set()
        cursor = None
        while True:
            page = query.decisions(g, CLI, DecisionFilter(), cursor, 1000, everything=True)
            recorded |= {row["id"] for row in page.rows}
            cursor = page.next
            if cursor is None:
                break
        assert answers <= recorded
        boots = gaps.read_gaps(g).boots
    # The boot of this very check runs while it looks; every other one is closed, or named with how far it came.
    assert [boot.ended for boot in boots].count("open") == 1
    for boot in boots:
        if boot.ended == "unclosed":
            assert boot.reached is not None
            assert boot.reached >= (boot.last or 0), boot


def wait_for(condition: Any, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.01)
