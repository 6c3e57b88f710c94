"""How a token or an answer is chosen. Pure: a function of scores, seed and position, so that a replay can ask the same.

Greedy takes the best score; Gumbel adds noise that the record's seed and the position determine, and takes the best of
that (the Gumbel-max trick samples from softmax(score / T)). A sampled choice is thus the argmax of recorded quantities.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Row = NDArray[np.float32]
Scores = NDArray[np.float64]

MICRO = 1_000_000
_BLOCK = 32


class Logits(NamedTuple):
    """One row of logits with the log of the sum of its exponentials."""

    row: Row
    total: float

    def logprob(self, token: int) -> float:
        """The log-probability of a token, in nats."""
        return float(self.row[token]) - self.total


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

    def scores(self, values: Row | Scores, position: int) -> Row | Scores:
        """What is compared at `position` (counted over the whole request): logits, or logits / T + noise."""
        if self.sampler.kind == "greedy" or self.seed is None:
            return values
        heat = self.sampler.temperature_milli / 1000
        return values.astype(np.float64) / heat + noise(self.seed, position, len(values))


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


def logits(row: Row) -> Logits:
    """A lone row with its sum."""
    return Logits(row, log_sum_exp(row))


def block_logits(block: Row) -> list[Logits]:
    """The rows of a step, (rows, vocabulary), with their sums, computed at once; each exactly as `logits` gives it."""
    if not len(block):
        return []
    tops = block.max(axis=1, keepdims=True)
    sums = np.exp(block - tops).sum(axis=1, dtype=np.float64)
    return [
        Logits(row, float(top) + float(np.log(total))) for row, top, total in zip(block, tops[:, 0], sums, strict=True)
    ]


def best(scores: Row | Scores) -> int:
    """The index of the highest score, the lowest of equals."""
    return int(np.argmax(scores))


def top(scores: Row | Scores, count: int) -> list[int]:
    """The indices of the `count` highest scores, best first, equals by index. Ties at the edge come along."""
    chosen = np.arange(len(scores))
    if count < len(scores):
        chosen = np.flatnonzero(scores >= _floor(scores, count))
    if count < len(chosen):
        chosen = chosen[scores[chosen] >= np.partition(scores[chosen], -count)[-count]]
    order: list[int] = chosen[np.lexsort((chosen, -scores[chosen]))].tolist()
    return order


def _floor(scores: Row | Scores, count: int) -> float:
    """A number that at least `count` scores reach: as many blocks have their best there. Sorting all costs far more."""
    blocks = len(scores) // _BLOCK
    if count > blocks:
        return float("-inf")
    peaks = scores[: blocks * _BLOCK].reshape(blocks, _BLOCK).max(axis=1)
    return float(np.partition(peaks, -count)[-count])


def micro_nats(logprob: float) -> int:
    """A log-probability as the record holds it: an integer number of micro-nats."""
    return round(logprob * MICRO)
