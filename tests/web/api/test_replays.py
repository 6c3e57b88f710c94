"""`/api/replays` over a served home."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.enable_socket


def test_a_decision_is_run_again_and_listed(portal: Any) -> None:
    with portal.client() as client:
        auditor = portal.key("auditor")
        made = client.post("/api/replays", json={"id": portal.records.given}, headers=auditor)
        assert made.status_code == 201, made.text
        body = made.json()
        assert (body["verdict"], body["record"]) == ("bit_exact", portal.records.given)
        one = client.get(made.headers["location"], headers=auditor)
        assert one.json() == body
        listed = client.get("/api/replays", params={"system": "tax-question-reply"}, headers=portal.key("operator"))
        row = next(row for row in listed.json()["replays"] if row["id"] == body["id"])
        assert row["verdict"] == "bit_exact"
        assert portal.records.given not in listed.text
        none = client.get("/api/replays", params={"verdict": "mismatch"}, headers=auditor).json()
        assert none == {"replays": [], "next": None}
        facts = client.get("/api/systems/tax-question-reply").json()
        assert facts["replays"]["verdicts"]["bit_exact"] >= 1
        assert facts["self_test"]["determinism"] == "not_measured"


def test_who_may(portal: Any) -> None:
    with portal.client() as client:
        wanted = {"json": {"id": portal.records.given}}
        assert client.post("/api/replays", **wanted).status_code == 401
        for role in ("client", "operator"):
            assert client.post("/api/replays", **wanted, headers=portal.key(role)).status_code == 403
        other = portal.key("auditor", "health-line-aid")
        assert client.post("/api/replays", **wanted, headers=other).status_code == 403
        assert client.get("/api/replays", params={"system": "tax-question-reply"}, headers=other).status_code == 403
        assert client.get("/api/replays", headers=other).status_code == 200


def test_what_is_wrong_is_said(portal: Any) -> None:
    with portal.client() as client:
        auditor = portal.key("auditor")
        unknown = "00000000-0000-4000-8000-000000000000"
        assert client.post("/api/replays", json={"id": unknown}, headers=auditor).status_code == 404
        assert client.get(f"/api/replays/{unknown}", headers=auditor).status_code == 404
        assert client.get(f"/api/replays/{portal.records.given}", headers=auditor).status_code == 422
        for body in ({}, {"id": "x"}, {"id": unknown, "passes": "twice"}, {"id": unknown, "threads": 0}):
            assert client.post("/api/replays", json=body, headers=auditor).status_code == 422
        erased = client.post("/api/replays", json={"id": portal.records.erased}, headers=auditor)
        assert (erased.json()["verdict"], erased.json()["reason"]) == ("not_replayable", "erased")
        assert portal.records.erased not in erased.text
        assert client.get("/api/replays", params={"since": "yesterday"}, headers=auditor).status_code == 422
        assert client.get("/api/replays", params={"cursor": "x"}, headers=auditor).status_code == 422
