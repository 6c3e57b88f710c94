"""Documents in a real browser: they fetch nothing, fit a small screen, and axe finds nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from reports.render import Renderer

CHROMIUM = shutil.which("chromium")
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: see tests/browser/setup.sh")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def documents(pages, report, decided, reply, measured, set_aside) -> dict[str, tuple[str, Any]]:
    return {
        "system_page": ("system_page", pages),
        "transparency": ("transparency", report),
        "letter_decided": ("letter", decided),
        "letter_reply": ("letter", reply),
        "letter_measured": ("letter", measured),
        "letter_set_aside": ("letter", set_aside),
    }


@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize("lang", ["en", "nl"])
@pytest.mark.parametrize(
    "which",
    ["system_page", "transparency", "letter_decided", "letter_reply", "letter_measured", "letter_set_aside"],
)
def test_document_in_chromium(which: str, lang: str, width: int, documents, browser: Any, renderer: Renderer):
    name, context = documents[which]
    html = renderer.document(name, context[lang] if which == "system_page" else context, lang)
    page = browser.new_page(viewport={"width": width, "height": 900})
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.set_content(html)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    found = Axe().run(page, options=RULES).response["violations"]
    assert [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found] == []
    assert asked == []
    page.close()


def test_keyboard_reaches_the_text_first(browser: Any, renderer: Renderer, decided):
    page = browser.new_page(viewport={"width": 320, "height": 600})
    page.set_content(renderer.document("letter", decided, "en"))
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("document.activeElement.getBoundingClientRect().top") >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    page.close()
