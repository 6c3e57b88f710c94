"""Plain text as the HTML that the Dutch standard allows (div, br, p, ul, ol, li), and back. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from html.parser import HTMLParser
from typing import Final

from registry.errors import FormatError
from registry.exchange.plain_text import shortened

ALLOWED: Final = ("div", "br", "p", "ul", "ol", "li")


def to_html(parts: Sequence[str | None]) -> str | None:
    """Texts as HTML: one as paragraphs, several as one `div` each, so that they can be told apart again."""
    texts = list(parts)
    while texts and not texts[-1]:
        texts.pop()
    if not texts:
        return None
    if len(texts) == 1:
        return _paragraphs(texts[0] or "")
    return "".join(f"<div>{_paragraphs(text or '')}</div>" for text in texts)


def from_html(html: str) -> tuple[str, ...]:
    """The texts of such HTML. Raises FormatError for elements that the standard does not allow.

    More than one only where the whole of it is `div` beside `div`.
    """
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.texts()


def shorten_html(html: str, longest: int) -> str:
    """The same texts, the last ones cut, in HTML of at most `longest` characters."""
    texts = list(from_html(html))
    while texts:
        found = to_html(texts) or ""
        over = len(found) - longest
        if over <= 0:
            return found
        room = len(texts[-1]) - over
        texts[-1] = shortened(texts[-1], room) if room > 1 else ""
        if not texts[-1]:
            texts.pop()
    return ""


def _paragraphs(text: str) -> str:
    if not text:
        return ""
    return "".join(f"<p>{escape(part, quote=False).replace(chr(10), '<br>')}</p>" for part in text.split("\n\n"))


class _Reader(HTMLParser):
    """Collects text: a paragraph ends with an empty line, `br` and a list item with a line end."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._divs: list[list[str]] = []
        self._outside: list[str] = []
        self._depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 (the parser's)
        if tag not in ALLOWED:
            raise FormatError(f"holds HTML that the standard does not allow; use {', '.join(ALLOWED)}")
        if tag == "div":
            if self._depth == 0:
                self._divs.append([])
            self._depth += 1
        elif tag == "br":
            self._here().append("\n")
        elif tag == "p":
            self._here().append("\x00")
        elif tag == "li":
            self._here().append("\x01- ")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag == "div":
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag == "div":
            self._depth = max(self._depth - 1, 0)
        elif tag in {"ul", "ol"}:
            self._here().append("\x01")

    def handle_data(self, data: str) -> None:
        self._here().append(data)

    def unknown_decl(self, data: str) -> None:  # noqa: ARG002 (the parser's)
        raise FormatError(f"holds HTML that the standard does not allow; use {', '.join(ALLOWED)}")

    def _here(self) -> list[str]:
        return self._divs[-1] if self._depth else self._outside

    def texts(self) -> tuple[str, ...]:
        outside = _joined(self._outside)
        if len(self._divs) > 1 and not outside.strip():
            return tuple(_joined(parts) for parts in self._divs)
        inside = [_joined(parts) for parts in self._divs]
        return ("\n\n".join(text for text in [outside, *inside] if text),)


def _joined(parts: list[str]) -> str:
    """Text of the collected parts: \\x00 stands before each paragraph, \\x01 at each item of a list."""
    text = "".join(parts).rstrip("\x01")
    if text.startswith("\x00"):
        text = text[1:]
    text = text.replace("\x00", "\n\n")
    text = re.sub(r"\n*\x01+", "\n", text)
    return text[1:] if parts and parts[0].startswith("\x01") else text
