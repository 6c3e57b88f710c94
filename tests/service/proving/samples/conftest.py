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

from auditlog.core.counting.cells import counted
from auditlog.core.formats.note import format_vkey
from auditlog.peers.witness import Witness
from auditlog.store import decisions as decision_store
from auditlog.store import sources as source_store
from auditlog.vault.references import Refs
from auditlog.writing.log import Unit
from cli.demo.run import CASES
from home import policy_file
from home.greffier import Greffier
from service.logs import publish
from service.records.release import needs_review as is_held
from service.systems import lifecycle, register
from service.wiring import create_home, open_home

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
        outcome: str = "grant",
        subjects: tuple[str, ...] = ("TEST-1",),
        case: str | None = None,
    ) -> list[str]:
        """Decisions that a system elsewhere made: sealed and recorded as every other is."""
        made = [self._decide(g, system, mode, outcome, subjects, case) for _ in range(count)]
        for _, ticket in made:
            ticket.result()
        return [id_ for id_, _ in made]

    def _decide(
        self, g: Greffier, system: str, mode: str, outcome: str, subjects: tuple[str, ...], case: str | None
    ) -> tuple[str, Any]:
        version = register.show(g, system).version
        assert version is not None
        self.numbers[system] = n = self.numbers.get(system, 0) + 1
        inputs = {f"in_{one.id}": f"invented {one.id} {n}" for one in version.manifest.fields}
        values: dict[str, Any] = {**inputs, "output": {"result": outcome}, "outcome": outcome, "parent": None}
        values |= {"usage": USAGE, "run": None, "times": None}
        made = g.make("pulse/1", boots=[], recording="ok")  # only for its id
        prepared = g.vault.prepare(made.id, values, subjects, refs=Refs(case=case))
        members = {"system": system, "version": version.version, "manifest": version.digest, "mode": mode}
        members |= {"capture": "external", "boot": None, "source": "case-system", "n": self._number(), "opened": None}
        entry = g.make("decision/1", id=made.id, commitments=prepared.commitments, **members)

        held = is_held(version.manifest, outcome)

        def rows(sequenced: Any) -> list[Any]:
            place = sequenced[0].place
            decided = decision_store.decision_rows(entry, values, place)
            return [*prepared.rows(), *decided, source_store.source_row(entry, place)]

        return str(entry.id), g.log.append(
            Unit((entry,), None, rows, counts=lambda _: counted(entry, values, held=held))
        )

    def _number(self) -> int:
        self.numbers[""] = self.numbers.get("", 0) + 1
        return self.numbers[""]


def make_home(home: Path, url: str | None, clock: Clock, model_file: Path) -> None:
    create_home(home, "waterveen", "waterveen.example/log", database_url=url, clock=clock)
    shutil.copyfile(CASES / "agency.json", home / "agency.json")
    with open_home(home, clock=clock) as g:
        register.add_model(g, model_file)
        for slug in (LOAN, OTHER):
            register.register(g, (CASES / f"{slug}.json").read_bytes())
            for state in STEPS:
                lifecycle.change_state(g, slug, state)


MakeTown = Callable[[Path, str | None], contextlib.AbstractContextManager[Town]]


@pytest.fixture(scope="session")
def make_town(model_file: Path, witness_stand: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> MakeTown:
    """`make_town(folder, url)`: a home on that database (None: SQLite), with a witness that is served meanwhile."""
    template = tmp_path_factory.mktemp("town") / "home"

    def home_on(folder: Path, url: str | None, clock: Clock) -> Path:
        home = folder / "home"
        if url is not None:
            make_home(home, url, clock, model_file)
            return home
        if not template.exists():
            make_home(template, None, Clock(), model_file)
        return Path(shutil.copytree(template, home, copy_function=_copy))

    @contextlib.contextmanager
    def make(folder: Path, url: str | None) -> Iterator[Town]:
        clock = Clock()
        home = home_on(folder, url, clock)
        witness = witness_stand.make_witness(folder / "witness", clock=clock.posix, name=WITNESS)
        with contextlib.closing(witness), witness_stand.served(witness) as address:
            town = Town(home, clock, witness, address)
            with town.opened() as g:
                town.add_witness(g)
            yield town

    return make


def _copy(name: str, to: str) -> None:
    """The model's file is linked: it is large and read-only."""
    Path(to).hardlink_to(name) if name.endswith(".gguf") else shutil.copy2(name, to)


@pytest.fixture
def town(make_town: MakeTown, tmp_path: Path, home_url: str | None) -> Iterator[Town]:
    """On each database in turn."""
    with make_town(tmp_path, home_url) as made:
        yield made


@pytest.fixture
def small_town(make_town: MakeTown, tmp_path: Path) -> Iterator[Town]:
    """On SQLite alone."""
    with make_town(tmp_path, None) as made:
        yield made


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
