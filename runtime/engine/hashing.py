"""Digests of rows, made in a thread of their own beside the next decode: hashlib lets go of the interpreter's lock."""

from __future__ import annotations

import threading
from queue import SimpleQueue

import numpy as np

from runtime.digests import chain_text, head, row_digest
from runtime.sampler import Row

_BUFFERS = 2  # one is hashed while the other is filled


class Digests:
    """The digests of one step's rows, once they are there."""

    def __init__(self, rows: Row) -> None:
        self._rows: list[Row] = list(rows)
        self._found: dict[int, bytes] = {}
        self._handed = False
        self._made = threading.Lock()

    def __getitem__(self, index: int) -> bytes:
        """The digest of row `index`; waits for the thread, or makes it here if that was not handed the rows yet."""
        if self._handed:
            self.wait()
        elif index not in self._found:
            self._found[index] = row_digest(self._rows[index])
        return self._found[index]

    def hand_over(self, queue: SimpleQueue[Digests | None]) -> None:
        """To the thread, once."""
        if not self._handed:
            self._handed = True
            self._made.acquire()
            queue.put(self)

    def wait(self) -> None:
        """Until nobody reads the rows any more."""
        if not self._handed:
            self._handed = True
            self._hash()
        with self._made:
            if self._rows:
                raise RuntimeError("rows could not be hashed")

    def make(self) -> None:
        """In the thread."""
        try:
            self._hash()
        finally:
            self._made.release()

    def _hash(self) -> None:
        for index, row in enumerate(self._rows):
            if index not in self._found:
                self._found[index] = row_digest(row)
        self._rows = []  # their memory is the hasher's


class Hasher:
    """Keeps the rows of a step and hashes them, in the order of steps.

    They are handed to its thread only when the next decode begins: before that the thread would take the interpreter's
    lock from the loop between any two of its calls, which costs it more than the hashing does a core.
    """

    def __init__(self) -> None:
        self._queue: SimpleQueue[Digests | None] = SimpleQueue()
        self._buffers = [np.empty(0, np.float32) for _ in range(_BUFFERS)]
        self._digests: list[Digests | None] = [None] * _BUFFERS
        self._turn = 0
        self._thread = threading.Thread(target=self._run, name="digests", daemon=True)
        self._thread.start()

    def keep(self, block: Row) -> tuple[Row, Digests]:
        """A copy of a block of rows, and their digests; the copy is written over by the call after the next."""
        self._turn = (self._turn + 1) % _BUFFERS
        last = self._digests[self._turn]
        if last is not None:
            last.wait()
        if self._buffers[self._turn].size < block.size:
            self._buffers[self._turn] = np.empty(block.size, np.float32)
        rows = self._buffers[self._turn][: block.size].reshape(block.shape)
        np.copyto(rows, block)
        digests = self._digests[self._turn] = Digests(rows)
        return rows, digests

    def start(self) -> None:
        """Hands what is kept to the thread: a decode begins."""
        digests = self._digests[self._turn]
        if digests is not None:
            digests.hand_over(self._queue)

    def close(self) -> None:
        """Ends the thread."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (digests := self._queue.get()) is not None:
            digests.make()
            del digests


class Trail:
    """The rows that one request was given: a step's digests and which of them, by step of the version."""

    def __init__(self) -> None:
        self._steps: list[list[tuple[Digests, int]]] = []

    def add(self, step: int, digests: Digests, index: int) -> None:
        """Notes that row `index` of those was handed to the request in its step `step`."""
        while len(self._steps) <= step:
            self._steps.append([])
        self._steps[step].append((digests, index))

    def read(self) -> tuple[tuple[tuple[str, ...], ...], str | None]:
        """`Run.rows` and `Run.digest`; waits for what is still being hashed. Nothing where nothing was noted."""
        steps = [[digests[index] for digests, index in step] for step in self._steps]
        rows = tuple(tuple(head(digest) for digest in step) for step in steps)
        return rows, chain_text(digest for step in steps for digest in step) if steps else None
