"""The sentences of a text, by marks and line ends alone. Pure.

No list of abbreviations: a text cut too often is still the same text, and no language is favoured. A mark ends a
sentence only before white space, so that "3.5" and "greffier.example" stay whole; a point does not after a lone letter
("z. B."), nor after the number of a line ("1.").
"""

from __future__ import annotations

import re
from itertools import pairwise

Span = tuple[int, int]

_END = re.compile(r"[.!?…]+[\"'”’»)\]]*(?=\s|$)|\n+")
_NO_SENTENCE = re.compile(r"(?:^|[\s(.])[^\W\d_]$|(?:^|\n)[ \t]*\d{1,2}$")


def split(text: str) -> tuple[Span, ...]:
    """[start, end) of each sentence, without the white space around it."""
    ends = [match.end() for match in _END.finditer(text) if _is_end(text, match)]
    spans, start = [], 0
    for end in [*ends, len(text)]:
        piece = text[start:end]
        if piece.strip():
            spans.append((start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())))
        start = end
    return tuple(spans)


def parts(text: str, most: int) -> tuple[Span, ...]:
    """The sentences, or where there are more than `most`, runs of neighbours of nearly equal number."""
    spans = split(text)
    count = min(len(spans), most)
    edges = [number * len(spans) // count for number in range(count + 1)] if count else [0]
    return tuple((spans[a][0], spans[b - 1][1]) for a, b in pairwise(edges))


def without(text: str, spans: tuple[Span, ...], left_out: tuple[int, ...]) -> str:
    """The text without those sentences; the rest stands as it did, but for white space at its ends."""
    kept, start = "", 0
    for number, (_, end) in enumerate(spans):
        if number not in left_out:
            kept += text[start:end]
        start = end
    return (kept + text[start:]).strip()


def _is_end(text: str, match: re.Match[str]) -> bool:
    return match.group() != "." or not _NO_SENTENCE.search(text[: match.start()])
