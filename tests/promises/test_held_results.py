"""What an officer still has to look at does not leave, in no member of an answer, and by no other way."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from auditlog.store.cursor import DecisionFilter
from cli.demo.run import CASES
from service.deciding import decide
from service.proving import receipts
from service.records import query
from service.records.reading import CLI
from service.wiring import open_home

LOAN = "social-loan-check"
OWN = ("id", "index")  # the reference and place of a record


def test_answers_of_held_results_are_alike_whatever_the_result(loan_home: Path) -> None:
    cases = json.loads((CASES / f"{LOAN}.inputs.json").read_text(encoding="utf-8"))
    with open_home(loan_home) as g:
        answers = [decide.decide(g, LOAN, case["input"]) for case in cases]
        outcomes = {row["outcome"] for row in query.decisions(g, CLI, DecisionFilter()).rows}
        assert len(outcomes) > 1, "the test needs cases with different results"
        told: list[dict[str, Any]] = [dataclasses.asdict(answer) for answer in answers]
        for answer in told:
            answer["notice"] = answer["notice"].replace(answer["id"], "")
        assert len({json.dumps({k: v for k, v in one.items() if k not in OWN}) for one in told}) == 1
        for answer in answers:
            opened = {opening.field for opening in receipts.receipt(g, answer.id, openings=CLI).openings}
            assert opened == {"in_payment_record", "in_income", "in_debts", "in_room"}
