"""Free text: one line, constrained by the grammar of its schema, until the model ends it.

Written without quotes, as the model was trained to write. A newline or an end token ends it; a text that reaches
`max_tokens` or `maxLength` first is cut, and says so (`length`). The best candidates are tried first and the whole
vocabulary only if none of them is allowed, which gives exactly the choice of a full mask at a fraction of its cost.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.answers import Ask, Tokens
from runtime.sampler import Draw, Row, Scores, log_sum_exp, top

if TYPE_CHECKING:
    from runtime.llama import Grammar, Vocabulary

_FIRST = 32
_STOP, _TAKE, _REFUSE, _CUT = "stop", "take", "refuse", "length"


@dataclass(slots=True)
class Written:
    """Tokens with their log-probabilities, the ending token included; `finish` is stop, length or invalid."""

    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    data: bytes = b""
    finish: str = "stop"

    @property
    def text(self) -> str:
        """The line without the spaces around it; an incomplete last character is dropped."""
        return self.data.decode("utf-8", "ignore").strip()


@dataclass(frozen=True, slots=True)
class Line:
    """What may be written: grammar state, vocabulary and the limits of the schema (characters) and step (tokens)."""

    grammar: Grammar
    vocabulary: Vocabulary
    schema: Mapping[str, Any]
    max_tokens: int

    def judge(self, token: int, data: bytes, *, fits: bool, may_end: bool) -> str:
        """What a candidate would be: the end, one more piece of text, one piece too many, or not allowed."""
        piece = self.vocabulary.piece(token)
        if token in self.vocabulary.ends or (b"\n" in piece and not piece.strip()):
            long_enough = len(_decode(data)) >= self.schema.get("minLength", 0)
            empty_line = token not in self.vocabulary.ends and not data.strip()
            return _STOP if may_end and long_enough and not empty_line and _is_whole(data) else _REFUSE
        if self.vocabulary.control[token] or not fits or not piece:
            return _REFUSE
        limit = self.schema.get("maxLength")
        return _CUT if limit is not None and len(_decode(data + piece)) > limit else _TAKE


def write(
    line: Line, prompt: Tokens, draw: Draw, position: int, chosen: Callable[[], None]
) -> Generator[Ask, Row, Written]:
    """Writes one line after the prompt. `position` counts the request's draws; `chosen` is told of each choice."""
    written = Written()
    ask = Ask(0, prompt)
    while True:
        row = yield ask
        token, verdict = _pick(line, written.data, draw.scores(row.astype(np.float64), position + len(written.tokens)))
        chosen()
        if verdict in (_CUT, _REFUSE):
            written.finish = "length" if verdict == _CUT else "invalid"
            return written
        written.tokens.append(token)
        written.logprobs.append(float(row[token]) - log_sum_exp(row))
        if verdict == _STOP:
            return written
        line.grammar.accept(token)
        written.data += line.vocabulary.piece(token)
        if len(written.tokens) >= line.max_tokens:
            written.finish = "length"
            return written
        ask = Ask(len(prompt) + len(written.tokens) - 1, (token,))


def _pick(line: Line, data: bytes, scores: Scores) -> tuple[int, str]:
    end = next(iter(line.vocabulary.ends), None)
    may_end = end is not None and line.grammar.allowed([end])[0]
    tried: set[int] = set()
    for count in (_FIRST, len(scores)):
        candidates = [token for token in top(scores, count) if token not in tried]
        fits = line.grammar.allowed(candidates)
        for token, fit in zip(candidates, fits, strict=True):
            verdict = line.judge(token, data, fits=fit, may_end=may_end)
            if verdict != _REFUSE:
                return token, verdict
        tried.update(candidates)
    return -1, _REFUSE


def _decode(data: bytes) -> str:
    return data.decode("utf-8", "ignore").strip()


def _is_whole(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
