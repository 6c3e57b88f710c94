"""A version tested on the real model, in a worker of its own: what is recorded, what is held back, what is shown."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from auditlog.store import log as log_store
from cli.demo.run import CASES
from home.errors import Refused, Unfinished, UsageError
from home.greffier import Greffier
from registry.errors import TransitionRefused, UnknownSystem, UnknownVersion
from registry.gate_report import FitnessReport, cases_of
from registry.manifest import SystemVersion
from registry.store import systems as store
from service.deciding import decide
from service.disclosing import report
from service.keeping import fsck
from service.records import reading
from service.systems import admission, fitness, lifecycle, register
from service.wiring import open_home
from web.api import systems as public_register

LOAN = "social-loan-check"
FLAWS = {"always the same": ["variety", "sensitivity"], "by a protected field": ["protected"]}


KINDS = ("boot/1", "close/1", "outage/1", "selftest/1", "decision/1", "access/1", "unfinished/1", "refused/1",
         "fitness/1", "override/1", "state/1", "pulse/1", "explanation/1", "finding/1")  # fmt: skip


def entries(g: Greffier) -> list[str]:
    with g.reading() as conn:
        return [entry.kind for _, entry in log_store.entries_of_kinds(conn, 1, KINDS)]


def version(g: Greffier, number: int = 1) -> SystemVersion:
    with g.reading() as conn:
        return store.read_version(conn, LOAN, number)


def text(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def test_a_version_is_tested_and_nothing_but_that_is_recorded(g: Greffier, approve: Any, invented: Any) -> None:
    approve(g, invented["sound"]())
    before, size = entries(g), g.log.state().size
    said: list[str] = []
    found = fitness.run(g, LOAN, told=said.append)
    assert entries(g)[len(before) :] == ["fitness/1"]
    assert g.log.state().size == size + 1, "no boot, no number, no decision"
    assert g.runtime.boot is None
    assert not list((g.home / "run").iterdir())
    assert said[0] == f"{LOAN}, version 1: 3 cases"
    assert (found.system, found.version, found.manifest) == (LOAN, 1, version(g).digest)
    assert (found.counts.cases, found.counts.skipped, found.counts.wordings) == (3, 0, 3)
    assert found.runtime is not None
    assert found.verdict == "passed"
    with g.reading() as conn:
        kept = admission.admission(conn, version(g))
    assert kept.report == found
    assert fsck.check_all(g) == []

    # It counted what the same version decides.
    lifecycle.change_state(g, LOAN, "active")
    cases: list[Any] = cases_of(version(g).manifest)
    decided = Counter(outcome_of(g, decide.decide(g, LOAN, case).id) for case in cases)
    assert {code: number for code, number in found.counts.outcomes.items() if number} == decided

    again = fitness.run(g, LOAN, 1, role="approver")
    assert (again.counts, again.tests, again.seed) == (found.counts, found.tests, found.seed)


def outcome_of(g: Greffier, record_id: str) -> str:
    return str(reading.open(g, reading.CLI, "evidence", record_id).values["outcome"])


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_flawed_version_is_held_back_and_the_register_shows_why(
    here: Path, approve: Any, invented: Any, flaw: str, command: Any
) -> None:
    with open_home(here) as g:
        approve(g, invented[flaw]())
    told = command("system", "fitness", LOAN, "--home", here, "--json")
    assert told.code == 1
    printed = json.loads(told.out)
    assert printed["verdict"] == "held_back"
    refused = command("system", "state", LOAN, "active", "--home", here)
    assert refused.code == 3
    assert f"held back by its tests ({', '.join(FLAWS[flaw])})" in refused.line
    by_command = json.loads(command("system", "show", LOAN, "--home", here).out)
    with open_home(here) as g:
        shown = public_register.tests_facts(g, LOAN)
        assert shown["tests"] is None, "nothing runs"
        assert by_command["versions"] == shown["versions"]
        (mine,) = shown["versions"]
        assert (mine["version"], mine["found"]) == (1, "held_back")
        failed = [test["name"] for test in mine["report"]["tests"] if test["met"] is False and test["blocking"]]
        assert failed == FLAWS[flaw]
        page = text(report.render(g, report.system_page(g, LOAN, "en"), "en", "html").decode())
        assert "Version 1 did not pass all tests that it must pass, so it was held back." in page
        assert "not passed; without it, the version is held back" in page
        twin = json.loads(report.render(g, report.system_page(g, LOAN, "nl"), "nl", "json"))
        assert twin["tests"]["found"] == "held_back"
        assert printed["digest"] == twin["tests"]["report"]["digest"]

        override = lifecycle.Override("trial", {"en": "For a day, with invented people.", "nl": "Een dag."})
        lifecycle.change_state(g, LOAN, "pilot", override=override)
        page = text(report.render(g, report.system_page(g, LOAN, "en"), "en", "html").decode())
        assert "We use it all the same. Why stands below." in page
        assert "Ground: it is a trial. Reasons: For a day, with invented people." in page


def test_a_newer_version_that_was_held_back_is_shown_beside_the_one_that_runs(
    g: Greffier, approve: Any, invented: Any
) -> None:
    approve(g, invented["sound"]())
    fitness.run(g, LOAN)
    lifecycle.change_state(g, LOAN, "active")
    register.register(g, json.dumps(invented["always the same"]()).encode())
    assert fitness.run(g, LOAN).version == 2, "the newest, where none is named"
    with pytest.raises(TransitionRefused, match="held back"):
        lifecycle.change_state(g, LOAN, "active", reason="new_version", version=2)
    page = text(report.render(g, report.system_page(g, LOAN, "en"), "en", "html").decode())
    assert "Version 1 passed the tests that it must pass." in page
    assert (
        "Version 2 did not pass all tests that it must pass, so it was held back. What was found: nearly always" in page
    )
    assert [one["found"] for one in public_register.tests_facts(g, LOAN)["versions"]] == ["held_back", "passed"]


def test_a_worker_that_is_killed_leaves_nothing(g: Greffier, approve: Any, invented: Any, workers: Any) -> None:
    many = [{"id": "room", "values": list(range(0, 5000, 100))}]
    file = invented["sound"]()
    file["version"]["fitness"]["grid"][3:] = many
    approve(g, file)
    size = g.log.state().size

    def kill_soon(_: str) -> None:
        threading.Timer(0.5, kill_aside, (workers,)).start()

    with pytest.raises(Unfinished) as raised:
        fitness.run(g, LOAN, told=kill_soon)
    assert "TEST" not in str(raised.value)
    assert g.log.state().size == size
    with g.reading() as conn:
        assert admission.admission(conn, version(g)).found == "not_tested"
    assert fsck.check_all(g) == []


def kill_aside(workers: Any) -> None:
    """Kill the worker beside, by the folder that it was given."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if workers.kill(saying=b"greffier-aside-"):
            return
        time.sleep(0.05)


