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
        self.used = self.wants = 0  # rows laid out, and how many of them are wanted

    def fill(self, parts: Sequence[Part], lengths: Sequence[int]) -> list[int]:
        """Lays parts out one after another; gives the lengths after them. Raises CallRefused, and then has no rows."""
        self.used = 0
        grown = list(lengths)
        # Lists first, and one assignment of each: an assignment a part costs as much as all the rest together.
        tokens: list[int] = []
        positions: list[int] = []
        sequences: list[int] = []
        wanted: list[int] = []
        for part in parts:
            self.check_sequence(part.sequence)
            start, size = grown[part.sequence], len(part.tokens)
            if not 0 <= part.wanted <= size:
                raise CallRefused("more rows are wanted than a part has", field="batch")
            if start + size > self.room:
                raise CallRefused(f"a sequence holds at most {self.room} tokens", field="position")
            grown[part.sequence] = start + size
            tokens += part.tokens
            positions += range(start, start + size)
            sequences += [part.sequence] * size
            wanted += [0] * (size - part.wanted) + [1] * part.wanted
        self._check_size(len(tokens), sum(wanted))
        return self._lay(tokens, positions, sequences, wanted, grown)

    def fill_rows(self, rows: Sequence[BatchRow], lengths: Sequence[int]) -> list[int]:
        """As `fill`, row by row, positions stated."""
        self.used = 0
        grown = list(lengths)
        self._check_size(len(rows), sum(row.wanted for row in rows))
        for row in rows:
            self.check_sequence(row.sequence)
            if row.position != grown[row.sequence]:
                raise CallRefused("positions of a sequence must follow each other", field="position")
            if row.position >= self.room:
                raise CallRefused(f"a sequence holds at most {self.room} tokens", field="position")
            grown[row.sequence] += 1
        columns = ([row.token for row in rows], [row.position for row in rows], [row.sequence for row in rows])
        return self._lay(*columns, [int(row.wanted) for row in rows], grown)

    def _check_size(self, rows: int, wanted: int) -> None:
        if not 1 <= rows <= self.rows:
            raise CallRefused(f"a batch has 1 to {self.rows} rows", field="batch")
        if wanted > self.outputs:
            raise CallRefused(f"at most {self.outputs} rows of a batch can be wanted", field="batch")

    def _lay(
        self, tokens: list[int], positions: list[int], sequences: list[int], wanted: list[int], grown: list[int]
    ) -> list[int]:
        if min(tokens) < 0 or max(tokens) >= self._vocabulary:
            raise CallRefused("token id outside the vocabulary", field="token")
        count = len(tokens)
        self.token[:count], self.position[:count] = tokens, positions
        self.sequence[:count], self.wanted[:count] = sequences, wanted
        self.used, self.wants = count, sum(wanted)
        return grown

    def check_sequence(self, sequence: int) -> None:
        """Raises CallRefused for a sequence that the context does not have."""
        if not 0 <= sequence < self.sequences:
            raise CallRefused(f"sequences are numbered 0 to {self.sequences - 1}", field="sequence")
