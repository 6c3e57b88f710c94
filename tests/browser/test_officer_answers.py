"""In a browser, at both widths: an officer makes the access file, corrects a record; the person reads the letter."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from service.cases import access_codes, notification, officer_requests, public_requests, reviews
from service.deciding import decide
from service.explaining import explain
from service.records import corrections, reading

pytestmark = pytest.mark.enable_socket

LOAN = "social-loan-check"
INPUT = {"payment_record": "always on time", "income": "a steady job", "debts": "no debts", "room": 250}
LANGUAGES, WIDTHS = ("en", "nl"), (320, 1280)
Open = Callable[..., Page]
Check = Callable[[Page], None]


def asked(portal: Any, right: str, person: str) -> tuple[str, public_requests.Opened]:
    record = decide.decide(portal.g, LOAN, INPUT, subjects=(person,)).id
    code = access_codes.issue_code(portal.g, record)
    opened = public_requests.open_request(
        portal.g, right=right, channel="web", lang="en", text="Invented.", reference=record, code=code
    )
    return record, opened


@pytest.fixture(scope="module")
def requests_of(portal: Any) -> dict[str, str]:
    """Right → a request of an invented person; `unchecked`: of which nobody knows who asks."""
    found = {right: asked(portal, right, f"TEST-07{n}")[1].request.id for n, right in enumerate(("access", "correct"))}
    unknown = public_requests.open_request(
        portal.g, right="access", channel="web", lang="en", text="Invented.", contact="x"
    )
    return found | {"unchecked": unknown.request.id}


@pytest.fixture(scope="module")
def tracking(portal: Any) -> str:
    """The code of a request that was answered with an explanation."""
    record, opened = asked(portal, "explain", "TEST-0799")
    reviews.record_review(portal.g, record, reviews.Review("confirm", "You get the loan.", "Invented reasons."))
    notification.notify(portal.g, record, portal.g.clock().date())
    told = explain.explain(portal.g, reading.CLI, record, cause="letter")
    officer_requests.answer(
        portal.g, reading.Reader("officer", "x"), opened.request.id, version=1, text="So.", explanation=told.id
    )
    return opened.tracking_code


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("name", ["access", "correct", "unchecked"])
def test_a_page_is_accessible_and_fits(
    staff_page: Open, accessible: Check, portal: Any, requests_of: dict[str, str], name: str, lang: str, width: int
) -> None:
    page = staff_page(portal, "officer", width=width)
    page.goto(f"{portal.url}/console/requests/{requests_of[name]}?lang={lang}")
    for one in page.locator("details:not([open]) > summary").all():
        one.click() if one.is_visible() else None
    accessible(page)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_access_file_by_keyboard(
    staff_page: Open, accessible: Check, portal: Any, requests_of: dict[str, str], width: int, tmp_path: Path
) -> None:
    page = staff_page(portal, "officer", width=width)
    page.goto(f"{portal.url}/console/requests/{requests_of['access']}?lang=en")
    page.locator("#person").fill("TEST-0000")
    with page.expect_navigation():
        page.get_by_role("button", name="Make the file").press("Enter")
    assert page.title().startswith("Mistake in the form")
    assert "TEST" not in page.url
    accessible(page)
    page.locator('#errors a[href="#person"]').press("Enter")
    assert page.evaluate("document.activeElement.id") == "person"
    page.locator("#person").fill("TEST-070")
    with page.expect_download() as download:
        page.get_by_role("button", name="Make the file").press("Enter")
    file = tmp_path / "file.html"
    download.value.save_as(file)
    assert re.fullmatch(r"access-file-[0-9a-f]{8}\.html", download.value.suggested_filename)
    assert "What we hold about you" in file.read_text("utf-8")


@pytest.mark.parametrize("javascript", [True, False])
@pytest.mark.parametrize("width", WIDTHS)
def test_a_correction_by_keyboard(
    staff_page: Open, accessible: Check, portal: Any, width: int, javascript: bool
) -> None:
    record, opened = asked(portal, "correct", "TEST-0720")
    page = staff_page(portal, "officer", width=width, javascript=javascript)
    page.goto(f"{portal.url}/console/requests/{opened.request.id}?lang=nl")
    page.locator("#field").select_option("income")
    page.locator("#value").fill("geen inkomen")
    with page.expect_navigation():
        page.get_by_role("button", name="De verbetering vastleggen").press("Enter")
    assert page.locator('#errors a[href="#reasons"]').count() == 1
    if javascript:
        accessible(page)
    page.locator("#reasons").fill("Verzonnen: een brief.")
    with page.expect_navigation():
        page.get_by_role("button", name="De verbetering vastleggen").press("Enter")
    assert "De verbetering staat in het logboek" in page.inner_text("main")
    if javascript:
        accessible(page)
    found = corrections.of(portal.g, reading.open(portal.g, reading.CLI, "correction", record))
    assert [dict(one.values) for one in found] == [{"in_income": "no income"}]
    page.locator("#answer").fill("Verbeterd (verzonnen).")
    with page.expect_navigation():
        page.get_by_role("button", name="Ondertekenen en versturen").press("Enter")
    assert public_requests.status(portal.g, opened.tracking_code).answer == "Verbeterd (verzonnen)."


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_person_reads_the_letter(
    browser: Browser, accessible: Check, portal: Any, tracking: str, lang: str, width: int, tmp_path: Path
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, accept_downloads=True)
    page = context.new_page()
    page.goto(f"{portal.url}/follow?lang={lang}")
    page.locator("#code").fill(tracking)
    with page.expect_navigation():
        page.locator("main form button").first.press("Enter")
    accessible(page)
    with page.expect_download() as download:
        page.get_by_role("button", name={"en": "As PDF", "nl": "Als PDF"}[lang]).press("Enter")
    download.value.save_as(tmp_path / "letter.pdf")
    assert (tmp_path / "letter.pdf").read_bytes().startswith(b"%PDF-")
    with page.expect_navigation():
        page.get_by_role("button", name={"en": "Read the letter", "nl": "De brief lezen"}[lang]).press("Enter")
    assert "Invented reasons." in page.inner_text("main")
    assert tracking not in page.url
    assert page.locator("main h1").count() == 1
    accessible(page)
    context.close()
