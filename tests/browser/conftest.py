"""A real browser on a served home. In CI a missing Chromium is a failure, elsewhere the tests are skipped."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Error, Page, sync_playwright

from web import cookies

_SHOWN = "b => `focus on ${document.activeElement?.id}, scrolled to ${scrollY}\\n${b.innerText}`"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Beside a failure stands what its pages showed: without it, a wait that ran out says nothing."""
    report = yield
    browser = getattr(item, "funcargs", {}).get("browser")
    if report.when == "call" and report.failed and browser is not None:
        for page in (page for context in browser.contexts for page in context.pages):
            try:
                shown = page.locator("body").evaluate(_SHOWN, timeout=5_000)
            except Error as error:
                shown = str(error)
            report.sections.append((f"a page that was open: {page.url}", shown[:2_000]))
    return report


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Debian's Chromium, or another that CHROMIUM names."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        message = "Chromium is missing: install the package `chromium`, or name another in CHROMIUM"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return found


@pytest.fixture(scope="module")  # while it lives, Playwright keeps an event loop running in this thread
def browser(chromium: str) -> Iterator[Browser]:
    # In a container there is no user namespace for its sandbox; it visits our own pages only.
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def staff_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """`staff_page(portal, role, width=…, javascript=…)`: a page where somebody of that role is signed in."""
    opened = []

    def open_one(portal: Any, role: str, *systems: str, width: int = 1280, javascript: bool = True) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, java_script_enabled=javascript, accept_downloads=True
        )
        opened.append(context)
        token = portal.staff(role, *systems)["cookie"].partition("=")[2]
        context.add_cookies([{"name": cookies.SESSION, "value": token, "url": portal.url}])
        return context.new_page()

    yield open_one
    for context in opened:
        context.close()


@pytest.fixture
def accessible() -> Callable[[Page], None]:
    """Fails where a page is wider than its screen, or where axe finds something."""

    def check(page: Page) -> None:
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "wider than the screen"
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()

    return check
