"""An answer told while it grows: pieces of whole characters that, joined, are exactly the text of the output.

Held back until it is sure: the bytes of a character that is not complete, what may be the beginning of a stop
sequence, and blanks that may be the last (the text of an answer has none around it).
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runtime.capture import Piece, TokenText
from runtime.sampler import Logits, micro_nats, top

if TYPE_CHECKING:
    from runtime.llama import Vocabulary

Alternatives = tuple[tuple[str, str, int], ...]


def token_text(vocabulary: Vocabulary, token: int, logprob: float, alternatives: Alternatives = ()) -> TokenText:
    """One token as it is told."""
    data = vocabulary.piece(token)
    return TokenText(data.decode("utf-8", "replace"), data.hex(), micro_nats(logprob), alternatives)


def likeliest(vocabulary: Vocabulary, logits: Logits, count: int) -> Alternatives:
    """The `count` tokens that the model itself would most likely have given, whatever grammar, bias or noise say."""
    found = []
    for token in top(logits.row, count)[:count] if count else ():
        data = vocabulary.piece(token)
        found.append((data.decode("utf-8", "replace"), data.hex(), micro_nats(logits.logprob(token))))
    return tuple(found)


def _decoder() -> codecs.IncrementalDecoder:
    return codecs.getincrementaldecoder("utf-8")("ignore")


@dataclass(slots=True)
class Telling:
    """Tells one text token by token to `tell`. `strips`: blanks around the text are not part of it."""

    id: str
    output: str
    stop: tuple[str, ...]
    tell: Callable[[Piece], None]
    strips: bool = True
    _decoder: codecs.IncrementalDecoder = field(default_factory=_decoder)
    _held: str = ""
    _pending: list[tuple[int, TokenText]] = field(default_factory=list)
    _passed: int = 0

    def token(self, token: TokenText) -> None:
        """Adds a token of the text, and tells what is sure by now. One that completes a stop sequence is for `end`."""
        self._pending.append((len(self._held), token))
        self._held += self._decoder.decode(bytes.fromhex(token.data))
        self._flush(len(self._held) - held_back(self._held, self.stop, strips=self.strips))

    def end(self, text: str, last: TokenText | None = None) -> None:
        """Ends with `text`, all that was written before a stop sequence; `last` is the token that completed that."""
        if last is not None:
            self._pending.append((len(self._held), last))
            self._held += self._decoder.decode(bytes.fromhex(last.data))
        self._flush(len(text.rstrip() if self.strips else text) - self._passed)

    def _flush(self, count: int) -> None:
        if count <= 0:
            return
        text, self._held = self._held[:count], self._held[count:]
        tokens = tuple(token for start, token in self._pending if start < count)
        self._pending = [(start - count, token) for start, token in self._pending if start >= count]
        first, self._passed = self._passed == 0, self._passed + count
        self.tell(Piece(self.id, self.output, text.lstrip() if first and self.strips else text, tokens))


def held_back(text: str, stop: Sequence[str], *, strips: bool) -> int:
    """How many of the last characters may not be told yet."""
    begun = 0
    for sequence in stop:
        fits = (n for n in range(min(len(sequence) - 1, len(text)), 0, -1) if text.endswith(sequence[:n]))
        begun = max(begun, next(fits, 0))
    sure = text[: len(text) - begun]
    # Blanks before what may be a stop sequence would be the last ones of the text.
    return len(text) - len(sure.rstrip() if strips else sure)


def before_stop(text: str, stop: Sequence[str]) -> str | None:
    """The text before the first stop sequence in it; None where there is none."""
    found = [at for sequence in stop if (at := text.find(sequence)) >= 0]
    return text[: min(found)] if found else None
