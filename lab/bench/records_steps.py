"""Where the server's time goes: each step of taking a batch in, alone, in processor time of one thread a record."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

from auditlog.core.formats.canonical import parse_json
from auditlog.vault.seal import Prepared
from auditlog.writing.log import Integrated
from home.greffier import Greffier
from lab.bench.records_scene import line, sent_line
from service.external import import_records, unit
from service.external.lines import Line, Reported, parse_line
from service.external.register import Register

T = TypeVar("T")
ROUNDS: Final = 5
_FIRST: Final = 2**40


def steps(g: Greffier, sort: str) -> dict[str, float]:
    """Microseconds a record, medians over rounds of one batch.

    `values`, `seal` and `entry` are parts of `make`. `commit` is time on the clock: rows, tree, signatures, sync.
    """
    found: dict[str, list[float]] = {}
    for number in range(ROUNDS):
        for name, took in _round(g, sort, _FIRST + number * import_records.MAX_BATCH).items():
            found.setdefault(name, []).append(took)
    return {name: round(statistics.median(took) / import_records.MAX_BATCH * 1e6, 1) for name, took in found.items()}


def _round(g: Greffier, sort: str, first: int) -> dict[str, float]:
    took: dict[str, float] = {}

    def timed(name: str, clock: Callable[[], float], work: Callable[[], T]) -> T:
        began = clock()
        result = work()
        took[name] = clock() - began
        return result

    numbers = range(first, first + import_records.MAX_BATCH)
    body = json.dumps({"records": [sent_line(sort, n) for n in numbers]}).encode()
    value: Any = timed("json", time.thread_time, lambda: parse_json(body))
    lines = timed("lines", time.thread_time, lambda: [parse_line(one) for one in value["records"]])
    register = Register(g)
    version = register.of(register.gate(lines[0]))
    if isinstance(lines[0], Reported):
        contents = timed("values", time.thread_time, lambda: [_content(version, one, g) for one in lines])
        timed("seal", time.thread_time, lambda: [_seal(g, n, one) for n, one in zip(numbers, contents, strict=True)])
    made = timed("make", time.thread_time, lambda: unit.make(g, register, dict(enumerate(lines)))[0])
    timed("commit", time.perf_counter, lambda: _commit(g, made))
    return took


def _content(version: Any, one: Line, g: Greffier) -> Any:
    return version.content(one, g.clock())


def _seal(g: Greffier, n: int, content: Any) -> Prepared:
    return g.vault.prepare(f"00000000-0000-4000-8000-{n % 10**12:012d}", content, line(n)["subjects"])


def _commit(g: Greffier, made: list[unit.Made]) -> Integrated:
    return g.log.append(unit.unit(made)).result()
