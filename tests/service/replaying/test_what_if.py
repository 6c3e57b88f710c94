"""What another version would have said: counts alone, for staff, and nothing of it is a decision."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from auditlog.core.entries.record import Entry
from auditlog.store import log as log_store
from cli.demo.run import CASES
from home.errors import Refused, UsageError
from registry.errors import UnknownVersion
from service.deciding import decide
from service.erasing import erase
from service.records.accesses import Reader
from service.replaying import calibrate, what_if
from service.systems import register
from service.wiring import open_home

LOAN = "social-loan-check"
AUDITOR = Reader("auditor", None)


def entries(g: Any) -> list[Entry]:
    with g.reading() as conn:
        return [
            entry
            for _, entry in log_store.entries_of_kinds(
                conn, 1, ("decision/1", "access/1", "boot/1", "unfinished/1", "replay/1", "refused/1")
            )
        ]


def biased() -> bytes:
    """A version that says one thing always."""
    file = json.loads((CASES / f"{LOAN}.json").read_text("utf-8"))
    for outcome in file["version"]["outcomes"]:
        outcome["bias_millinats"] = 100_000 if outcome["code"] == "refer" else 0
    return json.dumps(file).encode()


@pytest.fixture
def g(loan_home: Path, loan_input: Any) -> Any:
    with open_home(loan_home) as opened:
        for n in range(4):
            decide.decide(opened, LOAN, {**loan_input, "room": 100 * n}, subjects=("TEST-1",))
        yield opened


def test_the_same_version_says_the_same(g: Any) -> None:
    before = entries(g)
    found = what_if.what_if(g, AUDITOR, LOAN, 1, 3)
    assert (found.compared, found.same, found.same_output, found.changed) == (3, 3, 3, 0)
    assert (found.refused, found.left_out, found.not_stated) == (0, (), ())
    new = entries(g)[len(before) :]
    assert [entry.kind for entry in new] == ["access/1"] * 3, "nothing but the readings is recorded"
    assert {entry.members["purpose"] for entry in new} == {"replay"}


def test_another_version_is_counted_by_pairs(g: Any) -> None:
    register.register(g, biased())
    found = what_if.what_if(g, AUDITOR, LOAN, 2, 4)
    assert found.compared == 4
    assert {pair.after for pair in found.pairs} == {"refer"}
    assert sum(pair.count for pair in found.pairs) == 4
    assert found.same + found.changed == 4
    assert found.same == sum(pair.count for pair in found.pairs if pair.before == "refer")


def test_who_may_and_what_cannot(g: Any) -> None:
    with pytest.raises(Refused, match="staff"):
        what_if.what_if(g, Reader("operator", None), LOAN, 1, 1)
    with pytest.raises(Refused, match="staff"):
        what_if.what_if(g, Reader("client", None), LOAN, 1, 1)
    with pytest.raises(UnknownVersion):
        what_if.what_if(g, AUDITOR, LOAN, 7, 1)
    with pytest.raises(UsageError, match="--sample"):
        what_if.what_if(g, AUDITOR, LOAN, 1, 0)


def test_erased_ones_are_left_out(g: Any) -> None:
    (record,) = [entry.id for entry in entries(g) if entry.kind == "decision/1"][:1]
    erase.erase(g, record, ground="objection")
    found = what_if.what_if(g, AUDITOR, LOAN, 1, 4)
    assert (found.compared, found.skipped) == (3, 1)


def test_a_calibration_needs_fifty(g: Any) -> None:
    with pytest.raises(UsageError, match="50 or more"):
        calibrate.calibrate(g, AUDITOR, LOAN, 49)
    with pytest.raises(UsageError, match="finds only 4 that can be used"):
        calibrate.calibrate(g, AUDITOR, LOAN)
