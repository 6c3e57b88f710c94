"""`/api/lookups` on a served home: who may ask, what comes back, and that a reference turns up nowhere."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest

from auditlog.core.entries.receipt import parse_receipt, verify_receipt
from auditlog.core.entries.record import Entry, parse_entry
from auditlog.store import log as log_store

pytestmark = pytest.mark.enable_socket


def accesses(g: Any) -> list[Entry]:
    with g.reading() as conn:
        found = [parse_entry(data) for _, data in log_store.iterate_entries(conn, 1, 0, g.log.state().size)]
    return [entry for entry in found if isinstance(entry, Entry) and entry.kind == "access/1"]


def test_an_officer_finds_the_records_of_a_person(portal: Any, portals: Any, client: httpx.Client) -> None:
    before = len(accesses(portal.g))
    answer = client.post("/api/lookups", json={"subject": "test 0999"}, headers=portal.key("officer"))
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert {one["id"] for one in answer.json()["records"]} == {portal.records.given, portal.records.held}
    assert all("receipt" not in one for one in answer.json()["records"])
    assert answer.json()["log"]["size"] == portal.g.log.state().size, "its own access is in the log that it names"
    new = accesses(portal.g)[before:]
    assert {(entry.members["purpose"], entry.members["role"]) for entry in new} == {("lookup", "officer")}
    assert len(new) == 2


def test_receipts_come_along_and_a_held_result_stays_closed(portal: Any, portals: Any, client: httpx.Client) -> None:
    body = {"subject": portals.SUBJECT, "receipts": True, "purpose": "access_file"}
    answer = client.post("/api/lookups", json=body, headers=portal.key("auditor"))
    opened = {}
    for one in answer.json()["records"]:
        receipt = parse_receipt(json.dumps(one["receipt"]).encode())
        checked = verify_receipt(receipt, portal.g.keys, origin=portal.g.log.origin)
        opened[one["id"]] = {opening.field for opening in checked.openings}
    assert {"outcome", "output"} <= opened[portal.records.given]
    assert not {"outcome", "output"} & opened[portal.records.held]


def test_a_key_of_one_system_finds_no_others(portal: Any, portals: Any, client: httpx.Client) -> None:
    key = portal.key("officer", portals.SYSTEM)
    answer = client.post("/api/lookups", json={"subject": portals.SUBJECT}, headers=key)
    assert [one["id"] for one in answer.json()["records"]] == [portal.records.given]


def test_nobody_is_an_answer(portal: Any, client: httpx.Client) -> None:
    before = len(accesses(portal.g))
    for body in ({"subject": "TEST-4711"}, {"case": "TEST-4711"}):
        answer = client.post("/api/lookups", json=body, headers=portal.key("auditor"))
        assert (answer.status_code, answer.json()["records"]) == (200, [])
    assert len(accesses(portal.g)) == before + 2


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"subject": "SECRET-1", "case": "SECRET-1"},
        {"subject": ""},
        {"subject": "..."},
        {"subject": "SECRET" * 100},
        {"subject": ["SECRET-1"]},
        {"subject": "SECRET-1", "purpose": "curiosity"},
        {"subject": "SECRET-1", "SECRET-2": 1},
        {"subject": "SECRET-\ud800"},
    ],
    ids=["nothing", "both", "empty", "no letter", "long", "a list", "purpose", "undeclared", "half a surrogate"],
)
def test_what_cannot_be_looked_up(portal: Any, client: httpx.Client, body: Any) -> None:
    before = len(accesses(portal.g))
    headers = portal.key("officer") | {"content-type": "application/json"}
    answer = client.post("/api/lookups", content=json.dumps(body).encode(), headers=headers)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert "SECRET" not in answer.text
    assert len(accesses(portal.g)) == before


@pytest.mark.parametrize("role", ["client", "operator", None])
def test_who_may_not_look_up(portal: Any, portals: Any, client: httpx.Client, role: str | None) -> None:
    before = len(accesses(portal.g))
    headers = {} if role is None else portal.key(role)
    answer = client.post("/api/lookups", json={"subject": portals.SUBJECT}, headers=headers)
    assert answer.status_code == (401 if role is None else 403)
    assert len(accesses(portal.g)) == before
    assert client.get("/api/lookups", headers=headers).status_code == 405


def test_a_reference_stands_in_no_line_of_the_server(
    portal: Any, portals: Any, client: httpx.Client, capfd: pytest.CaptureFixture[str]
) -> None:
    for subject in (portals.SUBJECT, "TEST-4711", "...."):
        client.post("/api/lookups", json={"subject": subject}, headers=portal.key("officer"))
    metrics = client.get("/metrics").text
    said = capfd.readouterr()
    for text in (said.out, said.err, metrics):
        assert portals.SUBJECT not in text
        assert "test-4711" not in text.lower()
    # Ids and commitments are drawn: four digits may stand in them by chance.
    number = re.compile(rb"(?i)test|(?<![0-9a-z+/=])(0999|4711)(?![0-9a-z+/=])")
    assert not any(number.search(entry.data) for entry in accesses(portal.g))
