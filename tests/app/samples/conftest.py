"""A home on each database with many decisions that a system elsewhere made, a clock of its own, and a real witness."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from app.actions import lifecycle, policy_file, publish, register
from app.demo.run import CASES
from app.home import Greffier
from app.wiring import create_home, open_home
from auditlog.log import Unit
from auditlog.note import format_vkey
from auditlog.peers.witness import Witness
from auditlog.store import decisions as decision_store

LOAN = "social-loan-check"
OTHER = "tax-question-reply"
WITNESS = "witness.example/w1"
BEGIN = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
STEPS = ("in_review", "approved", "active")
USAGE = {
    "prompt_tokens": 61,
    "output_tokens": 1,
    "queue_us": 180,
    "first_us": 96_000,
    "total_us": 96_450,
    "energy_uj": None,
    "energy_method": "not_measured",
    "cost_millionths": None,
    "currency": None,
    "tariff_valid_from": None,
}


@dataclass
class Clock:
    """The time of log and witness, which goes on when told."""

    now: datetime = BEGIN

    def __call__(self) -> datetime:
        return self.now

    def posix(self) -> float:
        return self.now.timestamp()

    def on(self, minutes: float) -> None:
        self.now += timedelta(minutes=minutes)


@dataclass
class Town:
    """A home without the server, its clock, its witness, and the command-line's view of it."""

    home: Path
    clock: Clock
    witness: Witness
    url: str
    numbers: dict[str, int] = field(default_factory=dict)

    @contextlib.contextmanager
    def opened(self) -> Iterator[Greffier]:
        with open_home(self.home, clock=self.clock) as g:
            yield g

    def add_witness(self, g: Greffier, witness: Witness | None = None, url: str | None = None) -> None:
        """The policy demands this witness alone (both keys of it)."""
        witness, url = witness or self.witness, url or self.url
        witness.trust(g.keys)
        keys = [f"witness w{key.type} {format_vkey(key)} {url}\n" for key in witness.vkeys]
        names = " ".join(f"w{key.type}" for key in witness.vkeys)
        text = policy_file.with_logs("", g.keys, g.settings.base_url)
        policy_file.write_text(g, f"{text}{''.join(keys)}group outside all {names}\nquorum outside\n")

    def publish(self, g: Greffier) -> bool:
        return publish.advance(g, at_once=True)

    def decide(
        self,
        g: Greffier,
        count: int,
        *,
        system: str = LOAN,
        mode: str = "live",
        outcome: str = "good",
        subjects: tuple[str, ...] = ("TEST-1",),
    ) -> list[str]:
        """Decisions that a system elsewhere made: sealed and recorded as every other is."""
        return [self._decide(g, system, mode, outcome, subjects) for _ in range(count)]

    def _decide(self, g: Greffier, system: str, mode: str, outcome: str, subjects: tuple[str, ...]) -> str:
        version = register.show(g, system).version
        assert version is not None
        self.numbers[system] = n = self.numbers.get(system, 0) + 1
        inputs = {f"in_{one.id}": f"invented {one.id} {n}" for one in version.manifest.fields}
        values: dict[str, Any] = {**inputs, "output": {"result": outcome}, "outcome": outcome, "parent": None}
        values |= {"usage": USAGE, "run": None, "times": None}
        made = g.make("pulse/1", boots=[], recording="ok")  # only for its id
        prepared = g.vault.prepare(made.id, values, subjects)
        members = {"system": system, "version": version.version, "manifest": version.digest, "mode": mode}
        members |= {"capture": "external", "boot": None, "source": "case-system", "n": self._number(), "opened": None}
        entry = g.make("decision/1", id=made.id, commitments=prepared.commitments, **members)

        def rows(sequenced: Any) -> list[Any]:
            return [*prepared.rows(), *decision_store.decision_rows(entry, values, sequenced[0].place)]

        g.log.append(Unit((entry,), None, rows)).result()
        return str(entry.id)

    def _number(self) -> int:
        self.numbers[""] = self.numbers.get("", 0) + 1
        return self.numbers[""]


def make_home(home: Path, url: str, clock: Clock, model_file: Path) -> None:
    create_home(home, "waterveen", "waterveen.example/log", database_url=url, clock=clock)
    shutil.copyfile(CASES / "agency.json", home / "agency.json")
    with open_home(home, clock=clock) as g:
        register.add_model(g, model_file)
        for slug in (LOAN, OTHER):
            register.register(g, (CASES / f"{slug}.json").read_bytes())
            for state in STEPS:
                lifecycle.change_state(g, slug, state)


@pytest.fixture
def make_town(
    tmp_path: Path, model_file: Path, witness_stand: ModuleType
) -> Iterator[Callable[[str], Town]]:
    """`make_town(url)`: a home on that database, with a witness that is served."""
    with contextlib.ExitStack() as stack:

        def make(url: str) -> Town:
            clock = Clock()
            make_home(tmp_path / "home", url, clock, model_file)
            witness = witness_stand.make_witness(tmp_path / "witness", clock=clock.posix, name=WITNESS)
            stack.callback(witness.close)
            address = stack.enter_context(witness_stand.served(witness))
            town = Town(tmp_path / "home", clock, witness, address)
            with town.opened() as g:
                town.add_witness(g)
            return town

        yield make


@pytest.fixture
def town(make_town: Callable[[str], Town], url: str) -> Town:
    """On each database in turn."""
    return make_town(url)


@pytest.fixture
def small_town(make_town: Callable[[str], Town], sqlite_url: str) -> Town:
    """On SQLite alone."""
    return make_town(sqlite_url)


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, Any, str]]:
    """Run `greffier …` in this process: exit code, stdout (JSON where it is), stderr."""
    from app.cli import run

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
