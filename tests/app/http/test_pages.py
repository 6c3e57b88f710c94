from __future__ import annotations

import csv
import io
import json
import re
from datetime import timedelta
from typing import Any

import httpx
import pytest

from app.actions import register, transparency
from app.actions.receipt_page import has_script
from app.demo.run import CASES
from app.http.headers import SECURITY_HEADERS
from app.http.pages.check import SCRIPT_POLICY
from app.settings import PROFILE_FILE
from reports.render import json_twin

pytestmark = pytest.mark.enable_socket

SCRIPT = '<script src="/static/verify.js" defer>'  # of one page only, and only where it was built
PAGES = [
    "/",
    "/register",
    "/register/tax-question-reply",
    "/register/tax-question-reply/history",
    "/check",
    "/reports",
]


@pytest.mark.parametrize("lang", ["en", "nl"])
@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_whole_in_its_language(client: httpx.Client, path: str, lang: str) -> None:
    response = client.get(path, params={"lang": lang})
    assert response.status_code == 200
    assert response.headers["content-language"] == lang
    html = response.text
    assert f'<html lang="{lang}">' in html
    assert len(re.findall(r"<h1[ >]", html)) == 1
    assert html.count("<main") == 1
    assert 'href="#content"' in html
    assert re.findall(r"<script[^>]*>", html) == ([SCRIPT] if path == "/check" and has_script() else [])
    assert "style=" not in html
    assert "None" not in re.sub(r"<[^>]*>", "", html)


@pytest.mark.parametrize(
    "path", [*PAGES, "/register.json", "/health", "/nowhere", "/api/decisions", "/static/greffier.css"]
)
def test_every_answer_carries_the_security_headers_and_no_cookie(client: httpx.Client, path: str) -> None:
    headers = client.get(path).headers
    script = {"content-security-policy": SCRIPT_POLICY} if path == "/check" and has_script() else {}
    assert {name: headers.get(name) for name in SECURITY_HEADERS} == {**SECURITY_HEADERS, **script}
    assert "unsafe" not in headers["content-security-policy"]
    assert "connect-src" not in headers["content-security-policy"]
    assert "set-cookie" not in headers
    assert "server" not in headers


def test_the_language_follows_the_link_then_the_browser(client: httpx.Client) -> None:
    dutch = {"accept-language": "nl-NL,nl;q=0.9"}
    assert client.get("/register", headers=dutch).headers["content-language"] == "nl"
    assert client.get("/register?lang=en", headers=dutch).headers["content-language"] == "en"
    assert client.get("/register?lang=xx", headers=dutch).headers["content-language"] == "nl"
    assert "accept-language" in client.get("/register").headers["vary"]


def test_links_of_a_page_keep_its_language(client: httpx.Client) -> None:
    html = client.get("/register?lang=nl").text
    inside = [
        link for link in re.findall(r'href="(/[^"]*)"', html) if not re.search(r"^/static|\.json|\.csv|^/log", link)
    ]
    assert inside
    assert {link for link in inside if "lang=nl" not in link} == {"/register?lang=en"}


def test_the_register_is_the_same_as_page_json_and_csv(client: httpx.Client) -> None:
    systems = client.get("/register.json").json()["systems"]
    slugs = [system["record"]["slug"] for system in systems]
    assert slugs == ["health-line-aid", "social-loan-check", "tax-question-reply"]
    assert client.get("/api/systems").json()["systems"] == systems
    response = client.get("/register.csv")
    assert response.headers["content-type"].startswith("text/csv; charset=utf-8")
    rows = list(csv.DictReader(io.StringIO(response.text)))
    assert [row["slug"] for row in rows] == slugs
    assert [row["state"] for row in rows] == ["pilot", "active", "active"]
    html = client.get("/register?lang=en").text
    for system in systems:
        assert system["record"]["name"]["en"] in html


def test_one_system_as_json(client: httpx.Client) -> None:
    shown = client.get("/register/tax-question-reply.json").json()
    assert shown["state"] == "active"
    assert shown["manifest"].startswith("sha256:")
    assert client.get("/api/systems/tax-question-reply").json() == shown


