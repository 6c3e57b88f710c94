"""The gate as an operator meets it: commands, states, the setting, other databases."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.demo.run import CASES
from home.greffier import Greffier
from lab.bench import records_scene
from registry import gate_report
from registry.errors import FormatError, TransitionRefused
from registry.gate_report import Counts, FitnessReport
from registry.store import fitness as fitness_store
from registry.store import systems as store
from service.keeping import doctor, fsck
from service.logs import export
from service.systems import admission, lifecycle, register
from service.wiring import create_home, open_home
from web.api import systems as public_register

LOAN = "social-loan-check"
BECAUSE = lifecycle.Override("law", {"en": "An invented law says so."})
GOOD = {"grant": 12, "refuse": 8}


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
        register.register(g, (CASES / f"{LOAN}.json").read_bytes())
        for state in ("in_review", "approved"):
            lifecycle.change_state(g, LOAN, state)
    return home


@pytest.fixture
def home(approved: Path, tmp_path: Path, copied: Callable[[Path, Path], Path]) -> Path:
    return copied(approved, tmp_path / "home")


@pytest.fixture
def g(home: Path) -> Iterator[Greffier]:
    with open_home(home) as g:
        yield g


def report(g: Greffier, outcomes: dict[str, int], *, version: int = 1, **members: Any) -> FitnessReport:
    """Of 20 invented cases with these results."""
    with g.reading() as conn:
        found = store.read_version(conn, LOAN, version)
    given = {"cases": 20, "skipped": 0, "sensitive": 15, "by_field": {"room": 15}, "protected": {}, "stable": 18}
    counts = Counts(**{**given, "outcomes": outcomes, "wordings": 3, **members})
    return gate_report.make_report(found, counts, made="2026-11-25T08:15Z", seed="ab")


def second_version(g: Greffier) -> None:
    document = json.loads((CASES / f"{LOAN}.json").read_bytes())
    document["version"]["outcomes"][0]["bias_millinats"] += 10
    register.register(g, json.dumps(document).encode())


def test_the_newest_report_counts(g: Greffier) -> None:
    admission.keep(g, report(g, GOOD))
    admission.keep(g, report(g, {"grant": 20}))
    with pytest.raises(TransitionRefused, match=r"\(variety\)"):
        lifecycle.change_state(g, LOAN, "active")
    admission.keep(g, report(g, GOOD))
    assert lifecycle.change_state(g, LOAN, "active").state == "active"
    assert public_register.tests_facts(g, LOAN)["tests"] | {"report": None} == {
        "found": "passed",
        "decides_by": "passed",
        "report": None,
    }


def test_tests_that_could_not_be_made_let_nothing_through(g: Greffier) -> None:
    admission.keep(g, report(g, {}, cases=0, skipped=20, sensitive=0, stable=0))
    with pytest.raises(TransitionRefused, match="could not be tested, since too few of its cases run"):
        lifecycle.change_state(g, LOAN, "pilot")


def test_each_step_to_people_needs_them_again(g: Greffier) -> None:
    lifecycle.change_state(g, LOAN, "pilot", override=BECAUSE)
    with pytest.raises(TransitionRefused, match="was not tested"):
        lifecycle.change_state(g, LOAN, "active")
    lifecycle.change_state(g, LOAN, "active", override=BECAUSE)
    assert [one.fitness for one in admission.overrides(g, LOAN)] == [None, None]


def test_another_version_needs_tests_of_its_own(g: Greffier) -> None:
    admission.keep(g, report(g, GOOD))
    lifecycle.change_state(g, LOAN, "active")
    second_version(g)
    with pytest.raises(TransitionRefused, match="--version 2`"):
        lifecycle.change_state(g, LOAN, "active", version=2)
    lifecycle.stop(g, LOAN, reason="maintenance")
    with pytest.raises(TransitionRefused, match="--version 2`"):
        lifecycle.change_state(g, LOAN, "active", version=2)
    admission.keep(g, report(g, GOOD, version=2))
    assert lifecycle.change_state(g, LOAN, "active", version=2).running_version == 2


def test_a_stopped_system_goes_back_to_its_version_without_new_tests(g: Greffier) -> None:
    admission.keep(g, report(g, GOOD))
    lifecycle.change_state(g, LOAN, "active")
    lifecycle.stop(g, LOAN, reason="maintenance")
    admission.keep(g, report(g, {"grant": 20}))
    assert lifecycle.resume(g, LOAN).state == "active"
    tests = public_register.tests_facts(g, LOAN)["tests"]
    assert (tests["found"], tests["decides_by"]) == ("held_back", "earlier_test")


@pytest.mark.parametrize(
    ("override", "passed", "to", "message"),
    [
        (BECAUSE, True, "active", "override: is not needed"),
        (BECAUSE, False, "draft", "override: is for a version with a model here"),
        (lifecycle.Override("mood", {"en": "I like it."}), False, "active", "override: is not one of the codes"),
        (lifecycle.Override("other", {}), False, "active", "because: is not a text per language"),
        (lifecycle.Override("other", {"en": "  "}), False, "active", "because.en: is empty"),
        (lifecycle.Override("other", {"en": "x" * 2001}), False, "active", "because.en: is longer than 2000"),
        (lifecycle.Override("other", {"English": "x"}), False, "active", "because: has a member that is no language"),
    ],
)
def test_an_override_that_is_none_is_refused(
    g: Greffier, override: lifecycle.Override, passed: bool, to: str, message: str
) -> None:
    if passed:
        admission.keep(g, report(g, GOOD))
    size = g.log.state().size
    with pytest.raises((TransitionRefused, FormatError), match=message):
        lifecycle.change_state(g, LOAN, to, reason="returned" if to == "draft" else None, override=override)
    assert g.log.state().size == size


def test_an_installation_that_only_reports_lets_through_and_says_so(
    home: Path, command: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_home(home) as g:
        admission.keep(g, report(g, {"grant": 20}))
        assert not [one for one in doctor.doctor(g) if one.place == "fitness"]
    monkeypatch.setenv("GREFFIER_FITNESS", "reported")
    assert command("system", "state", LOAN, "active", "--home", home).code == 0
    with open_home(home) as g:
        tests = public_register.tests_facts(g, LOAN)["tests"]
        assert (tests["found"], tests["decides_by"]) == ("held_back", "not_enforced")
        (found,) = [one for one in doctor.doctor(g) if one.place == "fitness"]
        assert "write enforced" in found.message


def test_what_runs_elsewhere_is_not_tested_here(tmp_path: Path) -> None:
    records_scene.make_home(tmp_path / "home")
    with open_home(tmp_path / "home") as g:
        assert public_register.tests_facts(g, records_scene.SYSTEM) == {"tests": None, "versions": [], "overrides": []}
        with pytest.raises(TransitionRefused, match="is for a version with a model here"):
            lifecycle.change_state(g, records_scene.SYSTEM, "retired", override=BECAUSE)


def test_the_command_refuses_and_lets_through(home: Path, command: Any) -> None:
    told = command("system", "state", LOAN, "pilot", "--home", home)
    assert told.code == 3
    assert told.line.startswith("version: was not tested: run `greffier system fitness social-loan-check --version 1`")
    override = ("--override", "trial", "--because", "Ten invented people.", "--because", "nl=Een proef=kort.")
    assert command("system", "state", LOAN, "pilot", "--home", home, *override).code == 0
    with open_home(home) as g:
        (public,) = admission.overrides(g, LOAN)
    assert public.statement == {"en": "Ten invented people.", "nl": "Een proef=kort."}
    shown = json.loads(command("system", "show", LOAN, "--home", home).out)
    assert [one["kind"] for one in shown["history"]][-2:] == ["override/1", "state/1"]


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--override", "trial"), 2, "--override and --because: go together"),
        (("--because", "Piet Jansen"), 2, "--override and --because: go together"),
        (("--override", "trial", "--because", "a", "--because", "en=b"), 2, "--because: gives two texts in en"),
        (("--override", "Piet Jansen", "--because", "a"), 2, "override: is not one of the codes"),
        (("--override", "trial", "--because", ""), 2, "because.en: is empty"),
    ],
)
def test_a_wrong_option_is_named(
    home: Path, command: Any, unchanged: Any, options: tuple[str, ...], code: int, said: str
) -> None:
    with unchanged(home):
        told = command("system", "state", LOAN, "active", "--home", home, *options)
    assert (told.code, told.line.startswith(said)) == (code, True), told.line


# --- a database that is built anew ------------------------------------------------------------------------------------


@pytest.fixture
def overridden(home: Path) -> Path:
    """A closed home with a report and an override."""
    with open_home(home) as g:
        admission.keep(g, report(g, {"grant": 20}))
        lifecycle.change_state(g, LOAN, "active", override=BECAUSE)
    return home


def rows(home: Path) -> tuple[Any, Any]:
    with open_home(home) as g, g.reading() as conn:
        return fitness_store.all_reports(conn), fitness_store.all_overrides(conn)


def test_an_import_takes_them_from_the_old_database(overridden: Path, command: Any, tmp_path: Path) -> None:
    before = rows(overridden)
    with open_home(overridden) as g:
        export.export_log(g, tmp_path / "copy")
    told = command("log", "import", tmp_path / "copy", "--home", overridden)
    assert told.code == 0, told.line
    assert rows(overridden) == before
    with open_home(overridden) as g:
        assert fsck.check_all(g) == []


def test_an_import_takes_them_from_documents_of_the_register(overridden: Path, command: Any, tmp_path: Path) -> None:
    before = rows(overridden)
    documents = tmp_path / "documents"
    documents.mkdir()
    shutil.copy2(CASES / f"{LOAN}.json", documents)
    with open_home(overridden) as g:
        export.export_log(g, tmp_path / "copy")
        facts = public_register.tests_facts(g, LOAN)
    (documents / "tests.json").write_text(json.dumps(facts["tests"]["report"], indent=2), encoding="utf-8")
    (documents / "why.json").write_text(json.dumps(facts["overrides"][0]["statement"]), encoding="utf-8")
    (documents / "other.json").write_text('{"something": "else"}', encoding="utf-8")
    for path in overridden.glob("greffier.db*"):
        path.unlink()
    told = command("log", "import", tmp_path / "copy", "--documents", documents, "--home", overridden)
    assert told.code == 0, told.line
    assert rows(overridden) == before


def test_an_import_without_them_says_what_is_missing(overridden: Path, command: Any, tmp_path: Path) -> None:
    with open_home(overridden) as g:
        export.export_log(g, tmp_path / "copy")
    for path in overridden.glob("greffier.db*"):
        path.unlink()
    told = command(
        "log", "import", tmp_path / "copy", "--documents", CASES / f"{LOAN}.json", "--home", overridden, "--json"
    )
    missing = [place.split("(")[0] for place, _ in json.loads(told.out)["register"]]
    assert missing == ["registry_fitness", "registry_override"]


def test_a_backup_has_them(overridden: Path, command: Any, tmp_path: Path) -> None:
    before = rows(overridden)
    assert command("backup", "--to", tmp_path / "backup.db", "--home", overridden).code == 0
    for path in overridden.glob("greffier.db*"):
        path.unlink()
    assert command("restore", "--from", tmp_path / "backup.db", "--home", overridden).code == 0
    assert rows(overridden) == before
