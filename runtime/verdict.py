"""What a replay is asked and answers, and what a self-test measures: data that crosses the worker's pipe. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from json import dumps
from typing import Any

from runtime.capture import Run, parse_run
from runtime.program import Program, format_program, parse_program
from runtime.prompt import Value
from runtime.shape import Shape

# Strongest first. A replay never says a bare "ok".
VERDICTS = ("bit_exact", "token_exact", "within_tolerance", "mismatch", "not_replayable")
# The classes of a self-test, weakest first; what nobody measured is weaker than all.
CLASSES = ("not_measured", "tolerance", "token", "bit")
PASSES = ("one_pass", "alone")


@dataclass(frozen=True, slots=True)
class Bars:
    """What a replay may reach: mean and largest difference of log-probabilities, largest margin; micro-nats."""

    logprob_mean: int
    logprob_max: int
    margin_max: int

    def hold(self, mean: int, largest: int, margin: int) -> bool:
        """Whether a decision's numbers lie within."""
        return mean <= self.logprob_mean and largest <= self.logprob_max and margin <= self.margin_max


@dataclass(frozen=True, slots=True)
class ReplayOrder:
    """A recorded run to be run again. `fields` are the recorded inputs, `output` and `outcome` what it gave.

    `passes`: over prompt and output in one pass, or generated anew alone. `threads` overrides the version's number.
    `bars`: a calibration of the caller's own, for where bits cannot agree; it goes before those that are shipped.
    """

    id: str
    program: Program
    fields: Mapping[str, Value | None]
    run: Run
    output: Mapping[str, Any]
    outcome: str
    passes: str = "one_pass"
    threads: int | None = None
    bars: Bars | None = None


@dataclass(frozen=True, slots=True)
class Replayed:
    """The verdict and its numbers. `reason` says what differed first, or why nothing could be run again.

    `position`: (step, row of that step) of the first difference. Differences of log-probabilities, and the largest
    margin by which another token beat the recorded one under the recorded noise, in micro-nats.
    """

    id: str
    verdict: str
    reason: str | None
    position: tuple[int, int] | None
    rows: int
    rows_equal: int
    tokens: int
    tokens_equal: int
    logprob_mean: int | None
    logprob_max: int | None
    margin_max: int | None
    build: str
    device: str
    threads: int
    passes: str
    elapsed_us: int


@dataclass(frozen=True, slots=True)
class Measured:
    """How exactly a model repeats itself on this device. `model` in hex, `context` as `context_digest` gives it.

    `measured_s` is when (seconds since 1970, UTC); a class that was kept from an earlier boot has its earlier time.
    """

    model: str
    context: str
    build: str
    device: str
    determinism: str
    rows: int
    measured_s: int
    elapsed_us: int


def context_digest(shape: Shape) -> str:
    """`sha256:` over the sorted JSON of the context settings."""
    return "sha256:" + sha256(dumps(asdict(shape), sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def weakest(classes: list[str]) -> str:
    """The weakest of some classes; `not_measured` of none."""
    return min(classes, key=CLASSES.index, default=CLASSES[0])


def format_order(order: ReplayOrder) -> dict[str, Any]:
    """As the JSON object that crosses the pipe."""
    return {**asdict(order), "program": format_program(order.program)}


def parse_order(data: Mapping[str, Any]) -> ReplayOrder:
    """What `format_order` wrote."""
    bars = None if data["bars"] is None else Bars(**data["bars"])
    members = {**data, "program": parse_program(data["program"]), "run": parse_run(data["run"]), "bars": bars}
    return ReplayOrder(**members)


def format_measured(measured: Measured) -> dict[str, Any]:
    """As a JSON object."""
    return asdict(measured)


def parse_measured(data: Mapping[str, Any]) -> Measured:
    """What `format_measured` wrote."""
    return Measured(**data)


def format_replayed(replayed: Replayed) -> dict[str, Any]:
    """As a JSON object."""
    return asdict(replayed)


def parse_replayed(data: Mapping[str, Any]) -> Replayed:
    """What `format_replayed` wrote."""
    position = data["position"]
    return Replayed(**{**data, "position": None if position is None else (position[0], position[1])})
