"""An answer while it grows: what the worker tells of one request, in order, for whoever sends it on."""

from __future__ import annotations

import queue
import threading
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
        self._lock = threading.Lock()
        self._listener: Callable[[Event | Exception], None] | None = None

    def tell(self, event: Began | Piece) -> None:
        """Adds an event; called by the thread that reads from the worker."""
        self._add(event)

    def end_with(self, future: Future[Generation]) -> None:
        """Ends with what the future holds, once it holds it."""
        future.add_done_callback(self._add)

    def cancel(self) -> None:
        """Stops the request: iterating then raises Stopped, unless it was finished already."""
        self._cancel()

    def listen(self, told: Callable[[Event | Exception], None]) -> None:
        """Hands every event to `told`, those that were first, instead of iterating; the last is the end, or its fault.

        `told` is called by the thread that reads from the worker, and so may not wait for anything.
        """
        with self._lock:
            self._listener = told
            while not self._events.empty():
                told(_plain(self._events.get()))

    def _add(self, event: Began | Piece | Future[Generation]) -> None:
        with self._lock:
            if self._listener is None:
                self._events.put(event)
            else:
                self._listener(_plain(event))

    def __iter__(self) -> Iterator[Event]:
        while True:
            event = self._events.get()
            if isinstance(event, Future):
                yield event.result()
                return
            yield event


def _plain(event: Began | Piece | Future[Generation]) -> Event | Exception:
    if not isinstance(event, Future):
        return event
    fault = event.exception()
    if fault is None:
        return event.result()
    return fault if isinstance(fault, Exception) else RuntimeError(type(fault).__name__)
