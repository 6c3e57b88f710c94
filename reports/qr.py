"""A QR code (ISO/IEC 18004) as the path of a drawing: made here, so that no other party learns what it says."""

from __future__ import annotations

from dataclasses import dataclass

QUIET = 4
"""Modules of white on each side that a reader needs to find the code."""


@dataclass(frozen=True, slots=True)
class QrCode:
    """A square of `size` by `size` modules, white border included, and the SVG path of the dark ones."""

    size: int
    path: str


def qr(text: str) -> QrCode:
    """The code of a text, with a quarter of it spoilt still readable (level Q). The same text gives the same path."""
    import segno  # noqa: PLC0415 - only a letter needs it

    rows = segno.make(text, error="q", micro=False, boost_error=False).matrix
    runs: list[str] = []
    for y, row in enumerate(rows):
        x = 0
        while x < len(row):
            end = x
            while end < len(row) and row[end]:
                end += 1
            if end > x:
                runs.append(f"M{x + QUIET} {y + QUIET}h{end - x}v1h-{end - x}z")
            x = max(end, x + 1)
    return QrCode(len(rows) + 2 * QUIET, "".join(runs))
