"""What a person types into a form: markup, too much, octets that are no text, and what is missing; nothing is lost."""

from __future__ import annotations

import re
import unicodedata
from html import unescape
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest

from service.cases import public_requests
from web.headers import MAX_BODY
from web.pages.people.request_form import RIGHT_OF

pytestmark = pytest.mark.enable_socket

ADDRESSES = {"explain": "/explanations", **{right: f"/requests/{name}" for name, right in RIGHT_OF.items()}}
FORM = {"content-type": "application/x-www-form-urlencoded"}
MARK = "PRIVATE-0999"
HOSTILE = {
    "script": "<script>document.title='changed'</script>",
    "attribute": '" autofocus onfocus="alert(1)',
    "entity": "&lt;b&gt; &amp; </textarea><img src=x onerror=alert(1)>",
    "template": "{{ 7 * 7 }}{% raw %}",
    "right-to-left": "\u202eevil\u202c \u05e9\u05dc\u05d5\u05dd",
    "combining": "e\u0301" * 20,
}


def ask(client: httpx.Client, right: str = "explain", lang: str = "en", **fields: str) -> httpx.Response:
    return client.post(f"{ADDRESSES[right]}?lang={lang}", data={"text": "Why?", **fields})


def tracking_of(response: httpx.Response) -> str:
    assert response.status_code == 200, response.text
    found = re.search(r'id="tracking">([0-9A-Z-]+)<', response.text)
    assert found is not None
    return found[1]


def follow(client: httpx.Client, code: str, lang: str = "en", **fields: str) -> httpx.Response:
    return client.post(f"/follow?lang={lang}", data={"code": code, **fields})


class Tags(HTMLParser):
    """Which elements and attributes a page has, as a browser would find them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: set[tuple[str, str]] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found |= {(tag, name) for name, _ in attrs} | {(tag, "")}


@pytest.mark.parametrize("sort", HOSTILE)
@pytest.mark.parametrize("field", ["reference", "code", "text", "contact", "system", "person"])
def test_markup_in_a_field_stays_text(client: httpx.Client, field: str, sort: str) -> None:
    fields = {"text": "Why?", "contact": "nobody@test.example", "reference": "12", field: HOSTILE[sort]}
    shown = client.post("/explanations?lang=en", data=fields)
    assert shown.status_code == 422, "the reference is none, so the form comes again with all that was typed"
    tame = client.post("/explanations?lang=en", data={**fields, field: "tame"})
    assert Tags(shown.text).found == Tags(tame.text).found
    if field in ("text", "contact"):
        assert unicodedata.normalize("NFC", HOSTILE[sort]) in unescape(shown.text)


@pytest.mark.parametrize("sort", HOSTILE)
def test_what_was_written_is_shown_again_as_it_was(client: httpx.Client, sort: str) -> None:
    tracking = tracking_of(ask(client, text=HOSTILE[sort], contact="nobody@test.example"))
    html = follow(client, tracking).text
    assert unicodedata.normalize("NFC", HOSTILE[sort]).strip() in unescape(html)
    assert "<script>document" not in html


@pytest.mark.parametrize("path", [*ADDRESSES.values(), "/follow", "/check"])
def test_ten_megabytes_are_a_page_that_says_so(client: httpx.Client, path: str) -> None:
    body = b"text=" + b"x" * (10 << 20)
    answer = client.post(f"{path}?lang=nl", content=body, headers=FORM)
    assert answer.status_code == 413
    assert "Dit is te groot" in answer.text
    # Without a declared length it ends at the limit.
    streamed = (b"x" * 65_536 for _ in range((MAX_BODY >> 16) + 4))
    assert client.post(f"{path}?lang=nl", content=streamed, headers=FORM).status_code == 413


def test_a_long_text_is_kept_to_be_shortened(client: httpx.Client) -> None:
    long = "a" * (public_requests.MAX_TEXT + 1)
    answer = ask(client, text=long, contact="nobody@test.example")
    assert answer.status_code == 422
    assert "This is too long." in answer.text
    assert long in answer.text


def test_octets_that_are_no_text_are_refused_by_field(client: httpx.Client) -> None:
    answer = client.post("/explanations?lang=en", content=b"text=%ff&contact=x", headers=FORM)
    assert answer.status_code == 422
    assert '<a href="#text">This holds characters that we cannot read.' in answer.text


@pytest.mark.parametrize(
    ("right", "fields", "named"),
    [
        ("explain", {"contact": ""}, ["contact"]),
        ("correct", {"text": " ", "contact": "nobody@test.example"}, ["text"]),
        ("object", {"text": "", "contact": ""}, ["text", "contact"]),
        ("access", {"reference": "12", "contact": "nobody@test.example"}, ["reference"]),
        ("look_again", {"code": "0000-0000-0000"}, ["reference"]),
        ("explain", {"system": "no-such-system", "contact": "nobody@test.example"}, ["system"]),
    ],
)
def test_what_is_missing_is_named_and_linked(
    client: httpx.Client, right: str, fields: dict[str, str], named: list[str]
) -> None:
    answer = ask(client, right, **fields)
    assert answer.status_code == 422
    listed = re.findall(r'<li><a href="#([a-z]+)">', answer.text.partition('id="errors"')[2].partition("</div>")[0])
    assert listed == named
    assert all(f'id="{name}-error"' in answer.text for name in named)
    assert "<title>Mistake in the form: " in answer.text


def test_there_is_no_other_request(client: httpx.Client) -> None:
    assert client.get("/requests/other").status_code == 404
    assert client.post("/requests/other", data={"text": "x"}).status_code == 404
    assert client.get("/requests/look_again").status_code == 404, "one address for each"


def test_while_the_log_cannot_record_what_was_written_is_not_lost(
    client: httpx.Client, portal: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(portal.g.log, "_before_commit", full)
    answer = ask(client, text=MARK, contact="nobody@test.example")
    monkeypatch.undo()
    assert answer.status_code == 503
    assert MARK in answer.text
    assert "What you wrote still stands below" in answer.text
