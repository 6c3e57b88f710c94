"""Each page × language × width: accessible, no wider than the screen, no foreign script, nothing from elsewhere."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from service.disclosing import publications, transparency
from service.proving.receipt_page import has_script

pytestmark = pytest.mark.enable_socket

LANGUAGES = ("en", "nl")
WIDTHS = (320, 1280)
PAGES = {
    "home": "/",
    "register": "/register",
    "system": "/register/tax-question-reply",
    "pilot": "/register/health-line-aid",
    "search": "/register?q=loan&risk=high_risk",
    "nothing found": "/register?q=zzz",
    "history": "/register/tax-question-reply/history",
    "past": "/register/tax-question-reply/history?as_of=2100-01-01",
    "differences": "/register/tax-question-reply/history?from=2100-01-01&to=2100-01-02",
    "duties": "/register/social-loan-check/duties",
    "check": "/check",
    "explain": "/explanations",
    "look again": "/requests/look-again",
    "correct": "/requests/correct",
    "access": "/requests/access",
    "object": "/requests/object",
    "follow": "/follow",
    "reports": "/reports",
    "accessibility": "/accessibility",
    "statement on the log": "/how-to-check-us/statement",
    "fundamental rights": "/register/social-loan-check/fria",
    "what changed": "/changes",
    "how to check": "/how-to-check-us",
    "open data": "/open-data",
    "rights": "/rights",
    "missing": "/register/nothing",
}
# How a person fills the form in: the field, and which of the prepared texts goes there.
CHECKS = {
    "genuine": ("file", "receipt"),
    "pasted": ("receipt", "receipt"),
    "altered": ("receipt", "altered"),
    "erased": ("receipt", "erased_receipt"),
    "found": ("reference", "given"),
    "absent": ("reference", "absent"),
    "mistake": ("reference", "mistake"),
    "empty": ("reference", "empty"),
}
VERDICTS = {
    "genuine": ("Genuine", "Echt"),
    "pasted": ("Genuine", "Echt"),
    "altered": ("Does not match the log", "Klopt niet met het logboek"),
    "erased": ("In the log, details erased", "Staat in het logboek, gegevens gewist"),
    "found": ("In the log", "Staat in het logboek"),
    "absent": ("Not found", "Niet gevonden"),
    "mistake": ("There is a mistake in the form", "Er is een fout in het formulier"),
    "empty": ("There is a mistake in the form", "Er is een fout in het formulier"),
}


@dataclass
class Visit:
    """A tab, and what it heard while the test ran."""

    page: Page
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@contextlib.contextmanager
def visiting(browser: Browser, width: int, *, javascript: bool) -> Iterator[Visit]:
    context = browser.new_context(viewport={"width": width, "height": 900}, java_script_enabled=javascript)
    visit = Visit(context.new_page())
    visit.page.on("console", lambda message: visit.console.append(message.text) if _of_ours(message.location) else None)
    visit.page.on("pageerror", lambda error: visit.console.append(str(error)))
    visit.page.on("request", lambda request: visit.requests.append(request.url))
    yield visit
    context.close()


def _of_ours(location: dict[str, Any]) -> bool:
    """Chromium asks for an icon on its own account, once; it has nothing to do with the page."""
    return not str(location.get("url", "")).endswith("/favicon.ico")


def demand_sound(visit: Visit, portal: Any, width: int, *, status: int = 200) -> None:
    """No violation, no sideways scrolling, no request elsewhere; in the console only Chromium's line on the status."""
    assert all(url.startswith(f"{portal.url}/") for url in visit.requests)
    assert [line for line in visit.console if f"status of {status}" not in line] == []
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
    assert visit.page.locator("h1").count() == 1
    assert visit.page.context.cookies() == []
    results = Axe().run(visit.page)
    assert results.violations_count == 0, results.generate_report()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_accessible_and_keeps_to_itself(
    browser: Browser, portal: Any, name: str, lang: str, width: int
) -> None:
    with visiting(browser, width, javascript=True) as visit:
        answer = visit.page.goto(f"{portal.url}{PAGES[name]}{'&' if '?' in PAGES[name] else '?'}lang={lang}")
        assert answer is not None
        assert answer.status == (404 if name == "missing" else 200)
        demand_sound(visit, portal, width, status=answer.status)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_published_report_is_accessible(browser: Browser, portal: Any, lang: str, width: int) -> None:
    if publications.newest(portal.g) is None:
        last = portal.g.clock().date().replace(day=1) - timedelta(days=1)
        transparency.publish(portal.g, last.replace(day=1), last)
    with visiting(browser, width, javascript=True) as visit:
        visit.page.goto(f"{portal.url}/reports?lang={lang}")
        demand_sound(visit, portal, width)
        with visit.page.expect_navigation():
            visit.page.locator("main h2 a").first.click()
        assert "/reports/" in visit.page.url
        demand_sound(visit, portal, width)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_on_paper_stands_the_text_alone(browser: Browser, portal: Any, lang: str) -> None:
    """Neither navigation nor forms; and what is folded up on the screen is printed."""
    with visiting(browser, 1280, javascript=False) as visit:
        visit.page.goto(f"{portal.url}/register/social-loan-check?lang={lang}")
        visit.page.emulate_media(media="print")
        assert visit.page.locator("h1").is_visible()
        assert [one.is_visible() for one in visit.page.locator("header nav, .site-foot").all()] == [False] * 4


