"""A worker that ends by itself is an outage in the log, whenever it ends and whether or not the log can write then."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from auditlog.core.errors import CannotRecord
from auditlog.store import log as log_store
from home.greffier import Greffier
from runtime.errors import WorkerLost
from service.deciding import boots, decide
from service.keeping import fsck
from service.logs import gaps
from service.wiring import open_home

LOAN = "social-loan-check"


def kill_worker(g: Greffier, workers: Any) -> str:
    """Kill the one child of this process's threads that serves `g`; gives the boot that it was."""
    facts = g.runtime.boot
    assert facts is not None
    workers.kill(saying=facts.boot.encode())
    deadline = time.monotonic() + 60
    while g.runtime.boot is not None:
        assert time.monotonic() < deadline, "the worker lives on"
        time.sleep(0.01)
    return facts.boot


def lost_boots(g: Greffier) -> list[object]:
    with g.reading() as conn:
        outages = [entry for _, entry in log_store.entries_of_kinds(conn, g.log.number, ("outage/1",))]
    return [entry.members["boot"] for entry in outages if entry.members["cause"] == "worker_lost"]


def test_a_worker_lost_while_idle_is_an_outage(loan_home: Path, loan_input: dict[str, Any], workers: Any) -> None:
    with open_home(loan_home) as g:
        decide.decide(g, LOAN, loan_input)
        first = kill_worker(g, workers)
        decide.decide(g, LOAN, loan_input)
        second = kill_worker(g, workers)
        decide.decide(g, LOAN, loan_input)
        assert lost_boots(g) == [first, second]
        assert fsck.check_all(g) == []
        assert [boot.ended for boot in gaps.read_gaps(g).boots] == ["unclosed", "unclosed", "open"]


def test_a_worker_lost_while_the_log_cannot_write_is_an_outage_later(
    loan_home: Path, loan_input: dict[str, Any], workers: Any
) -> None:
    guard = loan_home / "guard" / "log-1.guard"
    away = guard.with_suffix(".away")
    with open_home(loan_home) as g:
        decide.decide(g, LOAN, loan_input)
        guard.rename(away)
        boot = kill_worker(g, workers)
        with pytest.raises(CannotRecord):
            decide.decide(g, LOAN, loan_input)
        assert g.runtime.boot is None, "a worker runs that the log does not know"
        away.rename(guard)
        decide.decide(g, LOAN, loan_input)
        assert lost_boots(g) == [boot]
        assert fsck.check_all(g) == []


def test_a_worker_lost_before_its_boot_entry_is_stated_by_the_next_start_alone(
    loan_home: Path, loan_input: dict[str, Any]
) -> None:
    """Found by the kill test: an outage that names a boot of which no entry tells would break the log's own rules."""
    unknown = "9f0f6a52-6f1e-4b8c-9d5e-0d5b8f3c1a11"
    with open_home(loan_home) as g:
        boots.lost(g, WorkerLost("ended while it came up", boot=unknown, reached=0))
        decide.decide(g, LOAN, loan_input)
        assert lost_boots(g) == []
        assert fsck.check_all(g) == []
