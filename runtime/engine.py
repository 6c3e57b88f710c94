"""The engine: requests in, generations out, one `step` at a time.

A request in progress asks for logits and is sent them (`steps.py`); `step` collects the tokens that all active requests
want decoded into one batch, and hands each its row. One request is active now (`slots`), but the loop is that of
continuous batching already, each request having a KV stream of its own.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from runtime import llama
from runtime.answers import Ask
from runtime.background import Background
from runtime.capture import Generation, Piece, Run, Usage
from runtime.counter import Counter
from runtime.energy import Meter
from runtime.errors import DeadlineExceeded, RuntimeFault, Stopped
from runtime.program import Program, Request, check_fields, check_program, check_seed, program_key
from runtime.prompt import PromptTemplate
from runtime.sampler import Row
from runtime.shelf import Shelf
from runtime.steps import Desk, Paper, Work, take_steps
from runtime.verdict import Measured, Replayed, context_digest

Result = Generation | Replayed | Measured | RuntimeFault
_PROGRAMS = 64


@dataclass(slots=True, eq=False)
class _Active:
    """A request that waits or runs; it has a number `n` once it runs."""

    request: Request
    handed_ns: int
    deadline_ns: int | None
    paper: Paper = field(default_factory=Paper)
    n: int | None = None
    context: llama.Context | None = None
    work: Work | None = None
    slot: int = 0
    waiting: list[int] = field(default_factory=list)
    started_ns: int = 0
    first_ns: int = 0
    busy_ns: int = 0
    energy: int | None = None


class Engine:
    """Runs requests on the models of a folder. `began(id, n)` comes after the counter rose, before the first decode."""

    def __init__(
        self,
        models_dir: Path,
        counter: Counter,
        *,
        meter: Meter,
        began: Callable[[str, int], None] = lambda _id, _n: None,
        said: Callable[[Piece], None] = lambda _piece: None,
        slots: int = 1,
        gpu_layers: int = 0,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._counter = counter
        self._meter = meter
        self._began = began
        self._said = said
        self._slots = slots
        self._shelf = Shelf(models_dir, gpu_layers)
        self.background = Background(self._shelf)
        self._classes: dict[tuple[str, str], str] = {}
        self._clock = clock
        self._build = llama.build_digest()
        self._programs: dict[str, tuple[PromptTemplate, ...]] = {}
        self._queue: deque[_Active] = deque()
        self._active: list[_Active] = []
        self._results: list[tuple[str, Result]] = []

    @property
    def build(self) -> str:
        """The digest of the native libraries."""
        return self._build

    @property
    def busy(self) -> bool:
        """Whether `step` has anything to do."""
        return bool(self._queue or self._active or self._results or self.background.busy)

    def submit(self, request: Request, *, handed_ns: int | None = None, deadline_ns: int | None = None) -> None:
        """Queues a request. `handed_ns` is when it was handed in, `deadline_ns` when its time is over (monotonic)."""
        now = self._clock()
        self._queue.append(_Active(request, now if handed_ns is None else min(handed_ns, now), deadline_ns))

    def cancel(self, request_id: str) -> None:
        """Ends a request with Stopped at the next step, whether it waits or runs."""
        for active in [*self._queue, *self._active]:
            if active.request.id == request_id:
                self._fail(active, Stopped("the request was stopped"))

    def load(self, sha256: str) -> None:
        """Hashes and loads a model ahead of its first request."""
        self._shelf.model(sha256)

    def step(self) -> list[tuple[str, Result]]:
        """Admits what fits, decodes one batch, and gives what is complete, with the requests' ids."""
        self._expire()
        while self._queue and len(self._active) < self._slots and self._admit(self._queue[0]):
            pass
        if self._active:
            self._decode()
        else:
            self._results += self.background.step()
        done, self._results = self._results, []
        return done

    def know(self, measured: Measured) -> None:
        """Notes the class that a self-test found, for the runs that follow."""
        self._classes[(measured.model, measured.context)] = measured.determinism

    def close(self) -> None:
        """Frees contexts and models."""
        self.background.close()
        self._shelf.close()

    # Admission

    def _admit(self, active: _Active) -> bool:
        """Checks the first in the queue, takes its number, and makes it active; False when it must wait."""
        try:
            if not self._seat(active):
                return False
            assert active.work is not None
            ask = next(active.work)  # renders and measures the first prompt; nothing is decoded yet
        except RuntimeFault as fault:
            self._fail(active, fault)
            return True
        self._queue.popleft()
        active.n = self._counter.rise()
        self._began(active.request.id, active.n)
        active.started_ns = self._clock()
        active.energy = self._meter.begin()
        self._active.append(active)
        self._prepare(active, ask)
        return True

    def _seat(self, active: _Active) -> bool:
        program = active.request.program
        templates = self._templates(program)
        check_seed(program, active.request.seed)
        values = check_fields(program, active.request.fields)
        model = self._shelf.model(program.model)
        context = self._shelf.context(program.model, program.context, in_use=bool(self._active))
        taken = {other.slot for other in self._active}
        free = [slot for slot in range(min(self._slots, program.context.n_seq_max)) if slot not in taken]
        if not free or any(other.context is not context for other in self._active):
            return False  # one batch, one context
        active.context, active.slot = context, free[0]
        desk = Desk(active.request, templates, values, model.vocabulary, context.room, lambda: self._chosen(active))
        active.work = take_steps(desk, active.paper)
        return True

    def _templates(self, program: Program) -> tuple[PromptTemplate, ...]:
        key = program_key(program)
        if key not in self._programs:
            check_program(program)
            if len(self._programs) >= _PROGRAMS:
                self._programs.clear()
            self._programs[key] = tuple(program.template(i) for i in range(len(program.steps)))
        return self._programs[key]

    # One batch

    def _decode(self) -> None:
        context = self._active[0].context
        assert context is not None
        rows: list[llama.BatchRow] = []
        shares: list[tuple[_Active, int]] = []
        for active in self._active:
            taken = active.waiting[: context.n_batch - len(rows)]
            if not taken:
                continue
            del active.waiting[: len(taken)]
            start, last = context.length(active.slot), len(taken) - 1 if not active.waiting else None
            rows += [llama.BatchRow(token, start + i, active.slot, i == last) for i, token in enumerate(taken)]
            shares.append((active, len(taken)))
        began = self._clock()
        try:
            logits = iter(context.decode(rows))
        except RuntimeFault as fault:
            self._drop(context, fault)
            return
        spent = self._clock() - began
        for active, count in shares:
            active.busy_ns += spent * count // len(rows)
            if not active.waiting:
                self._resume(active, next(logits))

    def _drop(self, context: llama.Context, fault: RuntimeFault) -> None:
        """A context whose decode failed is in an unknown state: its requests fail, and it is not used again."""
        for active in list(self._active):
            self._fail(active, type(fault)(fault.message, field=fault.field, reason=fault.reason))
        self._shelf.drop(context)

    def _prepare(self, active: _Active, ask: Ask) -> None:
        assert active.context is not None
        active.context.rewind(active.slot, ask.keep)
        active.waiting = list(ask.tokens)

    def _resume(self, active: _Active, row: Row) -> None:
        assert active.work is not None
        try:
            self._prepare(active, active.work.send(row))
        except StopIteration:
            self._leave(active)
            self._results.append((active.request.id, self._finish(active)))
        except RuntimeFault as fault:
            self._fail(active, fault)

    def _chosen(self, active: _Active) -> None:
        active.first_ns = active.first_ns or self._clock()

    # Endings

    def _expire(self) -> None:
        now = self._clock()
        for active in [*self._queue, *self._active]:
            if active.deadline_ns is not None and now >= active.deadline_ns:
                self._fail(active, DeadlineExceeded("the time for this request is over", fix="ask again later"))

    def _fail(self, active: _Active, fault: RuntimeFault) -> None:
        if active.n is not None:
            fault.boot, fault.n = self._counter.boot, active.n
        elif isinstance(fault, DeadlineExceeded | Stopped):
            # Nothing was begun: these codes of `unfinished` do not exist for `refused`.
            fault.reason = "stopped_meanwhile" if isinstance(fault, Stopped) else None
        self._leave(active)
        self._results.append((active.request.id, fault))

    def _leave(self, active: _Active) -> None:
        if active.work is not None:
            active.work.close()
        if active in self._active:
            self._active.remove(active)
            assert active.context is not None
            with contextlib.suppress(RuntimeFault):  # a context that cannot be emptied is found out at its next use
                active.context.rewind(active.slot, 0)
        elif active in self._queue:
            self._queue.remove(active)

    def _finish(self, active: _Active) -> Generation:
        request, paper = active.request, active.paper
        assert active.n is not None
        assert active.context is not None
        energy = self._meter.end(active.energy, busy_ns=active.busy_ns, watts=request.watts)
        usage = Usage(
            prompt_tokens=sum(map(len, paper.prompts)),
            output_tokens=sum(map(len, paper.tokens)),
            queue_us=(active.started_ns - active.handed_ns) // 1000,
            first_us=(active.first_ns - active.handed_ns) // 1000,
            total_us=(self._clock() - active.handed_ns) // 1000,
            energy_uj=energy.microjoules,
            energy_method=energy.method,
        )
        run = Run(
            prompt_tokens=tuple(paper.prompts),
            output_tokens=tuple(paper.tokens),
            logprobs=tuple(paper.logprobs),
            alternatives=paper.alternatives,
            seed=request.seed,
            sampler=request.program.sampler.code,
            threads=active.context.threads,
            build=self._build,
            model=request.program.model,
            slot=active.slot,
            determinism=self._classes.get(
                (request.program.model, context_digest(request.program.context)), "not_measured"
            ),
            max_tokens=request.max_tokens,
            stop=request.stop,
        )
        output = dict(paper.output)
        return Generation(request.id, self._counter.boot, active.n, output, paper.outcome, paper.finish, usage, run)
