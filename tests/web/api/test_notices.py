"""`/api/notices` on a served home: that people were told stands in the log once; to whom stands nowhere in clear."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest

from auditlog.core.entries.record import Entry
from auditlog.store import log as log_store
from auditlog.store.log import entries_of_kinds
from home import calendar
from service.erasing import erase
from service.systems import duties

pytestmark = pytest.mark.enable_socket

LOAN, TAX = "social-loan-check", "tax-question-reply"
SAID = "Told at the counter (invented 6612)."


@pytest.fixture
def body(portal: Any) -> dict[str, Any]:
    """A notice of 26(11) that may be recorded."""
    day = calendar.today(portal.g).isoformat()
    return {
        "system": LOAN, "duty": "affected_person", "channel": "counter", "day": day,
        "reference": portal.records.held, "text": SAID,
    }  # fmt: skip


def notices(g: Any) -> list[Entry]:
    with g.reading() as conn:
        return [entry for _, entry in entries_of_kinds(conn, g.log.number, {"notice/1"})]


@pytest.mark.parametrize("role", ["client", "officer", "approver"])
def test_a_notice_is_in_the_log_and_says_nothing_of_the_person(
    portal: Any, client: httpx.Client, body: dict[str, Any], role: str
) -> None:
    answer = client.post("/api/notices", json=body, headers=portal.key(role))
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    entry = notices(portal.g)[-1]
    assert answer.json() == {"notice": entry.id, "system": LOAN}
    assert (entry.members["system"], entry.members["duty"]) == (LOAN, "affected_person")
    for hidden in (portal.records.held, "counter", body["day"] + '"', SAID):
        assert hidden.encode() not in entry.data


def test_what_shows_that_workers_were_told_is_found(portal: Any, client: httpx.Client, body: dict[str, Any]) -> None:
    def found() -> bool | None:
        shown = duties.of_system(portal.g, LOAN, evidence=True).duties
        return next(one.found for duty in shown for one in duty.evidence if one.code == "worker_notice")

    assert found() is False
    told = body | {"duty": "workers", "channel": "meeting", "reference": None}
    assert client.post("/api/notices", json=told, headers=portal.key("officer")).status_code == 201
    assert found() is True


def test_a_request_that_is_repeated_under_its_key_is_recorded_once(
    portal: Any, client: httpx.Client, body: dict[str, Any]
) -> None:
    headers = portal.key("client") | {"idempotency-key": "notice-7731"}
    first = client.post("/api/notices", json=body, headers=headers)
    size = portal.g.log.state().size
    again = client.post("/api/notices", json=body, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    for changed in ({"channel": "post"}, {"duty": "workers", "reference": None}, {"text": None}):
        other = client.post("/api/notices", json=body | changed, headers=headers)
        assert (other.status_code, other.json()["field"]) == (409, "Idempotency-Key")
    assert portal.g.log.state().size == size
    mine = portal.key("client") | {"idempotency-key": "notice-7731"}
    assert client.post("/api/notices", json=body, headers=mine).json() != first.json(), "a key counts for one client"


@pytest.mark.parametrize(
    ("changed", "status", "field"),
    [
        ({"duty": "SECRET"}, 422, "duty"),
        ({"channel": "SECRET"}, 422, "channel"),
        ({"day": "2999-01-01"}, 422, "day"),
        ({"day": "2026-02-30"}, 422, "day"),
        ({"text": " "}, 422, "text"),
        ({"reference": None}, 422, "reference"),
        ({"duty": "workers"}, 422, "reference"),
        ({"system": TAX}, 422, "reference"),  # a result of another system
        ({"reference": "1b4e28ba-2fa1-4d2b-883f-0016d3cca427"}, 404, "id"),
        ({"system": "no-such-system"}, 404, None),
        ({"day": "24-11-2026"}, 422, None),
        ({"reference": "SECRET"}, 422, None),
        ({"text": "x" * 20_001}, 422, None),
        ({"SECRET": 1}, 422, None),
    ],
)
def test_what_is_wrong_is_named_and_leaves_no_entry(
    portal: Any, client: httpx.Client, body: dict[str, Any], changed: dict[str, Any], status: int, field: str | None
) -> None:
    before = portal.g.log.state().size
    answer = client.post("/api/notices", json=body | changed, headers=portal.key("officer"))
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert field is None or answer.json()["field"] == field
    assert "SECRET" not in answer.text
    assert portal.g.log.state().size == before


def test_the_list_says_what_stands_in_clear_page_by_page(
    portal: Any, client: httpx.Client, body: dict[str, Any]
) -> None:
    for _ in range(2):
        assert client.post("/api/notices", json=body, headers=portal.key("client")).status_code == 201
    size, auditor = portal.g.log.state().size, portal.key("auditor")
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        answer = client.get("/api/notices", params={"system": LOAN, "limit": "1"} | cursor, headers=auditor)
        assert answer.status_code == 200, answer.text
        (row,) = answer.json()["notices"]
        assert row.keys() == {"id", "log", "index", "time", "system", "duty"}
        seen.append(row["id"])
        if answer.json()["next"] is None:
            break
        cursor = {"cursor": answer.json()["next"]}
    assert seen == [one.id for one in reversed(notices(portal.g))]
    assert client.get("/api/notices?system=tax-question-reply", headers=auditor).json()["notices"] == []
    for wrong in ("cursor=x", "limit=0", "since=soon", "since=2026-99-99T00:00Z", "duty=workers"):
        assert client.get(f"/api/notices?{wrong}", headers=auditor).status_code == 422
    assert portal.g.log.state().size == size


def test_a_scope_is_kept(portal: Any, client: httpx.Client, body: dict[str, Any]) -> None:
    before = portal.g.log.state().size
    other = portal.key("client", TAX)
    for system in (LOAN, "no-such-system"):
        assert client.post("/api/notices", json=body | {"system": system}, headers=other).status_code == 403
        assert client.get(f"/api/notices?system={system}", headers=other).status_code == 403
    assert client.get("/api/notices", headers=other).json()["notices"] == []
    assert client.get("/api/notices", headers=portal.key("client", TAX, LOAN)).status_code == 403  # which one?
    assert portal.g.log.state().size == before


def test_people_send_the_token_of_their_forms(portal: Any, client: httpx.Client, body: dict[str, Any]) -> None:
    officer = portal.staff("officer")
    assert client.post("/api/notices", json=body, headers={"cookie": officer["cookie"]}).status_code == 403
    assert client.post("/api/notices", json=body, headers=officer).status_code == 201


def test_a_notice_about_what_was_erased_is_not_taken_nor_told_again(
    portal: Any, client: httpx.Client, body: dict[str, Any]
) -> None:
    headers = portal.key("client") | {"idempotency-key": "erased-1"}
    given = body | {"system": TAX, "reference": portal.records.given}
    given["day"] = (calendar.today(portal.g) - timedelta(days=1)).isoformat()
    made = client.post("/api/notices", json=given, headers=headers)
    assert made.status_code == 201, made.text
    erase.erase(portal.g, portal.records.given, ground="objection")
    assert client.post("/api/notices", json=given, headers=headers).status_code == 410
    with portal.g.reading() as conn:
        assert log_store.find_entry(conn, made.json()["notice"]) is not None
