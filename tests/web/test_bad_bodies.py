"""Bytes that are no request, at every address that reads JSON: what is wrong is named, and the log holds nothing."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.enable_socket

ADDRESSES = {
    "/v1/chat/completions": "client",
    "/v1/completions": "client",
    "/api/decisions": "client",
    "/api/decisions/batch": "client",
    "/api/replays": "auditor",
    "/api/explanations": "auditor",
    "/api/lookups": "officer",
    "/api/records": "client",
}
BODIES = {
    "not UTF-8": (b'{"Piet Jansen": "\xff"}', "body: is not UTF-8 at byte 17"),
    "half a pair": (b'{"Piet Jansen": "\\ud800"}', "body: holds half of a surrogate pair"),
    "nothing": (b"", "body: is not JSON"),
    "NaN": (b'{"Piet Jansen": NaN}', "body: is not JSON: NaN"),
    "a huge number": (b'{"Piet Jansen": 1e999}', "body: is JSON with a number too large"),
    "a name twice": (b'{"Piet Jansen": 1, "Piet Jansen": 2}', "body: is JSON with the same member name twice"),
    "too deep": (b"[" * 10_000, "body: is nested more than 64 levels deep"),
    "byte order mark": (b"\xef\xbb\xbf{}", "body: begins with a byte order mark: remove it"),
}


def said(answer: httpx.Response) -> str:
    """The sentence of either shape of error."""
    body = answer.json()
    return str(body["error"]["message"] if "error" in body else body["detail"])


@pytest.mark.parametrize("address", ADDRESSES)
def test_bytes_that_are_no_json(client: httpx.Client, portal: Any, address: str) -> None:
    headers = portal.key(ADDRESSES[address]) | {"content-type": "application/json"}
    before = portal.g.log.state().size
    for name, (data, message) in BODIES.items():
        answer = client.post(address, content=data, headers=headers)
        assert answer.status_code in (400, 422), name
        assert said(answer).startswith(message), name
        assert "Piet" not in answer.text, name
    assert portal.g.log.state().size == before


@pytest.mark.parametrize(
    ("address", "body", "told"),
    [
        ("/api/decisions", {"system": "x", "input": {}, "Piet": 1}, ("body", "holds a name that is not taken here")),
        ("/api/decisions", {"system": "x", "input": {}, "lang": "fr"}, ("lang", "must be 'en' or 'nl'")),
        ("/api/decisions", {"system": "x", "input": []}, ("input", "must be an object")),
        ("/api/decisions/batch", {"decisions": []}, ("decisions", "must have at least 1 items")),
        ("/api/decisions/batch", {"decisions": [1] * 257}, ("decisions", "must have at most 256 items")),
        ("/api/replays", {"id": "Piet"}, ("id", "has not the form that is taken here")),
        ("/api/replays", {"threads": 0}, ("threads", "must be at least 1")),
        ("/api/replays", {"threads": 10**6}, ("threads", "must be at most 512")),
        ("/api/explanations", {"id": "Piet"}, ("id", "has not the form that is taken here")),
        ("/api/explanations", {"lang": "Piet"}, ("lang", "must be 'en' or 'nl'")),
        ("/api/replays", {"passes": "Piet"}, ("passes", "must be 'one_pass' or 'alone'")),
    ],
)
def test_members_that_do_not_fit_are_named_with_what_does(
    client: httpx.Client, portal: Any, address: str, body: dict[str, Any], told: tuple[str, str]
) -> None:
    answer = client.post(address, json=body, headers=portal.key(ADDRESSES[address]))
    assert answer.status_code == 422
    messages = {one["field"]: one["message"] for one in answer.json()["errors"]}
    assert messages[told[0]].startswith(told[1])
    assert "Piet" not in answer.text


@pytest.mark.parametrize(
    ("query", "field"), [("month=x", "month"), ("month=2026-13", "month"), ("month=", "month"), ("Piet=1", "query")]
)
def test_a_query_that_does_not_fit_is_named(client: httpx.Client, portal: Any, query: str, field: str) -> None:
    answer = client.get(f"/operator?{query}", headers=portal.key("operator"))
    assert answer.status_code == 422
    body = answer.json()
    assert body.get("field", body.get("errors", [{}])[0].get("field")) == field
    assert "Piet" not in answer.text
    if field == "month":
        assert body["detail"] == "month: must be a month, such as 2026-11"


def test_a_key_without_the_scope_decides_and_records_nothing(client: httpx.Client, portal: Any, portals: Any) -> None:
    key = portal.key("client", portals.HELD_SYSTEM)
    before = portal.g.log.state().size
    chat = {"model": portals.SYSTEM, "messages": [{"role": "user", "content": json.dumps(portals.INPUT)}]}
    refused = client.post("/v1/chat/completions", json=chat, headers=key)
    assert (refused.status_code, said(refused)) == (403, "model: your scope does not reach that system")
    asked = {"system": portals.SYSTEM, "input": portals.INPUT}
    for headers in (key, key | {"prefer": "respond-async"}):
        refused = client.post("/api/decisions", json=asked, headers=headers)
        assert (refused.status_code, said(refused)) == (403, "system: your scope does not reach that system")
    (one,) = client.post("/api/decisions/batch", json={"decisions": [asked]}, headers=key).json()["results"]
    assert one["status"] == 403
    assert portal.g.log.state().size == before
