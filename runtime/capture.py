"""What one generation leaves behind: the answer, its usage, and what a replay needs. Integers only, no fractions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens, and times in µs by our own monotonic clock, each counted from the moment the request was handed in.

    `first_us` is when the first token (or answer) was chosen, `total_us` when the output was complete; `queue_us` is
    the wait before the first decode, model loading included. `energy_uj` in micro-joules, null where it was not
    measured.
    """

    prompt_tokens: int
    output_tokens: int
    queue_us: int
    first_us: int
    total_us: int
    energy_uj: int | None
    energy_method: str


@dataclass(frozen=True, slots=True)
class Run:
    """What determined the output. Tokens and log-probabilities (micro-nats) hold one list for each step of the version.

    `alternatives` has the log-probability of every outcome's text given the prompt, without bias, by outcome code.
    """

    prompt_tokens: tuple[tuple[int, ...], ...]
    output_tokens: tuple[tuple[int, ...], ...]
    logprobs: tuple[tuple[int, ...], ...]
    alternatives: Mapping[str, int]
    seed: str | None
    sampler: str
    threads: int
    build: str
    model: str
    slot: int


@dataclass(frozen=True, slots=True)
class Generation:
    """One finished generation. `finish` is stop, length or invalid; for the last two `outcome` is that code."""

    id: str
    boot: str
    n: int
    output: Mapping[str, str]
    outcome: str
    finish: str
    usage: Usage
    run: Run


def format_generation(generation: Generation) -> dict[str, Any]:
    """As the JSON object that crosses the pipe; `usage` and `run` have the members that the record commits."""
    return asdict(generation)


def parse_generation(data: dict[str, Any]) -> Generation:
    """What `format_generation` wrote."""
    members = dict(data)
    run = dict(members.pop("run"))
    for name in ("prompt_tokens", "output_tokens", "logprobs"):
        run[name] = tuple(tuple(step) for step in run[name])
    usage = Usage(**members.pop("usage"))
    return Generation(**members, usage=usage, run=Run(**run))
