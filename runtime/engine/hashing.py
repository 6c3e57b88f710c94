"""Digests of rows, made in a thread of their own beside the next decode: hashlib lets go of the interpreter's lock."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from runtime.digests import chain_text, head, row_digest
from runtime.sampler import Row

Digests = list[bytes]


class Hasher:
    """Hashes the rows of a step at once, in the order of steps."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "digests")

    def rows(self, rows: Sequence[Row]) -> Future[Digests]:
        """The digests of some rows, which nobody may write to until they are there."""
        return self._thread.submit(lambda: [row_digest(row) for row in rows])

    def close(self) -> None:
        """Ends the thread."""
        self._thread.shutdown()


class Trail:
    """The rows that one request was given: a future's digests and which of them, by step of the version."""

    def __init__(self) -> None:
        self._steps: list[list[tuple[Future[Digests], int]]] = []

    def add(self, step: int, digests: Future[Digests], index: int) -> None:
        """Notes that row `index` of those was handed to the request in its step `step`."""
        while len(self._steps) <= step:
            self._steps.append([])
        self._steps[step].append((digests, index))

    def read(self) -> tuple[tuple[tuple[str, ...], ...], str | None]:
        """`Run.rows` and `Run.digest`; waits for what is still being hashed. Nothing where nothing was noted."""
        steps = [[digests.result()[index] for digests, index in step] for step in self._steps]
        rows = tuple(tuple(head(digest) for digest in step) for step in steps)
        return rows, chain_text(digest for step in steps for digest in step) if steps else None
