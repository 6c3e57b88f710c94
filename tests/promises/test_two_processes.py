"""Promises 1 to 3 with several processes on one home: a command beside a server, checks beside a busy log."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from service.deciding import decide
from service.keeping import fsck
from service.logs import gaps
from service.systems import lifecycle
from service.wiring import open_home

LOAN = "social-loan-check"
DECIDE = """
import json, sys
from pathlib import Path
from service.deciding import decide
from service.wiring import open_home
print("started", flush=True)
for _ in range(int(sys.argv[3])):
    with open_home(Path(sys.argv[1])) as g:
        decide.decide(g, "social-loan-check", json.loads(sys.argv[2]))
"""


def deciding(home: Path, loan_input: dict[str, Any], times: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", DECIDE, str(home), json.dumps(loan_input), str(times)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_boots_of_several_processes_come_and_go(loan_home: Path, loan_input: dict[str, Any]) -> None:
    """Each start looks for counters that nobody closed, while others come and go."""
    processes = [deciding(loan_home, loan_input, 4) for _ in range(3)]
    for process in processes:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
    with open_home(loan_home) as g:
        assert fsck.check_all(g) == []
        boots = gaps.read_gaps(g).boots
    assert [(boot.ended, boot.lost, boot.decisions) for boot in boots] == [("closed", 0, 1)] * 12
    assert not list((loan_home / "run").glob("*.n"))


def test_a_check_beside_a_busy_log_finds_nothing(loan_home: Path, loan_input: dict[str, Any]) -> None:
    """`log fsck` of one process, while another one decides."""
    with open_home(loan_home) as busy, open_home(loan_home) as checking:
        ended = threading.Event()

        def work() -> None:
            while not ended.is_set():
                decide.decide(busy, LOAN, loan_input)
                lifecycle.stop(busy, LOAN, reason="maintenance")
                lifecycle.resume(busy, LOAN)

        with ThreadPoolExecutor(1) as pool:
            working = pool.submit(work)
            try:
                for _ in range(40):
                    assert fsck.check_all(checking) == []
            finally:
                ended.set()
            working.result()
