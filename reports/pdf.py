"""A document as PDF/UA-1 (ISO 14289-1): made from the HTML, which stays the form that counts.

The same HTML gives the same bytes on one machine: nothing in the file says when it was made, and its identifier is that
of its content. Nothing is fetched: an image stands in the document itself, or the document is not made.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any, Final

from reports.errors import PdfError

_VARIANT: Final = "pdf/ua-1"
_STYLE: Final = Path(__file__).with_name("pdf.css")
_SVG: Final = "{http://www.w3.org/2000/svg}"
# The font maps of Pango are one per process: two threads that lay out at once may see each other's half-made fonts.
_ONE_AT_A_TIME: Final = threading.Lock()
_MISSING: Final = (
    "needs Pango, a library for text that this machine lacks: install it (on Debian the packages libpango-1.0-0, "
    "libpangoft2-1.0-0 and libharfbuzz-subset0), or ask for html"
)


def to_pdf(html: str, *, lang: str) -> bytes:
    """A whole page, as `Renderer.document` makes it in `lang`, as a tagged PDF.

    Raises PdfError where Pango is missing; where the page lacks its title, or says another language; where an image has
    no words beside it; and where something would have to be fetched.
    """
    library = _library()
    page = html.replace("</head>", f"<style>\n{_STYLE.read_text('utf-8')}</style>\n</head>", 1)
    with _ONE_AT_A_TIME:
        try:
            parsed = library.HTML(string=page, base_url=None, url_fetcher=_refusing(library))
            _demand(parsed.etree_element, lang)
            made: bytes = parsed.write_pdf(pdf_variant=_VARIANT, finisher=_mend)
        except library.urls.FatalURLFetchingError as error:
            raise PdfError("names something that is not in the document itself: put it inside") from error
    return made


def _library() -> Any:
    """WeasyPrint, when a PDF is asked for and not before: it takes time and memory that nobody else should pay."""
    try:
        import weasyprint  # noqa: PLC0415 (see above)
        import weasyprint.urls  # noqa: PLC0415 (see above)
    except OSError as error:
        # How cffi says that a shared library is not there; the text names files of this machine, which help nobody.
        raise PdfError(_MISSING) from error
    # It remarks on each rule for screens in a stylesheet. What matters to a reader is checked here, and in the tests.
    for name in ("weasyprint", "weasyprint.progress", "fontTools"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return weasyprint


def _refusing(library: Any) -> Any:
    class Refusing(library.urls.URLFetcher):  # type: ignore[misc]
        """Takes what stands in the document, and ends the work for all else."""

        def fetch(self, url: str, headers: Any = None) -> Any:
            if not url.startswith("data:"):
                raise library.urls.FatalURLFetchingError("not in the document")
            return super().fetch(url, headers)

    return Refusing()


def _demand(root: Any, lang: str) -> None:
    """What PDF/UA-1 needs and only the author of a page can give."""
    if root.get("lang") != lang:
        raise PdfError("is in another language than was asked for")
    if not (root.findtext("head/title") or "").strip():
        raise PdfError("has no title: a reader could not tell it from others")
    for image in root.iter("img"):
        if not (image.get("alt") or "").strip():
            raise PdfError("has an image without words for those who do not see it (alt)")
    for drawing in root.iter(f"{_SVG}svg"):
        if not (drawing.findtext(f"{_SVG}title") or "").strip():
            raise PdfError("has a drawing without words for those who do not see it (title)")


def _mend(_document: Any, pdf: Any) -> None:
    """Set right what the library writes otherwise than ISO 14289-1 wants it."""
    elements = {one.reference: one for one in pdf.objects if _kind(one)}
    _pair_labels(elements)
    _part_headings(elements)
    _mark_margins_as_artifacts(elements, {one.reference: one for one in pdf.objects[1:]})


def _pair_labels(elements: dict[bytes, Any]) -> None:
    """Make each row of a list of facts one item with label and body.

    HTML groups `dt` and `dd` by a `div`; the library writes that as a Div with two items, and only items may stand in
    a list (7.6).
    """
    for grouped in [one for one in elements.values() if _kind(one) == "/L"]:
        for row in (elements[key] for key in grouped["K"] if _kind(elements.get(key)) == "/Div"):
            parts = [elements[key] for item in row["K"] for key in elements[item]["K"]]
            row["S"], row["K"][:] = "/LI", [part.reference for part in parts]
            for part in parts:
                part["P"] = row.reference
            if len(parts) > 1:  # the rest of a row that a page broke has no label any more
                parts[0]["S"] = "/Lbl"


def _part_headings(elements: dict[bytes, Any]) -> None:
    """Give each heading of a table a name of its own (7.5).

    A table that a page breaks is two in the file, and the library names the headings of both alike. A cell holds the
    very name that its heading has, so that it follows.
    """
    for number, cell in enumerate(one for one in elements.values() if _kind(one) == "/TH"):
        cell["ID"].string = f"heading-{number}"


def _mark_margins_as_artifacts(elements: dict[bytes, Any], objects: dict[bytes, Any]) -> None:
    """Mark what stands in the margins, as page numbers, as no part of the text (7.1).

    The library marks it as text and leaves it out of the tree, so that it is neither.
    """
    reached: set[bytes] = set()
    found = [key for key, one in elements.items() if _kind(one) == "/Document"]
    while found:
        reached.add(key := found.pop())
        found += [kid for kid in elements[key]["K"] if isinstance(kid, bytes) and kid in elements]
    for one in (elements[key] for key in elements.keys() - reached):
        pieces = {kid for kid in one["K"] if isinstance(kid, int)}
        written = objects[objects[one["Pg"]]["Contents"]].stream if pieces else []
        for place, part in enumerate(written):
            if isinstance(part, dict) and part.get("MCID") in pieces:
                written[place - 1] = "/Artifact"
                part.clear()
                part["Type"] = "/Pagination"


def _kind(thing: Any) -> str | None:
    is_element = isinstance(thing, dict) and thing.get("Type") == "/StructElem"
    return str(thing["S"]) if is_element else None
