"""The background ticker of `serve`: the public checkpoint moves on at its pace, whether anybody asks for it or not, and
gets its time stamps.

It moves at ticks, not when something was recorded, so that an entry after a quiet night does not show its minute.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Final

import structlog
from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from home.greffier import Greffier
from service.logs import publish, timestamp

LONGEST_S: Final = 60.0
SHORTEST_S: Final = 0.2
FIRST_S: Final = 1.0

logger = structlog.get_logger("greffier.publish")


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Publish for as long as the application runs. What can be published at once is there for the first reader."""
    with publishing(app.state.greffier) as first:
        await run_in_threadpool(first.wait, FIRST_S)
        yield


@contextlib.contextmanager
def publishing(g: Greffier) -> Iterator[threading.Event]:
    """Tick on a thread of its own until the block is left; the event is set after the first tick."""
    ended, first = threading.Event(), threading.Event()
    pause = min(max(float(g.settings.publish_pace_s), SHORTEST_S), LONGEST_S)

    def tick() -> None:
        told = None
        while not ended.is_set():
            try:
                problem = publish.try_advance(g) or timestamp.try_stamp(g)
            except Exception as error:  # a ticker that ended would end publishing, and nobody would be told
                problem = f"unforeseen: {type(error).__name__}"
            if problem != told:
                told = problem
                logger.warning("not published" if problem else "published again", reason=problem)
            first.set()
            ended.wait(pause)

    thread = threading.Thread(target=tick, name="greffier-publish", daemon=True)
    thread.start()
    try:
        yield first
    finally:
        ended.set()
        thread.join(timeout=g.settings.witness_timeout_s + LONGEST_S)
