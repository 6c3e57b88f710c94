"""Work of low priority in the worker: self-tests, replays, explanations; in small pieces, while no request needs it."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from runtime.engine.model_cache import Shelf
from runtime.errors import Busy, RuntimeFault, Stopped
from runtime.explain.question import Explained, Surveyed
from runtime.llama import Context, Model
from runtime.shape import Shape
from runtime.verdict import Measured, Replayed

MOST = 256  # jobs that may wait
_LOOK_S = 0.005  # so long a piece waits for a model that is being loaded: then those who run get their turn
Found = Replayed | Measured | Explained | Surveyed
Done = Found | RuntimeFault


class Spare:
    """One context beside those that serve requests: kept from job to job while they ask for the same, then freed.

    `scarce`: requests wait for memory. A job that takes long lets go of its context where it loses little by that.
    """

    scarce = False

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self._key: tuple[str, Shape, int] | None = None
        self._context: Context | None = None

    def model(self, sha256: str) -> Model | None:
        """A model; None while it is being loaded. Raises ModelMissing, ModelAltered, ModelUnusable, Busy."""
        model = self.shelf.ready(sha256)
        if model is None and not self.shelf.wait(_LOOK_S):
            raise Busy("no memory is free for the model", field="model.sha256", fix="ask again later")
        return model

    def context(self, model: str, shape: Shape, outputs: int) -> Context:
        """A context of a model, with `outputs` rows of logits a batch. Raises ModelUnusable, ProgramInvalid, Busy."""
        key = (model, shape, outputs)
        if self._context is None or self._key != key:
            self.drop()
            self._context = self.shelf.open(model, shape, outputs=outputs)
            self._key = key
        return self._context

    def drop(self) -> None:
        """Frees the context, if there is one."""
        if self._context is not None:
            self.shelf.drop(self._context)
        self._context = self._key = None


class Job(Protocol):
    """Something to be run in pieces."""

    @property
    def urgent(self) -> bool:
        """Whether requests wait for it (a self-test), so that it goes before other jobs."""

    def step(self, spare: Spare) -> Found | None:
        """One piece of at most one batch; what came of it once it is complete. Raises RuntimeFault."""

    def close(self) -> None:
        """Frees what it holds, also where it was not completed. A job that is not urgent begins anew after it."""


class Background:
    """The jobs that wait, urgent ones first, then in order. One that was begun goes on before others of its sort."""

    def __init__(self, shelf: Shelf) -> None:
        self._spare = Spare(shelf)
        self._jobs: deque[tuple[str, Job]] = deque()
        self._last: Job | None = None  # whose work is in the spare context

    @property
    def busy(self) -> bool:
        """Whether `step` has anything to do."""
        return bool(self._jobs)

    @property
    def urgent(self) -> bool:
        """Whether the next job is one that requests wait for: then it gets its turn beside running requests, too."""
        return any(job.urgent for _, job in self._jobs)

    def submit(self, key: str, job: Job) -> None:
        """Queues a job; its end is told under `key`. Raises Busy where no more may wait."""
        if len(self._jobs) >= MOST:
            raise Busy("no more replays may wait", field="replay", fix="ask again once some are done")
        self._jobs.append((key, job))

    def step(self, *, scarce: bool = False) -> list[tuple[str, Done]]:
        """Runs one piece of the next job. `scarce`: requests wait for memory, which a job gives back at its end."""
        if not self._jobs:
            return []
        key, job = next((one for one in self._jobs if one[1].urgent), self._jobs[0])
        if self._last is not None and self._last is not job:
            self._last.close()  # an urgent one goes first: it empties the context, or asks for another
        self._last, self._spare.scarce = job, scarce
        try:
            done: Done | None = job.step(self._spare)
        except RuntimeFault as fault:
            self._spare.drop()  # a context whose decode failed is in an unknown state
            done = fault
        if done is None:
            return []
        self._end(key, job)
        if scarce:
            self._spare.drop()
        return [(key, done)]

    def cancel(self, key: str) -> bool:
        """Ends a job without a result; False where there is none of that key."""
        for name, job in self._jobs:
            if name == key:
                self._end(key, job)
                return True
        return False

    def stop(self) -> list[tuple[str, Done]]:
        """Ends what waits: the worker closes once requests are answered, and none of them waits for a job any more."""
        keys = [key for key, _ in self._jobs]
        self.close()
        return [(key, Stopped("the runtime was closed", fix="ask again")) for key in keys]

    def close(self) -> None:
        """Drops what waits."""
        for key, job in list(self._jobs):
            self._end(key, job)

    def _end(self, key: str, job: Job) -> None:
        self._jobs.remove((key, job))
        job.close()
        self._last = None if self._last is job else self._last
        if not self._jobs:  # idle: what a replay needed makes room for requests
            self._spare.drop()
