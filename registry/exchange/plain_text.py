"""Parts of a record as plain words, for formats that have a text where the register has parts. Pure.

A text in another language than asked is left out, never passed off as that language.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from registry import declaration
from registry.declaration import Many, Part
from registry.values import Multilingual, say


def lines(part: Any, lang: str, leave: frozenset[str] = frozenset()) -> str:
    """`Label: text`, one line a member, of a part of a record; `leave` names members to leave out."""
    found: list[str] = []
    for member in declaration.fields(type(part)):
        value = getattr(part, member.attribute)
        if value is None or member.name in leave:
            continue
        text = _text(member.kind, value, lang)
        if text:
            found.append(f"{say(member.label, lang)}: {text}")
    return "\n".join(found)


def blocks(parts: Iterable[Any] | None, lang: str, leave: frozenset[str] = frozenset()) -> str | None:
    """Several parts, with an empty line between them; None where there is nothing to say."""
    found = [text for text in (lines(part, lang, leave) for part in parts or ()) if text]
    return "\n\n".join(found) or None


def joined(*texts: str | None) -> str | None:
    """Those of the texts that there are, with an empty line between them."""
    return "\n\n".join(text for text in texts if text) or None


def shortened(text: str, longest: int) -> str:
    """A text cut at a space before its limit, with a sign that it goes on elsewhere."""
    if len(text) <= longest:
        return text
    cut = text[: longest - 1]
    space = cut.rfind(" ", longest // 2)
    return (cut if space < 0 else cut[:space]) + "…"


def _text(kind: Any, value: Any, lang: str) -> str:
    if isinstance(kind, Multilingual):
        return str(value.get(lang, ""))
    if isinstance(kind, Many):
        return "; ".join(text for text in (_text(kind.kind, item, lang) for item in value) if text)
    if isinstance(kind, Part):
        return lines(value, lang).replace("\n", ", ")
    shown = kind.text(value, lang)
    return ", ".join(shown) if isinstance(shown, list) else str(shown)