@pytest.fixture(scope="module")
def texts(portals: Any, portal: Any) -> dict[str, str]:
    return {
        "receipt": portal.records.receipt.decode(),
        "altered": portals.altered(portal.records.receipt).decode(),
        "erased_receipt": portal.records.erased_receipt.decode(),
        "given": portal.records.given,
        "absent": "1b4e28ba-2fa1-4d2b-883f-0016d3cca427",
        "mistake": "12",
        "empty": "",
    }


def expected(name: str, lang: str, *, javascript: bool) -> str:
    """In the browser a receipt is checked by itself: that its record was erased shows only in the log."""
    by_itself = javascript and has_script() and name == "erased"
    return VERDICTS["genuine" if by_itself else name][LANGUAGES.index(lang)]


def fill_in(page: Page, portal: Any, lang: str, name: str, texts: dict[str, str], folder: Path) -> None:
    field_, text = CHECKS[name]
    page.goto(f"{portal.url}/check?lang={lang}")
    if field_ == "file":
        file = folder / "mine.receipt.json"
        file.write_text(texts[text], encoding="utf-8")
        page.set_input_files("#file", file)
    else:
        page.fill(f"#{field_}", texts[text])
    page.click("#letter button" if field_ == "reference" else "#check button")


def headline(page: Page) -> str:
    """What the answer to a check says first: the verdict, or that something is wrong with the form."""
    return page.locator("#verdict-title, #errors-title").first.inner_text()


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("name", CHECKS)
def test_a_receipt_is_checked_without_javascript(
    browser: Browser, portal: Any, texts: dict[str, str], tmp_path: Path, name: str, lang: str
) -> None:
    with visiting(browser, 320, javascript=False) as visit:
        fill_in(visit.page, portal, lang, name, texts, tmp_path)
        assert headline(visit.page) == expected(name, lang, javascript=False)
        assert all(url.startswith(f"{portal.url}/") for url in visit.requests)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("name", sorted(set(CHECKS) - {"pasted"}))
def test_the_answer_to_a_check_is_accessible(
    browser: Browser, portal: Any, texts: dict[str, str], tmp_path: Path, name: str, lang: str, width: int
) -> None:
    with visiting(browser, width, javascript=True) as visit:
        fill_in(visit.page, portal, lang, name, texts, tmp_path)
        assert headline(visit.page) == expected(name, lang, javascript=True)
        demand_sound(visit, portal, width, status=422)


