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
    """One row of logits with the log of the sum of its exponentials, and the index of its best."""

    row: Row
    total: float
    best: int

    def logprob(self, token: int) -> float:
        """The log-probability of a token, in nats."""
        return self.row.item(token) - self.total


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
        scores = values.astype(np.float64)
        scores /= self.sampler.temperature_milli / 1000
        scores += noise(self.seed, position, len(values))
        return scores


def noise(seed: str, position: int, count: int) -> Scores:
    """`count` Gumbel numbers from Philox keyed by SHA-256(seed|position).

    Only Philox's raw output is used, which NumPy promises never to change (its distributions it does not).
    """
    digest = hashlib.sha256(f"{seed}|{position}".encode()).digest()
    raw = np.random.Philox(key=int.from_bytes(digest[:16], "little")).random_raw(count)
    raw >>= np.uint64(11)
    gumbel: Scores = raw.astype(np.float64)
    gumbel += 0.5
    gumbel *= 2.0**-53
    for _ in range(2):  # -log(-log(uniform)), in place: fresh memory would cost as much again
        np.negative(np.log(gumbel, out=gumbel), out=gumbel)
    return gumbel


def log_sum_exp(row: Row, scratch: Row | None = None) -> float:
    """log of the sum of exp over the row, exponentials in single and the sum in double precision.

    `scratch` is written over: fresh memory for each row costs more than the sum, in pages that the system hands out.
    """
    return logits(row, scratch).total


def logits(row: Row, scratch: Row | None = None) -> Logits:
    """A row with its sum and its best; `scratch` as in `log_sum_exp`."""
    peak = int(row.argmax())  # finds the highest value sooner than `max` does, and greedy choices want its place
    highest = row[peak]
    exponentials = np.subtract(row, highest, out=np.empty_like(row) if scratch is None else scratch)
    np.exp(exponentials, out=exponentials)
    return Logits(row, float(highest) + float(np.log(np.add.reduce(exponentials, dtype=np.float64))), peak)


def block_logits(block: Row) -> list[Logits]:
    """The rows of a step, (rows, vocabulary), with their sums; each exactly as `logits` gives it."""
    scratch = np.empty(block.shape[1:], block.dtype)
    return [logits(row, scratch) for row in block]


def best(scores: Row | Scores) -> int:
    """The index of the highest score, the lowest of equals."""
    return int(scores.argmax())


def top(scores: Row | Scores, count: int) -> list[int]:
    """The indices of the `count` highest scores, best first, equals by index. Ties at the edge come along."""
    few = count < len(scores)
    chosen = np.flatnonzero(scores >= _floor(scores, count)) if few else np.arange(len(scores))
    if count < len(chosen):
        chosen = chosen[scores[chosen] >= np.partition(scores[chosen], -count)[-count]]
    order: list[int] = chosen[np.lexsort((chosen, -scores[chosen]))].tolist()
    return order


def _floor(scores: Row | Scores, count: int) -> float:
    """A number that at least `count` scores reach: as many blocks have their best there. Sorting all costs far more.

    A block is a column, scores that stand equally far apart: NumPy has the best of each column ten times sooner than
    the best of each row.
    """
    blocks = len(scores) // _BLOCK
    if count > blocks:
        return float("-inf")
    peaks = scores[: blocks * _BLOCK].reshape(_BLOCK, blocks).max(axis=0)
    return float(np.partition(peaks, -count)[-count])


def micro_nats(logprob: float) -> int:
    """A log-probability as the record holds it: an integer number of micro-nats."""
    return round(logprob * MICRO)
