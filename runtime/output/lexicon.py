"""The tokens of a vocabulary by how they begin, so that most need not be shown to a grammar at all. Pure.

A grammar that refuses an ASCII character refuses every token that begins with it; so one question for each character
leaves a few hundred tokens of tens of thousands. Tokens that begin with another byte are always asked about: of part of
a character a grammar may judge more strictly than of all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
_ASCII = 128


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Token ids by first byte (256 arrays); `singles` are the tokens of one ASCII character, where there is one.

    `lines`: tokens of blanks with a newline among them, which end a line. `enders`: those and the end tokens.
    """

    groups: tuple[Ids, ...]
    singles: dict[int, int]
    lines: frozenset[int]
    enders: Ids

    def possible(self, allowed: Callable[[list[int]], list[bool]]) -> Ids:
        """All tokens that may come next or end the text, and some that may not, by one question about characters."""
        fits = dict(zip(self.singles, allowed(list(self.singles.values())), strict=True))
        return np.concatenate([self.enders, *(ids for byte, ids in enumerate(self.groups) if fits.get(byte, True))])


def lexicon(pieces: Sequence[bytes], ends: frozenset[int], hidden: NDArray[np.bool_]) -> Lexicon:
    """The lexicon of a vocabulary: the bytes of each token, its end tokens, and which tokens are no text."""
    lines = frozenset(token for token, piece in enumerate(pieces) if b"\n" in piece and not piece.strip())
    groups: list[list[int]] = [[] for _ in range(256)]
    singles = {}
    for token, piece in enumerate(pieces):
        if piece and not hidden[token] and token not in ends and token not in lines:
            groups[piece[0]].append(token)
            if len(piece) == 1 and piece[0] < _ASCII:
                singles[piece[0]] = token
    enders = np.array(sorted(ends | lines), dtype=np.int64)
    return Lexicon(tuple(np.array(ids, dtype=np.int64) for ids in groups), singles, lines, enders)
