"""Fuzzing: `python tests/fuzz/run.py --inputs 1000000 [--only NAME]… [--seed N] [--keep]`.

Inputs are changed copies of the kept corpus and of what was found interesting on the way: an input that is refused with
a sentence not seen before, is accepted in a new way, or (looked at every so often, since tracing is slow) runs a line
of our code that none ran before. `--keep` writes these into the corpus. The same seed gives the same inputs.
"""

from __future__ import annotations

import argparse
import random
import re
import resource
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import corpus  # noqa: E402 - once they can be found
from mutate import Mutator  # noqa: E402 - as above
from targets import Target, targets  # noqa: E402 - as above

SECONDS = 1.0
"""Of processor time that one input may take."""
MEMORY = 1 << 31
"""Bytes of address space; what needs more raises MemoryError, which is in no family."""
_TRACED = 256
_KEPT, _KEPT_BYTES = 400, 4096
_DIGITS = re.compile(r"[0-9a-f]{8,}|[0-9]+")


@dataclass
class Finding:
    """A promise that was broken: which input, and how."""

    name: str
    data: bytes
    what: str


@dataclass
class Ran:
    """What one parser was given. `refused` and `accepted` count inputs; `fresh` are those worth keeping."""

    name: str
    inputs: int = 0
    accepted: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    features: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)
    fresh: list[bytes] = field(default_factory=list)

    def __str__(self) -> str:
        told = f"{self.name:13} {self.inputs:9} inputs {self.accepted:8} accepted {len(self.features):4} ways"
        return f"{told} {self.seconds:7.1f} s, slowest {self.slowest * 1000:5.1f} ms, {len(self.findings)} findings"


def try_one(target: Target, data: bytes, ran: Ran) -> str | None:
    """Give the parser one input; returns in which way it ended, None where that is a finding."""
    ran.inputs += 1
    began = time.perf_counter()
    try:
        way = target.check(data)
        ran.accepted += 1
    except target.family as error:
        way = _way(error)
        if not str(error).isprintable():
            _find(ran, data, f"a message that changes a terminal: {str(error)!a}")
            return None
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        _find(ran, data, f"{type(error).__name__}: {error!s:.200} at {Path(last.filename).name}:{last.lineno}")
        return None
    took = time.perf_counter() - began
    if took > ran.slowest:
        took = _processor_seconds(target, data) if took > SECONDS / 4 else took
        ran.slowest = max(ran.slowest, took)
        if took > SECONDS:
            _find(ran, data, f"takes {took:.1f} s for {len(data)} bytes")
            return None
    return way


def fuzz(target: Target, inputs: int, seed: int, *, limit_s: float | None = None) -> Ran:
    """The kept corpus, then `inputs` fresh ones (fewer where `limit_s` seconds are over before)."""
    began = time.process_time()
    ran = Ran(target.name)
    lines: set[tuple[str, int]] = set()
    pool = corpus.read_corpus(target.name)
    assert pool, f"{target.name} has no corpus: run tests/fuzz/corpus.py"
    for data in pool:
        way, _ = _traced(lambda data=data: try_one(target, data, ran), lines)
        ran.features.add(way or "")
    rng = random.Random(f"{seed} {target.name}")
    mutate, valid, found = Mutator(rng, target.form), tuple(pool), ran.fresh
    until = None if limit_s is None else time.monotonic() + limit_s
    for number in range(inputs):
        # Half of them from what is kept: what was found on the way is mostly refused early.
        data = mutate(found if found and rng.random() < 0.5 else valid)
        if number % _TRACED:
            way, new = try_one(target, data, ran), False
        else:
            way, new = _traced(lambda data=data: try_one(target, data, ran), lines)
            if until is not None and time.monotonic() > until:
                break
        if way is not None and (new or way not in ran.features):
            ran.features.add(way)
            if len(found) < _KEPT:
                found.append(data)
    ran.seconds = time.process_time() - began
    return ran


def _traced(call: Callable[[], str | None], lines: set[tuple[str, int]]) -> tuple[str | None, bool]:
    """Run it, and say whether a line of our code ran for the first time."""
    before = len(lines)

    def local(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            lines.add((frame.f_code.co_filename, frame.f_lineno))
        return local

    def start(frame: FrameType, event: str, _: Any) -> Any:
        return local if "/auditlog/" in frame.f_code.co_filename else None

    old = sys.gettrace()
    sys.settrace(start)
    try:
        way = call()
    finally:
        sys.settrace(old)
    return way, len(lines) > before


def _way(error: Exception) -> str:
    """The sort of error and the end of its sentence; its beginning may repeat a stranger's names."""
    return f"{type(error).__name__} {_DIGITS.sub('#', str(error))[-48:]}"


def _find(ran: Ran, data: bytes, what: str) -> None:
    """One finding a sort is enough."""
    if all(_DIGITS.sub("#", one.what)[:40] != _DIGITS.sub("#", what)[:40] for one in ran.findings):
        ran.findings.append(Finding(ran.name, data, what))


def _processor_seconds(target: Target, data: bytes) -> float:
    """How long it takes this program, not how long others kept it waiting."""
    began = time.process_time()
    try:
        target.check(data)
    except Exception:
        """It was judged before."""
    return time.process_time() - began


def made_targets(folder: Path) -> dict[str, Target]:
    """Every parser, by name. Some read from files, in `folder`."""
    return targets(folder, corpus.read_corpus("cosigned")[0])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=2000)
    parser.add_argument("--only", action="append")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--keep", action="store_true")
    asked = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    print(f"seed {asked.seed}", flush=True)
    fast = Path("/dev/shm")  # a million small files are written and read
    with tempfile.TemporaryDirectory(dir=fast if fast.is_dir() else None) as folder:
        bad = fuzz_all(asked, made_targets(Path(folder)))
    print(f"{bad} findings", flush=True)
    return 1 if bad else 0


def fuzz_all(asked: argparse.Namespace, known: dict[str, Target]) -> int:
    """One parser after the other, each told as it ends; returns the number of findings."""
    bad = 0
    for name in asked.only or known:
        ran = fuzz(known[name], asked.inputs, asked.seed)
        print(ran, flush=True)
        for finding in ran.findings:
            bad += 1
            print(f"  {finding.what}\n    {finding.data[:600]!r}", flush=True)
        if asked.keep:
            corpus.add_to_corpus(name, worth_keeping(ran))
    return bad


def worth_keeping(ran: Ran) -> Iterator[bytes]:
    """Short ones, and what broke something; long ones say the same at more cost."""
    yield from sorted((data for data in ran.fresh if len(data) <= _KEPT_BYTES), key=len)[:60]
    yield from (finding.data for finding in ran.findings)


if __name__ == "__main__":
    sys.exit(main())
