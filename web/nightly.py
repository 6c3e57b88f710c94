"""Beside the server: its models are loaded and measured at the start, and each night past decisions are run again."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from datetime import date
from typing import Final

import structlog

from auditlog.core.errors import AuditLogError, CannotRecord
from home.errors import Unfinished
from home.greffier import Greffier
from runtime.errors import RuntimeFault, WorkerLost
from runtime.verdict import Replayed
from service.deciding import boots, preload
from service.replaying import sample

LOOK_S: Final = 60.0
# Replays run while no request needs the device: for so long one waits for that.
PATIENCE_S: Final = 3_600.0
_STEP_S: Final = 0.5

logger = structlog.get_logger("greffier.nightly")


@contextlib.contextmanager
def replaying(g: Greffier, look_s: float = LOOK_S) -> Iterator[None]:
    """Warm up, then run the day's replays once a day (UTC), beside the block. Its end stops what has not begun."""
    night = Night(g)
    thread = threading.Thread(target=night.run, args=(look_s,), name="greffier-nightly", daemon=True)
    thread.start()
    try:
        yield
    finally:
        night.ended.set()
        thread.join()


class Night:
    """The thread's state."""

    def __init__(self, g: Greffier) -> None:
        self.g = g
        self.ended = threading.Event()
        self.day: date | None = None

    def run(self, look_s: float) -> None:
        """Until the server ends."""
        self._warm_up()
        while not self.ended.is_set():
            try:
                self.once()
            except CannotRecord as error:
                logger.warning("no replays", cause=error.cause)
            except AuditLogError as error:
                # Errors name fields and fixes, never what a record holds.
                logger.warning("no replays", error=str(error))
            self.ended.wait(look_s)

    def once(self) -> None:
        """The day's replays, where they were not made. Raises CannotRecord: then they are tried again."""
        today = self.g.clock().date()
        if today == self.day or self.g.problem is not None:
            return
        made = sample.nightly(self.g, today, self._wait, running=lambda: not self.ended.is_set())
        for one in made:
            if one.verdict == "mismatch":
                logger.error("a decision came out otherwise when it was run again", system=one.system, replay=one.id)
        if not self.ended.is_set():
            self.day = today

    def _warm_up(self) -> None:
        """A first request should find its model loaded and measured."""
        g = self.g
        if not g.settings.self_test or g.problem is not None:
            return
        try:
            if preload.running(g):
                g.runtime.start()
        except WorkerLost as lost:
            with contextlib.suppress(CannotRecord):
                boots.lost(g, lost)
        except (CannotRecord, RuntimeFault, OSError) as error:
            # The first request tries again, and is told.
            logger.warning("models were not loaded at the start", error=type(error).__name__)

    def _wait(self, future: Future[Replayed]) -> Replayed:
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end and not self.ended.is_set():
            with contextlib.suppress(TimeoutError):
                return future.result(timeout=_STEP_S)
        raise Unfinished("the device was busy all the time", reason="deadline")
