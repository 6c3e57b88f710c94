"""What the device did, and for whom: time and energy of a step divided by rows, so that the parts sum to the whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from runtime.capture import Usage


def shares(total: int, weights: Sequence[int]) -> list[int]:
    """`total` divided by weight into whole numbers whose sum is `total` exactly."""
    whole, done, given = sum(weights), 0, 0
    parts = []
    for weight in weights:
        done += weight
        upto = total * done // whole
        parts.append(upto - given)
        given = upto
    return parts


@dataclass(slots=True)
class Account:
    """Sums over one device since the worker started: ns in decode, steps, rows, requests in each step added up.

    `requests` and tokens are those of finished requests, as their `Usage` has them.
    """

    device: str
    busy_ns: int = 0
    steps: int = 0
    rows: int = 0
    occupancy: int = 0
    requests: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0

    def step(self, spent_ns: int, rows: int, requests: int) -> None:
        """Notes one decode."""
        self.busy_ns += spent_ns
        self.steps += 1
        self.rows += rows
        self.occupancy += requests

    def finish(self, usage: Usage) -> None:
        """Notes a finished request."""
        self.requests += 1
        self.prompt_tokens += usage.prompt_tokens
        self.output_tokens += usage.output_tokens

    def figures(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)
