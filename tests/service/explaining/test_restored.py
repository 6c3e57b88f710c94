"""Explanations and findings in a backup: they come back, and those of a record that was erased since do not."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

import cli
from auditlog.core.entries.vocabulary import EXPLANATION_CAUSES
from auditlog.core.errors import NotFound
from auditlog.store import record_events as about_store
from home.errors import Refused
from lab.bench import records_scene
from service.cases import reviews
from service.erasing import erase, erasure_proof
from service.explaining import entry as explain_entry
from service.explaining import explain, new_decision
from service.explaining.order import Measured
from service.explaining.statement import Statement
from service.external import import_records
from service.keeping import fsck
from service.proving import evidence
from service.records import reading
from service.records.accesses import Reader
from service.wiring import open_home

AUDITOR = Reader("auditor", None)


def set_aside(g: Any, n: int) -> tuple[str, str]:
    """A decision, and an explanation as of a model here that set its result aside."""
    decision = str(import_records.record(g, [records_scene.line(n)]).results[0].id)
    record = reading.open(g, AUDITOR, "explanation", decision)
    outcome, system = str(record.values["outcome"]), str(record.entry.members["system"])
    stated = Statement(system, 1, outcome, "set_aside", (), "bit_exact", protected=("street",), tried=9, wordings=3)
    entry, _, _ = explain_entry.keep(g, record.entry, Measured(stated, record=record), EXPLANATION_CAUSES[0])
    return decision, entry.id


def kinds(g: Any, decision: str) -> list[str]:
    with g.reading() as conn:
        return sorted(row.kind for row in about_store.find_about(conn, decision) if row.kind != "access/1")


def lost(home: Path) -> None:
    for path in home.glob("greffier.db*"):
        path.unlink()


def test_what_comes_back_and_what_does_not(tmp_path: Path) -> None:
    home, file = tmp_path / "home", tmp_path / "backup"
    records_scene.make_home(home)
    with open_home(home) as g:
        (mine, told), (theirs, other) = set_aside(g, 1), set_aside(g, 2)
    assert cli.run(["backup", "--home", str(home), "--to", str(file)]) == 0
    lost(home)
    assert cli.run(["restore", "--home", str(home), "--from", str(file)]) == 0
    with open_home(home) as g:
        assert fsck.check_all(g) == []
        for decision in (mine, theirs):
            assert kinds(g, decision) == ["explanation/1", "finding/1"]
            with pytest.raises(Refused, match="set aside"):
                reviews.record_review(g, decision, reviews.Review("release", "as it is", "invented"))
        assert {one.record for one in new_decision.open_ones(g, AUDITOR)} == {mine, theirs}
        assert explain.show(g, AUDITOR, told).words.protected
        assert evidence.of_record(g, AUDITOR, mine).files
        erase.erase(g, mine, ground="objection")
        assert erasure_proof.verify(g, mine).left == {}
        assert [one.record for one in new_decision.open_ones(g, AUDITOR)] == [theirs]
        assert fsck.check_all(g) == []
    lost(home)
    assert cli.run(["restore", "--home", str(home), "--from", str(file)]) == 1, "entries since are missing"
    with open_home(home, tolerant=True) as g:
        assert kinds(g, mine) == []
        assert kinds(g, theirs) == ["explanation/1", "finding/1"]
        with g.reading() as conn:
            with pytest.raises(NotFound):
                g.vault.open(conn, told)
            assert g.vault.open(conn, other).values["verdict"] == "set_aside"


def test_a_letter_that_is_late_says_so(tmp_path: Path) -> None:
    """On the day itself, too: the person was to hear before it."""
    home = tmp_path / "home"
    records_scene.make_home(home)
    with open_home(home) as g:
        decision, told = set_aside(g, 1)
        before = explain.show(g, AUDITOR, told).words.fresh_before
    assert before is not None
    for days, late in ((-1, False), (0, True), (9, True)):
        day = datetime.combine(before + timedelta(days=days), time(12), UTC)
        with open_home(home, clock=lambda day=day: day) as g:
            assert explain.show(g, AUDITOR, told).words.overdue is late
            assert [one.overdue for one in new_decision.open_ones(g, AUDITOR)] == [late]
    with open_home(home, clock=lambda: day) as g:
        reviews.record_review(g, decision, reviews.Review("confirm", "found anew", "invented"))
        assert not explain.show(g, AUDITOR, told).words.overdue