def test_what_cannot_be_tested_is_said(g: Greffier, approve: Any, invented: Any) -> None:
    with pytest.raises(UnknownSystem):
        fitness.run(g, "nobody")
    file = invented["sound"]()
    del file["version"]["fitness"]
    approve(g, file)
    with pytest.raises(UsageError, match="declares no cases") as raised:
        fitness.run(g, LOAN)
    assert raised.value.field == "version.fitness"
    with pytest.raises(UnknownVersion):
        fitness.run(g, LOAN, 7)
    with pytest.raises(Refused, match="staff"):
        fitness.run(g, LOAN, role="operator")
    approve(g, json.loads((CASES / "tax-question-reply-remote.json").read_text("utf-8")))
    with pytest.raises(UsageError, match="runs elsewhere"):
        fitness.run(g, "tax-question-reply")
    assert set(entries(g)) == {"state/1"}, "nothing ran"


def test_a_model_that_is_not_in_the_register_is_not_run(g: Greffier, approve: Any, invented: Any) -> None:
    model = json.loads((CASES / f"{LOAN}.json").read_text("utf-8"))["version"]["model"]
    approve(g, invented["sound"](model=model | {"sha256": "0" * 64}))
    size = g.log.state().size
    with pytest.raises(Refused, match="not in the register"):
        fitness.run(g, LOAN)
    assert g.log.state().size == size


def test_a_version_that_writes_is_answered_to_its_end(g: Greffier, approve: Any) -> None:
    file = json.loads((CASES / "tax-question-reply.json").read_text("utf-8"))
    version = file["version"]
    version["fitness"]["cases"] = version["fitness"]["cases"][::8]
    version["fitness"]["explained"] = 0
    version["steps"][1]["max_tokens"] = 2  # no sentence ends within two tokens
    approve(g, file)
    found: FitnessReport = fitness.run(g, "tax-question-reply")
    assert found.counts.answered == 2
    assert found.counts.cut_off == 2
    assert {test.name: test.met for test in found.tests}["form"] is False
    assert "form" not in found.blocked_by


def test_what_is_done_just_after_the_wait_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    class Late(Future[int]):
        """It is done between the end of a wait and the look whether it is."""

        def done(self) -> bool:
            if not super().done():
                self.set_result(7)
            return True

    monkeypatch.setattr(fitness, "_TELLING_S", 0.0)
    assert fitness._wait(Late(), lambda _: None) == 7
    own: Future[int] = Future()
    own.set_exception(TimeoutError("its own"))
    with pytest.raises(TimeoutError, match="its own"):
        fitness._wait(own, lambda _: None)
