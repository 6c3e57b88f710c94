"""The streams of one server, and what ends them: their readers, an officer's stop, a log that cannot record.

While any runs the gate is asked again several times a second, so that a stop in another process ends it within one.
"""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final

import structlog

from auditlog.core.errors import CannotRecord
from auditlog.store import decisions as decision_store
from home.greffier import Greffier
from registry.errors import GateClosed
from registry.store import systems as register_store
from runtime.capture import Generation
from service.deciding import chat, decide, generation
from service.deciding.streaming import Live, demand_streaming, said_of

LOOK_S: Final = 0.3
RETRY_S: Final = 1.0
_THREADS: Final = 8
_CLOSING_S: Final = 10.0

logger = structlog.get_logger("greffier.streams")


class Streams:
    """The streams of one server: threads for what they record, and one that watches the gate while any run."""

    def __init__(self, g: Greffier) -> None:
        self._g = g
        self.beginning = ThreadPoolExecutor(_THREADS, thread_name_prefix="greffier-opening")
        self.recording = ThreadPoolExecutor(_THREADS, thread_name_prefix="greffier-streams")
        self._lock = threading.Lock()
        self._live: set[Live] = set()
        self._owed: list[Live] = []
        self._changed = threading.Event()
        self._closed = False
        self._thread: threading.Thread | None = None

    @property
    def stall_s(self) -> float:
        """How long a client may leave its answer unread, and how long its record may take."""
        return float(self._g.settings.stream_stall_s)

    @property
    def count(self) -> int:
        """How many run now."""
        with self._lock:
            return len(self._live)

    def begin(self, case: decide.Case, *, as_json: bool = False) -> Live:
        """Pass the gate and hand the request to the runtime. `as_json`: the whole output is sent, not what is said.

        Raises as `decide.decide`, and UsageError for a version whose answers leave whole.
        """
        g = self._g
        decide.demand_sense(g, case.subjects, case.refs, case.lang)
        decide.demand_recording(g)
        gate = decide.pass_gate(g, case.slug)
        demand_streaming(gate)
        values = decide.demand_inputs(g, gate, case.inputs)
        turn = chat.turn(g, gate, values, case.refs, case.parent)
        request = replace(decide.order(gate, case, values if turn is None else turn.values), pieces=True)
        try:
            generation.demand_build(g, gate)
            stream = g.runtime.stream(request)
        except Exception as error:
            raise generation.failed(g, gate, error) from error
        said = said_of(gate.running.manifest, as_json=as_json)
        live = Live(g, gate, case, values, turn, stream, said)
        with self._lock:
            self._live.add(live)
            if self._closed:
                live.stop("stopped")
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="greffier-gate", daemon=True)
                self._thread.start()
        self._changed.set()
        return live

    def leave(self, live: Live) -> None:
        """A stream has its end."""
        with self._lock:
            self._live.discard(live)

    def owe(self, live: Live) -> None:
        """Its end could not be recorded: it is tried again until it is, or the program ends."""
        with self._lock:
            self._owed.append(live)
        self._changed.set()

    def abandon(self, live: Live) -> None:
        """Nobody waits for this stream any more: a thread sees to its end."""
        with contextlib.suppress(RuntimeError):  # at the end of the program: `close` sees to it
            self.recording.submit(self.end, live)

    def end(self, live: Live) -> None:
        """Wait for the runtime's end of a stream that was stopped, and record it."""
        try:
            end = live.ended.result(_CLOSING_S)
            if isinstance(end, Generation):
                live.finish(end)
            else:
                live.fail(end)
        except CannotRecord:
            self.owe(live)
        except Exception as error:  # an entry says what became of it
            logger.info("ended", error=type(error).__name__)
        finally:
            self.leave(live)

    def close(self) -> None:
        """Stop what runs, and record how far it came."""
        with self._lock:
            self._closed = True
            left = list(self._live)
        for live in left:
            live.stop("stopped")
        self.beginning.shutdown(wait=True, cancel_futures=True)
        self.recording.shutdown(wait=True)
        with self._lock:
            left = list(self._live)
        for live in left:
            self.end(live)
        self._changed.set()
        if self._thread is not None:
            self._thread.join()
        self._settle()

    # The thread that watches

    def _watch(self) -> None:
        while not self._closed:
            with self._lock:
                live, owed = list(self._live), bool(self._owed)
            if not live and not owed:
                self._changed.wait()
                self._changed.clear()
                continue
            try:
                self._look(live)
                if owed:
                    self._settle()
            except Exception as error:  # a watch that ended would end no stream any more, and nobody would be told
                logger.warning("not looked", error=type(error).__name__)
            self._changed.wait(LOOK_S if live else RETRY_S)
            self._changed.clear()

    def _look(self, live: list[Live]) -> None:
        """Ask the gate again, once for each system and version; a log that cannot record stops them all."""
        if not self._g.log.state().recording:
            for one in live:
                one.stop("stopped")
            return
        for system, digest in {(one.gate.system, one.gate.manifest_digest) for one in live}:
            mine = [one for one in live if (one.gate.system, one.gate.manifest_digest) == (system, digest)]
            try:
                with self._g.reading() as conn:
                    register_store.gate_again(conn, mine[0].gate)
            except (GateClosed, CannotRecord):
                for one in mine:
                    one.stop("stopped")

    def _settle(self) -> None:
        """Record what is owed, unless the log has its decision after all: a commit's answer can be lost."""
        with self._lock:
            owed, self._owed = self._owed, []
        for live in owed:
            try:
                with self._g.reading() as conn:
                    known = decision_store.find_decision(conn, live.case.id) is not None
                if not known:
                    live.give_up(live.why or "stopped")
            except CannotRecord:
                self.owe(live)
