"""What a caller holds while the log writes its unit: threads call `result()`, coroutines `await` the ticket.

`concurrent.futures.Future` costs a condition variable a unit, and wakes all threads of a group at once to fight for the
interpreter lock; at ten thousand units a second that is most of the time. Here the threads of a group pass one gate,
one after the other, and an event loop is woken once a group.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Generator, Iterable
from concurrent.futures import CancelledError
from typing import Any, Final, Generic, TypeVar

from auditlog.core.errors import CannotRecord

T = TypeVar("T")

_WAITING, _CLAIMED, _DONE, _CANCELLED = range(4)
# Guards every ticket's change of state. One for all: held for a moment, and by the writer once a group.
_change: Final = threading.Lock()


class Gate:
    """Where the threads of one group wait. Who passes lets the next one pass: one thread is woken at a time."""

    __slots__ = ("_lock", "_open")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()
        self._open = False

    def open(self) -> None:
        """For the writer: let everybody pass. A second call does nothing."""
        if not self._open:
            self._open = True
            self._lock.release()

    def wait(self, timeout: float | None) -> bool:
        """False when it stayed closed for `timeout` seconds."""
        if not self._lock.acquire(timeout=-1 if timeout is None else timeout):
            return False
        self._lock.release()
        return True


class Ticket(Generic[T]):
    """The outcome of one unit, once there is one. Any number of threads and coroutines may wait for it."""

    __slots__ = ("_error", "_futures", "_gate", "_state", "_value")

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._state = _WAITING
        self._value: T | None = None
        self._error: Exception | None = None
        self._futures: tuple[asyncio.Future[None], ...] = ()

    def done(self) -> bool:
        """Whether there is an outcome: a value, an error, or withdrawn in time."""
        return self._state >= _DONE

    def result(self, timeout: float | None = None) -> T:
        """Wait (seconds) for the value, or raise what went wrong. TimeoutError leaves the unit to be written."""
        self._wait(timeout)
        return self._outcome()

    def exception(self, timeout: float | None = None) -> Exception | None:
        """As `result`, but return what went wrong; None where nothing did."""
        self._wait(timeout)
        if self._state == _CANCELLED:
            raise CancelledError
        return self._error

    def cancel(self) -> bool:
        """Withdraw the unit; False where the writer has taken it already. Threads that wait for it learn it later."""
        with _change:
            if self._state == _WAITING:
                self._state = _CANCELLED
                _wake(self._futures)
            return self._state == _CANCELLED

    def __await__(self) -> Generator[Any, None, T]:
        """As `result`, for coroutines. A coroutine that is cancelled leaves the unit to be written."""
        future: asyncio.Future[None] | None = None
        with _change:
            if self._state < _DONE:
                future = asyncio.get_running_loop().create_future()
                self._futures += (future,)
        if future is not None:
            yield from future
        return self._outcome()

    def _wait(self, timeout: float | None) -> None:
        until = None if timeout is None else time.monotonic() + timeout
        while self._state < _DONE:
            gate = self._gate
            if not gate.wait(None if until is None else max(0.0, until - time.monotonic())):
                raise TimeoutError("the log has not written it yet")
            # A unit that its group had no room for waits again, at the gate of a later group.
            if self._state < _DONE and self._gate is gate:
                raise CannotRecord("the log's writer has ended: restart the program", cause="unknown")

    def _outcome(self) -> T:
        if self._error is not None:
            raise self._error
        if self._state == _CANCELLED:
            raise CancelledError
        return self._value  # type: ignore[return-value]


def claim(ticket: Ticket[Any]) -> bool:
    """For the writer: take the unit, unless it was withdrawn; from now on it cannot be."""
    with _change:
        if ticket._state == _WAITING:
            ticket._state = _CLAIMED
        return ticket._state == _CLAIMED


def move(tickets: Iterable[Ticket[Any]], gate: Gate) -> None:
    """For the writer: these units wait for a later group, at its gate. Call it before the old one opens."""
    for ticket in tickets:
        ticket._gate = gate


def settle(outcomes: Iterable[tuple[Ticket[T], T | Exception]]) -> None:
    """For the writer: give each ticket its value or error and wake each event loop once. Threads wait for the gate."""
    futures: list[asyncio.Future[None]] = []
    with _change:
        for ticket, outcome in outcomes:
            if ticket._state >= _DONE:
                continue
            if isinstance(outcome, Exception):
                ticket._error = outcome
            else:
                ticket._value = outcome
            ticket._state = _DONE
            if ticket._futures:
                futures += ticket._futures
    if futures:
        _wake(futures)


def _wake(futures: Iterable[asyncio.Future[None]]) -> None:
    loops: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for future in futures:
        loops.setdefault(future.get_loop(), []).append(future)
    for loop, mine in loops.items():
        try:
            loop.call_soon_threadsafe(_finish, mine)
        except RuntimeError:
            continue  # closed meanwhile: nobody waits there any more


def _finish(futures: Iterable[asyncio.Future[None]]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)
