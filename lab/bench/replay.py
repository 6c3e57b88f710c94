"""Replays: one pass over prompt and output against generating alone; and what is caught, of decisions under load."""

from __future__ import annotations

import os
import platform
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from lab.bench import comparison, detection
from lab.bench.comparison import LANES, ratios, spread
from lab.bench.detection import Decided
from lab.bench.outcome import ended
from runtime import llama
from runtime.capture import Generation
from runtime.energy import Meter
from runtime.engine.engine import Engine
from runtime.program import GREEDY
from runtime.sampler import Sampler
from runtime.worker.counter import Counter

_WORDS: Final = (64, 256)
_SAMPLERS: Final = (GREEDY, Sampler("gumbel", 700))
_TARGETS: Final = {"64": "≥ 2 ×", "256": "≥ 4 ×", "reproducible": "all honest bit_exact, all altered caught"}


def run(decisions: int, rounds: int, *, report: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """`rounds` decisions of each length, each replayed in both ways; and the table over `decisions`, if any."""
    llama.start()
    with tempfile.TemporaryDirectory(prefix="greffier-bench-") as name:
        folder = Path(name)
        report("making the Q4_0 file")
        shipped, model = comparison.models(folder / "models")
        (folder / "run").mkdir()
        counter = Counter(folder / "run", str(uuid.uuid4()))
        engine = Engine(folder / "models", counter, meter=Meter(), slots=detection.SLOTS)
        try:
            speed = {str(words): _speed(engine, model.sha256, words, rounds, report) for words in _WORDS}
            found = _detection(engine, model.sha256, shipped.sha256, decisions, report) if decisions else None
        finally:
            engine.close()
            counter.close()
    return {
        "bench": "replay",
        "what": "one pass over prompt and output, against generating alone, by output tokens",
        "file": "SmolLM2-135M-Instruct Q4_0, made from the demo's Q4_1",
        "runtime": llama.RELEASE,
        "speed": speed,
        **({"detection": found} if found else {}),
        "targets": _TARGETS,
        "cpus": os.cpu_count(),
        "threads": comparison.THREADS,
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
    }


def _speed(engine: Engine, model: str, words: int, rounds: int, report: Callable[[str], None]) -> dict[str, Any]:
    """Medians, lowest and highest of milliseconds; each decision is replayed in both ways, one after the other."""
    program = comparison.writing(model, comparison.shape(2), words=words)
    one_pass: list[float] = []
    alone: list[float] = []
    verdicts: set[str] = set()
    for turn in range(rounds):
        report(f"{words} tokens, round {turn + 1} of {rounds}")
        decided = _decide(engine, comparison.request(program, turn))
        for took, order in ((one_pass, decided.order()), (alone, decided.order(passes="alone"))):
            done = detection.replay(engine, order)
            took.append(done.elapsed_us / 1000)
            verdicts.add(done.verdict)
    return {
        "one_pass_ms": spread(one_pass, 1),
        "alone_ms": spread(alone, 1),
        "faster": spread(ratios(alone, one_pass), 2),
        "verdicts": sorted(verdicts),
    }


def _decide(engine: Engine, request: Any) -> Decided:
    engine.submit(request)
    while True:
        for _, result in engine.step():
            return Decided(request, ended(Generation, result))


def _detection(engine: Engine, model: str, other: str, decisions: int, report: Callable[[str], None]) -> dict[str, Any]:
    """By lane and sampler: decisions made under load, replayed honestly in three ways and altered in every way."""
    return {
        f"{lane}, {sampler.code}": detection.table(
            engine, model, other, decisions=decisions, lane=lane, sampler=sampler, said=report
        )
        for lane in LANES
        for sampler in _SAMPLERS
    }
