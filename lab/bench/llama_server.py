"""`llama-server` on loopback, asked as its own clients ask it: the yardstick of `greffier bench decide`, where it is.

It runs with its own defaults, but for the model, threads, slots and context that the engine has, too, and the cache of
prompts, which is off: no two prompts here begin alike, and looking for that would cost it time.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from home.errors import UsageError
from lab.bench.comparison import ROOM, SLOTS, THREADS, WORDS, Answered, question

_START_S: Final = 60.0


def find(path: str | None) -> str | None:
    """The program: the one given, or the one on PATH; None where there is none."""
    found = shutil.which(path or "llama-server")
    if path and not found:
        raise UsageError("is no program", field="--server")
    return found


def version(program: str) -> str:
    """What it says of itself, in one line."""
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, timeout=30)
    lines = [line for line in (done.stderr + done.stdout).splitlines() if line.startswith(("version", "built"))]
    return ", ".join(lines) or "unknown version"


class LlamaServer:
    """A running server."""

    def __init__(self, port: int) -> None:
        self._port = port

    def answer(self, numbers: range, concurrency: int) -> list[Answered]:
        """Asks all of them, so many at a time, each on a connection of its own that streams."""
        with ThreadPoolExecutor(concurrency) as pool:
            return list(pool.map(self._ask, numbers))

    def _ask(self, number: int) -> Answered:
        order = {
            "prompt": question(number),
            "n_predict": WORDS,
            "ignore_eos": True,
            "temperature": 0,
            "cache_prompt": False,
            "stream": True,
        }
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=300)
        try:
            began = time.perf_counter()
            connection.request("POST", "/completion", json.dumps(order), {"content-type": "application/json"})
            response = connection.getresponse()
            first, last = 0.0, b""
            while line := response.readline():
                if line.startswith(b"data: "):
                    first, last = first or time.perf_counter(), line
            ended = time.perf_counter()
        finally:
            connection.close()
        return Answered(first - began, ended - began, int(json.loads(last[6:])["tokens_predicted"]))

    def ready(self) -> bool:
        """Whether the model is loaded."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()


@contextlib.contextmanager
def running(program: str, model: Path, slots: int = SLOTS) -> Iterator[LlamaServer]:
    """Starts it, and ends it afterwards."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [program, "--model", str(model), "--host", "127.0.0.1", "--port", str(port)]
    command += ["--threads", str(THREADS), "--threads-batch", str(THREADS)]
    command += ["--ctx-size", str(slots * ROOM), "--parallel", str(slots), "--no-webui"]
    # Our own default for threads that wait is not the server's.
    ours = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")  # what runtime.llama sets for its own threads
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        server, until = LlamaServer(port), time.monotonic() + _START_S
        while not server.ready():
            if process.poll() is not None or time.monotonic() > until:
                raise UsageError("does not start with the demo's model", field="--server")
            time.sleep(0.2)
        yield server
    finally:
        process.terminate()
        process.wait(timeout=30)
