"""The engine: requests in, generations out, one `step` at a time.

A request in progress asks for logits and is sent them (`steps.py`). Each step decodes one batch of one context, in
which every request there has its rows, each in a KV stream of its own; contexts take turns. Python does nothing while
llama.cpp decodes but hash the rows of the step before.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from runtime import llama
from runtime.capture import Generation, Piece
from runtime.energy import Meter
from runtime.engine.admission import Admission
from runtime.engine.background import Background, Done
from runtime.engine.gauges import figures, in_line
from runtime.engine.hashing import Hasher
from runtime.engine.model_cache import Budget, Shelf
from runtime.engine.queue import Waiting
from runtime.engine.request import Running
from runtime.engine.sequences import Seats
from runtime.engine.sharing import Claim, share_batch
from runtime.engine.usage import Account, shares
from runtime.errors import (
    ContextFull,
    DeadlineExceeded,
    ModelAltered,
    ModelMissing,
    ModelUnusable,
    RuntimeFault,
    Stopped,
)
from runtime.output.choice import Choice
from runtime.program import Request
from runtime.sampler import Logits, block_logits
from runtime.verdict import Measured, context_digest
from runtime.worker.counter import Counter

Result = Generation | Done
_IDLE_S = 0.02  # between two looks at a model that is being loaded


class Engine:
    """Runs requests on the models of a folder. `began(id, n)` comes after the counter rose, before the first decode.

    `said`: pieces of answers that are told as they grow. `slots`: the most requests at once in one context, `queue`:
    how many may wait, `budget`: bytes for models and contexts. `progress(sha256, permille)` is told while a model is
    loaded, in another thread.
    """

    def __init__(
        self,
        models_dir: Path,
        counter: Counter,
        *,
        meter: Meter,
        began: Callable[[str, int], None] = lambda _id, _n: None,
        said: Callable[[Piece], None] = lambda _piece: None,
        progress: Callable[[str, int], None] = lambda _sha256, _permille: None,
        slots: int | None = None,
        queue: int = 256,
        budget: Budget | None = None,
        gpu_layers: int = 0,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._counter = counter
        self._meter = meter
        self._began = began
        self._said = said
        self._clock = clock
        self._born_ns = clock()
        self._shelf = Shelf(models_dir, gpu_layers, budget=budget, said=progress)
        self._shelf.in_use = lambda: {one.seats.context for one in self._running if one.seats is not None}
        self._admission = Admission(self._shelf, slots, clock)
        self.background = Background(self._shelf)
        self._hasher = Hasher()
        self._classes: dict[tuple[str, str], str] = {}
        self.build = llama.build_digest()
        self.device = llama.device_name(gpu_layers)
        self._account = Account(self.device)
        self._reused = 0
        self._reading: int | None = None
        self._queue: Waiting[Running] = Waiting(queue)
        self._running: list[Running] = []
        self._results: list[tuple[str, Result]] = []

    @property
    def busy(self) -> bool:
        """Whether `step` has anything to do."""
        return bool(self._queue or self._running or self._results or self.background.busy)

    def submit(self, request: Request, *, handed_ns: int | None = None, deadline_ns: int | None = None) -> None:
        """Queues a request. `handed_ns` is when it was handed in, `deadline_ns` when its time is over (monotonic).

        Raises Busy where no more may wait.
        """
        now = self._clock()
        running = Running(request, now if handed_ns is None else min(handed_ns, now), deadline_ns)
        self._queue.add(running.program, running)

    def cancel(self, request_id: str) -> None:
        """Ends a request with Stopped at the next step, whether it waits or runs; or a job of the background."""
        if self.background.cancel(request_id):
            self._results.append((request_id, Stopped("the job was stopped")))
        for one in [*self._queue, *self._running]:
            if one.request.id == request_id:
                self._fail(one, Stopped("the request was stopped"))

    def load(self, sha256: str) -> None:
        """Hashes and loads a model ahead of its first request."""
        self._shelf.model(sha256)

    def step(self) -> list[tuple[str, Result]]:
        """Admits what fits, decodes one batch, and gives what is complete, with the requests' ids."""
        self._expire()
        self._admit()
        if self._running and (seats := self._running[0].seats) is not None:
            self._decode(seats)
        else:
            self._reading = None
        if not self._running or self.background.urgent:
            self._results += self.background.step(scarce=any(one.blocked_ns for one in self._queue))
        nothing = self._queue and not self._running and not self._results and not self.background.busy
        if nothing and not self._shelf.wait(_IDLE_S):
            time.sleep(_IDLE_S)
        done, self._results = self._results, []
        return done

    def know(self, measured: Measured) -> None:
        """Notes the class that a self-test found, for the runs that follow."""
        self._classes[(measured.model, measured.context)] = measured.determinism

    def stats(self) -> dict[str, Any]:
        """What is there and what was done since the start: see `figures`."""
        now = self._clock()
        return {
            "device": self.device,
            "uptime_ns": now - self._born_ns,
            "queue": in_line(self._queue, now),
            "active": len(self._running),
            "reused_tokens": self._reused,
            **figures(self._shelf, self._admission.seats(), self.device),
            "devices": [self._account.figures()],
        }

    def close(self) -> None:
        """Frees contexts and models."""
        self.background.close()
        self._hasher.close()
        self._shelf.close()

    # Admission

    def _admit(self) -> None:
        again = bool(self._queue)
        while again:
            again = sum(map(self._place, self._admission.turns(self._queue.turns()))) > 0

    def _place(self, one: Running) -> bool:
        """Takes a request's number and a seat for it; False when it must wait."""

        def chosen(_: Choice) -> None:
            one.first_ns = one.first_ns or self._clock()

        try:
            ask = self._admission.place(one, chosen, self._said if one.request.pieces else None)
        except (ModelMissing, ModelAltered, ModelUnusable) as fault:
            self._fail_all([other for other in self._queue if other.program == one.program], fault)
            return True
        except RuntimeFault as fault:
            self._fail(one, fault)
            return True
        if ask is None:
            return False
        self._queue.take(one.program, one)
        one.n = self._counter.rise()
        self._began(one.request.id, one.n)
        one.started_ns = self._clock()
        self._running.append(one)
        try:
            one.prepare(ask)
        except RuntimeFault as fault:
            self._fail(one, fault)
        return True

    # One batch

    def _decode(self, seats: Seats) -> None:
        """One batch of the context whose turn it is; those in it go behind the others."""
        if self._reading is None:
            self._reading = self._meter.begin()
        here = [one for one in self._running if one.seats is seats]
        others = [one for one in self._running if one.seats is not seats]
        self._running = [*others, *here]
        try:
            ready = [one for at, one in enumerate(here) if one.writing or not one.follows(here[:at])]
        except RuntimeFault as fault:
            self._drop(seats, fault)
            return
        given = share_batch([Claim(len(one.waiting), one.writing) for one in ready], seats.context.n_batch)
        batch = [(one, count) for one, count in zip(ready, given, strict=True) if count]
        # llama.cpp decodes at once what stands in the order of sequences without gaps, and the rest one after another.
        self._try(seats, sorted(batch, key=lambda pair: pair[0].place))

    def _try(self, seats: Seats, batch: Sequence[tuple[Running, int]]) -> None:
        """Decodes; where the cache is full, without what nobody needs, then in halves, and what fits not even alone
        fails for itself."""
        if not batch:  # the context broke under those before
            return
        try:
            self._run(seats, batch)
        except ContextFull as fault:
            half = len(batch) // 2
            if seats.forget():
                self._try(seats, batch)
            elif half:
                self._try(seats, batch[:half])
                self._try(seats, [pair for pair in batch[half:] if pair[0].seat is not None])
            elif batch[0][1] > 1:
                self._try(seats, [(batch[0][0], batch[0][1] // 2)])
            else:
                self._fail(batch[0][0], fault)
        except RuntimeFault as fault:
            self._drop(seats, fault)

    def _run(self, seats: Seats, batch: Sequence[tuple[Running, int]]) -> None:
        parts = [one.part(count) for one, count in batch]
        self._hasher.start()
        began = self._clock()
        block = seats.context.run(parts)
        spent = self._clock() - began
        self._charge(batch, spent)
        for one, count in batch:
            one.decoded(count, len(batch))
        for at, one in enumerate(here := [one for one in self._running if one.seats is seats]):
            if one.following:  # before the one that read the head goes on to another prompt
                one.follows(here[:at])
        ready = [one for one, _ in batch if not one.waiting]
        if ready and ready[0].request.program.context.reproducible:
            # A copy: the next decode writes over the rows while they are hashed.
            block, digests = self._hasher.keep(block)
            for index, one in enumerate(ready):
                one.trail.add(len(one.paper.prompts), digests, index)
        for one, row in zip(ready, block_logits(block), strict=True):
            self._resume(one, row)

    def _charge(self, batch: Sequence[tuple[Running, int]], spent_ns: int) -> None:
        """Divides time and energy of a step by rows."""
        counts = [count for _, count in batch]
        self._account.step(spent_ns, sum(counts), len(batch))
        used, self._reading = self._meter.lap(self._reading)
        for (one, _), ns in zip(batch, shares(spent_ns, counts), strict=True):
            one.busy_ns += ns
        if used is None:
            for one, _ in batch:
                one.energy_uj = None
            return
        for (one, _), energy in zip(batch, shares(used, counts), strict=True):
            one.energy_uj = None if one.energy_uj is None else one.energy_uj + energy

    def _resume(self, one: Running, row: Logits) -> None:
        assert one.work is not None
        try:
            one.prepare(one.work.send(row))
        except StopIteration:
            self._results.append((one.request.id, self._finish(one)))
        except RuntimeFault as fault:
            self._fail(one, fault)

    # Endings

    def _drop(self, seats: Seats, fault: RuntimeFault) -> None:
        """A context whose decode failed is in an unknown state: its requests fail, and it is not used again."""
        self._fail_all([one for one in self._running if one.seats is seats], fault)
        self._shelf.drop(seats.context)

    def _fail_all(self, many: Sequence[Running], fault: RuntimeFault) -> None:
        for one in many:
            self._fail(one, type(fault)(fault.message, field=fault.field, fix=fault.fix, reason=fault.reason))

    def _expire(self) -> None:
        now = self._clock()
        for one in [*self._queue, *self._running]:
            if one.deadline_ns is not None and now >= one.deadline_ns:
                self._fail(one, DeadlineExceeded("the time for this request is over", fix="ask again later"))

    def _fail(self, one: Running, fault: RuntimeFault) -> None:
        if one.n is not None:
            fault.boot, fault.n = self._counter.boot, one.n
        elif isinstance(fault, DeadlineExceeded | Stopped):
            # Nothing was begun: these codes of `unfinished` do not exist for `refused`.
            fault.reason = "stopped_meanwhile" if isinstance(fault, Stopped) else None
        self._leave(one)
        self._results.append((one.request.id, fault))

    def _leave(self, one: Running) -> None:
        if one in self._running:
            self._running.remove(one)
        else:
            self._queue.remove(one.program, one)
        self._reused += one.reused
        with contextlib.suppress(RuntimeFault):  # a context that cannot be emptied is found out at its next use
            one.leave()

    def _finish(self, one: Running) -> Generation:
        self._leave(one)
        energy = self._meter.share(one.energy_uj, busy_ns=one.busy_ns, watts=one.request.watts)
        usage = one.usage(self._clock(), energy)
        self._account.finish(usage)
        program = one.request.program
        determinism = self._classes.get((program.model, context_digest(program.context)), "not_measured")
        return one.generation(self._counter.boot, self.build, determinism, usage)
