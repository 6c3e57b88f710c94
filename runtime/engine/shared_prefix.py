"""The part of a prompt that no value touches: what a version says to everybody, which the next request can use again.

It is read off the template, so that it cannot depend on anybody's input: the text before the first field, condition or
loop, without its last word (which a value that follows directly could join with in one token).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from runtime.output.answers import Tokens
from runtime.program import Program
from runtime.prompt import Rendered, tokenize

if TYPE_CHECKING:
    from runtime.llama import Vocabulary

_JINJA = re.compile(r"\{[{%#]")
_LAST_WORD = re.compile(r"\s*\S*\s*\Z")


def head_text(template: str) -> str:
    """The text that every prompt of the template begins with."""
    before = _JINJA.split(template, maxsplit=1)
    return before[0] if len(before) == 1 else _LAST_WORD.sub("", before[0], count=1)


def heads(program: Program, vocabulary: Vocabulary) -> tuple[Tokens, ...]:
    """The tokens of each step's head; empty where a template begins with a value."""
    texts = [head_text(step.template) for step in program.steps]
    return tuple(tokenize(Rendered(text, ()), vocabulary) if text else () for text in texts)
