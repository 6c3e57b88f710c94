"""What people are given, as committed; and what must never stand in it."""

from __future__ import annotations

import io
import os
import re
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from reports.errors import ContextError
from reports.law import LawAsks
from reports.notice_workers.context import WorkerNotice
from reports.pdf import to_pdf
from reports.render import Renderer

GOLDEN = Path(__file__).parents[2] / "golden"
DOCUMENTS = {
    "notice_decision": "sheet",
    "notice_workers": "workers",
    "notice_50": "article_50",
    "processing_record": "processing",
    "access_file": "held_file",
}


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html.partition("<body>")[2]).split())


@pytest.mark.parametrize("lang", ["en", "nl"])
@pytest.mark.parametrize("name", DOCUMENTS)
def test_document_is_as_committed(name: str, lang: str, plain_renderer: Renderer, request: pytest.FixtureRequest):
    made = plain_renderer.document(name, request.getfixturevalue(DOCUMENTS[name]), lang)
    path = GOLDEN / name / f"{lang}.html"
    if os.environ.get("GREFFIER_GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(made, "utf-8")
    assert path.read_text("utf-8") == made, f"{name}/{path.name} differs; see tests/reports/test_golden.py"


@pytest.mark.parametrize("lang", ["en", "nl"])
@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.usefixtures("pango")
def test_each_has_a_pdf_in_its_language(name: str, lang: str, renderer: Renderer, request: pytest.FixtureRequest):
    page = renderer.document(name, request.getfixturevalue(DOCUMENTS[name]), lang)
    made = PdfReader(io.BytesIO(to_pdf(page, lang=lang)))
    root: Any = made.trailer["/Root"]
    assert root["/Lang"] == lang
    assert root["/MarkInfo"]["/Marked"]
    assert to_pdf(page, lang=lang) == to_pdf(page, lang=lang)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, "Article 26(7) of the European AI Act asks us to tell you this."),
        ({"contested": True}, "It is not settled from which date"),
        ({"applies": "not_yet", "day": date(2027, 12, 2)}, "From 2 December 2027, Article 26(7)"),
        ({"applies": "no", "day": None}, "Article 26(7) of the European AI Act does not oblige us"),
        ({"applies": "unknown", "day": None}, "As far as we know"),
    ],
)
def test_what_the_law_asks_is_said_with_its_day(
    changed: dict[str, Any], said: str, workers: WorkerNotice, renderer: Renderer
):
    law = LawAsks(article=26, paragraph=7, applies="yes", day=date(2026, 8, 2), contested=False)
    text = words(renderer.document("notice_workers", replace(workers, law=replace(law, **changed)), "en"))
    assert said in text
    assert ("does not oblige" in text) == (changed.get("applies") in ("no", "unknown"))


def test_an_unknown_state_of_the_law_fails(workers: WorkerNotice, renderer: Renderer):
    with pytest.raises(ContextError):
        renderer.document("notice_workers", replace(workers, law=replace(workers.law, applies="maybe")), "en")


@pytest.mark.parametrize(
    ("starts", "said"),
    [
        (None, "The day on which we begin is not fixed yet."),
        (date(2026, 12, 1), "From 1 December 2026 we use a computer system"),
        (date(2026, 11, 24), "If we did not tell you before we began, we should have."),
    ],
)
def test_workers_are_told_before_or_told_that_it_was_late(
    starts: date | None, said: str, workers: WorkerNotice, renderer: Renderer
):
    assert said in words(renderer.document("notice_workers", replace(workers, starts=starts), "en"))


def test_notices_hang_on_facts_and_one_that_is_missing_is_said(article_50: Any, renderer: Renderer):
    none = replace(article_50, notices=())
    assert "needs no notice of this kind" in words(renderer.document("notice_50", none, "en"))
    text = words(renderer.document("notice_50", replace(none, unknown=True), "en"))
    assert "The register does not say everything yet" in text
    assert "needs no notice of this kind" not in text


def test_a_result_that_waits_is_not_shown(held_file: Any, renderer: Renderer):
    (_, waiting, _) = held_file.records
    text = words(renderer.document("access_file", replace(held_file, records=(waiting,), requests=()), "en"))
    assert "A member of staff still has the result." in text
    assert "The result was:" not in text


def test_a_register_that_lacks_what_gdpr_30_asks_says_so(processing: Any, renderer: Renderer):
    text = words(renderer.document("processing_record", processing, "en"))
    full, _, bare = text.partition("Health line aid")
    assert "Still missing in the register" not in full
    assert "Still missing in the register: who receives the data" in bare
    assert "How long they are kept." in bare


@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize("lang", ["en", "nl"])
@pytest.mark.parametrize("which", DOCUMENTS)
def test_in_a_browser_it_fits_fetches_nothing_and_axe_finds_nothing(
    which: str, lang: str, width: int, renderer: Renderer, in_chromium: Any, request: pytest.FixtureRequest
):
    page = renderer.document(which, request.getfixturevalue(DOCUMENTS[which]), lang)
    assert in_chromium(page, width) == {"width": width, "violations": [], "asked": []}
