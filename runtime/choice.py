"""What a step of a request is told to have chosen, as it happens: for the clock of the first token, and for pieces."""

from __future__ import annotations

from dataclasses import dataclass

from runtime.answers import Tokens
from runtime.sampler import Row


@dataclass(frozen=True, slots=True)
class Choice:
    """One token of a text, or the whole of a finite answer.

    `output` is the member that it fills, `data` the bytes by which its text has grown (none for a token that ends it),
    `logprobs` in nats, `row` the logits that one token was chosen from. `done`: the step is complete with it.
    """

    output: str
    tokens: Tokens
    logprobs: tuple[float, ...]
    data: bytes
    row: Row | None = None
    done: bool = False
