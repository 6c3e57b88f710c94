"""Serving: one uvicorn process with an hourly pulse beside it (DESIGN §5.1 `pulse`)."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from collections.abc import Iterator
from datetime import date
from types import FrameType
from typing import Final

import structlog
import uvicorn

from auditlog.core.errors import CannotRecord
from home.errors import UsageError
from home.greffier import Greffier
from service.deciding import boots
from service.keeping import daily
from service.logs import start
from web import create_app, nightly

PULSE_S: Final = 3_600.0
# `/health` keeps traffic away during an outage, so nobody may ask for a decision: the server tries by itself.
RETRY_S: Final = 15.0
# Of a server that was told to end: for decisions that are being made, and then for all that is still being answered.
GRACE_S: Final = 3.0
END_S: Final = 30

logger = structlog.get_logger("greffier.pulse")


def serve(g: Greffier, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT, and return, so that whoever opened the home can close it and record that."""
    with ending_by_signal(), pulsing(g, PULSE_S, RETRY_S), nightly.replaying(g):
        server = Server(config(g), g)
        try:
            server.run(sockets=[listener])
        finally:
            server.ended.set()


class Server(uvicorn.Server):
    """One that, told to end, lets what is being decided go on for a little, and then stops it: the log says so."""

    def __init__(self, config: uvicorn.Config, g: Greffier) -> None:
        super().__init__(config)
        self.ended = threading.Event()
        self._g = g

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """What a signal does."""
        super().handle_exit(sig, frame)
        threading.Thread(target=self._end_decisions, name="greffier-ending", daemon=True).start()

    def _end_decisions(self) -> None:
        self.ended.wait(GRACE_S)
        self._g.ending = True
        while not self.ended.is_set():
            self._g.runtime.cancel_all()
            self._g.gateway.cancel_all()
            self.ended.wait(0.5)


@contextlib.contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket at this address, had before anything is started or said. Raises UsageError where it cannot be had."""
    if not host:  # which would mean: at every address of this machine
        raise UsageError("must name an address, such as 127.0.0.1", field="--host")
    with contextlib.ExitStack() as stack:
        try:
            listener = stack.enter_context(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
        except (OSError, UnicodeError) as error:
            reason = f" ({error.strerror})" if isinstance(error, OSError) and error.strerror else ""
            raise UsageError(
                f"cannot be listened on{reason}: name another address or port", field="--host, --port"
            ) from None
        yield listener


def config(g: Greffier, host: str = "127.0.0.1", port: int = 0) -> uvicorn.Config:
    """How uvicorn runs: no access log, since addresses hold record ids, and no trust in forwarded addresses."""
    return uvicorn.Config(
        create_app(g),
        host=host,
        port=port,
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        lifespan="on",
        ws="none",
        timeout_graceful_shutdown=END_S,
    )


@contextlib.contextmanager
def ending_by_signal() -> Iterator[None]:
    """Leave the block when a signal ends the server.

    uvicorn stops and then raises the signal again; with the system's own handler SIGTERM would end the process there,
    and the boot would stay unclosed in the log.
    """

    def leave(*_: object) -> None:
        raise SystemExit(0)

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        with contextlib.suppress(SystemExit):
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def pulsing(g: Greffier, seconds: float, retry_s: float = RETRY_S) -> Iterator[None]:
    """Record a pulse at once and then at the interval; one that cannot be recorded is tried again sooner.

    The first one after an outage says `recovered`.
    """
    ended = threading.Event()

    def beat() -> None:
        failed = False
        day: date | None = None
        while True:
            try:
                failed = failed or g.problem is not None
                if g.problem is not None:
                    start.recover(g)
                boots.pulse(g, recovered=failed)
                failed = False
                day = daily.run(g, day)
            except CannotRecord as error:
                # The log's own state says so on every page; the outage is recorded when it can be.
                failed = failed or error.cause != "busy"
                logger.warning("no pulse", cause=error.cause)
                pause = min(seconds, retry_s)
            else:
                pause = seconds
            if ended.wait(pause):
                return

    thread = threading.Thread(target=beat, name="greffier-pulse", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
