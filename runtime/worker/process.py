"""One boot of the worker, seen from the supervisor: the process, the thread that reads it, and what it was asked."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import subprocess
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.capture import parse_generation, parse_piece
from runtime.errors import PipeBroken, RuntimeFault, WorkerLost, parse_fault
from runtime.explain.pipe import parse_explained, parse_surveyed
from runtime.verdict import parse_measured, parse_replayed
from runtime.worker.counter import counter_path, read_counter
from runtime.worker.frames import Frame, FrameReader, format_frame
from runtime.worker.stream import Began, Stream

logger = logging.getLogger(__name__)

_GRACE_S = 10.0  # after a request's deadline the worker is given this long to say so itself
_START_S = 60.0
_LOADED = 1000


@dataclass(slots=True)
class _Pending:
    future: Future[Any]
    deadline_s: float | None
    n: int | None = None
    stream: Stream | None = None


# What the end of a request may be, and how it is read from its frame.
_ENDS: dict[str, Callable[[Any], Any]] = {
    "generation": parse_generation,
    "replayed": parse_replayed,
    "measured": parse_measured,
    "explained": parse_explained,
    "surveyed": parse_surveyed,
    "stats": dict,
    "fault": parse_fault,
}


class WorkerProcess:
    """One boot: the process, the thread that started it and reads from it, and what it has been asked."""

    def __init__(self, command: Callable[[str], list[str]], run_dir: Path) -> None:
        self.boot = str(uuid.uuid4())
        self._run_dir = run_dir
        self._command = command(self.boot)
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._pending: dict[str, _Pending] = {}
        self.progress: dict[str, int] = {}  # of models that are being loaded, in thousandths
        self._lost: WorkerLost | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._tail: deque[bytes] = deque(maxlen=40)
        self._ready: Future[Frame] = Future()
        self._ended: Future[int | None] = Future()
        # The kernel ends the worker with the *thread* that started it: so that thread lives as long as the worker does.
        self._thread = threading.Thread(target=self._run, name=f"runtime {self.boot[:8]}", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether it may still be asked."""
        return self._lost is None and not self._ended.done()

    def ready(self) -> Frame:
        """What the worker said of itself at its start."""
        try:
            return self._ready.result(_START_S)
        except TimeoutError:
            raise self._loss("did not come up in time") from None

    def ask(self, key: str, frame: Frame, deadline_s: float | None, stream: Stream | None = None) -> Future[Any]:
        """Sends a frame that will be answered under `key`; a `stream` is told what comes before the end."""
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()  # stopping a request is `cancel`, not the future's own
        data = format_frame(frame)
        with self._lock:
            if self._lost is not None:
                raise self._lost
            if key in self._pending:
                raise PipeBroken("a request of this id is running already", field="id")
            self._pending[key] = _Pending(future, deadline_s, stream=stream)
        self._write(data)
        return future

    def send(self, frame: Frame) -> None:
        """Sends a frame that has no answer of its own."""
        self._write(format_frame(frame))

    def pending(self) -> list[str]:
        """What it was asked and has not answered yet."""
        with self._lock:
            return list(self._pending)

    def kill(self) -> None:
        """Ends the process at once."""
        if self._process is not None:
            self._process.kill()
        self._thread.join(5)

    def close(self, timeout_s: float) -> tuple[str, int] | None:
        """Asks the worker to finish and end; gives (boot, n) if it did so by itself."""
        if not self.alive:
            return None
        self.send({"type": "close"})
        with contextlib.suppress(TimeoutError):
            self._ended.result(timeout_s)
        self.kill()
        n = self._ended.result(5)
        return None if n is None else (self.boot, n)

    def _write(self, data: bytes) -> None:
        # A worker that died is noticed by the reading thread, which knows what was pending.
        with self._writing, contextlib.suppress(OSError, ValueError):
            assert self._process is not None
            assert self._process.stdin is not None
            self._process.stdin.write(data)
            self._process.stdin.flush()

    # The thread of the worker

    def _run(self) -> None:
        root = str(Path(__file__).resolve().parents[2])
        # The worker multiplies no matrices in NumPy: its threads would only take memory.
        environment = {
            "OPENBLAS_NUM_THREADS": "1",
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")])),
        }
        closed: int | None = None
        try:
            process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
            )
            self._process = process
            threading.Thread(target=self._drain, args=(process,), daemon=True).start()
            closed = self._read(process)
            process.wait()
        except Exception:
            logger.exception("the thread of worker %s failed", self.boot)
        finally:
            if self._process is not None:
                self._process.kill()  # of no effect on one that has ended
                self._process.wait()
            self._end(closed)

    def _drain(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stderr is not None
        with process.stderr as stream:
            for line in stream:
                self._tail.append(line)

    def _read(self, process: subprocess.Popen[bytes]) -> int | None:
        """Handles frames until the pipe ends; gives the final n where the worker closed in order."""
        assert process.stdout is not None
        reader, closed = FrameReader(process.stdout.fileno()), None
        while True:
            readable, _, _ = select.select([process.stdout], [], [], 0.5)
            if not readable:
                self._watch(process)
                continue
            frames = reader.read()
            if frames is None:
                return closed
            for frame in frames:
                if frame["type"] == "closed":
                    closed = int(frame["n"])
                else:
                    self._handle(frame)

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        """Ends a worker that hangs beyond the deadline of something it was asked."""
        now = time.monotonic()
        with self._lock:
            late = any(p.deadline_s is not None and now > p.deadline_s + _GRACE_S for p in self._pending.values())
        if late:
            logger.error("worker %s hangs and is ended", self.boot)
            process.kill()

    def _handle(self, frame: Frame) -> None:
        if frame["type"] == "ready":
            self._ready.set_result(frame)
            return
        if frame["type"] == "progress":
            with self._lock:
                self.progress = {**self.progress, frame["model"]: frame["permille"]}
                self.progress = {model: done for model, done in self.progress.items() if done < _LOADED}
            return
        if frame["type"] in ("began", "piece"):
            self._tell(frame)
            return
        # Read before the request is taken off the list: a frame that cannot be read ends the boot and so the wait.
        kind = frame["type"]
        end = _ENDS[kind](frame[kind]) if kind in _ENDS else None
        with self._lock:
            pending = self._pending.pop(frame["id"], None)
        if pending is None:
            return
        if isinstance(end, RuntimeFault):
            pending.future.set_exception(end)
        else:
            pending.future.set_result(end)

    def _tell(self, frame: Frame) -> None:
        with self._lock:
            pending = self._pending.get(frame["id"])
            if pending is not None and frame["type"] == "began":
                pending.n = frame["n"]
        if pending is not None and pending.stream is not None:
            began = frame["type"] == "began"
            pending.stream.tell(Began(self.boot, frame["n"]) if began else parse_piece(frame["piece"]))

    def _end(self, closed: int | None) -> None:
        code = None if self._process is None else self._process.poll()
        if closed is None:
            logger.warning("worker %s ended (%s)", self.boot, code)
            for line in self._tail:
                logger.debug("worker %s: %s", self.boot, line.decode("utf-8", "replace").rstrip())
        with self._lock:
            self._lost = self._loss(f"ended ({code})")
            pending, self._pending = self._pending, {}
        for waiting in pending.values():
            waiting.future.set_exception(self._loss(f"ended ({code})", waiting.n))
        if not self._ready.done():
            self._ready.set_exception(self._lost)
        for stream in (self._process.stdin, self._process.stdout) if self._process is not None else ():
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        self._ended.set_result(closed)

    def _loss(self, what: str, n: int | None = None) -> WorkerLost:
        reached = 0
        if counter_path(self._run_dir, self.boot).exists():
            with contextlib.suppress(RuntimeFault, OSError):
                reached = read_counter(self._run_dir, self.boot)
        return WorkerLost(f"the model's worker process {what}", boot=self.boot, reached=reached, n=n, fix="ask again")
