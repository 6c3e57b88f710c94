"""The log's queue: producers on any thread or event loop put units in, the writer takes all of them at once.

It is bounded by units, entries and bytes: a log that cannot keep up says "busy" instead of filling the memory.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Final

from auditlog.core.errors import CannotRecord
from auditlog.writing.group import Waiting
from auditlog.writing.ticket import Gate, Ticket, claim, move
from auditlog.writing.unit import Integrated, Unit

MAX_ENTRIES: Final = 65_536
MAX_BYTES: Final = 64 * 1024 * 1024
"""Of the entries that wait; one unit that is larger still goes in, alone."""
# Of one group: bounds its memory and the wait of the next; one unit that is larger still goes in whole.
GROUP_ENTRIES: Final = 4096
GROUP_BYTES: Final = 16 * 1024 * 1024
# How often in a row the writer lets go of the interpreter lock in vain: producers let go of it too, at their work.
_PATIENCE: Final = 3


class Intake:
    """Units in the order in which they came. Closed until `open()`, and after `close()`."""

    def __init__(self, limit: int, *, max_entries: int = MAX_ENTRIES, max_bytes: int = MAX_BYTES) -> None:
        self._limit = limit
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._units: deque[Waiting] = deque()
        self._entries = self._bytes = 0
        self._gate = Gate()
        self._open = False
        self._reason: CannotRecord | None = None
        self._idle = False
        self._arrived = threading.Lock()
        self._arrived.acquire()

    def open(self) -> None:
        """Take units from now on."""
        self._open = True

    def put(self, unit: Unit) -> Ticket[Integrated]:
        """Queue a unit. Raises CannotRecord, cause "busy" or "closed", when it was not queued."""
        size = sum([len(entry.data) for entry in unit.entries])
        with self._lock:
            if not self._open:
                raise self._reason or CannotRecord("the log is closed", cause="closed")
            if self._units and self._is_full(len(unit.entries), size):
                raise _busy()
            waiting = Waiting(unit, size, Ticket(self._gate))
            self._units.append(waiting)
            self._entries += len(unit.entries)
            self._bytes += size
            if self._idle:
                self._idle = False
                self._arrived.release()
        return waiting.ticket

    def demand_room(self) -> None:
        """Raise CannotRecord, cause "busy", where a small unit would not be queued now."""
        if self._units and self._is_full(1, 0):
            raise _busy()

    def close(self, reason: CannotRecord | None = None) -> bool:
        """Take no more, and say why; what waits is still taken out. False when it was closed already."""
        with self._lock:
            was_open, self._open = self._open, False
            if was_open:
                self._reason = reason
            if self._idle:
                self._idle = False
                self._arrived.release()
        return was_open

    def take(self, timeout: float | None) -> tuple[list[Waiting], Gate, bool]:
        """All that waits, the gate of its threads, and whether it is the last. Waits `timeout` seconds for a unit."""
        self._wait(timeout)
        self._let_come()
        with self._lock:
            group = self._take_group()
            gate, self._gate = self._gate, Gate()
            move([waiting.ticket for waiting in self._units], self._gate)
            return group, gate, not (self._open or self._units)

    def _wait(self, timeout: float | None) -> None:
        with self._lock:
            self._idle = self._open and not self._units
            if not self._idle:
                return
        arrived = self._arrived.acquire(timeout=-1 if timeout is None else timeout)
        with self._lock:
            if not arrived:
                self._arrived.acquire(blocking=False)  # it may have come at the last moment
            self._idle = False

    def _let_come(self) -> None:
        """Let go of the interpreter lock as long as that brings more units: those who were just answered come back.

        Without it they would find the group gone, and two halves of the producers would wait for each other in turn.
        """
        seen = patience = 0
        while patience < _PATIENCE and len(self._units) < GROUP_ENTRIES:
            patience = patience + 1 if seen == len(self._units) else 0
            seen = len(self._units)
            time.sleep(0)

    def _is_full(self, entries: int, size: int) -> bool:
        return (
            len(self._units) >= self._limit
            or self._entries + entries > self._max_entries
            or self._bytes + size > self._max_bytes
        )

    def _take_group(self) -> list[Waiting]:
        group: list[Waiting] = []
        entries = size = 0
        while self._units and entries < GROUP_ENTRIES and size < GROUP_BYTES:
            waiting = self._units.popleft()
            self._entries -= len(waiting.unit.entries)
            self._bytes -= waiting.size
            if claim(waiting.ticket):
                group.append(waiting)
                entries += len(waiting.unit.entries)
                size += waiting.size
        return group


def _busy() -> CannotRecord:
    return CannotRecord("the log is busy: try again in a moment", cause="busy")
