"""A version whose answers hardly depend on what is asked, or do on a protected characteristic, decides about nobody.

The surveys are real, of deciders whose rule is planted: they answer as a model with that flaw would. Held back it is
whoever edits the register's rows; let through it is by an override alone, which the log has before the first decision.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from auditlog.store.engine import writing
from cli.demo.run import CASES
from home.errors import AppError
from home.greffier import Greffier
from registry.errors import Conflict, GateClosed, TransitionRefused
from registry.gate_report import Counts, FitnessReport, cases_of, format_report, make_report
from registry.manifest import SystemVersion
from registry.store import systems as store
from runtime.explain.question import Limits, Survey, SurveyOrder, Wording
from runtime.explain.survey import survey
from runtime.sampler import MICRO
from service.deciding import decide, programs
from service.keeping import fsck
from service.systems import admission, lifecycle, register
from service.wiring import create_home, open_home
from web.api import systems as public_register

SLUG = "social-loan-check-0"
FAR = 8 * MICRO
"""Micro-nats by which a planted rule outweighs every bias."""
BECAUSE = lifecycle.Override("trial", {"en": "Ten invented applicants, and nobody else.", "nl": "Een proef."})

Fields = Mapping[str, Any]
Decider = Callable[[Fields], int]


def always_the_same(_: Fields) -> int:
    return 2


def by_origin(fields: Fields) -> int:
    """As it should decide, but for people from outside the EU."""
    return 2 if fields["nationality"] == "of a country outside the EU" else by_record(fields)


def by_record(fields: Fields) -> int:
    return {"always on time": 0, "often too late": 2}.get(fields["payment_record"], 1)


FLAWS: dict[str, tuple[Decider, str]] = {
    "always the same": (always_the_same, "variety, sensitivity"),
    "by a protected characteristic": (by_origin, "protected"),
}


@pytest.fixture(autouse=True)
def _enforced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREFFIER_FITNESS", "enforced")


@pytest.fixture(scope="module")
def approved(tmp_path_factory: pytest.TempPathFactory, model_file: Path) -> Path:
    """A closed home whose system is approved, and was never tested."""
    home = tmp_path_factory.mktemp("gate") / "home"
    create_home(home, "waterveen", "waterveen.example/log")
    with open_home(home) as g:
        register.add_model(g, model_file)
        register.register(g, (CASES / f"{SLUG}.json").read_bytes())
        for state in ("in_review", "approved"):
            lifecycle.change_state(g, SLUG, state)
    return home


@pytest.fixture
def g(approved: Path, tmp_path: Path, copied: Callable[[Path, Path], Path]) -> Any:
    with open_home(copied(approved, tmp_path / "home")) as g:
        yield g


@pytest.fixture(scope="module")
def version(approved: Path) -> SystemVersion:
    with open_home(approved) as g, g.reading() as conn:
        return store.read_version(conn, SLUG, 1)


@pytest.fixture(scope="module")
def report_of(version: SystemVersion) -> Callable[[Decider], FitnessReport]:
    """The report of the version as if this decider were its model; each is made once."""
    made: dict[Decider, FitnessReport] = {}

    def report(decider: Decider) -> FitnessReport:
        if decider not in made:
            found = surveyed(version, decider)
            counts = Counts(**{field.name: getattr(found, field.name) for field in dataclasses.fields(found)})
            made[decider] = make_report(version, counts, made="2026-11-25T08:15Z", seed="ab")
        return made[decider]

    return report


def surveyed(version: SystemVersion, decider: Decider) -> Survey:
    manifest = version.manifest
    cases: Any = cases_of(manifest)[::4]
    order = SurveyOrder(
        id="planted",
        program=programs.program(manifest),
        cases=tuple(cases),
        wordings=tuple(Wording(one.kind, one.template) for one in manifest.wordings or ()),
        protected=tuple(field.id for field in manifest.fields if field.protected),
        seed="ab",
        explained=1,
        limits=Limits(values=4),
    )
    plan = survey(order)
    asked = next(plan)
    while True:
        told = [decider(dict(variant.fields)) for variant in asked]
        try:
            asked = plan.send(tuple(tuple(-FAR * (at != best) for at in range(3)) for best in told))
        except StopIteration as done:
            found: Survey = done.value
            return found


def kinds(g: Greffier) -> list[str]:
    return [str(one["kind"]) for one in register.history(g, SLUG)]


def forge(g: Greffier, report: FitnessReport) -> None:
    """Write another report over the stored one, past the log."""
    with writing(g.engine) as conn:
        conn.execute(text("UPDATE registry_fitness SET report = :report"), {"report": format_report(report).decode()})


@pytest.mark.parametrize("flaw", FLAWS)
@pytest.mark.parametrize("state", ["pilot", "active"])
def test_it_is_held_back(g: Greffier, report_of: Any, loan_input: Any, flaw: str, state: str) -> None:
    decider, failed = FLAWS[flaw]
    admission.keep(g, report_of(decider))
    before = kinds(g)
    with pytest.raises(TransitionRefused, match=rf"held back by its tests \({failed}\): change it") as refused:
        lifecycle.change_state(g, SLUG, state)
    assert refused.value.field == "version"
    assert "--override GROUND --because TEXT, which is public" in str(refused.value)
    assert kinds(g) == before
    assert before[-1] == "fitness/1"
    assert register.show(g, SLUG).state == "approved"
    with pytest.raises((AppError, GateClosed)):
        decide.decide(g, SLUG, {**loan_input, "nationality": "Dutch"})


def test_one_without_that_flaw_is_let_through(g: Greffier, report_of: Any) -> None:
    admission.keep(g, report_of(by_record))
    assert lifecycle.change_state(g, SLUG, "active").state == "active"
    assert kinds(g)[-2:] == ["fitness/1", "state/1"]
    assert fsck.check_all(g) == []


def test_one_that_was_never_tested_is_not_let_through(g: Greffier) -> None:
    with pytest.raises(TransitionRefused, match=f"was not tested: run `greffier system fitness {SLUG} --version 1`"):
        lifecycle.change_state(g, SLUG, "active")


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_report_that_was_edited_in_the_database_lets_nothing_through(g: Greffier, report_of: Any, flaw: str) -> None:
    admission.keep(g, report_of(FLAWS[flaw][0]))
    forge(g, report_of(by_record))
    with pytest.raises(TransitionRefused, match="has another report than its entry names: see `greffier log fsck`"):
        lifecycle.change_state(g, SLUG, "active")
    (found,) = fsck.check_all(g)
    assert found.place.startswith("registry_fitness(")
    assert found.place.endswith(".report")


def test_a_report_without_an_entry_lets_nothing_through(g: Greffier, report_of: Any) -> None:
    admission.keep(g, report_of(always_the_same))
    with writing(g.engine) as conn:
        conn.execute(
            text("INSERT INTO registry_fitness SELECT log, idx + 1000, slug, version, :report FROM registry_fitness"),
            {"report": format_report(report_of(by_record)).decode()},
        )
    with pytest.raises(TransitionRefused, match="has another report than its entry names"):
        lifecycle.change_state(g, SLUG, "active")
    assert [one.place.split("(")[0] for one in fsck.check_all(g)] == ["registry_fitness"]


@pytest.mark.parametrize("before", ["passed", "never tested"])
def test_a_report_that_was_taken_away_is_missed(g: Greffier, report_of: Any, before: str) -> None:
    if before == "passed":
        admission.keep(g, report_of(by_record))
    kept = admission.keep(g, report_of(by_origin))
    with writing(g.engine) as conn:
        conn.execute(text("DELETE FROM registry_fitness WHERE idx = :index"), {"index": kept.index})
    with pytest.raises(TransitionRefused, match="has another report than its entry names"):
        lifecycle.change_state(g, SLUG, "active")
    assert [one.place.split("(")[0] for one in fsck.check_all(g)] == ["registry_fitness"]


def test_a_report_on_another_version_does_not_count(g: Greffier, report_of: Any) -> None:
    admission.keep(g, dataclasses.replace(report_of(by_record), manifest=f"sha256:{'0' * 64}"))
    with pytest.raises(TransitionRefused, match="has a report on another manifest: run"):
        lifecycle.change_state(g, SLUG, "active")


def test_an_override_is_in_the_log_before_the_state_and_everybody_reads_why(g: Greffier, report_of: Any) -> None:
    kept = admission.keep(g, report_of(by_origin))
    lifecycle.change_state(g, SLUG, "pilot", override=BECAUSE, role="approver")
    history = register.history(g, SLUG)
    override, state = history[-2:]
    assert (override["kind"], state["kind"]) == ("override/1", "state/1")
    assert override["index"] + 1 == state["index"]
    facts = public_register.tests_facts(g, SLUG)
    assert facts["tests"]["found"] == "held_back"
    assert facts["tests"]["decides_by"] == "override"
    assert facts["tests"]["report"] == json.loads(kept.text)
    (public,) = facts["overrides"]
    assert public["statement"] == {**BECAUSE.because}
    assert (public["ground"], public["role"], public["fitness"]) == ("trial", "approver", kept.digest)
    assert public["day"] == str(override["time"])[:10]
    assert fsck.check_all(g) == []


def test_both_entries_are_in_the_log_or_none(g: Greffier, report_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tested again between the look at the tests and the record: what was looked at no longer holds."""
    admission.keep(g, report_of(by_origin))
    append, size = g.log.append, g.log.state().size
    with monkeypatch.context() as patched, pytest.raises(Conflict, match="was tested meanwhile"):

        def tested_again(unit: Any) -> Any:
            patched.undo()
            admission.keep(g, report_of(always_the_same))
            return append(unit)

        patched.setattr(g.log, "append", tested_again)
        lifecycle.change_state(g, SLUG, "active", override=BECAUSE)
    assert g.log.state().size == size + 1
    assert kinds(g)[-1] == "fitness/1"
    assert register.show(g, SLUG).state == "approved"


def test_reasons_that_were_edited_in_the_database_are_not_shown(g: Greffier) -> None:
    lifecycle.change_state(g, SLUG, "active", override=BECAUSE)
    with writing(g.engine) as conn:
        conn.execute(text("""UPDATE registry_override SET statement = '{"en":"All tests were passed."}'"""))
    (public,) = public_register.tests_facts(g, SLUG)["overrides"]
    assert public["statement"] is None
    (found,) = fsck.check_all(g)
    assert found.place.startswith("registry_override(")
    assert found.place.endswith(".statement")
