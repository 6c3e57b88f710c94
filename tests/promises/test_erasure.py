"""Promise 6: what was erased is gone from every place of the installation, and every proof still verifies."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from auditlog.core.entries.receipt import format_receipt
from auditlog.core.errors import Erased
from auditlog.store.decisions import find_decision
from auditlog.store.vault import slots_of
from auditlog.vault import erasure
from home.greffier import Greffier
from service.cases import reviews
from service.deciding import decide
from service.erasing import erase
from service.keeping import fsck
from service.proving import receipts
from service.records import reading
from service.records.reading import CLI
from service.wiring import open_home

LOAN = "social-loan-check"
SUBJECT = "TEST-PERSON-7731"
REASONS = "The-invented-reasons-of-an-invented-officer"


def decide_and_review(g: Greffier, loan_input: dict[str, Any]) -> str:
    answer = decide.decide(g, LOAN, loan_input, subjects=(SUBJECT,))
    made = reviews.Review("confirm", "as-the-result-suggests", REASONS, notified="2026-11-24")
    reviews.record_review(g, answer.id, made)
    return answer.id


def verify_offline(home: Path, receipt: Path) -> subprocess.CompletedProcess[str]:
    vkey = home / "keys" / "log.vkey"
    command = [sys.executable, "-m", "auditlog", "verify", str(receipt), "--vkey", str(vkey)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_an_erased_record_is_gone_and_its_receipt_still_verifies(
    loan_home: Path, loan_input: dict[str, Any], tmp_path: Path
) -> None:
    receipt = tmp_path / "mine.receipt.json"
    with open_home(loan_home) as g:
        record = decide_and_review(g, loan_input)
        kept = decide.decide(g, LOAN, loan_input).id
        receipt.write_bytes(format_receipt(receipts.receipt(g, record, openings=CLI)))
        erase.erase(g, record, ground="objection")
        with pytest.raises(Erased):
            reading.open(g, CLI, "export", record)
        with pytest.raises(Erased):
            erase.erase(g, record, ground="objection")
        assert receipts.check(g, receipt.read_bytes()).verdict == "erased"
        assert reading.open(g, CLI, "export", kept).values["outcome"]
        assert fsck.check_all(g) == []
    told = verify_offline(loan_home, receipt)
    assert told.returncode == 0, told.stdout + told.stderr


def test_no_value_of_the_erased_record_is_left_in_any_file(loan_home: Path, loan_input: dict[str, Any]) -> None:
    with open_home(loan_home) as g:
        record = decide_and_review(g, loan_input)
        opened = reading.open(g, CLI, "export", record).opened
        secret, tags = opened.secret, [tag.tag for tag in g.vault.tags_of(opened)]
        with g.reading() as conn:
            rows = slots_of(conn, [record])
        key = g.record_keys.read(rows[record])
        erase.erase(g, record, ground="objection")
    needles = {
        "reference": SUBJECT.encode(),
        "normalised reference": b"testperson7731",
        "reasons": REASONS.encode(),
        "secret": secret,
        "secret in hex": secret.hex().encode(),
        "record key": key,
        **{f"tag {number}": tag for number, tag in enumerate(tags)},
    }
    connection = sqlite3.connect(loan_home / "greffier.db")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
    connection.close()
    for path in loan_home.rglob("*"):
        if path.is_file() and path.suffix != ".gguf":
            data = path.read_bytes()
            for name, needle in needles.items():
                assert needle not in data, f"{name} is left in {path.relative_to(loan_home)}"


def test_nothing_of_it_is_left_in_the_database_while_the_program_runs(
    loan_home: Path, loan_input: dict[str, Any]
) -> None:
    """The write-ahead log holds deleted rows in clear: outcome beside id, and the tags of persons."""
    with open_home(loan_home) as g:
        record = decide_and_review(g, loan_input)
        opened = reading.open(g, CLI, "export", record).opened
        with g.reading() as conn:
            row = find_decision(conn, record)
        assert row is not None
        beside = f"live{row['minute']}{row['outcome']}".encode()
        found = {path.name for path in loan_home.glob("greffier.db*") if beside in path.read_bytes()}
        assert found, "the test looks for something that was never there"
        erase.erase(g, record, ground="objection")
        for path in loan_home.glob("greffier.db*"):
            for needle in (beside, *(tag.tag for tag in g.vault.tags_of(opened))):
                assert needle not in path.read_bytes(), path.name


def test_a_backup_from_before_cannot_bring_it_back(loan_home: Path, loan_input: dict[str, Any], tmp_path: Path) -> None:
    """The database of before the erasure, with the key store of now: the content cannot be read."""
    with open_home(loan_home) as g:
        record = decide_and_review(g, loan_input)
    backup = tmp_path / "backup.db"
    shutil.copy2(loan_home / "greffier.db", backup)
    with open_home(loan_home) as g:
        erase.erase(g, record, ground="objection")
        sealed = sqlite3.connect(backup)
        row = sealed.execute("SELECT slot FROM auditlog_sealed WHERE id = ?", (record,)).fetchone()
        sealed.close()
        with pytest.raises(Erased):
            g.record_keys.read(row[0])


class KilledNow(Exception):
    """The process ends here."""


def die(*_: object) -> None:
    raise KilledNow


@pytest.mark.parametrize("step", ["ledger", "key"])
def test_an_interrupted_erasure_is_completed_at_the_next_start(
    loan_home: Path, loan_input: dict[str, Any], step: str
) -> None:
    """The process ends after the ledger's line, or after the key is overwritten: the unit never reached the log."""
    with open_home(loan_home) as g:
        record = decide_and_review(g, loan_input)
        if step == "ledger":
            entry = reading.find(g, record).entry
            g.ledger.append(erasure.Erasure(record, "objection", "administrator", entry.time))
        else:
            with pytest.MonkeyPatch.context() as patch, pytest.raises(KilledNow):
                patch.setattr(erasure, "delete_about_records", die)
                erase.erase(g, record, ground="objection")
    with open_home(loan_home) as g:
        assert receipts.find(g, record).verdict == "erased"
        with pytest.raises(Erased):
            reading.open(g, CLI, "export", record)
        assert fsck.check_all(g) == []


def test_the_command_refuses_an_unknown_ground(loan_home: Path, loan_input: dict[str, Any], greffier: Any) -> None:
    with open_home(loan_home) as g:
        record = decide_and_review(g, loan_input)
    with open_home(loan_home) as g:
        size = g.log.state().size
    told = greffier("erase", record, "--home", loan_home, "--ground", "because")
    assert told.returncode != 0
    assert "ground" in told.stderr
    with open_home(loan_home) as g:
        assert g.log.state().size == size
        assert json.dumps(reading.open(g, CLI, "export", record).values)
