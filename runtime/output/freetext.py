"""Free text: one line, constrained by the grammar of its schema, until the model ends it.

Written without quotes, as the model was trained to write. A newline or an end token ends it; a text that reaches
`max_tokens` or `maxLength` first is cut, and says so (`length`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from runtime.output.decoding import CUT, REFUSE, STOP, TAKE

if TYPE_CHECKING:
    from runtime.llama import Grammar, Vocabulary


@dataclass(frozen=True, slots=True)
class Line:
    """What may be written: grammar state, vocabulary and the limits of the schema, in characters."""

    grammar: Grammar
    vocabulary: Vocabulary
    schema: Mapping[str, Any]
    strips: ClassVar[bool] = True
    ends_itself: ClassVar[bool] = False

    def judge(self, token: int, data: bytes, /, *, fits: bool, may_end: bool) -> str:
        """What a candidate would be: the end, one more piece of text, one piece too many, or not allowed."""
        vocabulary, piece = self.vocabulary, self.vocabulary.piece(token)
        if vocabulary.breaks(token):
            long_enough = len(_decode(data)) >= self.schema.get("minLength", 0)
            empty_line = token not in vocabulary.ends and not data.strip()
            return STOP if may_end and long_enough and not empty_line and _is_whole(data) else REFUSE
        if vocabulary.control[token] or not fits or not piece:
            return REFUSE
        limit = self.schema.get("maxLength")
        return CUT if limit is not None and len(_decode(data + piece)) > limit else TAKE


def _decode(data: bytes) -> str:
    return data.decode("utf-8", "ignore").strip()


def _is_whole(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
