"""Finite answers: the exact probability of each text, and the choice among them.

The texts form a trie of tokens. At each of its inner nodes the model is asked once, with the tokens of the path
forced, and log-softmax over the whole vocabulary is added up along each answer. Nothing is renormalised: what the
model would rather have said keeps its share, so the recorded log-probabilities mean the same for every set of answers.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from runtime.sampler import Draw, Logits, Row, Scores

Tokens = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Ask:
    """What a generation wants next: keep so many tokens of its sequence, append these, give the last one's logits."""

    keep: int
    tokens: Tokens


@dataclass(frozen=True, slots=True)
class Answers:
    """A prompt and the tokens of each answer that may follow it."""

    prompt: Tokens
    continuations: tuple[Tokens, ...]

    @property
    def longest(self) -> int:
        """Tokens that the sequence must hold at most: the last token of an answer is never decoded."""
        return len(self.prompt) + max(len(tokens) for tokens in self.continuations) - 1


def split(prompt: Tokens, whole: Sequence[Tokens]) -> Answers:
    """Answers from the tokens of the prompt alone and of prompt and answer together.

    A tokenizer may merge the prompt's last characters with the answer's first ("is " + "good" → "is", " good"): the
    prompt then ends where all agree, and each answer begins there.
    """
    shared = min(common(prompt, tokens) for tokens in whole)
    return Answers(prompt[:shared], tuple(tokens[shared:] for tokens in whole))


def common(one: Tokens, other: Tokens) -> int:
    """The length of the common beginning."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


@dataclass(frozen=True, slots=True)
class Weighed:
    """For each answer the log-probability of each of its tokens; and the rows themselves, where they were kept."""

    logprobs: list[list[float]]
    rows: Mapping[Tokens, Logits]


def weigh(answers: Answers, *, keep: bool = False) -> Generator[Ask, Logits, Weighed]:
    """Asks for the inner nodes of the trie, depth first; `keep` the row of each, by the path that leads there."""
    weighed = Weighed([[] for _ in answers.continuations], rows := {})
    inner: dict[Tokens, list[tuple[list[float], int]]] = {}
    for logprobs, tokens in zip(weighed.logprobs, answers.continuations, strict=True):
        for at, token in enumerate(tokens):
            inner.setdefault(tokens[:at], []).append((logprobs, token))
    for path, ask in _asks(answers.prompt, sorted(inner)):
        logits = yield ask
        if keep:  # a copy: the row that is sent is gone with the next one
            rows[path] = logits._replace(row=logits.row.copy())
        for logprobs, token in inner[path]:
            logprobs.append(logits.logprob(token))
    return weighed


def _asks(prompt: Tokens, paths: Sequence[Tokens]) -> list[tuple[Tokens, Ask]]:
    """What is asked for along paths in their order, each from where it leaves the one before."""
    asks: list[tuple[Tokens, Ask]] = []
    now: Tokens = ()
    for path in paths:
        shared = common(now, path)
        asks.append((path, Ask(len(prompt) + shared, path[shared:]) if path else Ask(0, prompt)))
        now = path
    return asks


def weights(totals: Sequence[float], biases: Sequence[int], draw: Draw, position: int) -> Row | Scores:
    """What is compared: each answer's log-probability and bias (milli-nats), under the sampler."""
    scores = np.array([total + bias / 1000 for total, bias in zip(totals, biases, strict=True)], dtype=np.float64)
    return draw.scores(scores, position)
