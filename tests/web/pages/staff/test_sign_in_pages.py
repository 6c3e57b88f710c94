"""Signing in in a browser: what another site, a planted cookie, an old page or a curious colleague gets."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from accounts import administration, second_factor, secret_table, session_table, sign_in_attempts
from accounts.transactions import changing
from web import cookies
from web.pages.staff.sign_in import _staff_page

pytestmark = pytest.mark.enable_socket

PASSWORD = "vier losse woorden samen"


@pytest.fixture
def browser(portal: Any) -> Iterator[httpx.Client]:
    """A browser of its own: it keeps cookies and follows no redirect by itself."""
    with portal.client() as browser:
        yield browser
    with changing(portal.g) as conn:
        conn.execute(session_table.attempt_table.delete())


def field(page: str, name: str) -> str:
    """The value of a hidden field."""
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found is not None, page
    return found[1]


def set_up(portal: Any, browser: httpx.Client, role: str = "officer", **more: Any) -> tuple[str, bytes]:
    """A new account's first sign-in, through the pages; its login and the secret of its app."""
    login = f"test.{secrets.token_hex(4)}"
    issued = administration.add(portal.g, login=login, name="Ada Voorbeeld", role=role, by=None, **more)
    page = browser.get("/sign-in/first").text
    data = {"csrf": field(page, "csrf"), "login": login, "code": issued.code}
    answer = browser.post("/sign-in/first", data=data)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in/second-factor")
    page = browser.get("/sign-in/second-factor").text
    keys = second_factor.read_keys(portal.g.home)
    with portal.g.reading() as conn:
        sealed = secret_table.read_secret(conn, issued.account.id).totp
    assert sealed is not None
    secret = second_factor.unseal(keys, issued.account.id, sealed)
    assert second_factor.as_typed(secret) in page
    assert "<svg" in page
    data = {"csrf": field(page, "csrf"), "password": PASSWORD, "again": PASSWORD}
    answer = browser.post("/sign-in/second-factor", data=data | {"code": code(portal, secret)})
    assert answer.status_code == 200
    assert len(re.findall(r"<li><code>[a-z2-7]{4}-[a-z2-7]{4}</code>", answer.text)) == 8
    return login, secret


def code(portal: Any, secret: bytes) -> str:
    return second_factor.code_at(secret, portal.g.clock())


def fresh(portal: Any, login: str) -> None:
    """As if half a minute had passed: the code that the app shows now was not used."""
    account = administration.find(portal.g, login)
    with changing(portal.g) as conn:
        secret_table.change(conn, account.id, totp_step=0)


def sign_in(portal: Any, browser: httpx.Client, login: str, secret: bytes, **more: str) -> httpx.Response:
    fresh(portal, login)
    page = browser.get("/sign-in").text
    data = {"csrf": field(page, "csrf"), "login": login, "password": PASSWORD, "code": code(portal, secret)}
    return browser.post("/sign-in", data=data | more)


def test_from_the_administrators_code_to_the_own_pages(portal: Any, browser: httpx.Client) -> None:
    assert browser.get("/console").headers["location"] == "/sign-in?next=%2Fconsole"
    login, secret = set_up(portal, browser)
    page = browser.get("/account")
    assert login in page.text
    assert page.headers["cache-control"] == "no-store"
    answer = browser.post("/sign-out", data={"csrf": field(page.text, "csrf")})
    assert answer.headers["location"] == "/sign-in?out=yes"
    assert browser.get("/account").status_code == 303
    answer = sign_in(portal, browser, login, secret, next="/account")
    assert answer.headers["location"] == "/account"
    assert browser.get("/account").status_code == 200


def test_a_planted_session_is_not_taken_on(portal: Any, browser: httpx.Client) -> None:
    login, secret = set_up(portal, browser)
    browser.cookies.clear()
    planted = "A" * 43
    browser.cookies.set(cookies.SESSION, planted, domain="127.0.0.1", path="/")
    assert sign_in(portal, browser, login, secret).status_code == 303
    given = browser.cookies.get(cookies.SESSION, domain="127.0.0.1", path="/")
    assert given not in {None, planted}
    with portal.client() as attacker:
        answer = attacker.get("/account", headers={"cookie": f"{cookies.SESSION}={planted}"})
        assert answer.status_code == 303