def test_the_history_tells_each_step_with_its_entry(client: httpx.Client) -> None:
    history = client.get("/register/tax-question-reply/history.json").json()["history"]
    steps = [one["what"]["to"] for one in history if one["kind"] == "state/1"]
    assert steps == ["draft", "in_review", "approved", "active"]
    html = client.get("/register/tax-question-reply/history?lang=en").text
    assert all(f"entry {one['index']}" in html for one in history)


def test_figures_that_grow_are_not_shown_and_published_ones_are(portal: Any, client: httpx.Client) -> None:
    """Who looks before and after a decision must not see how it ended: only what was published is there."""
    if transparency.newest(portal.g) is None:
        assert client.get("/reports.json").status_code == 404
        assert "We have not published a report" in client.get("/reports", params={"lang": "en"}).text
        last = portal.g.clock().date().replace(day=1) - timedelta(days=1)
        transparency.publish(portal.g, last.replace(day=1), last)
    published = transparency.newest(portal.g)
    assert client.get("/reports.json").content == json_twin(published)
    html = client.get("/reports", params={"lang": "en"}).text
    assert "This report opens them" in html
    assert "This is a draft" not in html


@pytest.mark.parametrize(
    "path", ["/register/nothing", "/register/nothing/history", "/nowhere", "/register/Not%20A%20Slug"]
)
@pytest.mark.parametrize("lang", ["en", "nl"])
def test_what_is_not_there_is_a_page_that_helps(client: httpx.Client, path: str, lang: str) -> None:
    response = client.get(path, params={"lang": lang})
    assert response.status_code in {404, 422}
    assert response.headers["content-type"].startswith("text/html")
    assert f'href="/register?lang={lang}"' in response.text


def test_a_head_is_a_get_without_a_body(client: httpx.Client) -> None:
    response = client.head("/register")
    assert response.status_code == 200
    assert response.content == b""
    assert client.head("/nowhere").status_code == 404


def test_a_page_takes_no_other_method(client: httpx.Client) -> None:
    response = client.delete("/register")
    assert response.status_code == 405
    assert "GET" in response.headers["allow"]


def test_while_the_log_cannot_record_every_page_says_so(portals: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    home = tmp_path_factory.mktemp("guardless") / "home"
    portals.make_home(home)
    next((home / "guard").glob("*.guard")).unlink()
    with portals.served(home, tolerant=True) as portal, portal.client() as client:
        for path in PAGES:
            response = client.get(path, params={"lang": "en"})
            assert response.status_code == 200
            assert "Our log cannot record at the moment." in response.text, path
        health = client.get("/health")
        assert health.status_code == 503
        assert health.headers["content-type"] == "application/problem+json"
        assert health.json()["cause"] == "guard"
        refused = client.post(
            "/api/decisions", json={"system": portals.SYSTEM, "input": portals.INPUT}, headers=portal.key("client")
        )
        assert refused.status_code == 503
        assert refused.json()["cause"] == "guard"
        assert "size" not in client.get("/health").json()


def test_a_draft_is_not_public_under_any_address(client: httpx.Client, portal: Any) -> None:
    file = json.loads((CASES / "tax-question-reply.json").read_text("utf-8"))
    file["system"]["slug"] = "not-yet"
    register.register(portal.g, json.dumps(file).encode())
    assert "not-yet" not in client.get("/register.json").text + client.get("/register.csv").text
    for path in ("/register/not-yet", "/register/not-yet.json", "/register/not-yet/history", "/api/systems/not-yet"):
        assert client.get(path).status_code == 404


def test_without_a_profile_the_site_works_and_says_what_is_missing(
    portals: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("nameless") / "home"
    portals.make_home(home)
    (home / PROFILE_FILE).unlink()
    with portals.served(home) as portal, portal.client() as client:
        for path in ("/", "/register", "/check", "/register/tax-question-reply/history"):
            assert client.get(path).status_code == 200
        absent = {"reference": "1b4e28ba-2fa1-4d2b-883f-0016d3cca427"}
        assert "Keep your letter and tell us." in " ".join(client.post("/check?lang=en", data=absent).text.split())
        answer = client.get("/register/tax-question-reply?lang=en")
        assert answer.status_code == 503
        assert "We have not yet entered our name and address" in answer.text
        assert str(home) not in answer.text
