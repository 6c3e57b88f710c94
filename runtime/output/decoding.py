"""Text token by token: the choice among what its form allows, until it ends or is cut.

The best candidate is tried first, then a few more, and the whole vocabulary only if none of them is allowed: exactly
the choice of a full mask at a fraction of its cost, since candidates are tried in the order of their scores.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Protocol

import numpy as np

from runtime.capture import TokenText
from runtime.output.answers import Ask, Tokens
from runtime.output.choice import Choice
from runtime.output.streaming import Telling, before_stop, likeliest, token_text
from runtime.sampler import Draw, Logits, Row, Scores, best, top

if TYPE_CHECKING:
    from runtime.llama import Grammar, Vocabulary

# How many candidates are tried before all are: asking the grammar about many costs 10 µs, and 0.1 µs a candidate.
FIRST = (1, 32)
STOP, TAKE, REFUSE, CUT = "stop", "take", "refuse", "length"


class Form(Protocol):
    """What may be written: one line of text, or a JSON value."""

    strips: ClassVar[bool]

    @property
    def ends_itself(self) -> bool:
        """Whether a complete text is the end: nothing could follow, and the model is not asked for an end."""

    @property
    def grammar(self) -> Grammar:
        """The state of the grammar; it moves on with each token."""

    @property
    def vocabulary(self) -> Vocabulary:
        """The tokens."""

    def judge(self, token: int, data: bytes, /, *, fits: bool, may_end: bool) -> str:
        """What a candidate after `data` would be: the end, more of the text, too much of it, or not allowed.

        `fits`: the grammar takes it. `may_end`: the text may end here; of weight only for tokens that end a text.
        """


@dataclass(slots=True)
class Written:
    """Tokens with their log-probabilities, the ending token included; `finish` is stop, length or invalid.

    `told` is the text before a stop sequence of the request, where one was written.
    """

    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    data: bytes = b""
    finish: str = "stop"
    told: str | None = None

    @property
    def whole(self) -> str:
        """All that was written, an incomplete last character dropped, up to a stop sequence."""
        return self.data.decode("utf-8", "ignore") if self.told is None else self.told


@dataclass(frozen=True, slots=True)
class Pen:
    """How one step is written. `position` counts the request's draws before it; `chosen` is told of each choice.

    `telling` tells the text as it grows, each token with its `top` likeliest alternatives.
    """

    step: int
    draw: Draw
    position: int
    max_tokens: int
    stop: tuple[str, ...]
    chosen: Callable[[Choice], int | None]
    telling: Telling | None = None
    top: int = 0


def write(form: Form, prompt: Tokens, pen: Pen) -> Generator[Ask, Logits, Written]:
    """Writes what the form allows after the prompt."""
    written = Written()
    ask = Ask(0, prompt)
    while True:
        logits = yield ask
        last, verdict = _pick(form, written, logits, pen)
        if verdict in (CUT, REFUSE):
            written.finish = "length" if verdict == CUT else "invalid"
            break
        written.tokens.append(last)
        written.logprobs.append(logits.logprob(last))
        if verdict == STOP:
            break
        form.grammar.accept(last)
        written.data += form.vocabulary.piece(last)
        if _ended(form, written, pen):
            break
        if pen.telling is not None:
            pen.telling.token(_token(form, written, pen, logits))
        ask = Ask(len(prompt) + len(written.tokens) - 1, (last,))
    if pen.telling is not None:
        pen.telling.end(written.whole, _token(form, written, pen, logits) if verdict == TAKE else None)
    return written


def _may_end(form: Form) -> bool:
    end = next(iter(form.vocabulary.ends), None)
    return end is not None and form.grammar.allows(end)


def _ended(form: Form, written: Written, pen: Pen) -> bool:
    """Whether the text is over with the token just taken: a stop sequence, nothing more can follow, or its limit."""
    written.told = before_stop(written.whole, pen.stop) if pen.stop else None
    if written.told is not None or (form.ends_itself and _may_end(form)):
        return True
    if len(written.tokens) >= pen.max_tokens:
        written.finish = "length"
        return True
    return False


def _pick(form: Form, written: Written, logits: Logits, pen: Pen) -> tuple[int, str]:
    """The best candidate that is allowed and its verdict, or the token that `chosen` puts in its place."""
    scores = pen.draw.scores(logits.row, pen.position + len(written.tokens))
    first = logits.best if scores is logits.row else best(scores)
    own, verdict = _best(form, written.data, scores, first)
    choice = Choice(pen.step, len(written.tokens), own, lambda index: float(scores[index]))
    other = pen.chosen(choice)
    if other is None or other == own:
        return own, verdict
    return other, _judge(form, written.data, other, fits=form.grammar.allows(other))


def _best(form: Form, data: bytes, scores: Row | Scores, first: int) -> tuple[int, str]:
    candidates: list[int] = []
    for count in FIRST:
        candidates, done = [first] if count == 1 else top(scores, count), len(candidates)
        found = _first(form, data, candidates[done:])
        if found is not None:
            return found
    ids = form.vocabulary.lexicon.possible(form.grammar.allowed)
    fits = np.asarray(form.grammar.allowed(ids.tolist()))
    fits[: len(form.vocabulary.lexicon.enders)] = True  # these the form judges
    ids = ids[fits]
    return _first(form, data, ids[np.lexsort((ids, -scores[ids]))].tolist()) or (-1, REFUSE)


def _first(form: Form, data: bytes, candidates: list[int]) -> tuple[int, str] | None:
    """The first candidate that is not refused, with its verdict."""
    for token, fits in zip(candidates, form.grammar.allowed(candidates), strict=True):
        verdict = _judge(form, data, token, fits=fits)
        if verdict != REFUSE:
            return token, verdict
    return None


def _judge(form: Form, data: bytes, token: int, *, fits: bool) -> str:
    """What the form says; whether the text may end is a question to the grammar, asked for tokens that would end it."""
    return form.judge(token, data, fits=fits, may_end=form.vocabulary.breaks(token) and _may_end(form))


def _token(form: Form, written: Written, pen: Pen, logits: Logits) -> TokenText:
    alternatives = likeliest(form.vocabulary, logits, pen.top)
    return token_text(form.vocabulary, written.tokens[-1], written.logprobs[-1], alternatives)
