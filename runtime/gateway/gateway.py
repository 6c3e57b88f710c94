"""The gateway of this process: its boot and counter, and the requests that are under way.

It is a boot of its own kind: nothing is computed here, but each decision takes a number before its first request
leaves, so that one which was asked and never recorded shows as a gap, as it does for the runtime. The `build` of its
boot is the digest of the gateway's own source files: what asked, and how the answers were read.
"""

from __future__ import annotations

import hashlib
import threading
import uuid
from collections.abc import Callable
from pathlib import Path

import httpx

from runtime.errors import NotRunning
from runtime.gateway.remote import Remote, Wire
from runtime.worker.counter import Counter, unclosed
from runtime.worker.supervisor import BootFacts


class Gateway:
    """Made with the home, begun with the first decision. Thread-safe."""

    def __init__(self, run_dir: Path, *, on_boot: Callable[[BootFacts], None] = lambda _facts: None) -> None:
        self._run_dir = run_dir.resolve()
        self._on_boot = on_boot
        self._lock = threading.Lock()
        self._counter: Counter | None = None
        self._closed = False
        self._wires: dict[str, Wire] = {}
        self._idle = threading.Condition(self._lock)
        self.remote = Remote()

    def begin(self, request_id: str) -> tuple[str, int, Wire]:
        """(boot, n) of one decision, and the wire of its requests. Whatever `on_boot` raises, nothing was begun.

        Raises NotRunning once it is closed, OSError and CounterDamaged as `Counter` does.
        """
        with self._lock:
            if self._closed:
                raise NotRunning("the gateway is closed")
            counter = self._counter or self._start()
            wire = self._wires[request_id] = Wire()
            return counter.boot, counter.rise(), wire

    def end(self, request_id: str) -> None:
        """The decision is recorded, or an entry says that it is not."""
        with self._lock:
            self._wires.pop(request_id, None)
            self._idle.notify_all()

    def cancel(self, request_id: str) -> None:
        """Cuts the connection of a decision: it then ends as stopped."""
        with self._lock:
            wire = self._wires.get(request_id)
        if wire is not None:
            wire.cut("stopped")

    def cancel_all(self) -> None:
        """Cuts whatever is under way."""
        with self._lock:
            wires = list(self._wires.values())
        for wire in wires:
            wire.cut("stopped")

    def reached(self) -> tuple[str, int] | None:
        """(boot, n) for a `pulse`; None before the first decision and after the last."""
        with self._lock:
            return None if self._counter is None else (self._counter.boot, self._counter.n)

    def close(self, *, timeout_s: float = 30.0) -> tuple[str, int] | None:
        """Lets what is under way finish, for a time, and ends the boot. Gives (boot, n) for its `close` entry."""
        with self._lock:
            self._closed = True
            if not self._idle.wait_for(lambda: not self._wires, timeout_s):
                for wire in self._wires.values():
                    wire.cut("stopped")
                self._idle.wait_for(lambda: not self._wires, 1.0)
            counter, self._counter = self._counter, None
            self.remote.close()
            if counter is None:
                return None
            ended = counter.boot, counter.n
            counter.close()
            return ended

    def _start(self) -> Counter:
        self._run_dir.mkdir(parents=True, exist_ok=True)
        counter = Counter(self._run_dir, str(uuid.uuid4()))
        left = tuple((boot, n) for boot, n in unclosed(self._run_dir) if boot != counter.boot)
        try:
            self._on_boot(BootFacts(counter.boot, f"gateway httpx {httpx.__version__}", build(), (), 1, left))
        except BaseException:
            # The next boot states it, with n = 0.
            counter.close()
            raise
        self._counter = counter
        return counter


def build() -> str:
    """`sha256:…` over the gateway's source files, each behind its length."""
    found = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        data = path.read_bytes()
        found.update(len(data).to_bytes(8, "big") + data)
    return f"sha256:{found.hexdigest()}"
