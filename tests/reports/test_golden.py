"""Documents as a person reads them, compared with committed files.

To write them anew after a change you meant:

    GREFFIER_GOLDEN=write .venv/bin/python -m pytest tests/reports/test_golden.py

Then read the difference as text before you commit it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reports.render import Renderer

GOLDEN = Path(__file__).parents[1] / "golden"
DOCUMENTS = {
    "system_page": ("system_page", "pages"),
    "transparency": ("transparency", "report"),
    "letter": ("letter", "letter"),
    "letter_set_aside": ("letter", "set_aside"),
}


@pytest.mark.parametrize("lang", ["en", "nl"])
@pytest.mark.parametrize("golden", DOCUMENTS)
def test_document_is_as_committed(golden: str, lang: str, plain_renderer: Renderer, request: pytest.FixtureRequest):
    name, fixture = DOCUMENTS[golden]
    value = request.getfixturevalue(fixture)
    compare(
        GOLDEN / golden / f"{lang}.html",
        plain_renderer.document(name, value[lang] if fixture == "pages" else value, lang),
    )


@pytest.mark.parametrize("lang", ["en", "nl"])
def test_notice_is_as_committed(lang: str, plain_renderer: Renderer, request: pytest.FixtureRequest):
    notice = request.getfixturevalue("notice")
    compare(GOLDEN / "notice_decision" / f"{lang}.txt", plain_renderer.text("notice_decision", notice, lang) + "\n")


def compare(path: Path, made: str) -> None:
    if os.environ.get("GREFFIER_GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(made, "utf-8")
    assert path.read_text("utf-8") == made, f"{path.name} differs; see this module's docstring"
