"""What a caller may choose for one run beyond the input: within what the version allows, and a fact of the record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from runtime.capture import Piece


@dataclass(frozen=True, slots=True)
class RunOptions:
    """`seed` takes the place of a random one where the version draws. `max_tokens` and `stop` end the last text sooner.

    `told` hears of the answer as it grows, before it is recorded: it may keep what it hears, never pass it on. Each
    token then comes with its `top` likeliest alternatives.
    """

    seed: str | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    top: int = 0
    told: Callable[[Piece], None] | None = None


NO_OPTIONS = RunOptions()
