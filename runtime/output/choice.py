"""One choice while a request runs, as it is told to whoever watches: the engine's clock, or a replay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen at place `at` of a step's tokens; a finite answer is chosen once, at its place 0.

    `index` is the token, -1 where none was allowed; or the number of the finite answer, in the order of its texts.
    `score` gives what was compared: the score of any token or answer, under bias and noise.
    """

    step: int
    at: int
    index: int
    score: Callable[[int], float]
