"""A JSON value, written as text under the grammar of its schema (`json_grammar.py`) and read back as a value."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from runtime.output.decoding import REFUSE, STOP, TAKE

if TYPE_CHECKING:
    from runtime.llama import Grammar, Vocabulary


@dataclass(frozen=True, slots=True)
class JsonText:
    """What may be written. A number is ended by the model, every other value ends itself."""

    grammar: Grammar
    vocabulary: Vocabulary
    ends_itself: bool
    strips: ClassVar[bool] = False

    def judge(self, token: int, _data: bytes, /, *, fits: bool, may_end: bool) -> str:
        """What a candidate would be: the end of a number, one more piece of text, or not allowed."""
        vocabulary, piece = self.vocabulary, self.vocabulary.piece(token)
        if vocabulary.breaks(token):
            return STOP if may_end else REFUSE
        return TAKE if fits and piece and not vocabulary.control[token] else REFUSE


def show_json(value: Any) -> str:
    """A value as the grammar writes it: no blanks, members in their order, and nothing escaped that need not be."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def read_json(data: bytes) -> Any:
    """The value of a complete text; raises ValueError for any other, and for one that was not written like this."""
    text = data.decode()
    value = json.loads(text)
    if show_json(value) != text:
        raise ValueError("not as it would be written")
    return value
