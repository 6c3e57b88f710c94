"""How a token or an answer is chosen. Pure: a function of scores, seed and position, so that a replay can ask the same.

Greedy takes the best score; Gumbel adds noise that the record's seed and the position determine, and takes the best of
that (the Gumbel-max trick samples from softmax(score / T)). A sampled choice is thus the argmax of recorded quantities.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Row = NDArray[np.float32]
Scores = NDArray[np.float64]

MICRO = 1_000_000


@dataclass(frozen=True, slots=True)
class Sampler:
    """The sampler of a manifest. `temperature_milli` in thousandths, of weight only for `gumbel`."""

    kind: str
    temperature_milli: int = 0

    @property
    def code(self) -> str:
        """As it stands in the record: `greedy` or `gumbel/700`."""
        return self.kind if self.kind == "greedy" else f"{self.kind}/{self.temperature_milli}"


@dataclass(frozen=True, slots=True)
class Draw:
    """A sampler with the seed of one request: what is needed to choose at a position."""

    sampler: Sampler
    seed: str | None

    def scores(self, values: Scores, position: int) -> Scores:
        """What is compared at `position` (counted over the whole request): logits, or logits / T + noise."""
        if self.sampler.kind == "greedy" or self.seed is None:
            return values
        return values / (self.sampler.temperature_milli / 1000) + noise(self.seed, position, len(values))


def noise(seed: str, position: int, count: int) -> Scores:
    """`count` Gumbel numbers from Philox keyed by SHA-256(seed|position).

    Only Philox's raw output is used, which NumPy promises never to change (its distributions it does not).
    """
    digest = hashlib.sha256(f"{seed}|{position}".encode()).digest()
    raw = np.random.Philox(key=int.from_bytes(digest[:16], "little")).random_raw(count)
    uniform = ((raw >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    return np.asarray(-np.log(-np.log(uniform)), dtype=np.float64)


def log_sum_exp(row: Row) -> float:
    """log of the sum of exp over the row, exponentials in single and the sum in double precision."""
    top = row.max()
    return float(top) + float(np.log(np.exp(row - top).sum(dtype=np.float64)))


def best(scores: Scores) -> int:
    """The index of the highest score, the lowest of equals."""
    return int(np.argmax(scores))


def top(scores: Scores, count: int) -> list[int]:
    """The indices of the `count` highest scores, best first, equals by index. Ties at the edge come along."""
    if count >= len(scores):
        chosen = np.arange(len(scores))
    else:
        edge = np.partition(scores, -count)[-count]
        chosen = np.flatnonzero(scores >= edge)
    return [int(i) for i in chosen[np.lexsort((chosen, -scores[chosen]))]]


def micro_nats(logprob: float) -> int:
    """A log-probability as the record holds it: an integer number of micro-nats."""
    return round(logprob * MICRO)
