"""Deciding: the engine against `llama-server`, or the bare loop, on the same file and prompts, paired in one run.

The engine runs as it does in the program: a worker of its own, behind its pipe, with records' facts, limits and
grammar, in both lanes. `llama-server` runs behind its HTTP. Contenders take turns within each round, and a ratio is one
of the same round, so that what else the machine does meets all of them.
"""

from __future__ import annotations

import contextlib
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final

from lab.bench import bare_loop, comparison, costs, llama_server, overhead
from lab.bench.comparison import LANES, SLOTS, WORDS, Answered, ratios, spread
from runtime import llama
from runtime.capture import Generation, Piece
from runtime.models.weights import ModelFile
from runtime.program import Program, Request
from runtime.worker.supervisor import Supervisor

_TARGETS: Final = {
    "tokens_per_s": "≥ 1.0 × llama-server at 1, 4 and 8 slots, ≥ 0.95 × at 16",
    "first_token": "≤ 1.0 × llama-server",
    "grammar_us": 1200,
    "finite_us": 50,
    "recording_us": {"without_rows": 100, "with_rows": 200},
    "prefix": "≥ 4 × sooner",
    "self_test_s": 10,
}

Contender = Callable[[range, int], list[Answered]]


def run(
    server: str | None, concurrencies: list[int], rounds: int, *, report: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """All of it. `server`: the program `llama-server`, where it is not on PATH; `concurrencies`: requests at once."""
    found = llama_server.find(server)
    llama.start()
    with tempfile.TemporaryDirectory(prefix="greffier-bench-") as name:
        folder = Path(name)
        report("making the Q4_0 file")
        _, model = comparison.models(folder / "models")
        with llama_model(model) as loaded:
            report("what Python costs")
            python = costs.run(loaded, model.sha256)
            report("Python beside decoding")
            python["beside_decode_us_per_token"] = overhead.decode(folder, model, loaded)
            with contextlib.ExitStack() as stack:
                contenders = _contenders(stack, folder, model, loaded, found)
                for contender in contenders.values():
                    contender(range(4), 4)  # models are loaded, pages are touched
                rates = [_rate(contenders, concurrency, rounds, report) for concurrency in concurrencies]
        report("prefix and self-test")
        rest = {
            "prefix": overhead.prefix(folder, model, rounds),
            "self_test": overhead.self_test(folder, model),
        }
    return {
        "bench": "decide",
        "what": f"{WORDS} tokens each after prompts of 40 to 50, in one context of {SLOTS} slots, both lanes",
        "file": "SmolLM2-135M-Instruct Q4_0, made from the demo's Q4_1",
        "yardstick": llama_server.version(found) if found else "bare loop (llama-server is not here)",
        "runtime": llama.RELEASE,
        "rates": rates,
        "python": python,
        **rest,
        "targets": _TARGETS,
        "cpus": os.cpu_count(),
        "threads": comparison.THREADS,
        "load": round(os.getloadavg()[0], 2),
        "python_version": platform.python_version(),
    }


@contextlib.contextmanager
def llama_model(file: ModelFile) -> Iterator[llama.Model]:
    """The model in this process."""
    model = llama.Model(str(file.path))
    try:
        yield model
    finally:
        model.close()


def _contenders(
    stack: contextlib.ExitStack, folder: Path, file: ModelFile, model: llama.Model, server: str | None
) -> dict[str, Contender]:
    engine = Supervisor(folder / "models", folder / "run", deadline_s=600)
    stack.callback(engine.close)
    found: dict[str, Contender] = {}
    for lane in LANES:
        program = comparison.writing(file.sha256, comparison.shape(lane=lane))
        found[f"engine_{lane}"] = partial(_ask, engine, program)
    context = llama.Context(model, comparison.shape(lane="throughput"), outputs=SLOTS)
    stack.callback(context.close)
    prompts = {n: comparison.tokens(model.vocabulary, n) for n in range(4 * SLOTS)}
    found["bare_loop"] = lambda numbers, many: bare_loop.run(context, [prompts[n] for n in numbers], many)[0]
    if server is not None:
        asked = stack.enter_context(llama_server.running(server, file.path))
        found["llama_server"] = asked.answer
    return found


def _ask(engine: Supervisor, program: Program, numbers: range, many: int) -> list[Answered]:
    with ThreadPoolExecutor(many) as pool:
        return list(pool.map(lambda number: _follow(engine, comparison.request(program, number)), numbers))


def _follow(engine: Supervisor, request: Request) -> Answered:
    """Streams one answer; its first text is that of the second step, as the first is no text of the yardstick's."""
    began, first = time.perf_counter(), 0.0
    for event in engine.stream(request):
        if isinstance(event, Piece) and event.output == "text":
            first = first or time.perf_counter()
        if isinstance(event, Generation):
            return Answered(first - began, time.perf_counter() - began, len(event.run.output_tokens[1]))
    raise AssertionError


def _rate(
    contenders: dict[str, Contender], concurrency: int, rounds: int, report: Callable[[str], None]
) -> dict[str, Any]:
    numbers = range(max(2 * concurrency, 6))
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    firsts: dict[str, list[float]] = {name: [] for name in contenders}
    order = list(contenders)
    for turn in range(rounds):
        for name in order[turn % len(order) :] + order[: turn % len(order)]:
            report(f"{concurrency} at once, round {turn + 1} of {rounds}: {name}")
            began = time.perf_counter()
            answers = contenders[name](numbers, concurrency)
            rates[name].append(sum(one.tokens for one in answers) / (time.perf_counter() - began))
            firsts[name].append(statistics.median(one.first_s for one in answers))
    yardstick = "llama_server" if "llama_server" in contenders else "bare_loop"
    return {
        "slots": concurrency,
        **{
            name: {
                "tokens_per_s": spread(rates[name], 1),
                "first_token_ms": spread([1000 * s for s in firsts[name]], 1),
                f"rate_to_{yardstick}": spread(ratios(rates[name], rates[yardstick]), 3),
                f"first_to_{yardstick}": spread(ratios(firsts[name], firsts[yardstick]), 3),
            }
            for name in contenders
        },
    }
