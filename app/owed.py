"""Numbers of the runtime whose `unfinished` entry could not be written yet, in memory until it is."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from auditlog.canonical import Json
from auditlog.vault.references import Refs
from registry.lifecycle import Gate


@dataclass(frozen=True, slots=True)
class Owed:
    """What an `unfinished` entry will say, and its id. `instead_of`: the id that the decision would have had.

    Either may be in the log all the same: an append that failed may be found to have gone through.
    """

    gate: Gate
    boot: str
    n: int
    reason: str
    reached: Json = field(repr=False)
    opened: str | None
    refs: Refs | None = field(repr=False)
    entry: str
    instead_of: str | None = None


class Debts:
    """What is owed, one entry a number. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owed: dict[tuple[str, int], Owed] = {}

    def add(self, owed: Owed) -> None:
        """Of a number that is owed already the first stays: it knows best how it ended."""
        with self._lock:
            self._owed.setdefault((owed.boot, owed.n), owed)

    def all(self) -> list[Owed]:
        """In the order of boots and numbers."""
        with self._lock:
            return [self._owed[key] for key in sorted(self._owed)]

    def paid(self, owed: Owed) -> None:
        """It is in the log."""
        with self._lock:
            self._owed.pop((owed.boot, owed.n), None)

    def __bool__(self) -> bool:
        with self._lock:
            return bool(self._owed)
