"""The engine beside its decoding: Python's share of a token, instructions that are read once, the self-test."""

from __future__ import annotations

import contextlib
import time
import uuid
from pathlib import Path
from typing import Any, Final

from lab.bench import bare_loop, comparison
from lab.bench.comparison import LANES, WORDS, ratios, spread
from lab.bench.outcome import ended
from runtime import llama
from runtime.capture import Generation
from runtime.energy import Meter
from runtime.engine.engine import Engine
from runtime.models.weights import ModelFile
from runtime.program import Program, Request
from runtime.worker.counter import Counter
from runtime.worker.supervisor import Supervisor

_INSTRUCTIONS: Final = 400  # tokens
_ROOM: Final = 640


def decode(folder: Path, file: ModelFile, model: llama.Model) -> dict[str, Any]:
    """What a token takes outside of llama.cpp's decode, µs of wall time, at so many slots."""
    (folder / "run").mkdir(exist_ok=True)
    table: dict[str, Any] = {}
    for slots in (1, 8, 16):
        numbers = range(max(slots, 4))
        row = {lane: _engine(folder, comparison.writing(file.sha256, comparison.shape(slots, lane=lane)), numbers)
               for lane in LANES}  # fmt: skip
        context = llama.Context(model, comparison.shape(slots, lane="throughput"), outputs=slots)
        try:
            prompts = [comparison.tokens(model.vocabulary, n) for n in numbers]
            _, python = bare_loop.run(context, prompts, slots)
        finally:
            context.close()
        row["bare_loop"] = round(1e6 * python / (WORDS * len(numbers)), 1)
        table[str(slots)] = row
    return table


def _engine(folder: Path, program: Program, numbers: range) -> float:
    with contextlib.closing(Counter(folder / "run", str(uuid.uuid4()))) as counter:
        engine = Engine(folder / "models", counter, meter=Meter())
        try:
            _answer(engine, [comparison.request(program, 0, name="first")])
            before, began = _busy_ns(engine), time.monotonic_ns()
            _answer(engine, [comparison.request(program, number) for number in numbers])
            spent = time.monotonic_ns() - began - (_busy_ns(engine) - before)
        finally:
            engine.close()
    return round(spent / 1000 / (WORDS * len(numbers)), 1)


def _answer(engine: Engine, requests: list[Request]) -> None:
    for request in requests:
        engine.submit(request)
    while engine.busy:
        for _, result in engine.step():
            ended(Generation, result)


def _busy_ns(engine: Engine) -> int:
    return int(engine.stats()["devices"][0]["busy_ns"])


def prefix(folder: Path, file: ModelFile, rounds: int) -> dict[str, Any]:
    """First answers of the first and the second request of a version with 400 tokens of instructions, new each turn."""
    engine = Supervisor(folder / "models", folder / "prefix", deadline_s=600)
    firsts: dict[str, list[float]] = {"first": [], "second": []}
    context = comparison.shape(4, room=_ROOM)
    try:
        engine.generate(comparison.request(comparison.instructed(file.sha256, context, ""), 0)).result()
        for turn in range(max(rounds, 3)):
            program = comparison.instructed(file.sha256, context, _instructions(turn))
            for which, took in firsts.items():
                done = engine.generate(comparison.request(program, len(which), name=f"{which}{turn}")).result()
                took.append(done.usage.first_us / 1000)
    finally:
        engine.close()
    return {
        "prompt_tokens": len(done.run.prompt_tokens[0]),
        "reused_tokens": done.run.reused,
        **{f"{which}_ms": spread(values, 1) for which, values in firsts.items()},
        "sooner": spread(ratios(firsts["first"], firsts["second"]), 2),
    }


def _instructions(turn: int) -> str:
    """About 400 tokens; those of no turn begin like another's."""
    return f"{turn + 2} rules. " + "Answer in plain words, say who decides and how long it takes. " * (
        _INSTRUCTIONS // 14
    )


def self_test(folder: Path, file: ModelFile) -> dict[str, Any]:
    """What a first start with this model, context and build takes to measure how exactly it repeats itself."""
    engine = Supervisor(folder / "models", folder / "selftest", deadline_s=600)
    try:
        measured = engine.measure(comparison.writing(file.sha256, comparison.shape(4, room=_ROOM))).result()
    finally:
        engine.close()
    return {"seconds": round(measured.elapsed_us / 1e6, 2), "determinism": measured.determinism, "rows": measured.rows}
