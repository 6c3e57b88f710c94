"""Evidence about a system in a period: all of its decisions, and what the log says of the system, with proofs."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date, timedelta
from hashlib import sha256

import pytest
from sqlalchemy import update

from auditlog.core.entries.receipt import parse_receipt, verify_receipt
from auditlog.core.errors import VerifyError
from auditlog.store.log import writing
from cli.evidence import parse_days
from home.errors import Refused, UsageError
from registry.errors import UnknownSystem
from registry.store.tables import RECORD
from service.proving import evidence, files, period
from service.records.accesses import Reader
from service.systems import lifecycle

pytestmark = pytest.mark.enable_socket
LOAN = "social-loan-check"
AUDITOR = Reader("auditor", "grf_test")


def days(town):
    today = town.clock().date()
    return today - timedelta(days=1), today


def test_all_of_a_system_in_a_period(town, tmp_path):
    with town.opened() as g:
        made = [town.decide(g, 1)[0] for _ in range(3)]
        lifecycle.stop(g, LOAN, reason="complaint")
        town.publish(g)
        pack = evidence.of_period(g, AUDITOR, LOAN, days(town))
        files.write_folder(g, pack, tmp_path / "out")
        told = json.loads(pack.files["evidence.json"])
        assert [one["id"] for one in told["records"]] == made
        receipts = [parse_receipt(pack.files[path]) for path in told["period"]["entries"]]
        entries = [verify_receipt(one, g.keys, origin=g.log.origin).entry for one in receipts]
        kinds = [entry.kind for entry in entries]
        assert kinds[:3] == ["system/1", "version/1", "state/1"]
        assert entries[-1].members["reason"] == "complaint"
        assert {entry.members["system"] for entry in entries} == {LOAN}
        documents = told["period"]["documents"]
        assert all(sha256(pack.files[path]).hexdigest() in path for path in documents)
        records = [entry.members["record"] for entry in entries if entry.kind == "system/1"]
        assert [f"register/records/{one.removeprefix('sha256:')}.json" in documents for one in records] == [True]
        for lang, words in (("en", "all 3 decisions of the period"), ("nl", "alle 3 uitkomsten uit de periode")):
            page = " ".join(pack.files[f"evidence.{lang}.txt"].decode().split())
            assert words in page
        assert "That a result was right" in pack.files["evidence.en.txt"].decode()
    run = subprocess.run(
        [sys.executable, "-I", "verify.pyz", "audit", "log", "--policy", "policy"],
        cwd=tmp_path / "out", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout


def test_what_came_after_the_period_is_not_in_it(town):
    with town.opened() as g:
        town.decide(g, 1)
        first, last = days(town)
        town.clock.on(60 * 24 * 2)
        (later,) = town.decide(g, 1)
        lifecycle.stop(g, LOAN, reason="incident")
        pack = evidence.of_period(g, AUDITOR, LOAN, (first, last), with_log=False)
        told = json.loads(pack.files["evidence.json"])
        assert later not in {one["id"] for one in told["records"]}
        last_entry = parse_receipt(pack.files[told["period"]["entries"][-1]]).entry
        assert b"incident" not in last_entry


def test_a_document_that_was_altered_is_noticed(town):
    with town.opened() as g:
        with writing(g.engine) as conn:
            conn.execute(update(RECORD).where(RECORD.c.slug == LOAN).values(record="{}"))
        with pytest.raises(VerifyError, match="fsck"):
            evidence.of_period(g, AUDITOR, LOAN, days(town))


def test_bad_input(town, monkeypatch):
    with town.opened() as g:
        town.decide(g, 2)
        first, last = days(town)
        with pytest.raises(UnknownSystem):
            evidence.of_period(g, AUDITOR, "no-such-system", (first, last))
        with pytest.raises(UsageError, match="until"):
            evidence.of_period(g, AUDITOR, LOAN, (last, first))
        with pytest.raises(UsageError, match="until"):
            evidence.of_period(g, AUDITOR, LOAN, (first, date.max))
        with pytest.raises(Refused, match="auditors and staff"):
            evidence.of_period(g, Reader("client", "grf_test"), LOAN, (first, last))
        monkeypatch.setattr(period, "MOST", 1)
        with pytest.raises(UsageError, match="draw a sample"):
            evidence.of_period(g, AUDITOR, LOAN, (first, last))


def test_days_of_the_command_line():
    assert parse_days(None, None) is None
    assert parse_days("2026-01-01", "2026-12-31") == (date(2026, 1, 1), date(2026, 12, 31))
    for since, until, field in (
        ("2026-01-01", None, "--until"),
        (None, "2026-01-01", "--since"),
        ("x", "y", "--since"),
    ):
        with pytest.raises(UsageError, match=field):
            parse_days(since, until)
