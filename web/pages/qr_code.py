"""A square code (QR) as SVG in the page itself: no file that somebody could ask for, no other server."""

from __future__ import annotations

import io


def square(text: str) -> str:
    """The `<svg>` element, without a style and without a script. `text`: what it says, at most some 200 characters."""
    import segno  # noqa: PLC0415 - few pages have one

    buffer = io.BytesIO()
    segno.make(text, error="m", micro=False).save(
        buffer, kind="svg", scale=4, border=4, xmldecl=False, svgns=True, nl=False, omitsize=False, light="#fff"
    )
    return buffer.getvalue().decode("utf-8")
