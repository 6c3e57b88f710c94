"""Statements in a real browser, also with what is folded in opened, and as PDF read by a library that made none."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from pypdf import PdfReader

from reports.pdf import to_pdf
from reports.render import Renderer

Statement = Callable[[str, str], Any]
DOCUMENTS = {
    "told_pages": "system_page",
    "corrected": "transparency",
    "fria": "fria",
    "instructions": "instructions",
    "incident": "incident",
    "incident_report": "incident_report",
    "logging_statement": "logging_statement",
    "accessibility": "accessibility",
    "audited": "accessibility",
}


@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize("lang", ["en", "nl"])
@pytest.mark.parametrize("fixture", DOCUMENTS)
def test_statement_in_chromium(
    fixture: str,
    lang: str,
    width: int,
    renderer: Renderer,
    statement: Statement,
    in_chromium: Callable[[str, int], dict[str, Any]],
):
    html = renderer.document(DOCUMENTS[fixture], statement(fixture, lang), lang)
    for page in (html, html.replace("<details>", "<details open>")):
        assert in_chromium(page, width) == {"width": width, "violations": [], "asked": []}


@pytest.mark.parametrize("fixture", DOCUMENTS)
def test_statement_as_pdf(fixture: str, renderer: Renderer, statement: Statement):
    html = renderer.document(DOCUMENTS[fixture], statement(fixture, "nl"), "nl")
    data = to_pdf(html, lang="nl")
    made: Any = PdfReader(io.BytesIO(data))
    root = made.trailer["/Root"]
    assert (root["/Lang"], bool(root["/MarkInfo"]["/Marked"])) == ("nl", True)
    assert f"<title>{made.metadata.title}</title>" in html
    every = [*elements(root["/StructTreeRoot"])]
    levels = [int(one["/S"][2]) for one in every if re.fullmatch("/H[1-6]", str(one["/S"]))]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    figures = [one for one in every if one["/S"] == "/Figure"]
    assert len(figures) == html.count("<svg")
    assert all(str(one.get("/Alt", "")).strip() for one in figures)
    # What is folded in on a screen is on paper: nobody can open it there.
    text = " ".join(" ".join(page.extract_text() for page in made.pages).split())
    for heading in re.findall(r"<summary>([^<]+)</summary>", html):
        assert heading.strip() in text
    assert text.count("Hetzelfde als tabel") == html.count("Hetzelfde als tabel")
    assert [one["/S"] for one in every].count("/Table") >= html.count("<table")


def elements(element: Any) -> Iterator[Any]:
    found = element.get("/K", [])
    for kid in [one.get_object() for one in (found if isinstance(found, list) else [found])]:
        if isinstance(kid, dict) and "/S" in kid:
            yield kid
            yield from elements(kid)
