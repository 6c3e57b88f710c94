"""The worker process: `python -m runtime.worker.child`, spoken to by its supervisor in frames over stdin and stdout.

It owns llama.cpp, so that whatever aborts there ends this process only. It ends when the supervisor's pipe closes,
and at once when the supervisor is killed. Descriptor 1 belongs to the protocol: what C code prints goes to stderr.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
import threading
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from runtime import llama
from runtime.capture import Generation, Piece, format_generation, format_piece
from runtime.energy import Meter
from runtime.engine.background import Job
from runtime.engine.engine import Engine, Result
from runtime.engine.model_cache import Budget
from runtime.errors import PipeBroken, RuntimeFault, Stopped, format_fault
from runtime.explain.job import Explaining, Surveying
from runtime.explain.pipe import format_explained, format_surveyed, parse_question, parse_survey_order
from runtime.explain.question import Explained, Surveyed
from runtime.program import parse_program, parse_request
from runtime.replay.replay import Replay
from runtime.replay.selftest import SelfTest
from runtime.verdict import Measured, Replayed, format_measured, format_replayed, parse_order
from runtime.worker.counter import Counter
from runtime.worker.frames import Frame, FrameReader, format_frame, write_all, write_frame

_PR_SET_PDEATHSIG = 1


def main() -> int:
    """Runs until `close` or until the supervisor is gone."""
    args = _arguments()
    _die_with(args.parent)
    inward, outward = _take_pipes()
    counter = Counter(args.run_dir, args.boot)
    worker = Worker(args, counter, inward, outward)
    try:
        worker.serve()
    except BrokenPipeError:
        return 1
    counter.close()
    return 0


class Worker:
    """The loop between pipe and engine."""

    def __init__(self, args: Namespace, counter: Counter, inward: int, outward: int) -> None:
        llama.start()
        self._counter = counter
        self._reader = FrameReader(inward)
        self._inward, self._outward = inward, outward
        self._writing = threading.Lock()  # progress is told by the thread that loads
        self._told: list[bytes] = []  # pieces of the step that runs, as frames
        meter = Meter(gpu=args.gpu_layers > 0, watts=args.watts)
        self._engine = Engine(
            args.models_dir,
            counter,
            meter=meter,
            began=self._began,
            said=self._said,
            progress=self._progress,
            slots=args.slots,
            queue=args.queue,
            budget=Budget.of(args.memory_mib, args.kv_mib, gpu_layers=args.gpu_layers),
            gpu_layers=args.gpu_layers,
        )
        self._run_dir = args.run_dir
        self._open = True
        self._send(
            type="ready",
            boot=counter.boot,
            runtime=llama.RELEASE,
            build=self._engine.build,
            cpu=llama.cpu_features(),
            threads=llama.threads_available(),
            device=self._engine.device,
        )

    def serve(self) -> None:
        """Reads frames and steps the engine until it is closed and nothing is left to do."""
        while self._open or self._engine.busy:
            # While the engine is busy the pipe is only looked at; otherwise this waits for it.
            ready, _, _ = select.select([self._inward], [], [], 0 if self._engine.busy else None)
            if ready and not self._take():
                return
            results = self._engine.step()
            self._tell()
            for request_id, result in results:
                self._answer(request_id, result)
        self._engine.close()
        self._send(type="closed", boot=self._counter.boot, n=self._counter.n)

    def _take(self) -> bool:
        """Handles what the pipe holds; False at its end."""
        frames = self._reader.read()
        if frames is None:
            return False
        for frame in frames:
            try:
                self._handle(frame)
            except RuntimeFault as fault:
                self._answer(str(frame.get("id")), fault)
        return True

    def _handle(self, frame: Frame) -> None:
        match frame.get("type"):
            case "generate":
                request = parse_request(frame["request"])
                self._engine.submit(request, handed_ns=frame["handed_ns"], deadline_ns=frame["deadline_ns"])
            case "replay" | "measure" | "explain" | "survey":
                self._engine.background.submit(frame["id"], self._job(frame))
            case "load":
                self._engine.load(frame["model"])
                self._send(type="loaded", id=frame["id"])
            case "stats":
                self._send(type="stats", id=frame["id"], stats=self._engine.stats())
            case "cancel":
                self._engine.cancel(frame["id"])
                if self._engine.background.cancel(frame["id"]):
                    self._answer(frame["id"], Stopped("the job was stopped"))
            case "close":
                self._open = False
                for key, stopped in self._engine.background.stop():
                    self._answer(key, stopped)
            case _:
                raise PipeBroken("a frame of unknown type", field="type")

    def _job(self, frame: Frame) -> Job:
        build = self._engine.build
        match frame["type"]:
            case "replay":
                return Replay(parse_order(frame["order"]), build)
            case "measure":
                return SelfTest(parse_program(frame["program"]), build, self._run_dir)
            case "explain":
                return Explaining(parse_question(frame["question"]), build)
            case _:
                return Surveying(parse_survey_order(frame["order"]), build)

    def _answer(self, request_id: str, result: Result) -> None:
        match result:
            case Generation():
                self._send(type="generation", id=request_id, generation=format_generation(result))
            case Replayed():
                self._send(type="replayed", id=request_id, replayed=format_replayed(result))
            case Measured():
                self._engine.know(result)
                self._send(type="measured", id=request_id, measured=format_measured(result))
            case Explained():
                self._send(type="explained", id=request_id, explained=format_explained(result))
            case Surveyed():
                self._send(type="surveyed", id=request_id, surveyed=format_surveyed(result))
            case _:
                self._send(type="fault", id=request_id, fault=format_fault(result))

    def _began(self, request_id: str, n: int) -> None:
        self._send(type="began", id=request_id, n=n)

    def _said(self, piece: Piece) -> None:
        self._told.append(format_frame({"type": "piece", "id": piece.id, "piece": format_piece(piece)}))

    def _tell(self) -> None:
        """Sends the pieces of a step at once: each write would wake the supervisor, on a processor that decodes."""
        if self._told:
            with self._writing:
                write_all(self._outward, b"".join(self._told))
            self._told.clear()

    def _progress(self, sha256: str, permille: int) -> None:
        self._send(type="progress", model=sha256, permille=permille)

    def _send(self, **frame: Any) -> None:
        with self._writing:
            write_frame(self._outward, frame)


def _arguments() -> Namespace:
    parser = ArgumentParser(
        prog="python -m runtime.worker.child", description="Started by the supervisor, never by hand."
    )
    parser.add_argument("--models-dir", type=Path, required=True)
    parser.add_argument("--run-dir", type=Path, required=True)
    parser.add_argument("--boot", required=True)
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--watts", type=int)
    parser.add_argument("--slots", type=int)
    parser.add_argument("--queue", type=int, default=256)
    parser.add_argument("--memory-mib", type=int)
    parser.add_argument("--kv-mib", type=int)
    parser.add_argument("--gpu-layers", type=int, default=0)
    return parser.parse_args()


def _die_with(parent: int) -> None:
    """Asks the kernel to kill us with the supervisor; elsewhere the end of the pipe must do."""
    # These go to the whole group (Ctrl-C, a service manager's stop): the supervisor decides what they mean.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before we asked
        sys.exit(1)


def _take_pipes() -> tuple[int, int]:
    """Moves the protocol to descriptors of its own, and points 0 and 1 elsewhere."""
    inward, outward = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return inward, outward


if __name__ == "__main__":
    sys.exit(main())
