from __future__ import annotations

import contextlib
import csv
import http.client
import io
import json
import re
from datetime import timedelta
from html import unescape
from typing import Any

import httpx
import pytest

from cli.demo.run import CASES
from home.settings import PROFILE_FILE
from service.disclosing import publications, transparency
from service.proving.receipt_page import has_script
from service.systems import register
from web.headers import SECURITY_HEADERS
from web.pages.people.check import SCRIPT_POLICY

pytestmark = pytest.mark.enable_socket

SCRIPT = '<script src="/static/verify.js" defer>'  # of one page only, and only where it was built
PAGES = [
    "/",
    "/register",
    "/register/tax-question-reply",
    "/register/tax-question-reply/history",
    "/register/social-loan-check/duties",
    "/check",
    "/explanations",
    "/requests/look-again",
    "/requests/correct",
    "/requests/access",
    "/requests/object",
    "/follow",
    "/reports",
    "/changes",
    "/how-to-check-us",
    "/how-to-check-us/statement",
    "/open-data",
    "/rights",
    "/accessibility",
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
    if publications.newest(portal.g) is None:
        assert client.get("/reports.json").status_code == 404
        assert "We have not published a report" in client.get("/reports", params={"lang": "en"}).text
        last = portal.g.clock().date().replace(day=1) - timedelta(days=1)
        transparency.publish(portal.g, last.replace(day=1), last)
    newest = publications.listed(portal.g)[0]
    stored = publications.body(portal.g, newest.id)
    assert client.get("/reports.json").content == client.get(f"/reports/{newest.id}.json").content == stored
    assert f'href="/reports/{newest.id}?lang=en"' in client.get("/reports", params={"lang": "en"}).text
    html = client.get(f"/reports/{newest.id}", params={"lang": "en"}).text
    assert "This is a draft" not in html
    proof = client.get(f"/reports/{newest.id}/proof.json")
    assert proof.content == publications.proven(portal.g, newest.id)


def test_what_is_no_report_is_not_found(client: httpx.Client) -> None:
    unknown = "1b4e28ba-2fa1-4d2b-883f-0016d3cca427"
    for path in (f"/reports/{unknown}", f"/reports/{unknown}.json", f"/reports/{unknown}/proof.json"):
        assert client.get(path).status_code == 404
    assert client.get("/reports/x").status_code == 422


@pytest.mark.parametrize(
    "path", ["/register/nothing", "/register/nothing/history", "/nowhere", "/register/Not%20A%20Slug"]
)
@pytest.mark.parametrize("lang", ["en", "nl"])
def test_what_is_not_there_is_a_page_that_helps(client: httpx.Client, path: str, lang: str) -> None:
    response = client.get(path, params={"lang": lang})
    assert response.status_code in {404, 422}
    assert response.headers["content-type"].startswith("text/html")
    assert f'href="/register?lang={lang}"' in response.text


@pytest.mark.parametrize(
    "path", ["//evil.example/x", "///evil.example", "/%2f%2fevil.example", "/%09/evil.example", "/%0a/evil.example"]
)
def test_no_address_makes_a_page_that_leads_to_another_site(portal: Any, path: str) -> None:
    """Two slashes at the beginning of a link name a host: the links to other languages hold what was asked for."""
    host, port = portal.url.removeprefix("http://").split(":")
    with contextlib.closing(http.client.HTTPConnection(host, int(port), timeout=30)) as connection:
        connection.request("GET", path)
        html = connection.getresponse().read().decode()
    links = re.findall(r'(?:href|action)="([^"]*)"', html)
    assert any(link.startswith("/evil.example") for link in links)
    assert [link for link in links if not re.match(r"/(?![/\\])|#", link)] == []


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


@pytest.mark.parametrize("path", ["/static/greffier.css", "/static/icon.svg"])
def test_our_own_files_come_compressed_and_are_asked_for_anew_only_when_changed(
    client: httpx.Client, path: str
) -> None:
    packed = client.get(path, headers={"accept-encoding": "gzip"})
    plain = client.get(path, headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content
    assert packed.num_bytes_downloaded < plain.num_bytes_downloaded
    for one in (packed, plain):
        assert one.headers["vary"] == "accept-encoding"
        again = client.get(path, headers={"if-none-match": one.headers["etag"]})
        assert again.status_code == 304


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("as_of=yesterday", "as_of"),
        ("as_of=2026-02-30", "as_of"),
        ("from=2026-01-01", "to"),
        ("to=2026-01-01", "from"),
        ("from=2026-02-01&to=2026-01-01", "to"),
        ("as_of=%3Cscript%3E", "as_of"),
    ],
)
def test_a_day_that_is_none_is_named(client: httpx.Client, query: str, field: str) -> None:
    answer = client.get(f"/register/tax-question-reply/history?lang=en&{query}")
    assert answer.status_code == 422
    assert f'<a href="#{field}">' in answer.text
    assert f'id="{field}-error"' in answer.text
    assert "<script>" not in answer.text


def test_a_system_as_it_was_and_what_differs(client: httpx.Client, portal: Any) -> None:
    today = portal.g.clock().date()
    path = "/register/tax-question-reply/history?lang=en"
    past = client.get(f"{path}&as_of={today}").text
    assert "Version 1 runs." in past
    assert "c2sp.org/tlog-proof" in past
    before = client.get(f"{path}&as_of=2020-01-01").text
    assert "On that day this system was not in the public register." in before
    same = client.get(f"{path}&from={today}&to={today}").text
    assert "Nothing." in same


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", '"><img src=x>', "\u202e", "a" * 5000, "%", "loan\x00"])
def test_whatever_is_searched_for_stays_text(client: httpx.Client, text: str) -> None:
    answer = client.get("/register", params={"q": text, "lang": "en"})
    assert answer.status_code == 200
    assert "<script>" not in answer.text
    assert "<img" not in answer.text


def test_a_search_is_narrowed_and_widened_by_links(client: httpx.Client) -> None:
    html = client.get("/register?lang=en").text
    link = next(unescape(one) for one in re.findall(r'href="(/register\?[^"]*risk=high_risk[^"]*)"', html))
    narrowed = client.get(link)
    assert narrowed.status_code == 200
    assert "Tax question reply" not in narrowed.text
    assert 'aria-current="true"' in narrowed.text
    assert "(take away)" in narrowed.text
    assert client.get("/register?lang=en&risk=no-such-risk").status_code == 422
