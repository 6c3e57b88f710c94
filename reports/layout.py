"""Plain text as a page: paragraphs with a line between them, lists and commands in one piece, at most 100 columns."""

from __future__ import annotations

import textwrap

WIDTH = 100
_ITEM, _COMMAND = "- ", "  "


def laid_out(text: str) -> str:
    """The lines of a rendered template, each a paragraph, an item ("- ") or a command (two spaces)."""
    page: list[str] = []
    before = ""
    for line in text.splitlines():
        if not line.strip():
            continue
        start = line[:2] if line[:2] in (_ITEM, _COMMAND) else ""
        if page and (not start or start != before):
            page.append("")
        if start == _COMMAND:
            page.append(line.rstrip())
        else:
            page += textwrap.wrap(
                line, WIDTH, subsequent_indent="  " if start else "", break_long_words=False, break_on_hyphens=False
            )
        before = start
    return "\n".join(page) + "\n"
