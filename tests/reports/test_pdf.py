"""A letter as PDF, read by a library that did not write it: what PDF/UA-1 asks and a program can check.

What needs a person's judgement (is the alternative text good, is the order sensible to hear) no test here claims.
"""

from __future__ import annotations

import html
import io
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from pypdf import PdfReader
from pypdf.generic import ContentStream

from reports.errors import PdfError
from reports.letter.context import Letter
from reports.pdf import to_pdf
from reports.render import Renderer

pytestmark = pytest.mark.usefixtures("pango")
PAGE = '<!doctype html><html lang="en"><head><title>A title</title></head><body>{}</body></html>'


@pytest.fixture(scope="module")
def made() -> dict[str, PdfReader]:
    return {}


@pytest.fixture(params=["en", "nl"])
def reader(request: pytest.FixtureRequest, letter: Letter, renderer: Renderer, made: dict[str, PdfReader]) -> PdfReader:
    lang = str(request.param)
    if lang not in made:
        page = renderer.document("letter", replace(letter, code="K7QF-2M9X-4WTD"), lang)
        made[lang] = PdfReader(io.BytesIO(to_pdf(page, lang=lang)))
        made[lang].source = (lang, page)
    return made[lang]


def elements(reader: PdfReader) -> Iterator[tuple[Any, Any]]:
    """Each structure element with the one above it, in reading order."""

    def walk(element: Any, above: Any) -> Iterator[tuple[Any, Any]]:
        yield element, above
        for kid in kids(element):
            if isinstance(kid, dict) and "/S" in kid:
                yield from walk(kid, element)

    root: Any = reader.trailer["/Root"]["/StructTreeRoot"]
    for kid in kids(root):
        yield from walk(kid, None)


def kids(element: Any) -> list[Any]:
    found = element.get("/K", [])
    return [one.get_object() for one in (found if isinstance(found, list) else [found])]


def sorts(reader: PdfReader) -> list[str]:
    return [str(one["/S"]) for one, _ in elements(reader)]


def test_it_says_what_it_is_and_in_which_language(reader: PdfReader):
    lang, page = reader.source
    root: Any = reader.trailer["/Root"]
    assert root["/Lang"] == lang
    assert root["/MarkInfo"]["/Marked"]
    assert root["/ViewerPreferences"]["/DisplayDocTitle"]
    title = re.search(r"<title>(.*)</title>", page)
    assert title is not None
    assert reader.metadata is not None
    assert reader.metadata.title == title[1]
    xmp = root["/Metadata"].get_data().decode()
    assert re.search(r'pdfuaid:part="1"', xmp)
    assert title[1] in xmp


def test_nothing_in_it_says_when_it_was_made(reader: PdfReader):
    assert reader.metadata is not None
    assert not {"/CreationDate", "/ModDate"} & reader.metadata.keys()
    xmp = reader.trailer["/Root"]["/Metadata"].get_data().decode()
    assert "CreateDate" not in xmp


def test_the_same_page_gives_the_same_bytes(letter: Letter, renderer: Renderer):
    page = renderer.document("letter", letter, "en")
    assert to_pdf(page, lang="en") == to_pdf(page, lang="en")


