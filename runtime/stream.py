"""An answer while it grows: what the worker tells of one request, in order, for whoever sends it on."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass

from runtime.capture import Generation, Piece


@dataclass(frozen=True, slots=True)
class Began:
    """The request has its number; nothing was decoded yet."""

    boot: str
    n: int


Event = Began | Piece | Generation


class Stream:
    """Events of one request: `Began`, then pieces, then the whole `Generation`. Iterating raises its RuntimeFault."""

    def __init__(self, cancel: Callable[[], None]) -> None:
        self._cancel = cancel
        self._events: queue.SimpleQueue[Began | Piece | Future[Generation]] = queue.SimpleQueue()

    def tell(self, event: Began | Piece) -> None:
        """Adds an event; called by the thread that reads from the worker."""
        self._events.put(event)

    def end_with(self, future: Future[Generation]) -> None:
        """Ends with what the future holds, once it holds it."""
        future.add_done_callback(self._events.put)

    def cancel(self) -> None:
        """Stops the request: iterating then raises Stopped, unless it was finished already."""
        self._cancel()

    def __iter__(self) -> Iterator[Event]:
        while True:
            event = self._events.get()
            if isinstance(event, Future):
                yield event.result()
                return
            yield event
