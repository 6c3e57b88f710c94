"""The runtime of the attacks: numbers from the real counter, ready answers instead of a model.

Who patches the runtime can do just that. So it serves two ends: the scene's honest decisions need no model, and the
attacks on the counter are those that such an operator could carry out.
"""

from __future__ import annotations

import struct
import uuid
from concurrent.futures import Future
from typing import TYPE_CHECKING

from runtime.capture import Generation, Run, Usage
from runtime.worker.counter import Counter, unclosed
from runtime.worker.supervisor import BootFacts, Supervisor
from service.deciding import boots

if TYPE_CHECKING:
    from home.greffier import Greffier
    from runtime.program import Request

BUILD = "llama-cpp-python 0.3.36"
_ANSWER = {"result": "payment", "reply": "You can pay in ten parts by direct debit."}


def model_bytes() -> bytes:
    """A GGUF file (version 3) without a single tensor: what the register wants of a model is its header."""
    name, value = b"general.name", b"no model at all"
    pair = struct.pack("<Q", len(name)) + name + struct.pack("<IQ", 8, len(value)) + value
    return b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + pair + bytes(64)


class Clerk(Supervisor):
    """Boots, counts and answers as the supervisor does, but in this process and by heart."""

    def __init__(self, g: Greffier) -> None:
        self._run_dir = g.home / "run"
        super().__init__(g.home / "models", self._run_dir)
        self._g = g
        self._counter: Counter | None = None
        self._booted: BootFacts | None = None

    @property
    def boot(self) -> BootFacts | None:
        return self._booted

    def start(self) -> BootFacts:
        if self._booted is None:
            self._counter = Counter(self._run_dir, str(uuid.uuid4()))
            facts = BootFacts(
                self._counter.boot, BUILD, f"sha256:{'0' * 64}", ("AVX2",), 2, tuple(unclosed(self._run_dir))
            )
            boots.record(self._g, facts)
            self._booted = facts
        return self._booted

    def generate(self, request: Request, *, deadline_s: float | None = None) -> Future[Generation]:
        del deadline_s
        boot = self.start().boot
        done: Future[Generation] = Future()
        done.set_result(_generation(request, boot, self.skip()))
        return done

    def generate_secretly(self, request: Request) -> Generation:
        """As a patched runtime would: the answer is there, and the counter stands where it stood."""
        boot = self.start().boot
        return _generation(request, boot, (self.reached() or ("", 0))[1])

    def skip(self) -> int:
        """The next number, for somebody who computes elsewhere."""
        assert self._counter is not None
        return self._counter.rise()

    def reached(self) -> tuple[str, int] | None:
        return None if self._counter is None or self._booted is None else (self._booted.boot, self._counter.n)

    def close(self, *, timeout_s: float = 30.0) -> tuple[str, int] | None:
        del timeout_s
        ended = self.reached()
        self.kill()
        return ended

    def kill(self) -> None:
        """End as a killed worker does: no `close` entry will tell of it, the counter file stays."""
        if self._counter is not None:
            self._counter.close()
        self._counter = self._booted = None


def _generation(request: Request, boot: str, n: int) -> Generation:
    usage = Usage(64, 12, 100, 2_000, 40_000, None, "not_measured")
    run = Run(((1, 2),), ((3, 4),), ((-5, -6),), {"pay": -5}, None, "greedy", 2, BUILD, request.program.model, 0)
    return Generation(request.id, boot, n, _ANSWER, "pay", "stop", usage, run)
