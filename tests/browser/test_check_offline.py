"""`/check` with JavaScript, and a receipt that checks itself: all of it in the reader's browser, nothing sent."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from auditlog.core.entries.receipt import parse_receipt
from service.proving.receipt_page import has_script, receipt_html

pytestmark = [
    pytest.mark.enable_socket,
    pytest.mark.skipif(not has_script(), reason="web/static/verify.js is not built: `make check-page`"),
]

ROTATION = json.loads((Path(__file__).parents[2] / "docs/conformance/vectors/rotation.json").read_text("utf-8"))
LANGUAGES = ("en", "nl")
WIDTHS = (320, 1280)
GENUINE = {"en": "Genuine", "nl": "Echt"}
ALTERED = {"en": "Does not match the log", "nl": "Klopt niet met het logboek"}
MISTAKE = {"en": "There is a mistake in the form", "nl": "Er is een fout in het formulier"}
STAYS = {
    "en": "The file does not leave your device.",
    "nl": "Het bestand verlaat uw apparaat niet.",
}
RIGHT = {
    "en": "This does not say whether the result is right.",
    "nl": "Dit zegt niet of de uitkomst juist is.",
}


@dataclass
class Visit:
    """A tab, and what it asked for or complained of."""

    page: Page
    requests: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)


@contextlib.contextmanager
def visiting(browser: Browser, width: int = 1280, *, javascript: bool = True, offline: bool = False) -> Iterator[Visit]:
    context = browser.new_context(
        viewport={"width": width, "height": 900}, java_script_enabled=javascript, offline=offline
    )
    visit = Visit(context.new_page())
    visit.page.on("console", lambda message: visit.console.append(message.text) if _of_ours(message.location) else None)
    visit.page.on("pageerror", lambda error: visit.console.append(str(error)))
    # The tab's icon comes when Chromium likes, also after the page was loaded; it says nothing about the reader.
    visit.page.on(
        "request", lambda one: None if one.url.endswith("/static/icon.svg") else visit.requests.append(one.url)
    )
    yield visit
    context.close()


def _of_ours(location: dict[str, Any]) -> bool:
    """Some builds of Chromium ask for an icon on their own account."""
    return not str(location.get("url", "")).endswith("/favicon.ico")


def open_check(visit: Visit, portal: Any, lang: str = "en") -> Page:
    """The page, loaded; from here on every request is a surprise."""
    visit.page.goto(f"{portal.url}/check?lang={lang}")
    assert visit.requests.count(f"{portal.url}/static/verify.js") == 1
    visit.requests.clear()
    return visit.page


def check(page: Page, text: str) -> str:
    """The verdict's heading, for a pasted text."""
    page.fill("#receipt", text)
    page.click("#check button")
    return heading(page)


def heading(page: Page) -> str:
    page.wait_for_selector("#verdict-title")
    return page.locator("#verdict-title").inner_text()


def demand_sound(visit: Visit, width: int) -> None:
    assert visit.console == []
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
    results = Axe().run(visit.page)
    assert results.violations_count == 0, results.generate_report()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_file_is_checked_on_the_readers_device(
    browser: Browser, portal: Any, tmp_path: Path, lang: str, width: int
) -> None:
    file = tmp_path / "mine.receipt.json"
    file.write_bytes(portal.records.receipt)
    with visiting(browser, width) as visit:
        page = open_check(visit, portal, lang)
        assert page.get_by_text(STAYS[lang]).is_visible()
        assert page.locator("#verdict").get_attribute("aria-live") == "polite"
        visit.page.context.set_offline(True)
        page.set_input_files("#file", file)
        page.click("#check button")
        assert heading(page) == GENUINE[lang]
        said = page.locator("#verdict").inner_text()
        assert RIGHT[lang] in said
        assert portal.records.given in said
        assert visit.requests == []
        demand_sound(visit, width)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("lang", LANGUAGES)
def test_an_altered_receipt_names_what_was_changed(
    browser: Browser, portals: Any, portal: Any, lang: str, width: int
) -> None:
    with visiting(browser, width) as visit:
        page = open_check(visit, portal, lang)
        assert check(page, portals.altered(portal.records.receipt).decode()) == ALTERED[lang]
        assert "“outcome”" in page.locator("#verdict").inner_text()
        assert RIGHT[lang] not in page.locator("#verdict").inner_text()
        assert visit.requests == []
        demand_sound(visit, width)
        # The next one replaces it.
        assert check(page, portal.records.receipt.decode()) == GENUINE[lang]
        assert page.locator("#verdict h2").count() == 2


