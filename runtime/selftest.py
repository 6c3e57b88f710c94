"""The start-up self-test: how exactly this model, build and device repeat a result."""

from __future__ import annotations

from pathlib import Path

from runtime.errors import RuntimeFault
from runtime.program import Program
from runtime.shelf import Shelf
from runtime.verdict import Measured


class SelfTest:
    """A job of the background."""

    urgent = True

    def __init__(self, program: Program, build: str, run_dir: Path) -> None:
        self._program, self._build, self._run_dir = program, build, run_dir

    def step(self, _shelf: Shelf) -> Measured | None:
        """One piece."""
        raise RuntimeFault("is being written", field="selftest")

    def close(self) -> None:
        """Frees nothing."""
