"""The threads in which decisions wait for the model: pages and everything else have others, and stay quick."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

import anyio
import anyio.to_thread
from fastapi import Request

from runtime.errors import Busy

T = TypeVar("T")

# More than may wait in the runtime (256) and be recorded at once: the runtime says first that it has enough.
DECISIONS: Final = 320


def decision_threads() -> anyio.CapacityLimiter:
    """The pool of one application."""
    return anyio.CapacityLimiter(DECISIONS)


async def in_decision_thread(request: Request, work: Callable[[], T]) -> T:
    """Run `work` in a thread of that pool. Raises Busy where all are taken: who waited there would wait for long."""
    limiter: anyio.CapacityLimiter = request.app.state.decision_threads
    if limiter.available_tokens < 1:
        raise Busy("more requests wait here than can be answered in time", fix="ask again in a moment")
    return await anyio.to_thread.run_sync(work, limiter=limiter)
