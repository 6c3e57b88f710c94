"""A whole installation on PostgreSQL: decide, review, erase, check, export, and the checks of what leaves it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from app.actions import decide, erase, lifecycle, log, query, reading, receipts, register, review
from app.actions.reading import CLI
from app.demo.run import CASES
from app.errors import Refused
from app.wiring import create_home, open_home
from auditlog.errors import Erased
from auditlog.receipt import format_receipt, parse_receipt, verify_receipt
from auditlog.store.cursor import DecisionFilter
from auditlog.tree import audit_tree

LOAN = "social-loan-check"


def test_the_whole_chain_on_postgresql(
    postgresql_url: str, tmp_path: Path, model_file: Path, loan_input: dict[str, Any]
) -> None:
    home = tmp_path / "home"
    create_home(home, "waterveen", "waterveen.example/log", database_url=postgresql_url)
    shutil.copyfile(CASES / "agency.json", home / "agency.json")
    with open_home(home) as g:
        register.add_model(g, model_file)
        register.register(g, (CASES / f"{LOAN}.json").read_bytes())
        for state in ("in_review", "approved", "active"):
            lifecycle.change_state(g, LOAN, state)
        kept, gone = (decide.decide(g, LOAN, loan_input, subjects=("TEST-7731",)).id for _ in range(2))
        for record in (kept, gone):
            review.record_review(g, record, review.Review("release", "as suggested", "invented reasons"))
        lifecycle.stop(g, LOAN, reason="incident")
        with pytest.raises(Refused):
            decide.decide(g, LOAN, loan_input)
        lifecycle.resume(g, LOAN)
        erase.erase(g, gone, ground="objection")
        with pytest.raises(Erased):
            reading.open(g, CLI, "export", gone)
    # Opened again, as the next command would.
    with open_home(home) as g:
        assert not (home / "greffier.db").exists()
        assert [row["id"] for row in query.decisions(g, CLI, DecisionFilter(system=LOAN)).rows] == [kept]
        receipt = receipts.receipt(g, kept, openings=CLI)
        assert {opening.field for opening in receipt.openings} >= {"outcome", "output"}
        assert log.check_all(g) == []
        assert log.read_gaps(g).boots[0].ended == "closed"
        size = log.export_log(g, tmp_path / "export")
        keys, origin = g.keys, g.log.origin
    assert audit_tree(tmp_path / "export", keys, origin=origin).size == size
    taken = parse_receipt(format_receipt(receipt))
    assert verify_receipt(taken, keys, origin=origin).entry.id == kept