def reached_by_tab(page: Page, steps: int) -> list[str]:
    """What has the focus after each press of Tab: its id, else its words."""
    reached = []
    for _ in range(steps):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()"))
    return reached


@pytest.mark.parametrize("width", WIDTHS)
def test_everything_is_reached_with_the_keyboard_alone(browser: Browser, portal: Any, width: int) -> None:
    with visiting(browser, width, javascript=True) as visit:
        visit.page.goto(f"{portal.url}/check?lang=en")
        reached = reached_by_tab(visit.page, 4)
        assert reached[0] == "Skip to the text"
        if width < 768:
            reached += reached_by_tab(visit.page, 1)
            assert reached[-1] == "Menu"
            visit.page.keyboard.press("Enter")
        reached += reached_by_tab(visit.page, 20)
        order = ["AI systems we use", "Check your receipt", "Ask why", "Ask us to look again", "Follow your request"]
        order += ["Facts and figures", "reference", "code", "Look it up", "file", "receipt", "Check"]
        places = [reached.index(name) for name in order]
        assert places == sorted(places)


def test_on_a_small_screen_the_menu_is_closed_and_opens_without_javascript(browser: Browser, portal: Any) -> None:
    with visiting(browser, 320, javascript=False) as visit:
        visit.page.goto(f"{portal.url}/?lang=en")
        link = visit.page.locator("header").get_by_role("link", name="Facts and figures")
        assert not link.is_visible()
        visit.page.click("header summary")
        with visit.page.expect_navigation():
            link.click()
        assert visit.page.url == f"{portal.url}/reports?lang=en"


def test_the_skip_link_leads_to_the_text(browser: Browser, portal: Any) -> None:
    with visiting(browser, 1280, javascript=True) as visit:
        visit.page.goto(f"{portal.url}/register?lang=en")
        visit.page.keyboard.press("Tab")
        visit.page.keyboard.press("Enter")
        assert visit.page.evaluate("document.activeElement.id") == "content"


def test_a_page_stands_still_while_somebody_presses_a_button(browser: Browser, portal: Any) -> None:
    """Where a page glides to its place, a button leaves the pointer between press and release, and nothing happens."""
    with visiting(browser, 320, javascript=True) as visit:
        visit.page.goto(f"{portal.url}/check?lang=en")
        where = "const top = () => b.getBoundingClientRect().top; const before = top()"
        before, at_once = visit.page.locator("#check button").evaluate(
            f"b => {{ {where}; b.scrollIntoView(); return [before, top()] }}"
        )
        assert at_once < 900 < before


def test_the_language_switch_stays_on_the_page_and_the_choice_stays_in_the_links(browser: Browser, portal: Any) -> None:
    with visiting(browser, 1280, javascript=False) as visit:
        visit.page.goto(f"{portal.url}/register/tax-question-reply?lang=en")
        with visit.page.expect_navigation():
            visit.page.click("text=Nederlands")
        assert visit.page.locator("h1").inner_text() == "Antwoord op belastingvragen"
        with visit.page.expect_navigation():
            visit.page.get_by_role("link", name="Wat er aan dit systeem is veranderd").click()
        assert visit.page.locator("h1").inner_text() == "Wat is er veranderd"
        with visit.page.expect_navigation():
            visit.page.click("text=Cijfers en verslagen")
        assert visit.page.locator("html").get_attribute("lang") == "nl"


def test_a_script_in_a_page_would_not_run(browser: Browser, portal: Any) -> None:
    """The policy holds: even a script that got into a page is refused by the browser."""
    with visiting(browser, 1280, javascript=True) as visit:
        visit.page.goto(f"{portal.url}/register")
        with contextlib.suppress(Exception):
            visit.page.add_script_tag(content="document.title = 'changed'")
        assert visit.page.title() != "changed"
        assert any("Content Security Policy" in line for line in visit.console)
