"""`/api/explanations` over a served home."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.enable_socket
UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def stubborn(echoing: Any, portals: Any, tmp_path_factory: pytest.TempPathFactory, model_file: Path) -> Any:
    """A served home with a held, adverse result that nothing explains; and the id of that decision."""
    echo = echoing.echo(tmp_path_factory.mktemp("served"), model_file, bias=30_000)
    with portals.served(echo.home) as served:
        served.records.held = echo.record
        yield served


def test_a_decision_is_explained_listed_and_waits_for_a_person(stubborn: Any) -> None:
    record = stubborn.records.held
    with stubborn.client() as client:
        auditor, officer = stubborn.key("auditor"), stubborn.key("officer")
        made = client.post("/api/explanations", json={"id": record, "lang": "nl"}, headers=auditor)
        assert made.status_code == 201, made.text
        body = made.json()
        assert (body["verdict"], body["record"], body["fresh"]) == ("withheld", record, "due")
        assert body["statement"]["outcome"] == "halt"
        assert "U moet halt" in body["text"]
        one = client.get(made.headers["location"], params={"lang": "nl"}, headers=auditor)
        assert one.json() == body
        assert "You must halt" in client.get(made.headers["location"], headers=auditor).json()["text"]
        listed = client.get("/api/explanations", headers=stubborn.key("operator"))
        (row,) = listed.json()["explanations"]
        assert (row["id"], row["cause"]) == (body["id"], "request")
        for hidden in (record, "withheld", "halt"):
            assert hidden not in listed.text
        (due,) = client.get("/api/explanations", params={"open": True}, headers=officer).json()["open"]
        assert (due["record"], due["explanation"], due["before"]) == (record, body["id"], body["fresh_before"])


def test_who_may(stubborn: Any) -> None:
    wanted = {"json": {"id": stubborn.records.held}}
    with stubborn.client() as client:
        assert client.post("/api/explanations", **wanted).status_code == 401
        for role in ("client", "operator"):
            assert client.post("/api/explanations", **wanted, headers=stubborn.key(role)).status_code == 403
        other = stubborn.key("auditor", "health-line-aid")
        assert client.post("/api/explanations", **wanted, headers=other).status_code == 403
        assert client.get("/api/explanations", params={"system": "echo-check"}, headers=other).status_code == 403
        operator = client.get("/api/explanations", params={"open": True}, headers=stubborn.key("operator"))
        assert (operator.status_code, "halt" in operator.text) == (409, False)


def test_what_is_wrong_is_said(stubborn: Any) -> None:
    with stubborn.client() as client:
        auditor = stubborn.key("auditor")
        assert client.post("/api/explanations", json={"id": UNKNOWN}, headers=auditor).status_code == 404
        assert client.get(f"/api/explanations/{UNKNOWN}", headers=auditor).status_code == 404
        assert client.get(f"/api/explanations/{stubborn.records.held}", headers=auditor).status_code == 422
        for body in ({}, {"id": "x"}, {"id": UNKNOWN, "lang": "fr"}, {"id": UNKNOWN, "passes": "alone"}):
            assert client.post("/api/explanations", json=body, headers=auditor).status_code == 422
        for query in ({"since": "yesterday"}, {"cursor": "x"}, {"open": True, "cursor": "x"}, {"open": "perhaps"}):
            assert client.get("/api/explanations", params=query, headers=auditor).status_code == 422
        for name, value in {"since": "2026-01-01T00:00Z", "until": "2026-01-01T00:00Z", "limit": 5}.items():
            answer = client.get("/api/explanations", params={"open": True, name: value}, headers=auditor)
            assert (answer.status_code, answer.json()["field"]) == (422, name)
        one = client.get("/api/explanations", headers=auditor).json()["explanations"][0]["id"]
        assert client.get(f"/api/explanations/{one}", params={"lang": "fr"}, headers=auditor).status_code == 422


def test_a_system_is_named_only_to_keys_that_reach_it(stubborn: Any) -> None:
    with stubborn.client() as client:
        mine, theirs = stubborn.key("officer", "echo-check"), stubborn.key("officer", "health-line-aid")
        assert len(client.get("/api/explanations", params={"open": True}, headers=mine).json()["open"]) == 1
        answer = client.get("/api/explanations", params={"open": True}, headers=theirs)
        assert "echo-check" not in answer.text
