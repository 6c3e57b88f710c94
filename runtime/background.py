"""Work of low priority in the worker: self-tests and replays, a bounded piece at a time, while no request needs it."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from runtime.errors import RuntimeFault
from runtime.shelf import Shelf
from runtime.verdict import Measured, Replayed

Done = Replayed | Measured | RuntimeFault


class Job(Protocol):
    """Something to be run in pieces."""

    @property
    def urgent(self) -> bool:
        """Whether requests wait for it (a self-test), so that it goes before other jobs."""

    def step(self, shelf: Shelf) -> Replayed | Measured | None:
        """One piece of at most one batch; what came of it once it is complete. Raises RuntimeFault."""

    def close(self) -> None:
        """Frees what it holds, also where it was not completed."""


class Background:
    """The jobs that wait, urgent ones first, then in order."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._jobs: deque[tuple[str, Job]] = deque()

    @property
    def busy(self) -> bool:
        """Whether `step` has anything to do."""
        return bool(self._jobs)

    @property
    def urgent(self) -> bool:
        """Whether the next job is one that requests wait for."""
        return any(job.urgent for _, job in self._jobs)

    def submit(self, key: str, job: Job) -> None:
        """Queues a job; its end is told under `key`."""
        self._jobs.append((key, job))

    def step(self) -> list[tuple[str, Done]]:
        """Runs one piece of the next job."""
        if not self._jobs:
            return []
        key, job = next((one for one in self._jobs if one[1].urgent), self._jobs[0])
        try:
            done: Done | None = job.step(self._shelf)
        except RuntimeFault as fault:
            done = fault
        if done is None:
            return []
        self._jobs.remove((key, job))
        job.close()
        return [(key, done)]

    def close(self) -> None:
        """Drops what waits."""
        for _, job in self._jobs:
            job.close()
        self._jobs.clear()
