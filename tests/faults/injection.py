"""strace over the driver: which calls a phase makes on which file, and the same phase with one of them failing."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SECONDS = 60.0
# A run in which SQLite waits for a lock at each call, ten seconds each time, ends by itself within this.
RUN_SECONDS = 180.0
# What changes files, and what is asked before: locks and reads fail on a dying disk as well.
CHANGES = (
    *("openat", "write", "pwrite64", "writev", "fsync", "fdatasync", "ftruncate", "fallocate", "unlink", "unlinkat"),
    *("rename", "renameat", "renameat2", "link", "linkat", "mkdir", "mkdirat", "rmdir", "fchmod", "mmap"),
)
ASKS = ("read", "pread64", "fcntl", "flock")
_CALL = re.compile(r"^(\d+) +(\w+)\((.*)$")
_PATH = re.compile(r'<(/[^>]*)>|"(/[^"]*)"')
_HERE = re.compile(r"AT_FDCWD<[^>]*>")


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """One injection: the K-th call of this name on this file, in each thread; `fault` as strace spells it."""

    file: str
    call: str
    number: int
    fault: str
    persistent: bool = False

    def __str__(self) -> str:
        return f"{self.file} {self.call} #{self.number}{'+' if self.persistent else ''} {self.fault}"

    def options(self, home: Path) -> list[str]:
        when = f"{self.number}{'+' if self.persistent else ''}"
        path = home if self.file == "." else home / self.file
        return ["-P", str(path), "-e", f"trace={self.call}", "-e", f"inject={self.call}:{self.fault}:when={when}"]


@dataclass
class Ran:
    """How a run ended: exit status (negative: the signal), what it said, what it wrote on stderr."""

    status: int
    said: list[dict[str, Any]]
    errors: str
    trace: list[str] = field(repr=False, default_factory=list)

    @property
    def injections(self) -> int:
        """How many calls of one thread failed as asked: more than one only where the fault stays."""
        threads = [line.partition(" ")[0] for line in self.trace if "(INJECTED)" in line]
        return max(map(threads.count, threads), default=0)

    @property
    def injected(self) -> bool:
        """Whether strace did what it was asked for."""
        return self.status == -signal.SIGKILL or self.injections > 0


class Driver:
    """The process `driver.py`, and one strace a run."""

    def __init__(self) -> None:
        command = [sys.executable, str(HERE / "driver.py")]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def close(self) -> None:
        self._process.communicate(timeout=SECONDS)

    def run(self, phase: str, home: Path, scratch: Path, options: list[str]) -> Ran:
        """One run of `phase` under strace with these options. `scratch`: a folder outside the home for what is said."""
        said, trace = scratch / "said", scratch / "trace"
        for path in (said, trace):
            path.unlink(missing_ok=True)
        self._order({"phase": phase, "home": str(home), "said": str(said)})
        pid = int(self._line())
        # A run that hangs is a finding like any other, and must not hold the tests up.
        limit = threading.Timer(RUN_SECONDS, _signal, (pid, signal.SIGABRT))
        limit.start()
        try:
            wait_for(lambda: _state(pid) == "T")
            tracer = subprocess.Popen(
                ["strace", "-q", "-f", "-y", "-s", "0", "-o", str(trace), *options, "-p", str(pid)],
                stderr=subprocess.PIPE,
            )
            wait_for(lambda: _traced(pid) or tracer.poll() is not None)
            _signal(pid, signal.SIGCONT)
            status = int(self._line())
        except BaseException:
            _signal(pid, signal.SIGKILL)
            raise
        finally:
            limit.cancel()
        _, complaints = tracer.communicate(timeout=SECONDS)
        assert b"Operation not permitted" not in complaints, complaints
        lines = said.read_text().splitlines() if said.exists() else []
        errors = said.with_name("said.err").read_text()
        return Ran(status, [json.loads(line) for line in lines], errors, trace.read_text().splitlines())

    def _order(self, order: dict[str, str]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the driver ended"
        return line


def calls(ran: Ran, home: Path) -> dict[tuple[str, str], int]:
    """(file within the home, call) → the largest number of such calls that one thread made."""
    counts: dict[tuple[str, str, str], int] = {}
    for thread, call, rest in filter(None, map(_parse, ran.trace)):
        found = _PATH.search(_HERE.sub("", rest))
        if found is None:
            continue
        path = Path(found.group(1) or found.group(2))
        if path == home or home in path.parents:
            key = (thread, str(path.relative_to(home)), call)
            counts[key] = counts.get(key, 0) + 1
    most: dict[tuple[str, str], int] = {}
    for (_, file, call), count in counts.items():
        most[file, call] = max(count, most.get((file, call), 0))
    return most


def points(counts: dict[tuple[str, str], int]) -> Iterator[Point]:
    """Every fault at every call: an error, a full disk (once, and for good), a kill before it."""
    for (file, call), count in sorted(counts.items()):
        for number in range(1, count + 1):
            yield Point(file, call, number, "error=EIO")
            yield Point(file, call, number, "signal=KILL")
            if call in CHANGES:
                yield Point(file, call, number, "error=ENOSPC")
                yield Point(file, call, number, "error=ENOSPC", persistent=True)


def trace_all() -> list[str]:
    return ["-e", f"trace={','.join((*CHANGES, *ASKS))}"]


def wait_for(condition: Any, seconds: float = SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.002)


def _parse(line: str) -> tuple[str, str, str] | None:
    found = _CALL.match(line)
    return None if found is None else (found.group(1), found.group(2), found.group(3))


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][:1]


def _traced(pid: int) -> bool:
    """Every thread is held by strace."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return all("TracerPid:\t0\n" not in (task / "status").read_text() for task in tasks)


def _signal(pid: int, number: int) -> None:
    os.kill(pid, number)
