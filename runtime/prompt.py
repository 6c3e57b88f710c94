"""Prompt template → text, with a span for each field → tokens.

Templates are a small part of Jinja: text, `{{ field }}`, and `{% if %}` over fields and constants. So the place of
every value in the text is known from rendering, never guessed by searching, and a template can neither compute nor
loop. Special tokens of the vocabulary count in the template's own text only: what stands in a value is always plain
text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jinja2 import StrictUndefined, Template, TemplateError, nodes
from jinja2.sandbox import SandboxedEnvironment

from runtime.errors import InputInvalid, TemplateInvalid

if TYPE_CHECKING:
    from runtime.llama import Vocabulary

Value = str | int | bool

_ENVIRONMENT = SandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)
_ENVIRONMENT.globals.clear()
_ALLOWED = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.If, nodes.Compare, nodes.Operand, nodes.Const,
    nodes.And, nodes.Or, nodes.Not,
)  # fmt: skip
# A value is written between marks while rendering. NUL can stand in neither template nor value, and no field's name has
# capital letters, so neither mark nor name can be forged.
_MARK = "\0"
_SHOWN = "_SHOWN"


@dataclass(frozen=True, slots=True)
class Span:
    """Where a field's value stands: [start, end), in characters of the text or in tokens of the prompt."""

    field: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Rendered:
    """A prompt as text. `spans` are in characters, in order; a field may stand in several places, or in none."""

    text: str
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt as tokens. A token belongs to a span if any byte of it comes from the value."""

    tokens: tuple[int, ...]
    spans: tuple[Span, ...]


class PromptTemplate:
    """A parsed template. `where` names it in messages, as `steps[0].template`."""

    def __init__(self, source: str, where: str) -> None:
        self.names: frozenset[str] = frozenset()
        if _MARK in source or not _is_unicode(source):
            raise TemplateInvalid("the template holds NUL or half a surrogate pair", field=where, fix="remove it")
        try:
            tree = _ENVIRONMENT.parse(source)
        except TemplateError as error:
            raise TemplateInvalid(f"the template does not parse: {error}", field=where) from error
        self._restrict(tree, where)
        for output in tree.find_all(nodes.Output):
            for name in output.nodes:
                if isinstance(name, nodes.Name):
                    name.name += _SHOWN
        self._template = Template.from_code(_ENVIRONMENT, _ENVIRONMENT.compile(tree), {})

    def _restrict(self, tree: nodes.Template, where: str) -> None:
        names = set()
        for node in (tree, *tree.find_all(nodes.Node)):
            if not isinstance(node, _ALLOWED):
                what = f"line {node.lineno} uses Jinja's {type(node).__name__}"
                raise TemplateInvalid(what, field=where, fix="use only {{ field }} and {% if %}")
            if isinstance(node, nodes.Operand) and node.op not in ("eq", "ne"):
                # Order and membership fail on a value of another type, such as the neutral text of a number.
                fix = "use only == and != in conditions"
                raise TemplateInvalid(f"line {node.lineno} compares by {node.op}", field=where, fix=fix)
            if isinstance(node, nodes.Name):
                names.add(node.name)
            if isinstance(node, nodes.Output) and not all(
                isinstance(part, nodes.TemplateData | nodes.Name) for part in node.nodes
            ):
                fix = "put the bare name of a field between {{ and }}"
                raise TemplateInvalid(f"line {node.lineno} computes what it prints", field=where, fix=fix)
        self.names = frozenset(names)

    def render(self, values: Mapping[str, Value]) -> Rendered:
        """The text and its spans; raises InputInvalid for a value that cannot stand in a prompt."""
        shown = {
            name + _SHOWN: f"{_MARK}{name}{_MARK}{show_value(name, value)}{_MARK}" for name, value in values.items()
        }
        parts = self._template.render({**values, **shown}).split(_MARK)
        text, spans = parts[0], []
        for at in range(1, len(parts), 3):
            field, value, literal = parts[at : at + 3]
            spans.append(Span(field, len(text), len(text) + len(value)))
            text += value + literal
        return Rendered(text, tuple(spans))


def show_value(field: str, value: object) -> str:
    """A value as it stands in a prompt; raises InputInvalid for one that cannot."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if not isinstance(value, str):
        raise InputInvalid("only text, whole numbers and true or false can stand in a prompt", field=field)
    if _MARK in value or not _is_unicode(value):
        raise InputInvalid("the value holds NUL or half a surrogate pair", field=field, fix="remove that character")
    return value


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def tokenize(rendered: Rendered, vocabulary: Vocabulary, *, answer: str = "") -> tuple[int, ...]:
    """Tokens of the text, and of an answer that follows directly. Text between special tokens is tokenized as one."""
    try:
        return _tokenize(rendered, vocabulary, answer)
    except InputInvalid as fault:
        for span in rendered.spans:  # whose character is it?
            try:
                vocabulary.tokenize(rendered.text[span.start : span.end])
            except InputInvalid:
                raise InputInvalid(fault.message, field=span.field, fix=fault.fix) from fault
        raise


def _tokenize(rendered: Rendered, vocabulary: Vocabulary, answer: str) -> tuple[int, ...]:
    tokens = [vocabulary.bos] if vocabulary.bos is not None else []
    done = 0
    for start, end, token in _specials(rendered, vocabulary):
        tokens += [*vocabulary.tokenize(rendered.text[done:start]), token]
        done = end
    return (*tokens, *vocabulary.tokenize(rendered.text[done:] + answer))


def locate(rendered: Rendered, tokens: tuple[int, ...], vocabulary: Vocabulary) -> tuple[Span, ...]:
    """The spans in tokens; empty where the vocabulary rewrites text, so that bytes and tokens cannot be matched."""
    ends, at = [], 0
    for token in tokens[vocabulary.bos is not None :]:
        at += len(vocabulary.piece(token))
        ends.append(at)
    if ends and ends[-1] != len(rendered.text.encode()):
        return ()
    offset = int(vocabulary.bos is not None)
    spans = []
    for span in rendered.spans:
        first = len(rendered.text[: span.start].encode())
        last = len(rendered.text[: span.end].encode())
        covered = [i for i, end in enumerate(ends) if end > first and (ends[i - 1] if i else 0) < last]
        if covered:
            spans.append(Span(span.field, covered[0] + offset, covered[-1] + 1 + offset))
    return tuple(spans)


def _specials(rendered: Rendered, vocabulary: Vocabulary) -> list[tuple[int, int, int]]:
    """(start, end, token) of the special tokens that the template itself spells out."""
    if not vocabulary.specials:
        return []
    spelled = re.compile("|".join(re.escape(text) for text in sorted(vocabulary.specials, key=len, reverse=True)))
    found: list[tuple[int, int, int]] = []
    start = 0
    for span in (*rendered.spans, Span("", len(rendered.text), len(rendered.text))):
        matches = spelled.finditer(rendered.text, start, span.start)
        found += [(match.start(), match.end(), vocabulary.specials[match.group()]) for match in matches]
        start = span.end
    return found
