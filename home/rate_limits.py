"""How much one API key may ask at once and in a minute. In memory: a restart forgets it, each server has its own."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from home.errors import TooMany

_MINUTE_S = 60.0


@dataclass(slots=True)
class _Use:
    """Of one key: requests that run now, and when those of the last minute came (seconds of a monotonic clock)."""

    running: int = 0
    came: deque[float] = field(default_factory=deque)


class KeyLimits:
    """`concurrency` requests at once and `per_minute` in any sixty seconds, for each key by itself. Thread-safe."""

    def __init__(self, concurrency: int, per_minute: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._concurrency, self._per_minute = concurrency, per_minute
        self._clock = clock
        self._lock = threading.Lock()
        self._uses: dict[str, _Use] = {}

    @contextlib.contextmanager
    def enter(self, key: str) -> Iterator[None]:
        """Take a place for as long as the block lasts. Raises TooMany, which says when to come back; it is not counted.

        `key` is the public id of the API key.
        """
        with self._lock:
            use = self._uses.setdefault(key, _Use())
            self._demand(use)
            use.running += 1
        try:
            yield
        finally:
            with self._lock:
                use.running -= 1
                self._forget()

    def _demand(self, use: _Use) -> None:
        now = self._clock()
        while use.came and use.came[0] <= now - _MINUTE_S:
            use.came.popleft()
        if use.running >= self._concurrency:
            message = f"this key has {self._concurrency} requests under way: wait for one of them"
            raise TooMany(message, retry_after_s=1)
        if len(use.came) >= self._per_minute:
            message = f"this key has asked {self._per_minute} times within a minute: slow down"
            raise TooMany(message, retry_after_s=max(1, math.ceil(use.came[0] + _MINUTE_S - now)))
        use.came.append(now)

    def _forget(self) -> None:
        """Keys that ask nothing take no room."""
        before = self._clock() - _MINUTE_S
        if len(self._uses) > 1024:
            idle = [(key, use.came) for key, use in self._uses.items() if not use.running]
            for key in [key for key, came in idle if not came or came[-1] <= before]:
                del self._uses[key]
