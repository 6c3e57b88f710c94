"""Homes on each database, with a clock of their own, and decisions that are sealed and counted as every other."""

from __future__ import annotations

import contextlib
import json
import shutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from accounts import administration
from accounts.account import Account
from auditlog.core.counting.cells import counted
from auditlog.store import decisions as decision_store
from auditlog.store import sources as source_store
from auditlog.writing.log import Unit
from cli.demo.run import CASES
from home.greffier import Greffier
from service.records.release import needs_review as is_held
from service.systems import lifecycle, register
from service.wiring import create_home, open_home

LOAN = "social-loan-check"
BEGIN = datetime(2026, 8, 31, 8, 0, tzinfo=UTC)
STEPS = ("in_review", "approved", "active")
USAGE = {
    **dict.fromkeys(("prompt_tokens", "output_tokens", "queue_us", "first_us", "total_us"), 61),
    **dict.fromkeys(("energy_uj", "cost_millionths", "currency", "tariff_valid_from")),
    "energy_method": "not_measured",
}


@dataclass
class Clock:
    now: datetime = BEGIN

    def __call__(self) -> datetime:
        return self.now

    def on(self, **step: float) -> None:
        self.now += timedelta(**step)


@dataclass
class Office:
    """A home, its clock, and how it decides."""

    home: Path
    clock: Clock = field(default_factory=Clock)
    n: int = 0

    @contextlib.contextmanager
    def opened(self) -> Iterator[Greffier]:
        with open_home(self.home, clock=self.clock) as g:
            yield g

    def decide(self, g: Greffier, *subjects: str, reason: str = "invented", system: str = LOAN) -> str:
        version = register.show(g, system).version
        assert version is not None
        held = is_held(version.manifest, "grant")
        self.n += 1
        inputs = {f"in_{one.id}": f"{reason} {one.id}" for one in version.manifest.fields}
        values: dict[str, Any] = {**inputs, "output": {"result": reason}, "outcome": "grant"}
        values |= {**dict.fromkeys(("parent", "run", "times")), "usage": USAGE}
        prepared = g.vault.prepare(str(uuid.uuid4()), values, subjects)
        members = {"system": system, "version": version.version, "manifest": version.digest, "mode": "live"}
        members |= {"capture": "external", "boot": None, "source": "case-system", "n": self.n, "opened": None}
        entry = g.make("decision/1", id=prepared.id, commitments=prepared.commitments, **members)

        def rows(sequenced: Any) -> list[Any]:
            place = sequenced[0].place
            made = [*prepared.rows(), *decision_store.decision_rows(entry, values, place)]
            return [*made, source_store.source_row(entry, place)]

        g.log.append(Unit((entry,), None, rows, counts=lambda _: counted(entry, values, held=held))).result()
        return str(entry.id)

    @staticmethod
    def officer(g: Greffier, id_: str, *systems: str, **more: Any) -> str:
        """An account with this id, which the tables have as one that was made; the id."""
        made: dict[str, Any] = {"role": "officer", "created": g.clock(), "systems": systems or None, **more}
        administration.enter(g, Account(id=id_, login=f"test.{id_}", name="Test Voorbeeld", **made), by=None)
        return id_


@pytest.fixture(scope="session")
def office_template(tmp_path_factory: pytest.TempPathFactory, model_file: Path) -> Path:
    """A closed home on SQLite whose system states a retention period."""
    home = tmp_path_factory.mktemp("office") / "home"
    make_home(home, None, model_file)
    return home


def make_home(home: Path, url: str | None, model_file: Path) -> None:
    clock = Clock()
    create_home(home, "waterveen", "waterveen.example/log", database_url=url, clock=clock)
    shutil.copyfile(CASES / "agency.json", home / "agency.json")
    with open_home(home, clock=clock) as g:
        register.add_model(g, model_file)
        register.register(g, (CASES / f"{LOAN}.json").read_bytes())
        for state in STEPS:
            lifecycle.change_state(g, LOAN, state)


@pytest.fixture
def small_office(office_template: Path, tmp_path: Path) -> Office:
    """On SQLite alone."""

    def one(name: str, to: str) -> None:
        Path(to).hardlink_to(name) if name.endswith(".gguf") else shutil.copy2(name, to)

    shutil.copytree(office_template, tmp_path / "home", copy_function=one)
    return Office(tmp_path / "home")


@pytest.fixture(params=["sqlite", "postgresql"])
def office(request: pytest.FixtureRequest, tmp_path: Path, model_file: Path) -> Office:
    """On each database in turn."""
    if request.param == "sqlite":
        return request.getfixturevalue("small_office")
    make_home(tmp_path / "home", request.getfixturevalue("postgresql_home_url"), model_file)
    return Office(tmp_path / "home")


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, Any, str]]:
    """Run `greffier …` in this process: exit code, stdout (JSON where it is), stderr."""
    from cli import run

    def tell(*arguments: object) -> tuple[int, Any, str]:
        capsys.readouterr()
        code = run([str(one) for one in arguments])
        said = capsys.readouterr()
        assert "internal error" not in said.err, said.err
        try:
            return code, json.loads(said.out), said.err
        except json.JSONDecodeError:
            return code, said.out, said.err

    return tell
