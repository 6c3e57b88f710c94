"""The four letters that this house must be able to write: committed as a person reads them, and as PDF."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from reports.render import Renderer

GOLDEN = Path(__file__).parents[2] / "golden"
LETTERS = {
    "letter_grant": "granted",
    "letter_refuse": "refused",
    "letter_free_text": "free_text",
    "letter_unexplained": "unexplained",
}


@pytest.mark.parametrize("lang", ["en", "nl"])
@pytest.mark.parametrize("golden", LETTERS)
def test_letter_is_as_committed(golden: str, lang: str, plain_renderer: Renderer, request: pytest.FixtureRequest):
    made = plain_renderer.document("letter", request.getfixturevalue(LETTERS[golden])[lang], lang)
    path = GOLDEN / golden / f"{lang}.html"
    if os.environ.get("GREFFIER_GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(made, "utf-8")
    assert path.read_text("utf-8") == made, f"{golden}/{path.name} differs; see tests/reports/test_golden.py"


@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize("lang", ["en", "nl"])
@pytest.mark.parametrize("which", LETTERS)
def test_in_a_browser_it_fits_fetches_nothing_and_axe_finds_nothing(
    which: str, lang: str, width: int, renderer: Renderer, in_chromium: Any, request: pytest.FixtureRequest
):
    page = renderer.document("letter", request.getfixturevalue(LETTERS[which])[lang], lang)
    assert in_chromium(page, width) == {"width": width, "violations": [], "asked": []}
