"""Decisions recorded by one build of llama.cpp and replayed by another: a calibration's numbers, and what its bars see.

    python -m lab.bench.other_build record MODELS SHA256 --other SHA256 --decisions 64 -o ORDERS
    PYTHONPATH=OTHER_BUILD:. python -m lab.bench.other_build calibrate MODELS ORDERS -o CALIBRATION
    PYTHONPATH=OTHER_BUILD:. python -m lab.bench.other_build replay MODELS ORDERS

OTHER_BUILD is a folder into which `pip install --target` has put llama-cpp-python, made with other flags. The files of
`runtime/data/` are made like this.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import uuid
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from lab.bench import detection
from runtime import llama
from runtime.energy import Meter
from runtime.engine.engine import Engine
from runtime.replay.tolerance import calibrate, format_calibration, parse_calibration
from runtime.sampler import Sampler
from runtime.verdict import Replayed, format_order, parse_order
from runtime.worker.counter import Counter

GREEDY = Sampler("greedy")


def main() -> int:
    """Runs one of the three steps; figures go to stdout, progress to stderr."""
    args = _arguments()
    with _engine(args.models) as engine:
        if args.step == "record":
            return _record(engine, args)
        return _replay(engine, args)


@contextmanager
def _engine(models: Path) -> Iterator[Engine]:
    llama.start()
    with tempfile.TemporaryDirectory() as folder:
        counter = Counter(Path(folder), str(uuid.uuid4()))
        engine = Engine(models, counter, meter=Meter(), slots=detection.SLOTS)
        yield engine
        engine.close()
        counter.close()


def _record(engine: Engine, args: Namespace) -> int:
    made = detection.decide(engine, detection.program(args.model, GREEDY), args.decisions, _said)
    orders = [("honest", one.order()) for one in made]
    if args.other:
        others = detection.decide(engine, detection.program(args.other, GREEDY), args.decisions, _said)
        rng = random.Random(7)
        for at, one in enumerate(made):
            near = made[(at + len(detection.PAYS)) % len(made)]
            orders += list(detection.alterations(one, near, others[at], rng))
    args.output.write_text(json.dumps([(name, format_order(order)) for name, order in orders]))
    return 0


def _replay(engine: Engine, args: Namespace) -> int:
    orders = [(name, parse_order(order)) for name, order in json.loads(args.orders.read_text())]
    bars = parse_calibration(args.bars.read_text()).bars if args.bars else None
    found: dict[str, list[Replayed]] = {}
    for number, (name, order) in enumerate(orders):
        if name == "honest" or args.step == "replay":
            found.setdefault(name, []).append(detection.replay(engine, replace(order, bars=bars)))
        _said(number)
    if args.step == "calibrate":
        run = orders[0][1].run
        made = calibrate(found["honest"], run)
        args.output.write_text(format_calibration(made))
    sys.stdout.write(json.dumps(detection.count(found), indent=2) + "\n")
    return 0


def _said(number: int) -> None:
    sys.stderr.write(f"\r{number}")


def _arguments() -> Namespace:
    parser = ArgumentParser(prog="python -m lab.bench.other_build")
    steps = parser.add_subparsers(dest="step", required=True)
    for name in ("record", "calibrate", "replay"):
        step = steps.add_parser(name)
        step.add_argument("models", type=Path)
        step.add_argument("model" if name == "record" else "orders", type=str if name == "record" else Path)
        step.add_argument("-o", "--output", type=Path, required=name != "replay")
        step.add_argument("--bars", type=Path)
        step.add_argument("--other")
        step.add_argument("--decisions", type=int, default=64)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
