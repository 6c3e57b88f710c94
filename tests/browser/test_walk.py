"""The citizen's walk, by keyboard alone: letter → check → ask → acknowledged → the officer signs → the answer is read.

At two widths and in two languages, with JavaScript from the letter's square code and without it by what is typed. The
officer's part is done by the action that the staff pages call.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from service.cases import officer_requests as requests
from service.cases import reviews
from service.disclosing import letters
from service.proving.receipt_page import has_script
from service.records.reading import CLI, Reader

pytestmark = pytest.mark.enable_socket

OFFICER = Reader("officer", "ada.voorbeeld")
MOST_TABS = 60
WORDS = {
    "en": {
        "look up": "Look it up",
        "recorded": "What was recorded about you",
        "result": "Result of the system",
        "ask": "Ask why",
        "send": "Send",
        "received": "We received your request",
        "follow": "Follow your request",
        "show": "Show my request",
        "working": "We are working on it",
        "answered": "Answered",
        "answer": "Our answer",
        "objection": "Object to the decision until",
        "menu": "Menu",
    },
    "nl": {
        "look up": "Opzoeken",
        "recorded": "Wat er over u is vastgelegd",
        "result": "Uitkomst van het systeem",
        "ask": "Vraag uitleg",
        "send": "Versturen",
        "received": "Wij hebben uw verzoek ontvangen",
        "follow": "Volg uw verzoek",
        "show": "Toon mijn verzoek",
        "working": "Wij zijn ermee bezig",
        "answered": "Beantwoord",
        "answer": "Ons antwoord",
        "objection": "Bezwaar tegen het besluit tot en met",
        "menu": "Menu",
    },
}
QUESTION = {"en": "Why was my loan refused?", "nl": "Waarom is mijn lening geweigerd?"}
ANSWER = {
    "en": "The adviser looked at your letters about payment.\nYou may still send newer ones.",
    "nl": "De adviseur keek naar uw brieven over betalingen.\nU mag nog nieuwere sturen.",
}


@dataclass
class Walk:
    """A tab, driven by its keyboard; what it asked for and complained of."""

    page: Page
    width: int
    shots: Path
    axe: bool  # a page without a script is the same: it is looked at once
    requests: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)

    def focused(self) -> dict[str, str]:
        """The element with the focus: its id, its words, and whether it can be seen."""
        found: dict[str, str] = self.page.evaluate(
            """() => { const one = document.activeElement, box = one.getBoundingClientRect();
            return { id: one.id, words: one.textContent.trim(), tag: one.tagName,
                     ring: getComputedStyle(one).outlineStyle, width: String(box.width) }; }"""
        )
        return found

    def tab_to(self, name: str) -> None:
        """Press Tab until the element of that id, or link or button of these words, has the focus; which must show."""
        for _ in range(MOST_TABS):
            self.page.keyboard.press("Tab")
            found = self.focused()
            if found["id"] == name or (found["words"] == name and found["tag"] in ("A", "BUTTON", "SUMMARY")):
                assert found["ring"] != "none", f"{name}: the focus cannot be seen"
                assert float(found["width"]) >= 24, f"{name}: too small to hit"
                return
        raise AssertionError(f"no way by keyboard to: {name}")

    def choose(self, name: str) -> None:
        """Press what is called so, and wait for the page that comes."""
        self.tab_to(name)
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")

    def write(self, name: str, text: str) -> None:
        self.tab_to(name)
        self.page.keyboard.insert_text(text)

    def sound(self, name: str) -> None:
        """The page is accessible, keeps to its width, and to itself."""
        self.page.screenshot(path=self.shots / f"{name}.png", full_page=True)
        assert self.page.evaluate("document.documentElement.scrollWidth") <= self.width
        assert self.page.locator("h1").count() == 1
        assert self.page.context.cookies() == []
        assert self.console == []
        if self.axe:
            results = Axe().run(self.page)
            assert results.violations_count == 0, results.generate_report()


@contextlib.contextmanager
def walking(browser: Browser, width: int, folder: Path, *, javascript: bool) -> Iterator[Walk]:
    context = browser.new_context(viewport={"width": width, "height": 800}, java_script_enabled=javascript)
    walk = Walk(context.new_page(), width, folder, javascript)
    walk.page.on("console", lambda one: walk.console.append(one.text) if "favicon" not in str(one.location) else None)
    walk.page.on("request", lambda one: walk.requests.append(one.url))
    yield walk
    context.close()


@pytest.fixture(scope="module")
def town(portals: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A served home of this module alone, in which an officer refused a loan and told the applicant so today."""
    home, records = portals.copy_of_a_home(tmp_path_factory.mktemp("town"))
    with portals.served(home) as served:
        served.records = records
        decided = reviews.Review(
            "override", "refuse", "Letters about payment.", notified=served.g.clock().date().isoformat()
        )
        reviews.record_review(served.g, records.held, decided)
        yield served