def test_other_verdicts(browser: Browser, portal: Any) -> None:
    receipt = portal.records.receipt.decode()
    with visiting(browser) as visit:
        page = open_check(visit, portal)
        assert check(page, "no receipt") == ALTERED["en"]
        assert "the form of the file" in page.locator("#verdict").inner_text()
        assert check(page, receipt.replace("waterveen.example/log/", "elsewhere.example/log/")) == "Not found"
        page.set_input_files("#file", {"name": "x.receipt.json", "mimeType": "application/json", "buffer": b"{}"})
        assert check(page, receipt) == MISTAKE["en"]
        page.set_input_files("#file", [])
        page.click(".keys summary")
        page.fill("#keys", "no keys")
        assert check(page, receipt) == "Not checked"
        assert visit.requests == []
        assert visit.console == []


def test_witnesses_count_as_the_readers_own_policy_says(browser: Browser, portal: Any) -> None:
    """The vectors' log, with a policy that the reader brings: confirmed by two, and not yet by enough."""
    cases = {case["name"]: case for case in ROTATION["cases"]}
    with visiting(browser, 320) as visit:
        page = open_check(visit, portal)
        page.click(".keys summary")
        page.fill("#keys", ROTATION["policies"]["all"])
        assert check(page, cases["the frozen log"]["receipt"]) == GENUINE["en"]
        assert "2 outside organisations confirmed the log." in page.locator("#verdict").inner_text()
        assert check(page, cases["integrated and not published"]["receipt"]) == GENUINE["en"]
        assert "It is not yet in the published log" in page.locator("#verdict").inner_text()
        assert check(page, cases["a known witness's line of another checkpoint"]["receipt"]) == ALTERED["en"]
        demand_sound(visit, 320)


def test_markup_in_a_receipt_is_shown_as_text(browser: Browser, portal: Any) -> None:
    value = json.loads(portal.records.receipt)
    value["openings"][0]["field"] = "x"
    value["openings"][0]["value"] = "<img src=x onerror=document.title='changed'>"
    with visiting(browser) as visit:
        page = open_check(visit, portal)
        assert check(page, json.dumps(value)) == ALTERED["en"]
        assert page.locator("#verdict img").count() == 0


def test_too_large_a_file_is_not_read(browser: Browser, portal: Any, tmp_path: Path) -> None:
    file = tmp_path / "large.receipt.json"
    file.write_bytes(b" " * ((1 << 20) + 1))
    with visiting(browser) as visit:
        page = open_check(visit, portal)
        page.set_input_files("#file", file)
        page.click("#check button")
        assert heading(page) == "Not checked"


def test_a_reference_is_looked_up_by_the_server(browser: Browser, portal: Any) -> None:
    with visiting(browser) as visit:
        page = open_check(visit, portal)
        page.fill("#reference", portal.records.given)
        page.click("#letter button")
        assert heading(page) == "In the log"
        assert f"{portal.url}/check?lang=en" in visit.requests


def test_erasure_shows_only_when_the_reference_is_looked_up(browser: Browser, portal: Any) -> None:
    with visiting(browser) as visit:
        page = open_check(visit, portal)
        assert check(page, portal.records.erased_receipt.decode()) == GENUINE["en"]
        page.click("text=Look it up in our log")
        page.wait_for_url("**/check?lang=en")
        page.get_by_text("In the log, details erased").wait_for()


def test_with_the_keyboard_alone(browser: Browser, portal: Any) -> None:
    with visiting(browser, 320) as visit:
        page = open_check(visit, portal)
        page.focus("#receipt")
        page.keyboard.insert_text(portal.records.receipt.decode())
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        assert heading(page) == GENUINE["en"]
        page.keyboard.press("Tab")
        reached = "document.activeElement.textContent.trim()"
        assert page.evaluate(reached) == "Look it up in our log"
        page.keyboard.press("Tab")
        assert page.evaluate(reached) == "Which keys are used?"
        page.keyboard.press("Enter")
        assert page.locator("#keys").is_visible()


