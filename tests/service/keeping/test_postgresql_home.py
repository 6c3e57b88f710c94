"""A whole installation on PostgreSQL: decide, review, erase, check, export, and the checks of what leaves it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from accounts import sign_in
from auditlog.core.checking.tree import audit_tree
from auditlog.core.entries.receipt import format_receipt, parse_receipt, verify_receipt
from auditlog.core.errors import Erased
from auditlog.store.cursor import DecisionFilter
from cli.demo.run import CASES
from home import health
from home.errors import Refused, UsageError
from service.cases import access_codes, public_requests, reviews
from service.deciding import decide
from service.erasing import erase
from service.keeping import fsck
from service.logs import export, gaps
from service.proving import receipts
from service.records import query, reading
from service.records.reading import CLI
from service.systems import lifecycle, register
from service.wiring import create_home, open_home

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
            reviews.record_review(g, record, reviews.Review("release", "as suggested", "invented reasons"))
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
        assert fsck.check_all(g) == []
        assert gaps.read_gaps(g).boots[0].ended == "closed"
        size = export.export_log(g, tmp_path / "export")
        keys, origin = g.keys, g.log.origin
    assert audit_tree(tmp_path / "export", keys, origin=origin).size == size
    taken = parse_receipt(format_receipt(receipt))
    assert verify_receipt(taken, keys, origin=origin).entry.id == kept


@pytest.mark.parametrize("text", ["\0", "a\0b"])
def test_a_text_that_the_database_cannot_have_is_a_mistake_of_who_sent_it(
    postgresql_url: str, tmp_path: Path, text: str
) -> None:
    """Not an outage: anybody could send it, and was told that the log cannot record and wants to be restored."""
    create_home(tmp_path / "home", "waterveen", "waterveen.example/log", database_url=postgresql_url)
    with open_home(tmp_path / "home") as g:
        for ask in (
            lambda: register.show(g, text),
            lambda: access_codes.check_code(g, text, "0000-0000-0000"),
            lambda: sign_in.sign_in(g, text, "none of these words", "000000", address=""),
            lambda: public_requests.open_request(g, right="explain", channel="web", lang="nl", text="", system=text),
        ):
            with pytest.raises(UsageError, match="no record has"):
                ask()
        assert health.health(g).recording
