"""A batch as llama.cpp takes it: arrays of ours, filled and checked before the call that would abort on them.

Positions are those that follow in each sequence, so a gap or a position written twice cannot even be said. Pure, but
for the arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from runtime.errors import CallRefused


@dataclass(frozen=True, slots=True)
class BatchRow:
    """One row of a batch: a token at a position of a sequence, and whether its logits are wanted."""

    token: int
    position: int
    sequence: int
    wanted: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """Tokens that a sequence grows by; the logits of the last `wanted` of them are asked for."""

    sequence: int
    tokens: Sequence[int]
    wanted: int = 0


class Sheet:
    """The arrays of one context's batches. `room` is what a sequence holds, `outputs` how many rows can be wanted."""

    def __init__(self, *, rows: int, sequences: int, room: int, outputs: int, vocabulary: int) -> None:
        self.rows, self.sequences, self.room, self.outputs = rows, sequences, room, outputs
        self._vocabulary = vocabulary
        self.token = np.zeros(rows, np.int32)
        self.position = np.zeros(rows, np.int32)
        self.wanted = np.zeros(rows, np.int8)
        self.sequence = np.zeros(rows, np.int32)
        self.ones = np.ones(rows, np.int32)
        # llama.cpp wants one pointer a row, to that row's sequences: each points into our array.
        self.pointers: NDArray[np.uint64] = np.uint64(self.sequence.ctypes.data) + np.arange(rows, dtype=np.uint64) * 4
        self.used = 0

    def fill(self, parts: Sequence[Part], lengths: Sequence[int]) -> list[int]:
        """Lays parts out one after another; gives the lengths after them. Raises CallRefused, and then has no rows."""
        self.used = 0
        grown = list(lengths)
        count = sum(len(part.tokens) for part in parts)
        if not 1 <= count <= self.rows:
            raise CallRefused(f"a batch has 1 to {self.rows} rows", field="batch")
        if sum(part.wanted for part in parts) > self.outputs:
            raise CallRefused(f"at most {self.outputs} rows of a batch can be wanted", field="batch")
        at = 0
        for part in parts:
            self.check_sequence(part.sequence)
            start, size = grown[part.sequence], len(part.tokens)
            if not 0 <= part.wanted <= size:
                raise CallRefused("more rows are wanted than a part has", field="batch")
            if start + size > self.room:
                raise CallRefused(f"a sequence holds at most {self.room} tokens", field="position")
            end = at + size
            self.token[at:end] = np.asarray(part.tokens, np.int64).clip(-1, self._vocabulary)
            self.position[at:end] = np.arange(start, start + size, dtype=np.int32)
            self.sequence[at:end] = part.sequence
            self.wanted[at : end - part.wanted] = 0
            self.wanted[end - part.wanted : end] = 1
            grown[part.sequence] += size
            at = end
        return self._ready(count, grown)

    def fill_rows(self, rows: Sequence[BatchRow], lengths: Sequence[int]) -> list[int]:
        """As `fill`, row by row, positions stated."""
        self.used = 0
        grown = list(lengths)
        if not 1 <= len(rows) <= self.rows:
            raise CallRefused(f"a batch has 1 to {self.rows} rows", field="batch")
        if sum(row.wanted for row in rows) > self.outputs:
            raise CallRefused(f"at most {self.outputs} rows of a batch can be wanted", field="batch")
        for i, row in enumerate(rows):
            self.check_sequence(row.sequence)
            if row.position != grown[row.sequence]:
                raise CallRefused("positions of a sequence must follow each other", field="position")
            if row.position >= self.room:
                raise CallRefused(f"a sequence holds at most {self.room} tokens", field="position")
            grown[row.sequence] += 1
            self.token[i] = min(max(row.token, -1), self._vocabulary)
            self.position[i], self.wanted[i] = row.position, row.wanted
            self.sequence[i] = row.sequence
        return self._ready(len(rows), grown)

    def _ready(self, count: int, grown: list[int]) -> list[int]:
        tokens = self.token[:count]
        if int(tokens.min()) < 0 or int(tokens.max()) >= self._vocabulary:
            raise CallRefused("token id outside the vocabulary", field="token")
        self.used = count
        return grown

    def check_sequence(self, sequence: int) -> None:
        """Raises CallRefused for a sequence that the context does not have."""
        if not 0 <= sequence < self.sequences:
            raise CallRefused(f"sequences are numbered 0 to {self.sequences - 1}", field="sequence")
