"""The auditor's pages: find, see the proof, say what for and read, run again, take evidence away."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import httpx
import pytest

from auditlog.core.entries.receipt import parse_receipt, verify_receipt
from auditlog.store.log import entries_of_kinds
from service.systems import lifecycle

pytestmark = pytest.mark.enable_socket

QUESTION = "pay next month"  # a part of what the demo's invented person wrote
GIVEN_SYSTEM, HELD_SYSTEM = "tax-question-reply", "social-loan-check"


def accesses(portal: Any) -> list[str]:
    with portal.g.reading() as conn:
        return [str(one.members["purpose"]) for _, one in entries_of_kinds(conn, portal.g.log.number, {"access/1"})]


@pytest.fixture
def auditor(portal: Any) -> dict[str, str]:
    return dict(portal.staff("auditor"))


def test_nothing_is_listed_before_it_was_asked_for(portal: Any, client: httpx.Client, auditor: dict[str, str]) -> None:
    before = accesses(portal)
    answer = client.get("/audit?lang=en", headers=auditor)
    assert answer.status_code == 200
    assert portal.records.given not in answer.text
    assert accesses(portal) == before


def test_what_is_found_was_noted(portal: Any, client: httpx.Client, auditor: dict[str, str]) -> None:
    before = accesses(portal)
    answer = client.get(f"/audit?lang=en&find=yes&system={GIVEN_SYSTEM}", headers=auditor)
    assert answer.status_code == 200
    assert portal.records.given in answer.text
    assert portal.records.held not in answer.text
    assert QUESTION not in answer.text
    assert accesses(portal)[len(before) :] == ["query"]


@pytest.mark.parametrize("lang", ["en", "nl"])
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("since=yesterday", "since"),
        ("until=x", "until"),
        ("version=one", "version"),
        (f"version={'9' * 5000}", "version"),
        ("until=9999-12-31", "until"),
        ("since=2026-02-02&until=2026-01-01", "until"),
        ("mode=loud", "mode"),
    ],
)
def test_a_wrong_question_names_its_field(
    client: httpx.Client, auditor: dict[str, str], query: str, field: str, lang: str
) -> None:
    answer = client.get(f"/audit?lang={lang}&find=yes&system={GIVEN_SYSTEM}&{query}", headers=auditor)
    assert answer.status_code == 422
    assert f'href="#{field}"' in answer.text


def test_the_purpose_comes_before_the_content(portal: Any, client: httpx.Client, auditor: dict[str, str]) -> None:
    address = f"/audit/decisions/{portal.records.given}?lang=en"
    before = accesses(portal)
    shown = client.get(address, headers=auditor)
    refused = client.post(address, headers=auditor, data={"do": "open", "purpose": "curiosity"})
    assert (shown.status_code, refused.status_code) == (200, 422)
    assert QUESTION not in shown.text + refused.text
    assert accesses(portal) == before
    opened = client.post(address, headers=auditor, data={"do": "open", "purpose": "evidence"})
    assert QUESTION in opened.text
    assert "TEST-0999" not in opened.text
    assert accesses(portal)[len(before) :] == ["evidence"]


def test_an_erased_record_shows_its_entry(portal: Any, client: httpx.Client, auditor: dict[str, str]) -> None:
    address = f"/audit/decisions/{portal.records.erased}?lang=en"
    shown = client.get(address, headers=auditor)
    assert "recorded; its content was erased" in shown.text
    opened = client.post(address, headers=auditor, data={"do": "open", "purpose": "evidence"})
    assert opened.status_code == 200
    assert "was erased" in opened.text


def test_entry_and_proof_verify_by_themselves(portal: Any, client: httpx.Client, auditor: dict[str, str]) -> None:
    answer = client.get(f"/audit/decisions/{portal.records.held}/receipt.json", headers=auditor)
    receipt = parse_receipt(answer.content)
    assert not receipt.openings
    assert verify_receipt(receipt, portal.g.keys, origin=portal.g.log.origin).entry.id == portal.records.held


def test_run_again(portal: Any, client: httpx.Client, auditor: dict[str, str]) -> None:
    address = f"/audit/decisions/{portal.records.held}?lang=en"
    answer = client.post(address, headers=auditor, data={"do": "replay"}, timeout=300)
    assert answer.status_code == 200
    assert "exactly the same" in answer.text


def test_evidence_of_one_record_checks_itself(
    portal: Any, client: httpx.Client, auditor: dict[str, str], tmp_path: Path
) -> None:
    answer = client.post("/audit/evidence?lang=en", headers=auditor, data={"record": portal.records.held})
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["cache-control"] == "no-store"
    zipfile.ZipFile(io.BytesIO(answer.content)).extractall(tmp_path)
    (one,) = json.loads((tmp_path / "evidence.json").read_text())["records"]
    run = subprocess.run(
        [sys.executable, "-I", "verify.pyz", "verify", one["receipt"], "--vkey", "log.vkey"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr


def test_evidence_of_a_system_in_a_period(portal: Any, client: httpx.Client, auditor: dict[str, str]) -> None:
    today = portal.g.clock().date().isoformat()
    asked = {"system": HELD_SYSTEM, "since": today, "until": today}
    answer = client.post("/audit/evidence?lang=en", headers=auditor, data=asked)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        told = json.loads(archive.read("evidence.json"))
    assert portal.records.held in {one["id"] for one in told["records"]}
    assert told["period"]["system"] == HELD_SYSTEM


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"record": ""}, "record"),
        ({"record": "x"}, "record"),
        ({"record": "00000000-0000-4000-8000-000000000000"}, "record"),
        ({"system": HELD_SYSTEM, "since": "2026-01-02", "until": "soon"}, "until"),
        ({"system": HELD_SYSTEM, "since": "2026-01-02", "until": "2026-01-01"}, "until"),
    ],
)
def test_evidence_of_nothing_names_the_field(
    client: httpx.Client, auditor: dict[str, str], asked: dict[str, str], field: str
) -> None:
    answer = client.post("/audit/evidence?lang=nl", headers=auditor, data=asked)
    assert answer.status_code == 422
    assert f'href="#{field}"' in answer.text


def test_another_system_is_out_of_reach(portal: Any, client: httpx.Client) -> None:
    scoped = portal.staff("auditor", GIVEN_SYSTEM)
    assert client.get(f"/audit/decisions/{portal.records.held}", headers=scoped).status_code == 403
    assert client.post("/audit/evidence", headers=scoped, data={"record": portal.records.held}).status_code == 403
    everything = client.get("/audit?find=yes", headers=scoped)
    assert everything.status_code == 422
    assert portal.records.held not in everything.text
    assert HELD_SYSTEM not in client.get("/audit/evidence", headers=scoped).text


def test_a_sample_needs_an_outside_witness(client: httpx.Client, auditor: dict[str, str]) -> None:
    assert "No outside witness" in client.get("/audit/samples?lang=en", headers=auditor).text
    asked = {"count": "1", "hash": "0" * 64, "witness": "w.example", "not_before": "2999-01-01T00:00Z"}
    answer = client.post("/audit/samples?lang=en", headers=auditor, data=asked)
    assert answer.status_code == 422
    missing = client.post("/audit/samples?lang=en", headers=auditor, data={"count": "many"})
    assert 'href="#hash"' in missing.text


def test_a_stopped_system_is_still_looked_at(portal: Any, client: httpx.Client, auditor: dict[str, str]) -> None:
    lifecycle.stop(portal.g, HELD_SYSTEM, reason="maintenance")
    try:
        assert client.get(f"/audit/decisions/{portal.records.held}", headers=auditor).status_code == 200
    finally:
        lifecycle.resume(portal.g, HELD_SYSTEM)
