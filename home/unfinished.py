"""Numbers of the runtime whose `unfinished` entry could not be written yet, in memory until it is."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field

from auditlog.core.formats.canonical import Json
from auditlog.vault.references import Refs
from registry.lifecycle import Gate

_KNOWN = 10_000


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
        self.settling = threading.Lock()
        self._lock = threading.Lock()
        self._owed: dict[tuple[str, int], Owed] = {}
        self._settled: OrderedDict[tuple[str, int], None] = OrderedDict()

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
        key = owed.boot, owed.n
        with self._lock:
            if self._owed.pop(key, None) is not None:
                self._settled[key] = None
            while len(self._settled) > _KNOWN:
                self._settled.popitem(last=False)

    def knows(self, boot: str, n: int) -> bool:
        """Whether the number is owed, or was until not long ago: then nobody else may state its end."""
        with self._lock:
            return (boot, n) in self._owed or (boot, n) in self._settled

    def __bool__(self) -> bool:
        with self._lock:
            return bool(self._owed)