@pytest.mark.parametrize("lang", ["en", "nl"])
@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize("javascript", [True, False], ids=["script", "no script"])
def test_from_the_letter_to_the_answer(
    browser: Browser, town: Any, tmp_path: Path, javascript: bool, width: int, lang: str
) -> None:
    words = WORDS[lang]
    letter = letters.letter(town.g, CLI, town.records.held, code=True)
    assert letter.code is not None
    by_square_code = javascript and has_script()
    with walking(browser, width, tmp_path, javascript=javascript) as walk:
        page = walk.page
        # The letter: its square code, or the address and what is printed under it.
        fragment = f"#{letter.reference}.{letter.code}" if by_square_code else ""
        page.goto(f"{town.url}/check?lang={lang}{fragment}")
        if by_square_code:
            assert walk.focused()["words"] == words["look up"]
            with page.expect_navigation():
                page.keyboard.press("Enter")
        else:
            walk.write("reference", letter.reference)
            walk.write("code", letter.code.replace("-", " ").lower())
            walk.choose(words["look up"])
        # Checked: genuine, and what was recorded.
        assert page.get_by_role("heading", name=words["recorded"]).is_visible()
        assert page.get_by_text(words["result"]).is_visible()
        walk.sound("checked")
        # Asked: reference and code came along.
        ask_in_page(walk, words["ask"])
        assert page.locator("#reference").input_value() == letter.reference
        walk.sound("ask")
        walk.write("text", QUESTION[lang])
        walk.choose(words["send"])
        # Acknowledged.
        assert page.locator("h1").inner_text() == words["received"]
        tracking = page.locator("#tracking").inner_text()
        walk.sound("asked")
        # Followed by its code, from the page for it.
        page.goto(f"{town.url}/follow?lang={lang}")
        walk.sound("follow")
        walk.write("code", tracking)
        walk.choose(words["show"])
        assert page.get_by_text(words["working"]).first.is_visible()
        assert page.get_by_text(QUESTION[lang]).is_visible()
        assert page.get_by_text(words["objection"]).is_visible()
        walk.sound("status")
        answer_it(town.g, ANSWER[lang])
        # The answer is read.
        page.goto(f"{town.url}/follow?lang={lang}")
        walk.write("code", tracking)
        walk.choose(words["show"])
        assert page.get_by_text(words["answered"]).first.is_visible()
        assert page.get_by_role("heading", name=words["answer"]).is_visible()
        assert page.locator("blockquote").inner_text() == ANSWER[lang]
        walk.sound("answered")
        sent = [
            url for url in walk.requests if any(secret in url for secret in (letter.code, tracking, letter.reference))
        ]
        assert sent == [], "codes and reference are in no address"
        assert all(url.startswith(f"{town.url}/") for url in walk.requests)


def ask_in_page(walk: Walk, words: str) -> None:
    """The button below what was recorded, not the link of the same name in the navigation."""
    for _ in range(MOST_TABS):
        walk.page.keyboard.press("Tab")
        found = walk.focused()
        if found["words"] == words and found["tag"] == "BUTTON":
            with walk.page.expect_navigation():
                walk.page.keyboard.press("Enter")
            return
    raise AssertionError(f"no way by keyboard to the button: {words}")


def answer_it(g: Any, text: str) -> None:
    """What an officer's page does with the one request that is open."""
    (waiting,) = requests.queue(g, OFFICER)
    requests.answer(g, OFFICER, waiting.id, version=waiting.version, text=text)


@pytest.mark.parametrize("lang", ["en", "nl"])
@pytest.mark.parametrize("width", [320, 1280])
def test_mistakes_are_told_where_they_are(browser: Browser, town: Any, tmp_path: Path, width: int, lang: str) -> None:
    with walking(browser, width, tmp_path, javascript=True) as walk:
        walk.page.goto(f"{town.url}/requests/correct?lang={lang}")
        walk.write("reference", "12")
        walk.choose(WORDS[lang]["send"])
        walk.console.clear()  # Chromium's own line about the status
        linked = walk.page.locator("#errors a")
        assert linked.evaluate_all("links => links.map(one => one.hash)") == ["#reference", "#text", "#contact"]
        walk.tab_to(linked.nth(1).inner_text()) if linked.nth(1).inner_text() != linked.nth(0).inner_text() else None
        walk.page.keyboard.press("Enter")
        assert walk.page.evaluate("location.hash") == "#text"
        assert walk.page.locator("#reference").input_value() == "12"
        walk.sound("mistakes")
        walk.page.goto(f"{town.url}/follow?lang={lang}")
        walk.write("code", "7K2M-90QX-4TRA-1D8B-Z3C5")
        walk.choose(WORDS[lang]["show"])
        walk.console.clear()
        walk.sound("unknown")
