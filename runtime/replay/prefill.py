"""Rows of one sequence, decoded ahead along the text that a record says will follow: a replay in one pass."""

from __future__ import annotations

from collections.abc import Sequence

from runtime.engine.batch import Part
from runtime.llama import Context
from runtime.output.answers import Ask, Tokens, common
from runtime.sampler import Row


class Ahead:
    """Serves the asks of one generation from sequence 0 of a context, a batch at a time.

    As long as what is asked for lies on the expected path, each batch gives all rows along it; other asks (the nodes
    of a trie beside the recorded answer) rewind and come back. Without `expected` nothing is decoded ahead.
    """

    def __init__(self, context: Context, batch: int) -> None:
        self._context = context
        self._batch = min(batch, context.n_batch, context.outputs)
        self._wanted: Tokens = ()
        self._path: Tokens = ()
        self._held: Tokens = ()
        self._ready: dict[int, Row] = {}
        context.rewind(0, 0)

    def ask(self, ask: Ask, expected: Sequence[int] = ()) -> None:
        """What is wanted next. `expected`: the whole sequence that this ask should turn out to be a part of."""
        self._wanted = self._wanted[: ask.keep] + ask.tokens
        along = tuple(expected[: len(self._wanted)]) == self._wanted
        path = tuple(expected)[: self._context.room] if along else self._wanted
        if path != self._path:
            shared = common(path, self._path)
            self._ready = {position: row for position, row in self._ready.items() if position < shared}
            self._path = path

    def take(self) -> Row | None:
        """The wanted row, where it is there already. It is the library's memory, gone with the next `decode`."""
        return self._ready.pop(len(self._wanted) - 1, None)

    def decode(self) -> None:
        """Decodes one batch on the way to the wanted row and beyond. Raises CallRefused."""
        last = len(self._wanted) - 1
        start = min(common(self._held, self._path), last)
        self._context.rewind(0, start)
        self._held = self._held[:start]
        taken = self._path[start : start + self._batch]
        first = max(start, last)
        found = self._context.run([Part(0, taken, max(start + len(taken) - first, 0))])
        self._held += taken
        self._ready = dict(zip(range(first, start + len(taken)), found, strict=True))
