"""Promise 2 under `kill -9`: of the server and of its worker, at random moments of a loop of decisions.

GREFFIER_KILLS sets how many kills; the figure of a full run (200) is in docs/performance.md.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from app.actions import log, query
from app.wiring import open_home
from auditlog.store.cursor import DecisionFilter

LOOP = """
import json, sys
from pathlib import Path
from app.actions import decide
from app.demo.run import CASES
from app.errors import Unfinished
from app.wiring import open_home
cases = json.loads((CASES / "social-loan-check.inputs.json").read_text())
with open_home(Path(sys.argv[1])) as g:
    print("ready", flush=True)
    number = 0
    while True:
        try:
            answer = decide.decide(g, "social-loan-check", cases[number % len(cases)]["input"])
        except Unfinished:
            print("unfinished", flush=True)
        else:
            print(answer.id, flush=True)
        number += 1
"""
KILLS = int(os.environ.get("GREFFIER_KILLS", "24"))


class Loop:
    """A process that decides until it is killed; `answers` are the ids that left it."""

    def __init__(self, home: Path, answers: set[str]) -> None:
        command = [sys.executable, "-c", LOOP, str(home)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.started = threading.Event()
        self.answers = answers
        self.seen = 0
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.started.set()
            self.seen += 1
            if len(line.strip()) == 36:
                self.answers.add(line.strip())

    def worker(self) -> int | None:
        path = Path(f"/proc/{self.process.pid}/task")
        for task in path.iterdir() if path.exists() else ():
            children = (task / "children").read_text().split()
            if children:
                return int(children[0])
        return None

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.reader.join()
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()


@pytest.mark.slow
def test_no_kill_releases_an_answer_without_its_record(loan_home: Path) -> None:
    rng = random.Random(int(os.environ.get("GREFFIER_SEED", "20261124")))
    answers: set[str] = set()
    loop: Loop | None = None
    killed = {"server": 0, "worker": 0}
    for _ in range(KILLS):
        loop = loop or Loop(loan_home, answers)
        assert loop.started.wait(120), "the loop did not start"
        time.sleep(rng.uniform(0.0, 1.2))
        worker = loop.worker()
        if worker is not None and rng.random() < 0.5:
            before = loop.seen
            os.kill(worker, signal.SIGKILL)
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
        assert log.check_all(g) == []
        # The start of the next worker states what the killed boots had reached.
        g.runtime.start()
        recorded = set()
        cursor = None
        while True:
            page = query.decisions(g, DecisionFilter(), cursor, 1000)
            recorded |= {row["id"] for row in page.rows}
            cursor = page.next
            if cursor is None:
                break
        assert answers <= recorded
        boots = log.read_gaps(g).boots
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