def test_headings_begin_with_one_and_skip_no_level(reader: PdfReader):
    levels = [int(sort[2]) for sort in sorts(reader) if re.fullmatch("/H[1-6]", sort)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_only_items_stand_in_lists_and_only_label_and_body_in_items(reader: PdfReader):
    for one, above in elements(reader):
        sort, over = str(one["/S"]), None if above is None else str(above["/S"])
        if over == "/L":
            assert sort in ("/LI", "/L", "/Caption")
        if over == "/LI":
            assert sort in ("/Lbl", "/LBody", "/L")
        if sort == "/LI":
            assert over == "/L"
    facts = [one for one, _ in elements(reader) if one["/S"] == "/LI" and kids(one)[0]["/S"] == "/Lbl"]
    assert len(facts) > 8


def test_each_cell_names_its_headings(reader: PdfReader):
    ids = [str(one["/ID"]) for one, _ in elements(reader) if one["/S"] == "/TH"]
    cells = [one for one, _ in elements(reader) if one["/S"] == "/TD"]
    assert cells
    assert len(ids) == len(set(ids))
    for cell in cells:
        named = [str(one) for one in cell["/A"]["/Headers"]]
        assert len(named) == 2, "one of its row, one of its column"
        assert set(named) <= set(ids)
    assert sorts(reader).count("/Caption") == sorts(reader).count("/Table")


def test_headings_of_a_table_that_a_page_breaks_have_names_of_their_own():
    rows = "".join(f'<tr><th scope="row">row {n}</th><td>{n}</td></tr>' for n in range(200))
    head = '<thead><tr><th scope="col">What</th><th scope="col">Value</th></tr></thead>'
    page = PAGE.format(f"<h1>x</h1><table><caption>c</caption>{head}<tbody>{rows}</tbody></table>")
    made = PdfReader(io.BytesIO(to_pdf(page, lang="en")))
    assert len(made.pages) > 1
    ids = [str(one["/ID"]) for one, _ in elements(made) if one["/S"] == "/TH"]
    assert len(ids) == len(set(ids)) > 200
    cells = [one for one, _ in elements(made) if one["/S"] == "/TD"]
    assert len(cells) == 200
    assert all(len(one["/A"]["/Headers"]) == 2 and set(map(str, one["/A"]["/Headers"])) <= set(ids) for one in cells)


def test_pictures_have_words(reader: PdfReader):
    figures = [one for one, _ in elements(reader) if one["/S"] == "/Figure"]
    assert len(figures) == 1
    assert "QR" in figures[0]["/Alt"]


def test_links_are_in_the_tree_and_say_where_they_lead(reader: PdfReader):
    annotations = [one.get_object() for page in reader.pages for one in page.get("/Annots", [])]
    assert annotations
    assert all(one["/Contents"] and "/StructParent" in one for one in annotations)
    assert sorts(reader).count("/Link") >= len(annotations)
    assert all(page["/Tabs"] == "/S" for page in reader.pages)


def letters_of(page: Any) -> dict[int, str]:
    """The text of each marked piece of a page, by its number, with the letters that its fonts name for each glyph."""
    maps = {}
    for name, font in page["/Resources"]["/Font"].items():
        cmap = font.get_object()["/ToUnicode"].get_data().decode()
        pairs = re.findall(r"<([0-9a-fA-F]+)>\s+<([0-9a-fA-F]+)>", cmap.partition("beginbfchar")[2])
        maps[name] = {int(code, 16): bytes.fromhex(text).decode("utf-16-be") for code, text in pairs}
    found: dict[int, str] = {}
    piece, font = -1, ""
    for operands, operator in ContentStream(page["/Contents"], page.pdf).operations:
        if operator == b"BDC":
            piece = int(operands[1].get("/MCID", -1))
        elif operator == b"EMC":
            piece = -1
        elif operator == b"Tf":
            font = str(operands[0])
        elif operator in (b"Tj", b"TJ"):
            for part in operands[0] if operator == b"TJ" else operands:
                raw = getattr(part, "original_bytes", b"")
                codes = [int.from_bytes(raw[at : at + 2], "big") for at in range(0, len(raw), 2)]
                found[piece] = found.get(piece, "") + "".join(maps[font].get(code, "?") for code in codes)
    return found


def test_read_aloud_by_the_tree_it_is_the_page_word_for_word(reader: PdfReader):
    texts = {page.indirect_reference.idnum: letters_of(page) for page in reader.pages}
    heard = ""
    for one, _ in elements(reader):
        heard += "".join(texts[one.raw_get("/Pg").idnum].get(kid, "") for kid in kids(one) if isinstance(kid, int))
    _, page = reader.source
    body = page.partition('<main id="content" tabindex="-1">')[2]
    body = re.sub(r"<svg.*?</svg>", "", body, flags=re.S)
    written = html.unescape(re.sub(r"<[^>]+>", "", body))

    def bare(text: str) -> str:
        return re.sub(r"[\s\u2022]", "", text)

    assert len(bare(heard)) > 3_000
    assert bare(heard) == bare(written)


def test_what_is_drawn_is_text_in_the_tree_or_no_part_of_the_text(reader: PdfReader):
    in_tree: dict[int, set[int]] = {}
    for one, _ in elements(reader):
        for kid in kids(one):
            if isinstance(kid, int):
                in_tree.setdefault(one.raw_get("/Pg").idnum, set()).add(int(kid))
    for page in reader.pages:
        operations = ContentStream(page["/Contents"], page.pdf).operations
        begun = [operands for operands, operator in operations if operator == b"BDC"]
        marked = {int(operands[1]["/MCID"]) for operands in begun if "/MCID" in operands[1]}
        assert marked == in_tree[page.indirect_reference.idnum]
        aside = [operands for operands in begun if operands[0] == "/Artifact"]
        assert [operands[1]["/Type"] for operands in aside] == ["/Pagination"] * len(aside)
        assert aside, "the number of the page"


def test_fonts_are_inside_and_their_letters_can_be_copied(reader: PdfReader):
    fonts = [font.get_object() for page in reader.pages for font in page["/Resources"]["/Font"].values()]
    assert fonts
    for font in fonts:
        assert "/ToUnicode" in font
        descriptor = font["/DescendantFonts"][0].get_object()["/FontDescriptor"]
        assert {"/FontFile", "/FontFile2", "/FontFile3"} & descriptor.keys()


@pytest.mark.parametrize(
    ("page", "said"),
    [
        (PAGE.replace('lang="en"', 'lang="nl"').format(""), "another language"),
        (PAGE.replace("A title", " ").format(""), "no title"),
        (PAGE.format('<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">'), "alt"),
        (PAGE.format('<svg viewBox="0 0 1 1"><path d="M0 0"/></svg>'), "title"),
        (PAGE.format('<img alt="x" src="https://elsewhere.example/x.png">'), "not in the document"),
        (PAGE.format('<img alt="x" src="file:///etc/hostname">'), "not in the document"),
        (PAGE.replace("<title>", '<link rel="stylesheet" href="https://e.example/x.css"><title>').format(""), "not in"),
    ],
)
def test_what_a_reader_would_miss_is_refused(page: str, said: str):
    with pytest.raises(PdfError, match=said):
        to_pdf(page, lang="en")


def test_without_pango_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    """As on a machine that lacks it: loading the shared library fails with OSError."""
    for name in [one for one in sys.modules if one.partition(".")[0] == "weasyprint"]:
        monkeypatch.delitem(sys.modules, name)
    cffi = pytest.importorskip("cffi")

    def lacks(_self: Any, name: str | None, *_rest: Any) -> Any:
        raise OSError(f"cannot load library {name!r}")

    monkeypatch.setattr(cffi.FFI, "dlopen", lacks)
    with pytest.raises(PdfError, match=r"libpango.*or ask for html"):
        to_pdf(PAGE.format("<p>x</p>"), lang="en")
