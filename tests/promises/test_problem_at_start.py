"""Promise 2 when the trouble was there before the server: it serves what can be read, and records as soon as it can."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from auditlog.core.errors import CannotRecord, Erased
from auditlog.store import log as log_store
from auditlog.vault import erasure
from home import health
from service.deciding import decide
from service.keeping import fsck
from service.records import reading
from service.records.reading import CLI
from service.wiring import open_home
from web.server import pulsing

LOAN = "social-loan-check"


def test_a_server_that_began_without_a_guard_recovers_and_states_the_outage(
    loan_home: Path, loan_input: dict[str, Any]
) -> None:
    guard = loan_home / "guard" / "log-1.guard"
    away = guard.with_suffix(".away")
    guard.rename(away)
    with open_home(loan_home, tolerant=True) as g, pulsing(g, 0.05, 0.05):
        time.sleep(0.3)
        assert not health.health(g).recording
        with pytest.raises(CannotRecord):
            decide.decide(g, LOAN, loan_input)
        away.rename(guard)
        deadline = time.monotonic() + 60
        while not health.health(g).recording:
            assert time.monotonic() < deadline, "the server does not recover"
            time.sleep(0.02)
        decide.decide(g, LOAN, loan_input)
        with g.reading() as conn:
            outages = [entry for _, entry in log_store.entries_of_kinds(conn, g.log.number, ("outage/1",))]
        assert [entry.members["cause"] for entry in outages] == ["guard"]
        assert fsck.check_all(g) == []


def test_an_ordered_erasure_holds_while_the_log_cannot_take_it(loan_home: Path, loan_input: dict[str, Any]) -> None:
    """Someone holds the database's lock when the program starts, and an erasure is still to be completed."""
    with open_home(loan_home) as g:
        record = decide.decide(g, LOAN, loan_input).id
        minute = reading.find(g, record).entry.time
        g.ledger.append(erasure.Erasure(record, "objection", "administrator", minute))
        with pytest.raises(Erased):
            reading.open(g, CLI, "export", record)
    holder = sqlite3.connect(loan_home / "greffier.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        with open_home(loan_home, tolerant=True) as g:
            assert not health.health(g).recording
            with pytest.raises(Erased):
                reading.open(g, CLI, "export", record)
            with pytest.raises(CannotRecord):
                decide.decide(g, LOAN, loan_input)
    finally:
        holder.close()
    with open_home(loan_home) as g:
        assert fsck.check_all(g) == []
