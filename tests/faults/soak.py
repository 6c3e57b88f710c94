"""Many clients against `greffier serve`, while things are done to it; `test_many_clients.py` says what must hold."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

# What a client may be told: done, taken in, no longer known (after a restart), refused by a rule or being decided, too
# many, not now. Anything else is a fault of ours.
ALLOWED = frozenset({200, 201, 202, 404, 409, 429, 503})


class Server:
    """`greffier serve` on one port, started again and again."""

    def __init__(self, home: Path, port: int) -> None:
        self.home, self.port = home, port
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "cli", "serve", "--home", str(self.home), "--port", str(self.port)]
        with self.home.with_name("server.log").open("ab") as told:
            self.process = subprocess.Popen(command, stdout=told, stderr=told)

    def end(self, number: signal.Signals) -> None:
        """By SIGKILL, or in order by SIGTERM."""
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(120)
        if number == signal.SIGTERM:
            assert code == 0, f"the server ended with {code}"

    def kill_worker(self) -> bool:
        """False where none runs at this moment."""
        assert self.process is not None
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{self.process.pid}/task").iterdir():
                for child in (task / "children").read_text().split():
                    if b"runtime.worker.child" in Path(f"/proc/{child}/cmdline").read_bytes():
                        os.kill(int(child), signal.SIGKILL)
                        return True
        return False

    def command(self, *arguments: str) -> int:
        """Another command over the same home, beside the server."""
        command = [sys.executable, "-m", "cli", *arguments, "--home", str(self.home)]
        return subprocess.run(command, capture_output=True, check=False).returncode

    def stall(self, seconds: float) -> None:
        """Somebody else holds the database: the log waits."""
        with contextlib.closing(sqlite3.connect(self.home / "greffier.db", timeout=30, isolation_level=None)) as conn:
            conn.execute("BEGIN IMMEDIATE")
            time.sleep(seconds)
            conn.execute("ROLLBACK")

    def without_guard(self, seconds: float) -> None:
        """The guard's file is away: the log cannot write."""
        guard = self.home / "guard" / "log-1.guard"
        away = guard.with_suffix(".away")
        guard.rename(away)
        time.sleep(seconds)
        away.rename(guard)


@dataclass
class Heard:
    """What left the server: index by id, ids by key, text of finished streams, statuses; and what should not have."""

    answers: dict[str, int] = field(default_factory=dict)
    keys: dict[str, set[str]] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)
    ways: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    streams: dict[str, str] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, way: str, answer: Any, key: str | None = None) -> None:
        with self.lock:
            self.ways[way] += 1
            if self.answers.setdefault(answer["id"], answer["index"]) != answer["index"]:
                self.wrong.append("one record at two places")
            if key is not None:
                self.keys.setdefault(key, set()).add(answer["id"])

    def stream(self, record: str, text: str) -> None:
        with self.lock:
            self.ways["streamed"] += 1
            self.streams[record] = text

    def status(self, response: httpx.Response) -> int:
        with self.lock:
            self.statuses[response.status_code] += 1
            if response.status_code not in ALLOWED:
                self.wrong.append(f"{response.status_code} {response.text[:200]}")
        return response.status_code


class Client:
    """One case system: it asks in its own way, again and again, and asks again where the connection broke."""

    def __init__(self, url: str, key: str, asked: Asked, heard: Heard, seed: int) -> None:
        self.url, self.headers, self.heard = url, {"authorization": f"Bearer {key}"}, heard
        self.body, self.chat = asked.body, asked.chat
        self.rng = random.Random(seed)
        ways = (self.once, self.keyed, self.later, self.batch, self.streamed)
        self.way: Callable[[httpx.Client], None] = ways[seed % len(ways)]

    def run(self, over: threading.Event) -> None:
        with httpx.Client(base_url=self.url, headers=self.headers, trust_env=False, timeout=150) as client:
            while not over.is_set():
                try:
                    self.way(client)
                except httpx.TransportError:
                    over.wait(0.1 + self.rng.random() / 5)

    def once(self, client: httpx.Client) -> None:
        response = client.post("/api/decisions", json=self.body)
        if self.heard.status(response) == 201:
            self.heard.answer("once", response.json())
        else:
            time.sleep(0.1)

    def keyed(self, client: httpx.Client) -> None:
        """Until there is an answer, and then once more: it is the same one."""
        key, answers = str(uuid.uuid4()), 0
        for _ in range(40):
            with contextlib.suppress(httpx.TransportError):
                response = client.post("/api/decisions", json=self.body, headers={"idempotency-key": key})
                if self.heard.status(response) == 201:
                    self.heard.answer("keyed", response.json(), key)
                    answers += 1
            if answers == 2:
                return
            time.sleep(0.1)

    def later(self, client: httpx.Client) -> None:
        response = client.post("/api/decisions", json=self.body, headers={"prefer": "respond-async"})
        if self.heard.status(response) != 202:
            time.sleep(0.1)
            return
        where = response.headers["location"]
        for _ in range(240):
            with contextlib.suppress(httpx.TransportError):
                response = client.get(where)
                if self.heard.status(response) == 200:
                    self.heard.answer("later", response.json(), where)
                    if not where.endswith(response.json()["id"]):
                        self.heard.wrong.append("another record than was promised")
                # A log that cannot write the access, or another fault that passes, is asked again; a restart forgets.
                if response.status_code != 202 and response.json().get("cause") is None:
                    return
            time.sleep(0.5)

    def batch(self, client: httpx.Client) -> None:
        response = client.post("/api/decisions/batch", json={"decisions": [self.body] * 2})
        if self.heard.status(response) != 200:
            time.sleep(0.1)
            return
        for result in response.json()["results"]:
            if result["status"] == 201:
                self.heard.answer("batch", result["decision"])
            elif result["status"] not in ALLOWED:
                self.heard.wrong.append(json.dumps(result))

    def streamed(self, client: httpx.Client) -> None:
        """To its end, or until this client has had enough."""
        patience = self.rng.choice((None, None, 2, 6))
        with client.stream("POST", "/v1/chat/completions", json=self.chat) as response:
            if self.heard.status(response) != 200:
                response.read()
                time.sleep(0.1)
                return
            record, text, events = response.headers["x-greffier-record"], "", 0
            for line in response.iter_lines():
                if not line.startswith("data: {"):
                    if line == "data: [DONE]":
                        self.heard.stream(record, text)
                    continue
                event = json.loads(line.removeprefix("data: "))
                for choice in event.get("choices", ()):
                    text += choice["delta"].get("content", "")
                events += 1
                if patience is not None and events > patience:
                    return


@dataclass(frozen=True)
class Asked:
    """What clients ask: by declared fields, and as a chat that is streamed."""

    body: dict[str, Any]
    chat: dict[str, Any]


@contextlib.contextmanager
def clients(server: Server, key: str, asked: Asked, count: int) -> Iterator[Heard]:
    """So many clients, for as long as the block lasts."""
    heard, over = Heard(), threading.Event()
    threads = [
        threading.Thread(target=Client(server.url, key, asked, heard, number).run, args=(over,), daemon=True)
        for number in range(count)
    ]
    for thread in threads:
        thread.start()
    try:
        yield heard
    finally:
        over.set()
        for thread in threads:
            thread.join(180)
