from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from auditlog.core.entries.receipt import parse_receipt, verify_receipt
from auditlog.core.formats.checkpoint import open_checkpoint
from auditlog.core.formats.tiles import entry_bundles_of_size, format_entries_path, format_tile_path, tiles_of_size
from service.systems import lifecycle

pytestmark = pytest.mark.enable_socket

PROBLEM = "application/problem+json"


def test_a_decision_is_in_the_log_when_the_answer_arrives(client: httpx.Client, portals: Any, portal: Any) -> None:
    body = {"system": portals.HELD_SYSTEM, "input": portals.HELD_INPUT, "subjects": [portals.SUBJECT], "lang": "en"}
    response = client.post("/api/decisions", json=body, headers=portal.key("client"))
    assert response.status_code == 201
    answer = response.json()
    assert answer["held"] is True
    assert answer["outcome"] is None
    assert answer["output"] is None
    assert answer["ai_generated"] is True
    assert answer["id"] in answer["notice"]
    assert response.headers["location"] == f"/api/receipts/{answer['id']}"
    assert portal.g.log.state().size > answer["index"]
    receipt = parse_receipt(client.get(response.headers["location"]).content)
    verified = verify_receipt(receipt, portal.g.keys, origin=portal.g.log.origin)
    assert verified.entry.id == answer["id"]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"system": "unknown-system"}, 404),
        ({"input": {"payment_record": "SECRET"}}, 422),
        ({"input": {"SECRET": 1}}, 422),
        ({"input": "SECRET"}, 422),
        ({"SECRET": 1}, 422),
        ({"subjects": ["SECRET"] * 17}, 422),
        ({"lang": "SECRET"}, 422),
        ({"system": "SECRET"}, 422),
    ],
)
def test_what_is_wrong_is_named_and_never_quoted(
    client: httpx.Client, portals: Any, portal: Any, change: dict[str, Any], status: int
) -> None:
    body = {"system": portals.HELD_SYSTEM, "input": portals.HELD_INPUT} | change
    response = client.post("/api/decisions", json=body, headers=portal.key("client"))
    assert response.status_code == status
    assert response.headers["content-type"] == PROBLEM
    assert "SECRET" not in response.text


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'{"system":"a","system":"b","input":{}}',
        b'{"system":"a","input":{"x":"\\ud800"}}',
        b"\xff",
    ],
)
def test_what_is_no_strict_json_is_refused(client: httpx.Client, portal: Any, body: bytes) -> None:
    response = client.post("/api/decisions", content=body, headers=portal.key("client"))
    assert response.status_code == 422
    assert response.headers["content-type"] == PROBLEM


def test_a_body_above_one_mebibyte_is_refused_with_and_without_its_length(client: httpx.Client, portal: Any) -> None:
    header = portal.key("client")
    whole = client.post("/api/decisions", content=b" " * ((1 << 20) + 1), headers=header)
    parts = client.post("/api/decisions", content=(b" " * 65536 for _ in range(17)), headers=header)
    for response in (whole, parts):
        assert response.status_code == 413
        assert response.headers["content-type"] == PROBLEM


def test_a_stopped_system_decides_nothing_over_http(client: httpx.Client, portals: Any, portal: Any) -> None:
    lifecycle.stop(portal.g, "health-line-aid", reason="malfunction")
    try:
        body = {"system": "health-line-aid", "input": {}}
        response = client.post("/api/decisions", json=body, headers=portal.key("client"))
    finally:
        lifecycle.resume(portal.g, "health-line-aid")
    assert response.status_code == 409
    assert response.json()["reason"] == "suspended"


def test_a_key_reaches_only_the_systems_of_its_scope(client: httpx.Client, portals: Any, portal: Any) -> None:
    body = {"system": portals.HELD_SYSTEM, "input": portals.HELD_INPUT}
    response = client.post("/api/decisions", json=body, headers=portal.key("client", "health-line-aid"))
    assert response.status_code == 403
    scoped = portal.key("auditor", portals.SYSTEM)
    rows = client.get("/api/decisions", headers=scoped).json()["decisions"]
    assert {row["system"] for row in rows} == {portals.SYSTEM}
    assert client.get("/api/decisions", params={"system": "health-line-aid"}, headers=scoped).status_code == 403
    assert client.get("/api/decisions", headers=portal.key("auditor", "a", "b")).status_code == 403


