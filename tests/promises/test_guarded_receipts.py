"""Promise 2 in the instant between commit and guard: nothing leaves that leans on a head above the guard."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from auditlog.core.errors import GuardError
from auditlog.store.cursor import DecisionFilter
from auditlog.writing.guard import parse_guard_line
from service.deciding import decide
from service.logs import export
from service.proving import receipts
from service.records import query
from service.records.reading import CLI, Reader
from service.wiring import open_home

LOAN = "social-loan-check"


def test_a_head_above_the_guard_is_handed_to_nobody(
    loan_home: Path, loan_input: dict[str, Any], tmp_path: Path
) -> None:
    """The guard's line is put back by one decision: as a reader sees it who comes just before the line is raised."""
    guard = loan_home / "guard" / "log-1.guard"
    with open_home(loan_home) as g:
        first = decide.decide(g, LOAN, loan_input).id
        g.publisher.advance()
        before = guard.read_bytes()
        last = decide.decide(g, LOAN, loan_input).id
        after = parse_guard_line(guard.read_bytes())
        guard.write_bytes(before)
        for openings in (None, CLI):
            with pytest.raises(GuardError, match="try again"):
                receipts.receipt(g, last, openings=openings)
        with pytest.raises(GuardError):
            export.export_log(g, tmp_path / "export")
        with pytest.raises(GuardError):
            query.decisions(g, Reader("operator", None), DecisionFilter())
        assert receipts.receipt(g, first, openings=None).proof.index
        raised = threading.Timer(0.3, g.guard.raise_to, [after.size, after.root])
        raised.start()
        assert receipts.receipt(g, last, openings=None).proof.index
        raised.join()
        assert receipts.receipt(g, last, openings=CLI).openings
        assert export.export_log(g, tmp_path / "export")
