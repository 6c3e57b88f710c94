"""Prompt template → text, with a span for each field → tokens.

Templates are a small part of Jinja: text, `{{ field }}`, `{% if %}` over fields and constants, and one form of loop,
over the messages of a conversation: `{% for m in field %}…{{ m.role }}…{{ m.content }}…{% endfor %}`. So the place of
every value in the text is known from rendering, never guessed by searching, and a template cannot compute. Special
tokens of the vocabulary count in the template's own text only: what stands in a value is always plain text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jinja2 import StrictUndefined, Template, TemplateError, nodes
from jinja2.sandbox import SandboxedEnvironment

from runtime.errors import InputInvalid, TemplateInvalid
from runtime.messages import KEYS

if TYPE_CHECKING:
    from runtime.llama import Vocabulary

Message = Mapping[str, str]
Value = str | int | bool | Sequence[Message]

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
_LOOPER = re.compile(r"[a-z_][a-z0-9_]{0,39}")


Source = tuple[tuple[str, str], ...]


def source(template: str) -> Source:
    """What a template says, without comments and without blanks inside of its tags. Raises TemplateInvalid."""
    try:
        tokens = [(kind, text) for _, kind, text in _ENVIRONMENT.lex(template)]
    except TemplateError as error:
        raise TemplateInvalid(f"the template does not parse: {error}", field="template") from error
    return tuple(one for one in tokens if one[0] != "whitespace" and not one[0].startswith("comment"))


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
    """A parsed template. `where` names it in messages, as `steps[0].template`.

    `names` are the fields and earlier outputs that it uses, `loops` those of them whose messages it goes through.
    """

    def __init__(self, source: str, where: str) -> None:
        self.names: frozenset[str] = frozenset()
        self.loops: frozenset[str] = frozenset()
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
        loops = {id(part) for loop in tree.find_all(nodes.For) for part in (loop, *_parts_of(loop, where))}
        names = set()
        for node in (tree, *tree.find_all(nodes.Node)):
            if id(node) in loops:
                continue
            if not isinstance(node, _ALLOWED):
                what = f"line {node.lineno} uses Jinja's {type(node).__name__}"
                fix = "use only {{ field }}, {% if %}, and {% for %} over messages"
                raise TemplateInvalid(what, field=where, fix=fix)
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
        self.loops = frozenset(loop.iter.name for loop in tree.find_all(nodes.For) if isinstance(loop.iter, nodes.Name))
        self.names = frozenset(names) | self.loops
        mixed = self.loops & names
        if mixed:
            raise TemplateInvalid(f"uses {min(mixed)!r} outside its loop, too", field=where, fix="only loop over it")

    def render(self, values: Mapping[str, Value]) -> Rendered:
        """The text and its spans; raises InputInvalid for a value that cannot stand in a prompt."""
        shown: dict[str, object] = {}
        for name, value in values.items():
            if name in self.loops:
                shown[name] = [{key: _marked(name, message[key]) for key in KEYS} for message in _messages(name, value)]
            else:
                shown[name + _SHOWN] = _marked(name, value)
        parts = self._template.render({**values, **shown}).split(_MARK)
        text, spans = parts[0], []
        for at in range(1, len(parts), 3):
            field, value, literal = parts[at : at + 3]
            spans.append(Span(field, len(text), len(text) + len(value)))
            text += value + literal
        return Rendered(text, tuple(spans))


def _parts_of(loop: nodes.For, where: str) -> list[nodes.Node]:
    """The nodes of a loop in the one form that there is. Raises TemplateInvalid for another."""
    looper = loop.target.name if isinstance(loop.target, nodes.Name) else ""
    plain = isinstance(loop.iter, nodes.Name) and not loop.else_ and loop.test is None and not loop.recursive
    fine = plain and _LOOPER.fullmatch(looper) and all(isinstance(part, nodes.Output) for part in loop.body)
    shown = [part for output in loop.find_all(nodes.Output) for part in output.nodes]
    parts = [part for part in shown if not isinstance(part, nodes.TemplateData)]
    fine = fine and bool(parts) and all(_is_part(part, looper) for part in parts)
    if not fine or looper == getattr(loop.iter, "name", ""):
        fix = "write {% for m in field %}, text, {{ m.role }}, {{ m.content }}, {% endfor %}"
        raise TemplateInvalid(f"line {loop.lineno} loops in another way than over messages", field=where, fix=fix)
    return list(loop.find_all(nodes.Node))


def _is_part(node: nodes.Node, looper: str) -> bool:
    """`m.role` or `m.content`."""
    return (
        isinstance(node, nodes.Getattr)
        and node.attr in KEYS
        and isinstance(node.node, nodes.Name)
        and node.node.name == looper
    )


def _marked(field: str, value: object) -> str:
    return f"{_MARK}{field}{_MARK}{show_value(field, value)}{_MARK}"


def _messages(field: str, value: object) -> Sequence[Message]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise InputInvalid("is no list of messages", field=field)
    return value


def check_value(field: str, value: object) -> None:
    """Raises InputInvalid for a value that cannot stand in a prompt; messages by their roles and contents."""
    if isinstance(value, list | tuple):
        for message in value:
            for key in KEYS:
                show_value(field, message[key])
    else:
        show_value(field, value)


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
