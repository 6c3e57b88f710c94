"""The supervisor: starts the worker process, hands it requests, and tells what became of each, whatever ends the
worker.

Each start of the worker is a boot with an id and a counter file of its own. Nothing is asked of a boot before
`on_boot` has returned, so that the log knows it first. Thread-safe.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.capture import Generation
from runtime.errors import NotRunning, RuntimeFault
from runtime.explain.pipe import format_question, format_survey_order
from runtime.explain.question import Explained, Question, Surveyed, SurveyOrder
from runtime.program import Program, Request, format_program, format_request
from runtime.verdict import Measured, Replayed, ReplayOrder, context_digest, format_order, weakest
from runtime.worker.counter import forget, read_counter, unclosed
from runtime.worker.frames import Frame
from runtime.worker.process import WorkerProcess
from runtime.worker.stream import Stream


@dataclass(frozen=True, slots=True)
class BootFacts:
    """What a `boot` entry states. `cpu` are feature codes, `unclosed` the (boot, n) of earlier boots without an end.

    `measured`: what self-tests found before the first request.
    """

    boot: str
    runtime: str
    build: str
    cpu: tuple[str, ...]
    threads: int
    unclosed: tuple[tuple[str, int], ...]
    measured: tuple[Measured, ...] = ()
    device: str = "cpu"

    @property
    def determinism(self) -> str:
        """The weakest class that was measured."""
        return weakest([one.determinism for one in self.measured])


class Supervisor:
    """One worker process at a time. `watts` is the declared power of this machine, for estimates of energy.

    `slots`: the most requests at once in one context (None: as many as the version's n_seq_max), `queue`: how many may
    wait. `memory_mib` for weights and contexts together, `kv_mib` of it for contexts (None: half of the memory).

    `warm`: programs that are loaded and measured before a boot is announced. `on_measured(boot, …)` is told of models
    that are measured later, before their first request; without it no self-test is made.
    """

    def __init__(
        self,
        models_dir: Path,
        run_dir: Path,
        *,
        watts: int | None = None,
        slots: int | None = None,
        queue: int = 256,
        memory_mib: int | None = None,
        kv_mib: int | None = None,
        gpu_layers: int = 0,
        deadline_s: float = 120.0,
        warm: Callable[[], Sequence[Program]] = tuple,
        on_boot: Callable[[BootFacts], None] = lambda _facts: None,
        on_measured: Callable[[str, Measured], None] | None = None,
    ) -> None:
        self._models_dir, self._run_dir = models_dir.resolve(), run_dir.resolve()
        self._options = {
            "watts": watts,
            "slots": slots,
            "queue": queue,
            "memory-mib": memory_mib,
            "kv-mib": kv_mib,
            "gpu-layers": gpu_layers,
        }
        self._deadline_s = deadline_s
        self._warm = warm
        self._on_boot = on_boot
        self._on_measured = on_measured
        self._measured: set[tuple[str, str, str]] = set()
        self._starting = threading.Lock()
        self._telling = threading.Lock()
        self._worker: WorkerProcess | None = None
        self._coming: WorkerProcess | None = None  # being warmed up, for `progress` alone
        self._facts: BootFacts | None = None
        self._closed = False

    @property
    def boot(self) -> BootFacts | None:
        """The running boot's facts, or None while no worker runs."""
        worker = self._worker
        return self._facts if worker is not None and worker.alive else None

    def start(self) -> BootFacts:
        """Starts the worker, or a new one where the last was lost; gives the facts of the boot that runs.

        Raises WorkerLost where it does not come up, and whatever `on_boot` raised (then the worker is ended again).
        """
        with self._starting:
            if self._closed:
                raise NotRunning("the runtime is closed")
            running = self.boot
            if running is not None:
                return running
            self._run_dir.mkdir(parents=True, exist_ok=True)
            worker = self._coming = WorkerProcess(self._command, self._run_dir)
            try:
                ready = worker.ready()
                left = tuple(unclosed(self._run_dir))
                facts = BootFacts(
                    worker.boot,
                    ready["runtime"],
                    ready["build"],
                    tuple(ready["cpu"]),
                    ready["threads"],
                    left,
                    self._warm_up(worker),
                    ready["device"],
                )
                self._on_boot(facts)
                self._measured |= {(facts.boot, one.model, one.context) for one in facts.measured}
            except BaseException:
                worker.kill()
                raise
            finally:
                self._coming = None
            self._worker, self._facts = worker, facts
            return facts

    def generate(self, request: Request, *, deadline_s: float | None = None) -> Future[Generation]:
        """Hands a request to the worker, starting one where none runs. The future raises a RuntimeFault otherwise.

        `deadline_s` counts from now and includes the wait in the queue.
        """
        return self._generate(request, deadline_s, None)

    def stream(self, request: Request, *, deadline_s: float | None = None) -> Stream:
        """As `generate`, but the answer can be followed while it grows. Raises NotRunning, WorkerLost, Busy."""
        stream = Stream(lambda: self.cancel(request.id))
        stream.end_with(self._generate(request, deadline_s, stream))
        return stream

    def _generate(self, request: Request, deadline_s: float | None, stream: Stream | None) -> Future[Generation]:
        worker = self._measuring(request.program)
        seconds = self._deadline_s if deadline_s is None else deadline_s
        now = time.monotonic_ns()
        frame: Frame = {
            "type": "generate",
            "id": request.id,
            "request": format_request(request),
            "handed_ns": now,
            "deadline_ns": now + int(seconds * 1e9),
        }
        return worker.ask(request.id, frame, time.monotonic() + seconds, stream)

    def replay(self, order: ReplayOrder) -> Future[Replayed]:
        """Runs a recorded decision again, while no request needs the device. The future raises a RuntimeFault."""
        frame: Frame = {"type": "replay", "id": order.id, "order": format_order(order)}
        return self._measuring(order.program).ask(order.id, frame, None)

    def explain(self, question: Question) -> Future[Explained]:
        """Replays a recorded decision and explains it, while no request needs the device; as `replay`."""
        order = question.replay
        frame: Frame = {"type": "explain", "id": order.id, "question": format_question(question)}
        return self._measuring(order.program).ask(order.id, frame, None)

    def survey(self, order: SurveyOrder) -> Future[Surveyed]:
        """Runs the cases of a version and counts what came of them, while no request needs the device."""
        frame: Frame = {"type": "survey", "id": order.id, "order": format_survey_order(order)}
        return self._measuring(order.program).ask(order.id, frame, None)

    def measure(self, program: Program) -> Future[Measured]:
        """How exactly a program's model repeats itself here: kept from an earlier boot, or measured now."""
        return self._ask_measure(self._running(), program)

    def _ask_measure(self, worker: WorkerProcess, program: Program) -> Future[Measured]:
        key = f"measure/{uuid.uuid4()}"
        frame: Frame = {"type": "measure", "id": key, "program": format_program(program)}
        return worker.ask(key, frame, None)

    def _warm_up(self, worker: WorkerProcess) -> tuple[Measured, ...]:
        """Loads and measures; what cannot be loaded is said to the first who asks for it."""
        found = []
        for program in self._warm():
            with contextlib.suppress(RuntimeFault):
                found.append(self._ask_measure(worker, program).result())
        return tuple({(one.model, one.context): one for one in found}.values())

    def _measuring(self, program: Program) -> WorkerProcess:
        """The running worker, once the program's model was measured in this boot and told of."""
        worker = self._running()
        key = (worker.boot, program.model, context_digest(program.context))
        if self._on_measured is None or key in self._measured:
            return worker
        with self._telling:
            if key not in self._measured:
                self._on_measured(worker.boot, self._ask_measure(worker, program).result())
                self._measured.add(key)
        return worker

    def stats(self) -> Future[dict[str, Any]]:
        """What the worker holds and has done: `Engine.stats`. Raises NotRunning, WorkerLost."""
        key = f"stats/{uuid.uuid4()}"
        return self._running().ask(key, {"type": "stats", "id": key}, None)

    @property
    def progress(self) -> dict[str, int]:
        """The models that are being loaded now, by SHA-256, with how far each has come in thousandths."""
        worker = self._worker or self._coming
        return {} if worker is None or not worker.alive else dict(worker.progress)

    def load(self, sha256: str) -> Future[None]:
        """Hashes and loads a model ahead of its first request."""
        key = f"load/{uuid.uuid4()}"
        return self._running().ask(key, {"type": "load", "id": key, "model": sha256}, None)

    def cancel(self, request_id: str) -> None:
        """Stops a request; its future raises Stopped (unless it was finished already)."""
        worker = self._worker
        if worker is not None:
            worker.send({"type": "cancel", "id": request_id})

    def cancel_all(self) -> None:
        """Stops whatever was asked and has not ended."""
        worker = self._worker
        if worker is not None:
            for key in worker.pending():
                worker.send({"type": "cancel", "id": key})

    def close(self, *, timeout_s: float = 30.0) -> tuple[str, int] | None:
        """Lets the worker finish what it has, and ends it. Gives (boot, n) for the `close` entry; `forget` it
        afterwards.

        None where no worker runs: then the last boot stays unclosed, and the next `boot` entry tells how far it came.
        """
        with self._starting:
            self._closed = True
            worker, self._worker = self._worker, None
            return None if worker is None else worker.close(timeout_s)

    def reached(self) -> tuple[str, int] | None:
        """(boot, n) of the running boot, for a `pulse`; None while no worker runs."""
        facts = self.boot
        return None if facts is None else (facts.boot, read_counter(self._run_dir, facts.boot))

    def forget(self, boots: list[str]) -> None:
        """Removes the counter files of boots that an entry now states."""
        forget(self._run_dir, boots)

    def _running(self) -> WorkerProcess:
        worker = self._worker
        if worker is None or not worker.alive:
            self.start()
            worker = self._worker
        if worker is None:
            raise NotRunning("the runtime is closed")
        return worker

    def _command(self, boot: str) -> list[str]:
        options = [f"--{name}={value}" for name, value in self._options.items() if value is not None]
        folders = ["--models-dir", str(self._models_dir), "--run-dir", str(self._run_dir)]
        # -P: the working directory is no place to import from.
        return [
            sys.executable,
            "-P",
            "-m",
            "runtime.worker.child",
            *folders,
            "--boot",
            boot,
            f"--parent={os.getpid()}",
            *options,
        ]
