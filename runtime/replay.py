"""A recorded decision run again, and the verdict."""

from __future__ import annotations

from runtime.errors import RuntimeFault
from runtime.shelf import Shelf
from runtime.verdict import Replayed, ReplayOrder


class Replay:
    """A job of the background."""

    urgent = False

    def __init__(self, order: ReplayOrder, build: str) -> None:
        self._order, self._build = order, build

    def step(self, _shelf: Shelf) -> Replayed | None:
        """One piece."""
        raise RuntimeFault("is being written", field="replay")

    def close(self) -> None:
        """Frees nothing."""
