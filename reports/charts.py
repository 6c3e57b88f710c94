"""Charts as SVG text: bars that lie, one below the other, with their words above them. Pure.

Made for a width of 320 pixels, so that words stay readable on a telephone; each chart has the same numbers in a table
beside it (`components/charts.html`). What is not shown, or only bounded, has a dashed frame in place of a bar. Colours
are attributes, which the stylesheet overrides with an agency's tokens, and a PDF keeps as they are.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Final

from markupsafe import Markup

WIDTH: Final = 320
_SIGNS: Final = 34
"""Signs of a label that surely fit on one line at the size below."""
_SIZE, _LINE, _BAR, _GAP = 16, 20, 14, 12
_COLOUR: Final = "#14479e"
_MARK: Final = "#9b1c1c"

Bar = tuple[str, int | None, str]
"""Label, size (None: not shown, or only bounded), and the value in words."""


def bar_chart(id_: str, title: str, bars: Sequence[Bar], target: int | None = None, target_text: str = "") -> Markup:
    """The chart; `id_` is unique in its page. `target`: a line through all bars, of the same unit, with its words.

    Raises ValueError where there is nothing to draw: a chart without bars says nothing.
    """
    if not bars:
        raise ValueError("a chart needs at least one bar")
    bars = [(_plain(label), size, _plain(text)) for label, size, text in bars]
    largest = max([size for _, size, _ in bars if size is not None] + ([] if target is None else [target]) or [0])
    parts: list[Markup] = []
    top = 0
    for label, size, text in bars:
        lines = _wrapped(f"{label}: {text}")
        for line in lines:
            top += _LINE
            parts.append(_text(line, top - 4))
        parts.append(_bar(size, largest, top))
        top += _BAR + _GAP
    if target is not None:
        parts.append(
            Markup('<line class="target" x1="{}" y1="0" x2="{}" y2="{}" stroke="{}" stroke-dasharray="4 3"/>').format(
                _tenths(target, largest), _tenths(target, largest), top, _MARK
            )
        )
        for line in _wrapped(_plain(target_text)):
            top += _LINE
            parts.append(_text(line, top - 4))
    told = "; ".join(f"{label}: {text}" for label, _, text in bars)
    told = f"{told}; {target_text}" if target is not None else told
    return Markup(
        '<svg class="chart" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" '
        'aria-labelledby="{id}-title {id}-told">'
        '<title id="{id}-title">{title}</title><desc id="{id}-told">{told}</desc>\n{parts}\n</svg>'
    ).format(width=WIDTH, height=top + 4, id=id_, title=_plain(title), told=told, parts=Markup("\n").join(parts))


def _text(line: str, at: int) -> Markup:
    return Markup('<text x="0" y="{}" font-size="{}" fill="currentColor">{}</text>').format(at, _SIZE, line)


def _bar(size: int | None, largest: int, top: int) -> Markup:
    if size is None:
        return Markup(
            '<rect class="unknown" x="0.5" y="{}.5" width="{}" height="{}" fill="none" stroke="{}" '
            'stroke-dasharray="2 3"/>'
        ).format(top, WIDTH - 1, _BAR - 1, _COLOUR)
    # A number above nothing is seen, however small it is beside the others.
    width = _tenths(size, largest) if size == 0 or size * WIDTH >= largest else "1.0"
    return Markup('<rect class="bar" x="0" y="{}" width="{}" height="{}" fill="{}"/>').format(top, width, _BAR, _COLOUR)


def _tenths(size: int, largest: int) -> str:
    """A length in tenths of a pixel, by whole numbers alone: every machine writes the same."""
    length = size * WIDTH * 10 // largest if largest else 0
    return f"{length // 10}.{length % 10}"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _SIGNS, break_long_words=True) or [""]


def _plain(text: str) -> str:
    """Words without the marks that a page may have around them (SVG knows no `span`)."""
    return text.striptags() if isinstance(text, Markup) else " ".join(text.split())
