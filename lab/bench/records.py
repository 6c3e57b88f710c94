"""Records from elsewhere over HTTP: a server of its own on loopback, clients with batches of 256, records a second.

The server is `greffier serve`, a process of its own with its database in a temporary folder (or a schema); the clients
are threads here, each with one kept connection and bodies made beforehand, so that their work is to send and to read.
A record counts when its batch was answered: it is durable and integrated then.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import platform
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from accounts import api_keys
from auditlog.core.errors import CannotRecord
from home.errors import UsageError
from lab.bench import records_steps
from lab.bench.append import percentile
from lab.bench.records_scene import make_home, sent_line
from lab.bench.scene import own_schema
from service.wiring import open_home

BATCH: Final = 256
CONNECTIONS: Final = 4
_START_S: Final = 60.0
_SPARE: Final = 2.5
_TARGETS: Final = {"sealed": 4_000, "committed": 10_000}


@dataclass(slots=True)
class _Taken:
    """What the clients saw: seconds of each answered batch, and when the first was sent and the last answered."""

    latencies: list[float] = field(default_factory=list)
    failed: int = 0
    seconds: float = 0.0
    server_s: float = 0.0

    @property
    def records(self) -> int:
        return len(self.latencies) * BATCH


def run(seconds: float, database_url: str | None, *, report: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """`seconds` for each of both sorts; then each step of the server's work alone, in this process."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="greffier-bench-")))
        url = None if database_url is None else stack.enter_context(own_schema(database_url))
        home = folder / "home"
        make_home(home, url)
        with open_home(home) as g:
            key = api_keys.create_key(g.engine, role="client", now=g.clock()).secret
        found = {sort: _measure(home, key, sort, seconds, report) for sort in _TARGETS}
        report("steps of the server's work, alone")
        with open_home(home) as g:
            steps = {sort: records_steps.steps(g, sort) for sort in _TARGETS}
    return {
        "bench": "records",
        "promise": "durable, sequenced, integrated (two signatures, guard raised), each line answered",
        "what": f"POST /api/records over loopback, batches of {BATCH}, {CONNECTIONS} connections; 8 input fields",
        "database": "sqlite" if database_url is None else "postgresql",
        "runs": {sort: {**told, "steps_us": steps[sort]} for sort, told in found.items()},
        "cpus": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
    }


def _measure(home: Path, key: str, sort: str, seconds: float, report: Callable[[str], None]) -> dict[str, Any]:
    report(f"{sort}: making what is sent")
    bodies = _bodies(sort, max(CONNECTIONS, int(_TARGETS[sort] * seconds * _SPARE / BATCH)))
    with _served(home) as (port, process):
        report(f"{sort}: sending for {seconds:g} s")
        taken = _send_all(port, key, bodies, seconds, process.pid)
    if taken.failed or not taken.latencies:
        raise CannotRecord("the server did not take what it was sent", cause="unknown", field="bench")
    return {
        "per_second": round(taken.records / taken.seconds),
        "target": _TARGETS[sort],
        "records": taken.records,
        "batch_p50_ms": round(statistics.median(taken.latencies) * 1000, 1),
        "batch_p99_ms": round(percentile(taken.latencies, 99) * 1000, 1),
        "server_cpu_us": round(taken.server_s / taken.records * 1e6),
        "body_bytes": round(statistics.mean(map(len, bodies[:20])) / BATCH),
    }


def _bodies(sort: str, batches: int) -> list[bytes]:
    made = []
    for first in range(1, batches * BATCH, BATCH):
        lines = [sent_line(sort, n) for n in range(first, first + BATCH)]
        made.append(json.dumps({"records": lines}, separators=(",", ":")).encode())
    return made


@contextlib.contextmanager
def _served(home: Path) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """`greffier serve` on a free port, until the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "cli", "serve", "--home", str(home), "--port", str(port)]
    with (home.parent / "server.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            _wait_for(port, process)
            yield port, process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _START_S
    while time.monotonic() < until and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.1)
    raise UsageError("the server did not start on a free port of this machine", field="bench")


def _send_all(port: int, key: str, bodies: list[bytes], seconds: float, server: int) -> _Taken:
    taken, waiting, lock = _Taken(), iter(bodies), threading.Lock()
    began, spent = time.perf_counter(), _cpu_seconds(server)

    def send() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        while (before := time.perf_counter()) < began + seconds:
            with lock:
                body = next(waiting, None)
            if body is None:
                break
            connection.request("POST", "/api/records", body, headers)
            response = connection.getresponse()
            data = response.read()
            taken.latencies.append(time.perf_counter() - before)
            taken.failed += response.status != 200 or b'"failed": 0' not in data.replace(b'":0', b'": 0')
        connection.close()

    threads = [threading.Thread(target=send) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken.seconds, taken.server_s = time.perf_counter() - began, _cpu_seconds(server) - spent
    return taken


def _cpu_seconds(pid: int) -> float:
    """Processor time that a process has used, its system calls included."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