def test_the_list_pages_through_all_decisions_once(client: httpx.Client, portal: Any) -> None:
    header = portal.key("auditor")
    whole = client.get("/api/decisions", headers=header).json()
    assert whole["next"] is None
    assert whole["log"]["origin"] == "waterveen.example/log/1"
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = client.get("/api/decisions", params={"limit": "1"} | cursor, headers=header).json()
        seen += [row["id"] for row in page["decisions"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert seen == [row["id"] for row in whole["decisions"]]
    assert len(seen) == len(set(seen)) >= 2
    assert portal.records.erased not in seen


def test_the_list_filters_by_system_outcome_and_day(client: httpx.Client, portals: Any, portal: Any) -> None:
    header = portal.key("auditor")

    def count(**params: str) -> int:
        response = client.get("/api/decisions", params=params, headers=header)
        response.raise_for_status()
        return len(response.json()["decisions"])

    today = portal.g.clock().date().isoformat()
    assert count(system=portals.SYSTEM) == 1
    assert count(system=portals.SYSTEM, outcome="pay") == 1
    assert count(system=portals.SYSTEM, outcome="object") == 0
    assert count(since=today, until=today) == count()
    assert count(since="2999-01-01") == 0
    assert count(until="2001-01-01") == 0


@pytest.mark.parametrize(
    "params",
    [
        {"limit": "0"},
        {"limit": "x"},
        {"cursor": "SECRET"},
        {"since": "SECRET"},
        {"until": "9999-12-31"},
        {"system": "SECRET!"},
    ],
)
def test_a_question_that_is_wrong_is_refused(client: httpx.Client, portal: Any, params: dict[str, str]) -> None:
    response = client.get("/api/decisions", params=params, headers=portal.key("auditor"))
    assert response.status_code == 422
    assert response.headers["content-type"] == PROBLEM
    assert "SECRET" not in response.text


def test_a_receipt_opens_only_for_a_role_within_its_scope(client: httpx.Client, portals: Any, portal: Any) -> None:
    path = f"/api/receipts/{portal.records.given}"

    def opened(headers: dict[str, str]) -> set[str]:
        response = client.get(path, headers=headers)
        response.raise_for_status()
        verify_receipt(parse_receipt(response.content), portal.g.keys, origin=portal.g.log.origin)
        return {one["field"] for one in response.json()["openings"]}

    everything = {"in_message", "in_bill_year", "outcome", "output"}
    assert opened({}) == set()
    assert opened(portal.key("operator")) == set()
    assert opened(portal.key("auditor")) == everything
    assert opened(portal.key("officer")) == everything
    assert opened(portal.key("client", portals.SYSTEM)) == everything
    assert opened(portal.key("client", "health-line-aid")) == set()


def test_a_held_result_stays_closed(client: httpx.Client, portal: Any) -> None:
    response = client.get(f"/api/receipts/{portal.records.held}", headers=portal.key("client"))
    fields = {one["field"] for one in response.json()["openings"]}
    assert fields
    assert not fields & {"outcome", "output"}


def test_an_erased_record_keeps_its_proof_and_nothing_else(client: httpx.Client, portal: Any) -> None:
    path = f"/api/receipts/{portal.records.erased}"
    assert client.get(path).json()["openings"] == []
    gone = client.get(path, headers=portal.key("auditor"))
    assert gone.status_code == 410
    assert gone.headers["content-type"] == PROBLEM


def test_a_record_that_is_not_there(client: httpx.Client) -> None:
    assert client.get("/api/receipts/1b4e28ba-2fa1-4d2b-883f-0016d3cca427").status_code == 404
    assert client.get("/api/receipts/1").status_code == 422


def test_the_log_is_served_as_tlog_tiles(client: httpx.Client, portal: Any) -> None:
    response = client.get("/log/1/checkpoint")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.headers["cache-control"] == "public, max-age=5"
    published = open_checkpoint(response.content, portal.g.keys, origin=portal.g.log.origin)
    size = published.checkpoint.size
    for tile in tiles_of_size(size):
        served = client.get(f"/log/1/{format_tile_path(tile)}")
        assert served.status_code == 200
        assert len(served.content) == 32 * tile.width
        assert served.headers["content-type"] == "application/octet-stream"
        assert "immutable" in served.headers["cache-control"]
    for index, width in entry_bundles_of_size(size):
        assert client.get(f"/log/1/{format_entries_path(index, width)}").status_code == 403


@pytest.mark.parametrize(
    "path",
    ["/log/2/checkpoint", "/log/1/tile/0/999", "/log/1/tile/0/000.p/255", "/log/1/tile/9/000", "/log/1/tile/../x"],
)
def test_what_is_not_in_the_public_log_is_not_found(client: httpx.Client, path: str) -> None:
    response = client.get(path)
    assert response.status_code in {404, 422}
    assert "cache-control" not in response.headers or "immutable" not in response.headers["cache-control"]


def test_health_tells_the_state_and_not_how_far_the_log_is(client: httpx.Client) -> None:
    """Anyone may ask at any moment: a size would tell when an entry was made, which the pace of publishing hides."""
    health = client.get("/health")
    assert health.status_code == 200
    told = health.json()
    assert told.pop("runtime") in ("running", "not started")
    assert told == {"recording": True, "remarks": []}


def test_metrics_count_routes_and_hold_no_id(client: httpx.Client, portal: Any) -> None:
    client.get(f"/api/receipts/{portal.records.given}")
    text = client.get("/metrics").text
    assert 'route="/api/receipts/{id}"' in text
    assert "greffier_log_recording 1.0" in text
    assert f"greffier_log_size {portal.g.log.state().size}.0" in text
    assert portal.records.given not in text
    client.get("/metrics/SECRET")
    client.request("SECRET", "/")
    assert "SECRET" not in client.get("/metrics").text


def test_the_openapi_document_names_keys_and_roles(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    post = document["paths"]["/api/decisions"]["post"]
    assert post["security"] == [{"key": []}, {"session": []}]
    assert set(post["x-roles"]) == {"client", "officer"}
    assert "/check" not in document["paths"]
    assert json.dumps(document).count('"operationId"') >= 10
    for path in ("/docs", "/redoc"):
        assert client.get(path).status_code == 404
