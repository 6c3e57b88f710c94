"""Promise 2: a decision leaves only after its record; a log that cannot write decides nothing, and states it later."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from auditlog.core.entries.record import parse_entry
from auditlog.core.errors import CannotRecord, GuardError
from auditlog.store import log as log_store
from auditlog.store.cursor import DecisionFilter
from home import health
from service.deciding import decide
from service.keeping import fsck
from service.records import query
from service.records.reading import CLI
from service.wiring import open_home

pytestmark = pytest.mark.enable_socket

LOAN = "social-loan-check"


def kinds(home: Path) -> list[str]:
    with open_home(home) as g, g.reading() as conn:
        return [parse_entry(data).kind for _, data in log_store.iterate_entries(conn, 1, 0, g.log.state().size)]


def test_a_missing_guard_stops_every_decision_and_every_page_says_so(
    loan_home: Path, greffier: Any, portals: Any, input_file: Path
) -> None:
    guard = loan_home / "guard" / "log-1.guard"
    away = guard.with_suffix(".away")
    guard.rename(away)
    told = greffier("decide", "--home", loan_home, LOAN, "--input", input_file)
    assert told.returncode == 4
    assert "guard" in told.stderr
    with portals.served(loan_home, tolerant=True) as portal, portal.client() as client:
        assert client.get("/health").status_code == 503
        for page in ("/", "/register", "/check"):
            text = client.get(page, headers={"accept-language": "en"}).text
            assert "Our log cannot record" in text, page
        with pytest.raises(CannotRecord):
            decide.decide(portal.g, LOAN, json.loads(input_file.read_text()))
    away.rename(guard)
    assert "decision/1" not in kinds(loan_home)
    assert log_is_clean(loan_home)


def test_a_guard_that_vanishes_while_serving_ends_in_an_outage_entry(
    loan_home: Path, loan_input: dict[str, Any]
) -> None:
    guard = loan_home / "guard" / "log-1.guard"
    away = guard.with_suffix(".away")
    with open_home(loan_home) as g:
        decide.decide(g, LOAN, loan_input)
        guard.rename(away)
        with pytest.raises(CannotRecord) as refused:
            decide.decide(g, LOAN, loan_input)
        assert refused.value.cause == "guard"
        assert not health.health(g).recording
        away.rename(guard)
        decide.decide(g, LOAN, loan_input)
        assert health.health(g).recording
        with g.reading() as conn:
            entries = [parse_entry(data) for _, data in log_store.iterate_entries(conn, 1, 0, g.log.state().size)]
    assert any(entry.kind == "outage/1" and entry.members["cause"] == "guard" for entry in entries)
    assert log_is_clean(loan_home)


def test_a_database_restored_from_before_the_last_decision_is_refused(
    loan_home: Path, loan_input: dict[str, Any]
) -> None:
    before = loan_home.parent / "before"
    with open_home(loan_home) as g:
        decide.decide(g, LOAN, loan_input)
    before.mkdir()
    for path in loan_home.glob("greffier.db*"):
        shutil.copy2(path, before / path.name)
    with open_home(loan_home) as g:
        decide.decide(g, LOAN, loan_input)
    for path in loan_home.glob("greffier.db*"):
        path.unlink()
    for path in before.iterdir():
        shutil.copy2(path, loan_home / path.name)
    with pytest.raises(GuardError, match="cut or restored"), open_home(loan_home):
        pass
    with open_home(loan_home, tolerant=True) as g:
        assert not health.health(g).recording
        assert any("guard" in finding.place for finding in fsck.check_all(g)) or g.problem is not None


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from service.wiring import open_home
from service.deciding import decide
from auditlog.core.errors import CannotRecord
import json
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
home, data = Path(sys.argv[1]), json.loads(sys.argv[2])
with open_home(home) as g:
    first = decide.decide(g, "social-loan-check", data)
    limit = (home / "greffier.db-wal").stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Files may grow no further than the write-ahead log already has: the disk is full for it.
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    refused = 0
    for _ in range(3):
        try:
            decide.decide(g, "social-loan-check", data)
        except CannotRecord:
            refused += 1
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    last = decide.decide(g, "social-loan-check", data)
    print(json.dumps({"refused": refused, "first": first.index, "last": last.index}))
"""


def test_a_full_disk_refuses_and_then_goes_on(loan_home: Path, loan_input: dict[str, Any]) -> None:
    told = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(loan_home), json.dumps(loan_input)],
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert told.returncode == 0, told.stderr
    seen = json.loads(told.stdout)
    assert seen["refused"] >= 1
    assert "outage/1" in kinds(loan_home)
    assert log_is_clean(loan_home)


def test_every_answer_has_its_record_under_a_signed_checkpoint(loan_home: Path, loan_input: dict[str, Any]) -> None:
    with open_home(loan_home) as g:
        answers = [decide.decide(g, LOAN, loan_input) for _ in range(3)]
        rows = {row["id"]: row["idx"] for row in query.decisions(g, CLI, DecisionFilter()).rows}
        size = query.stamp(g).size
    assert {answer.id: answer.index for answer in answers} == rows
    assert all(answer.index < size for answer in answers)


def log_is_clean(home: Path) -> bool:
    with open_home(home) as g:
        found = fsck.check_all(g)
    assert found == []
    return True
