"""Requests and reviews over HTTP: people without account, officers within their scope, a case system under a key."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.requests import Request

from service.cases import access_codes
from web.client_address import bucket_of

pytestmark = pytest.mark.enable_socket

SYSTEM = "tax-question-reply"
HELD = "social-loan-check"
ASKED = {"right": "explain", "lang": "nl", "text": "Waarom niet? Evident verzonnen."}


def made(client: Any, **more: Any) -> dict[str, Any]:
    answer = client.post("/api/requests", json={**ASKED, **more})
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_from_asking_to_answer(portal: Any) -> None:
    with portal.client() as client:
        record = portal.records.given
        code = client.post("/api/codes", json={"id": record}, headers=portal.key("client")).json()["code"]
        asked = made(client, reference=record, code=code)
        assert set(asked) & {"id", "reference", "account", "version"} == set()
        listed = client.get("/api/requests", headers=portal.key("officer", SYSTEM)).json()["requests"]
        (request,) = [one for one in listed if one["reference"] == record]
        path = f"/api/requests/{request['id']}"
        officer = portal.key("officer")
        assert client.get(path, headers=officer).json()["text"] == ASKED["text"]
        step = {"step": "answered", "version": request["version"], "text": "Omdat."}
        assert client.post(f"{path}/steps", json=step, headers=officer).status_code == 200
        again = client.post(f"{path}/steps", json=step, headers=officer)
        assert (again.status_code, again.json()["type"]) == (409, "urn:greffier:problem:refused")
        status = client.post("/api/requests/status", json={"code": asked["tracking_code"]})
        assert (status.json()["state"], status.json()["answer"]) == ("answered", "Omdat.")
        assert status.headers["cache-control"] == "no-store"
        assert "account" not in status.text
        late = client.post("/api/requests/withdrawal", json={"code": asked["tracking_code"]})
        assert late.status_code == 409


def test_wrong_codes_get_one_answer_and_then_wait(portal: Any) -> None:
    with portal.client() as client:
        record = portal.records.given
        access_codes.issue_code(portal.g, record)
        said = set()
        for reference in (record, portal.records.held, portal.records.erased, "00000000-0000-4000-8000-000000000000"):
            answer = client.post("/api/requests", json={**ASKED, "reference": reference, "code": "2222-2222-2222"})
            said.add((answer.status_code, answer.text))
        answer = client.post("/api/requests/status", json={"code": "x"})
        said.add((answer.status_code, answer.text))
        assert len(said) == 1
        assert said.pop()[0] == 403
        for _ in range(60):
            answer = client.post("/api/requests/status", json={"code": "2222-2222-2222-2222-2222"})
            if answer.status_code == 429:
                break
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) > 0


def test_a_scope_ends_at_its_systems(portal: Any) -> None:
    with portal.client() as client:
        asked = made(client, system=SYSTEM)
        officer = portal.key("officer")
        listed = client.get("/api/requests", headers=officer).json()["requests"]
        (id_,) = [one["id"] for one in listed if one["system"] == SYSTEM and one["reference"] is None]
        stranger = portal.key("officer", HELD)
        assert client.get(f"/api/requests/{id_}", headers=stranger).status_code == 404
        step = {"step": "refused", "version": 1, "ground": "unfounded", "text": "Nee."}
        assert client.post(f"/api/requests/{id_}/steps", json=step, headers=stranger).status_code == 404
        assert (
            client.post(
                "/api/codes", json={"id": portal.records.held}, headers=portal.key("client", SYSTEM)
            ).status_code
            == 403
        )
        wrong = {**step, "to": "u1"}
        assert client.post(f"/api/requests/{id_}/steps", json=wrong, headers=officer).json()["field"] == "to"
        assert asked["state"] == "open"


def test_a_case_system_reviews_under_a_key(portal: Any) -> None:
    with portal.client() as client:
        system, record = portal.key("client", HELD), portal.records.held
        listed = client.get("/api/reviews", headers=system).json()["waiting"]
        assert record in [one["record"] for one in listed]
        given = {"id": record, "action": "confirm", "decision": "granted", "reasons": "invented"}
        assert client.post("/api/reviews", json=given, headers=portal.key("client", SYSTEM)).status_code == 403
        keyed = {**system, "idempotency-key": "case-7"}
        answers = [client.post("/api/reviews", json=given, headers=keyed) for _ in range(2)]
        assert [one.status_code for one in answers] == [201, 201]
        assert answers[0].json() == answers[1].json()
        other = client.post("/api/reviews", json={**given, "reasons": "others"}, headers=keyed)
        assert other.status_code == 409
        left = client.get("/api/reviews", headers=system).json()["waiting"]
        assert record not in [one["record"] for one in left]
        bad = client.post("/api/reviews", json={**given, "notified": "2026-02-30"}, headers=system)
        assert (bad.status_code, bad.json()["field"]) == (422, "notified")
        ahead = client.post("/api/reviews", json={**given, "notified": "2999-01-01"}, headers=system)
        assert (ahead.status_code, ahead.json()["field"]) == (422, "notified")
        slip = client.post("/api/reviews", json={**given, "notified": "0026-11-20"}, headers=system)
        assert (slip.status_code, slip.json()["field"]) == (422, "notified")


@pytest.mark.parametrize(
    ("header", "given", "bucket"),
    [
        (None, ["203.0.113.9"], "192.0.2.1"),
        ("x-forwarded-for", ["203.0.113.9"], "203.0.113.9"),
        ("x-forwarded-for", ["198.51.100.1, 203.0.113.9"], "203.0.113.9"),
        ("x-forwarded-for", ["198.51.100.1", "203.0.113.9"], "203.0.113.9"),
        ("x-forwarded-for", [], "192.0.2.1"),
        ("x-forwarded-for", ["nonsense"], "other"),
    ],
)
def test_only_what_the_own_proxy_added_says_who_asks(
    small_office: Any, header: str | None, given: list[str], bucket: str
) -> None:
    headers = [(b"x-forwarded-for", one.encode()) for one in given]
    request = Request({"type": "http", "headers": headers, "client": ("192.0.2.1", 4417)})
    with small_office.opened() as g:
        g.settings = g.settings.model_copy(update={"client_address_header": header})
        assert bucket_of(request, g) == bucket
