"""The marks of text that an AI model wrote, found again in a file (AI Act 50(2): a mark and a means to detect it).

In a page the text stands in an element with the IPTC digital source type and the id of its record; in JSON in an object
whose member `ai_generated` is true. A mark says nothing about who asked. One that was cut out cannot be found.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any, Final

SOURCE_TYPE: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""What the IPTC calls content that a trained model made."""
_TYPE, _RECORD = "data-digital-source-type", "data-record"
_VOID: Final = frozenset({"br", "img", "hr", "input", "meta", "link", "wbr", "col", "source", "track", "area", "base"})


@dataclass(frozen=True, slots=True)
class Mark:
    """One marked text. `record`: id of its record; None where the mark names none. `text`: what is marked."""

    record: str | None
    text: str


def find_marks(data: bytes) -> tuple[Mark, ...]:
    """The marks of a page or a JSON file, in its order; none of anything else."""
    text = data.decode("utf-8", "replace")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        page = _Page()
        page.feed(text)
        page.close()
        return tuple(page.found)
    return tuple(_in_json(value))


def _in_json(value: Any) -> Iterator[Mark]:
    if isinstance(value, dict):
        if value.get("ai_generated") is True:
            written = value.get("output", value.get("text"))
            record = value.get("id", value.get("record"))
            shown = written if isinstance(written, str) else json.dumps(written, ensure_ascii=False)
            yield Mark(record if isinstance(record, str) else None, shown)
            return
        for member in value.values():
            yield from _in_json(member)
    elif isinstance(value, list):
        for member in value:
            yield from _in_json(member)


class _Page(HTMLParser):
    """Collects the text of each marked element, whatever stands in it."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[Mark] = []
        self._depth = 0
        self._record: str | None = None
        self._parts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._depth:
            self._depth += tag not in _VOID
        elif dict(attrs).get(_TYPE) == SOURCE_TYPE and tag not in _VOID:
            self._depth, self._record, self._parts = 1, dict(attrs).get(_RECORD), []

    def handle_endtag(self, tag: str) -> None:
        if self._depth and tag not in _VOID:
            self._depth -= 1
            if not self._depth:
                self.found.append(Mark(self._record, "".join(self._parts).strip()))

    def handle_data(self, data: str) -> None:
        if self._depth:
            self._parts.append(data)