def test_the_square_code_of_a_letter_fills_in_reference_and_code(browser: Browser, portal: Any) -> None:
    """They stand in the fragment, which no server sees; and nothing is asked before the reader does."""
    with visiting(browser) as visit:
        page = visit.page
        page.goto(f"{portal.url}/check?lang=en#{portal.records.given}.7K2M-90QX-4TRA")
        assert page.locator("#reference").input_value() == portal.records.given
        assert page.locator("#code").input_value() == "7K2M-90QX-4TRA"
        assert page.get_by_text("What stands in your letter is filled in.").is_visible()
        assert page.evaluate("document.activeElement.textContent") == "Look it up"
        assert page.url == f"{portal.url}/check?lang=en", "neither stays in the address"
        assert not [url for url in visit.requests if portal.records.given in url or "7K2M" in url]


@pytest.mark.parametrize("fragment", ["x", "1b4e28ba.7K2M", "1b4e28ba-2fa1-4d2b-883f-0016d3cca427.<script>", "letter"])
def test_another_fragment_fills_in_nothing(browser: Browser, portal: Any, fragment: str) -> None:
    with visiting(browser) as visit:
        visit.page.goto(f"{portal.url}/check?lang=en#{fragment}")
        assert visit.page.locator("#reference").input_value() == visit.page.locator("#code").input_value() == ""
        assert not visit.page.locator("#from-letter").is_visible()


def test_the_page_could_not_send_the_receipt_anywhere(browser: Browser, portal: Any) -> None:
    with visiting(browser) as visit:
        page = open_check(visit, portal)
        sent = "fetch('/check', {method: 'POST', body: 'x'}).then(() => 'sent', () => 'refused')"
        assert page.evaluate(sent) == "refused"


# --- a receipt that checks itself ----------------------------------------------------------------------------------


@pytest.fixture
def page_file(portal: Any, tmp_path: Path) -> Any:
    """`page_file(lang)`: a file `.receipt.html` on the disk."""

    def made(lang: str = "en", change: tuple[str, str] | None = None) -> Path:
        html = receipt_html(portal.g, parse_receipt(portal.records.receipt), lang).decode()
        if change is not None:
            assert change[0] in html
            html = html.replace(*change)
        path = tmp_path / f"{portal.records.given}.receipt.html"
        path.write_text(html, "utf-8")
        return path

    return made


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_receipt_in_a_file_checks_itself_without_a_network(
    browser: Browser, portal: Any, page_file: Any, lang: str, width: int
) -> None:
    path = page_file(lang)
    with visiting(browser, width, offline=True) as visit:
        visit.page.goto(path.as_uri())
        assert heading(visit.page) == GENUINE[lang]
        assert portal.records.given in visit.page.locator("#verdict").inner_text()
        assert visit.requests == [path.as_uri()]
        demand_sound(visit, width)


def test_a_changed_file_says_so(browser: Browser, page_file: Any) -> None:
    path = page_file(change=("\\nindex ", "\\nindex 1"))
    with visiting(browser, offline=True) as visit:
        visit.page.goto(path.as_uri())
        assert heading(visit.page) == ALTERED["en"]


def test_a_file_with_other_keys(browser: Browser, page_file: Any) -> None:
    """A forger's own keys do not help where the reader brings the true ones."""
    path = page_file()
    with visiting(browser, offline=True) as visit:
        page = visit.page
        page.goto(path.as_uri())
        assert heading(page) == GENUINE["en"]
        page.click("summary >> nth=0")
        other = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW\n"
        page.fill("#keys", other)
        page.click("#again")
        page.get_by_text("Not found").wait_for()


def test_a_script_in_the_file_that_is_not_ours_does_not_run(browser: Browser, page_file: Any) -> None:
    path = page_file(change=("</main>", "<script>document.title = 'changed'</script></main>"))
    with visiting(browser, offline=True) as visit:
        visit.page.goto(path.as_uri())
        assert heading(visit.page) == GENUINE["en"]
        assert visit.page.title() != "changed"


@pytest.mark.parametrize("lang", LANGUAGES)
def test_without_javascript_the_file_says_that_nothing_was_checked(browser: Browser, page_file: Any, lang: str) -> None:
    path = page_file(lang)
    with visiting(browser, 320, javascript=False, offline=True) as visit:
        visit.page.goto(path.as_uri())
        told = {"en": "so nothing is checked here", "nl": "Daarom is hier niets gecontroleerd"}
        assert visit.page.get_by_text(told[lang]).is_visible()
        assert visit.page.locator("#verdict").inner_text() == ""
