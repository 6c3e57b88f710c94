"""Signing in by keyboard alone, and each page of the frame of staff: accessible, and no wider than the screen."""

from __future__ import annotations

import re
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page

from accounts import administration, second_factor, secret_table
from web import cookies

pytestmark = pytest.mark.enable_socket

LANGUAGES = ("en", "nl")
WIDTHS = (320, 1280)
PASSWORD = "vier losse woorden samen"
PAGES = {
    "/sign-in": None,
    "/sign-in/first": None,
    "/account": "officer",
    "/admin/accounts": "administrator",
    "/operator/live": "operator",
    "/operator/systems/tax-question-reply?price_request=0.5": "operator",
    "/operator/systems/tax-question-reply?price_request=much": "operator",
    "/operator/devices": "operator",
}


def open_page(browser: Browser, portal: Any, width: int, role: str | None) -> tuple[BrowserContext, Page]:
    context = browser.new_context(viewport={"width": width, "height": 900})
    if role is not None:
        token = portal.staff(role)["cookie"].partition("=")[2]
        context.add_cookies([{"name": cookies.SESSION, "value": token, "url": portal.url}])
    return context, context.new_page()


def check(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "wider than the screen"
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_accessible_and_fits(browser: Browser, portal: Any, path: str, lang: str, width: int) -> None:
    context, page = open_page(browser, portal, width, PAGES[path])
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("request", lambda request: said.append(request.url) if not request.url.startswith(portal.url) else None)
    page.goto(f"{portal.url}{path}{'&' if '?' in path else '?'}lang={lang}")
    assert page.get_attribute("html", "lang") == lang
    check(page)
    assert [one for one in said if "422" not in one] == []
    context.close()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_page_of_one_account_and_what_follows_it(browser: Browser, portal: Any, lang: str, width: int) -> None:
    login = f"test.{lang}{width}"
    made = administration.add(portal.g, login=login, name="Bo Voorbeeld", role="approver", by=None).account
    context, page = open_page(browser, portal, width, "administrator")
    page.goto(f"{portal.url}/admin/accounts/{made.id}?lang={lang}")
    check(page)
    with page.expect_navigation():
        page.locator("form:has(input[value=reset]) button").press("Enter")
    check(page)
    assert re.fullmatch(r"[a-z2-7]{4}(-[a-z2-7]{4}){3}", page.locator("dd code").nth(1).inner_text())
    context.close()


@pytest.mark.parametrize("javascript", [True, False])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_first_sign_in_by_keyboard(browser: Browser, portal: Any, width: int, javascript: bool) -> None:
    login = f"first.{width}{'js' if javascript else 'no'}"
    issued = administration.add(portal.g, login=login, name="Ada Voorbeeld", role="officer", by=None)
    context = browser.new_context(viewport={"width": width, "height": 900}, java_script_enabled=javascript)
    page = context.new_page()

    def fill(*texts: str) -> None:
        """From where the focus is, field by field, and send."""
        for text in texts:
            page.keyboard.type(text)
            page.keyboard.press("Tab")
        with page.expect_navigation():
            page.keyboard.press("Enter")

    page.goto(f"{portal.url}/sign-in/first?lang=en")
    page.locator("#login").focus()
    fill(login, issued.code)
    assert page.url.startswith(f"{portal.url}/sign-in/second-factor")
    assert page.locator(".square svg").is_visible()
    if javascript:
        check(page)
    with portal.g.reading() as conn:
        sealed = secret_table.read_secret(conn, issued.account.id).totp
    assert sealed is not None
    secret = second_factor.unseal(second_factor.read_keys(portal.g.home), issued.account.id, sealed)
    page.locator("#password").focus()
    fill(PASSWORD, PASSWORD, second_factor.code_at(secret, portal.g.clock()))
    assert page.locator(".codes code").count() == 8
    if javascript:
        check(page)
    with page.expect_navigation():
        page.locator("a.button").press("Enter")
    assert "Ada Voorbeeld" in page.inner_text("header")
    assert [one["httpOnly"] and one["sameSite"] == "Strict" for one in context.cookies()] == [True]
    with page.expect_navigation():
        page.get_by_role("button", name="Sign out").press("Enter")
    assert "You have signed out" in page.inner_text("main")
    context.close()