def test_the_session_of_before_ends_at_the_next_sign_in(portal: Any, browser: httpx.Client) -> None:
    login, secret = set_up(portal, browser)
    before = browser.cookies[cookies.SESSION]
    assert sign_in(portal, browser, login, secret).status_code == 303
    with portal.client() as other:
        assert other.get("/account", headers={"cookie": f"{cookies.SESSION}={before}"}).status_code == 303


def test_the_cookie_is_out_of_reach(portal: Any, browser: httpx.Client) -> None:
    login, secret = set_up(portal, browser)
    for answer in (sign_in(portal, browser, login, secret), browser.get("/sign-in")):
        for cookie in answer.headers.get_list("set-cookie"):
            assert "HttpOnly" in cookie
            assert "SameSite=strict" in cookie
            assert "Path=/" in cookie
            assert "Domain" not in cookie


def test_over_https_the_cookie_is_this_hosts_alone(portal: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from starlette.responses import Response

    class Served:
        settings = portal.g.settings.model_copy(update={"base_url": "https://greffier.example"})

    response = Response()
    cookies.set_session(response, Served, "token")
    assert response.headers.getlist("set-cookie")[0].startswith(f"__Host-{cookies.SESSION}=token;")
    assert "Secure" in response.headers.getlist("set-cookie")[0]


@pytest.mark.parametrize("planted", ['"\\015\\012x"', '"a\\000"', "x" * 5000, "short", '"\\351"'])
def test_a_planted_cookie_of_the_form_is_not_handed_on(browser: httpx.Client, planted: str) -> None:
    """What a browser was made to send never comes back in a header: the form gets a cookie of our own making."""
    answer = browser.get("/sign-in", headers={"cookie": f"{cookies.FORM}={planted}"})
    assert answer.status_code == 200
    assert re.fullmatch(rf"{cookies.FORM}=[A-Za-z0-9_-]{{43}}; HttpOnly; .*", answer.headers["set-cookie"])


def test_the_form_of_another_site_signs_nobody_in(portal: Any, browser: httpx.Client) -> None:
    login, secret = set_up(portal, browser)
    browser.cookies.clear()
    fresh(portal, login)
    data = {"login": login, "password": PASSWORD, "code": code(portal, secret)}
    page = browser.get("/sign-in").text
    good = field(page, "csrf")
    with portal.client() as elsewhere:
        foreign = field(elsewhere.get("/sign-in").text, "csrf")
        assert elsewhere.post("/sign-in", data=data | {"csrf": good}).status_code == 403
    for more, headers in (
        ({}, {}),
        ({"csrf": ""}, {}),
        ({"csrf": foreign}, {}),
        ({"csrf": good}, {"sec-fetch-site": "cross-site"}),
    ):
        answer = browser.post("/sign-in", data=data | more, headers=headers)
        assert answer.status_code == 403
        assert cookies.SESSION not in browser.cookies
    assert browser.post("/sign-in", data=data | {"csrf": good}).status_code == 303


def test_who_exists_cannot_be_told(portal: Any, browser: httpx.Client) -> None:
    login, _ = set_up(portal, browser)
    browser.cookies.clear()
    answers = []
    for name in (login, "nobody.voorbeeld"):
        told = []
        for _ in range(7):
            page = browser.get("/sign-in").text
            data = {"csrf": field(page, "csrf"), "login": name, "password": "wrong", "code": "000000"}
            answer = browser.post("/sign-in", data=data)
            assert name not in answer.text
            told.append((answer.status_code, re.sub(r'value="[^"]*"|Made on[^.]*|\d+ minutes', "", answer.text)))
        answers.append(told)
    assert answers[0] == answers[1]
    assert [status for status, _ in answers[0]] == [403] * 5 + [429] * 2


def test_behind_a_proxy_nobody_closes_the_door_for_all(
    portal: Any, browser: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tries are counted by the address that the agency's own proxy names, not by the proxy's."""
    monkeypatch.setattr(sign_in_attempts, "TRIES_FROM", 2)
    settings = portal.g.settings.model_copy(update={"client_address_header": "x-forwarded-for"})
    monkeypatch.setattr(portal.g, "settings", settings)
    answers = []
    for number, address in enumerate(["203.0.113.9"] * 3 + ["203.0.113.10"]):
        page = browser.get("/sign-in").text
        data = {"csrf": field(page, "csrf"), "login": f"nobody.{number}", "password": "wrong", "code": "000000"}
        answers.append(browser.post("/sign-in", data=data, headers={"x-forwarded-for": address}).status_code)
    assert answers == [403, 403, 429, 403]


def test_what_was_typed_comes_back_in_no_page_and_no_address(portal: Any, browser: httpx.Client) -> None:
    page = browser.get("/sign-in").text
    typed = {"login": "<script>alert(1)</script>", "password": "secret typed here", "code": "987654"}
    answer = browser.post("/sign-in", data=typed | {"csrf": field(page, "csrf"), "next": "/console"})
    assert answer.status_code == 403
    for value in typed.values():
        assert value not in answer.text
    assert str(answer.url).endswith("/sign-in")


@pytest.mark.parametrize(
    "path",
    [
        "https://evil.example",
        "//evil.example/console",
        "/\\evil.example",
        "/console/../../x",
        "/console?x=1",
        "/console#x",
        "/register",
        "/console\r\nset-cookie: a=b",
        "/console/" + "a" * 65,
        "javascript:alert(1)",
    ],
)
def test_nobody_is_sent_elsewhere_after_signing_in(path: str) -> None:
    assert _staff_page(path) == ""
    assert _staff_page("/console/reviews/1b4e28ba-2fa1-4d2b-883f-0016d3cca427") != ""


def test_the_session_ends_when_the_account_does(portal: Any, browser: httpx.Client) -> None:
    login, secret = set_up(portal, browser)
    form = field(browser.get("/account").text, "csrf")
    administration.end(portal.g, login, by=None)
    assert browser.get("/account").headers["location"] == "/sign-in?next=%2Faccount"
    answer = browser.post("/account/sessions", data={"csrf": form})
    assert answer.status_code == 401
    assert "/sign-in" in answer.text
    browser.cookies.clear()
    page = browser.get("/sign-in").text
    data = {"csrf": field(page, "csrf"), "login": login, "password": PASSWORD, "code": code(portal, secret)}
    assert browser.post("/sign-in", data=data).status_code == 403


def test_a_scope_limits_a_person_as_it_does_a_key(portal: Any, portals: Any) -> None:
    mine, other = portal.staff("auditor", portals.SYSTEM), portal.staff("auditor", portals.HELD_SYSTEM)
    with portal.client() as client:
        params = {"system": portals.SYSTEM}
        assert client.get("/api/decisions", params=params, headers=mine).status_code == 200
        assert client.get("/api/decisions", params=params, headers=other).status_code == 403


def test_a_reading_by_a_person_names_their_account_to_nobody_but_the_vault(portal: Any, portals: Any) -> None:
    officer = portal.staff("officer")
    with portal.client() as client:
        answer = client.get(f"/api/receipts/{portal.records.given}", headers=officer)
    assert answer.status_code == 200
    assert portals.INPUT["message"] in answer.text
    account = next(one for one in administration.names(portal.g).values() if one.role == "officer")
    with portal.g.reading() as conn:
        from auditlog.store import log as log_store

        entries = b"".join(data for _, data in log_store.iterate_entries(conn, 1, 0, portal.g.log.state().size))
    assert b'"role":"officer"' in entries
    assert account.id.encode() not in entries
    assert account.login.encode() not in entries


# --- own account and administration -----------------------------------------------------------------------------------


def test_a_password_is_changed_with_the_old_one_and_a_code(portal: Any, browser: httpx.Client) -> None:
    login, secret = set_up(portal, browser)
    form = field(browser.get("/account").text, "csrf")
    new = "een heel andere zin hier"
    data = {"csrf": form, "old": PASSWORD, "password": new, "again": new}
    for wrong in ({"old": "wrong"}, {"again": "different from it"}, {"password": "short", "again": "short"}):
        fresh(portal, login)
        answer = browser.post("/account/password", data=data | {"code": code(portal, secret)} | wrong)
        assert answer.status_code == 422
        assert "wrong" not in re.sub(r"is wrong", "", answer.text)
    fresh(portal, login)
    answer = browser.post("/account/password", data=data | {"code": code(portal, secret)})
    assert answer.headers["location"] == "/account?done=password"
    assert browser.get("/account?done=password").status_code == 200
    with portal.client() as other:
        assert sign_in(portal, other, login, secret, password=new).status_code == 303


def test_an_administrator_adds_changes_and_ends_and_sees_no_secret(portal: Any, browser: httpx.Client) -> None:
    set_up(portal, browser, "administrator")
    form = field(browser.get("/admin/accounts").text, "csrf")
    login = f"test.{secrets.token_hex(4)}"
    data = {"csrf": form, "login": login, "name": "<b>Bo</b> Voorbeeld", "role": "approver", "systems": "", "ends": ""}
    for wrong in ({"login": "no good"}, {"role": "client"}, {"ends": "2020-01-01"}, {"systems": "Not A Slug"}):
        answer = browser.post("/admin/accounts", data=data | wrong)
        assert answer.status_code == 422
        assert 'aria-invalid="true"' in answer.text
    answer = browser.post("/admin/accounts", data=data)
    assert answer.status_code == 200
    assert "<b>Bo</b>" not in answer.text
    assert re.search(r"<code>[a-z2-7]{4}(-[a-z2-7]{4}){3}</code>", answer.text)
    account = administration.find(portal.g, login)
    path = f"/admin/accounts/{account.id}"
    assert not re.search(r"<code>[a-z2-7]{4}-", browser.get(path).text), "the code is shown once"
    change = data | {"do": "change", "role": "auditor", "systems": "social-loan-check", "ends": "2099-12-31"}
    assert browser.post(path, data=change).headers["location"] == f"{path}?done=yes"
    changed = administration.find(portal.g, login)
    assert (changed.role, changed.systems, str(changed.ends)) == ("auditor", ("social-loan-check",), "2099-12-31")
    assert browser.post(path, data={"csrf": form, "do": "reset"}).status_code == 200
    assert browser.post(path, data={"csrf": form, "do": "end"}).status_code == 422
    assert browser.post(path, data={"csrf": form, "do": "end", "sure": "yes"}).status_code == 303
    assert administration.find(portal.g, login).ended is not None
    assert browser.get("/admin/accounts/u000000000000").status_code == 404


def test_an_administrator_cannot_end_or_promote_themselves(portal: Any, browser: httpx.Client) -> None:
    login, _ = set_up(portal, browser, "administrator")
    me = administration.find(portal.g, login)
    form = field(browser.get("/account").text, "csrf")
    for data in ({"do": "end", "sure": "yes"}, {"do": "change", "role": "approver"}):
        assert browser.post(f"/admin/accounts/{me.id}", data=data | {"csrf": form}).status_code == 422
    assert administration.find(portal.g, login) == me


@pytest.mark.parametrize("lang", ["en", "nl"])
@pytest.mark.parametrize("path", ["/sign-in", "/sign-in/first", "/account", "/admin/accounts"])
def test_each_page_in_each_language(portal: Any, path: str, lang: str) -> None:
    with portal.client() as client:
        answer = client.get(path, params={"lang": lang}, headers=portal.staff("administrator"))
    assert answer.status_code == 200
    assert f'<html lang="{lang}">' in answer.text
    assert "None" not in re.sub(r"<[^>]*>", "", answer.text)
