"""A kill at each step of recording, erasing, backup and restore, on both databases: nothing is lost, nothing is left.

On SQLite the process is killed before a call on a file of the home, on PostgreSQL before a message to a server (to
either one, with the keys in a database of their own); which points are tried, says GREFFIER_FAULTS as in
`test_injected_errors`. Afterwards every record either opens or was erased without a trace, by what the ledger says; the
log is whole; and what is done again comes to its end.
"""

from __future__ import annotations

import itertools
import os
import random
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, make_url, text

import cli
from auditlog.core.errors import Erased, GuardError
from auditlog.store.backup import Backup
from auditlog.vault.ledger import Erasure
from cli.demo.run import CASES
from home.greffier import Greffier
from service.erasing import erase
from service.systems import lifecycle, register
from service.wiring import create_home, open_home

LOAN = "social-loan-check"
FAULTS = os.environ.get("GREFFIER_FAULTS", "6")
SEED = int(os.environ.get("GREFFIER_SEED", "20261125"))
ABOUT_RECORDS = ("auditlog_sealed", "auditlog_subject", "auditlog_decision", "auditlog_idempotency")


# --- homes that are copied for every run ------------------------------------------------------------------------------


class Files:
    """Homes with their database in a file."""

    def create(self, home: Path) -> None:
        create_home(home, "waterveen", "waterveen.example/log")

    def copy(self, template: Path, home: Path) -> None:
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(template, home, copy_function=link_models)

    def lose(self, home: Path) -> None:
        for path in home.glob("greffier.db*"):
            path.unlink()

    def points(self, injection: Any, ran: Any, home: Path) -> list[Any]:
        return [p for p in injection.points(injection.calls(ran, home)) if p.fault == "signal=KILL"]

    def listing(self, injection: Any) -> list[str]:
        return injection.trace_all()

    def close(self) -> None:
        """Nothing runs."""


@dataclass(frozen=True, order=True)
class Message:
    """The K-th message that one thread sends to the server."""

    number: int

    def options(self, _home: Path) -> list[str]:
        return ["-e", "trace=sendto", "-e", f"inject=sendto:signal=KILL:when={self.number}"]

    def __str__(self) -> str:
        return f"message {self.number}"


class Server:
    """Homes with a database each, made from the template's; with `keys`, another one each for their keys.

    The databases of a home go when it is made anew: all points together would not fit in memory.
    """

    def __init__(self, url: str, *, keys: bool) -> None:
        self._settings = ("database_url", "key_store") if keys else ("database_url",)
        self._url = make_url(url).set(drivername="postgresql+psycopg")
        self._admin = create_engine(self._url, isolation_level="AUTOCOMMIT")
        self._numbers = itertools.count()
        self._made: dict[Path, list[str]] = {}

    def create(self, home: Path) -> None:
        urls = {setting: self._make(home, "template0") for setting in self._settings}
        with pytest.MonkeyPatch.context() as patched:
            for setting, url in urls.items():
                patched.setenv(f"GREFFIER_{setting.upper()}", url)
            create_home(home, "waterveen", "waterveen.example/log")
        with (home / "greffier.toml").open("a") as file:
            file.writelines(f'{setting} = "{url}"\n' for setting, url in urls.items())

    def copy(self, template: Path, home: Path) -> None:
        self._drop(self._made.pop(home, []))
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(template, home, copy_function=link_models)
        for setting in self._settings:
            self._point(home, setting, self._make(home, self._of(template, setting)))

    def lose(self, home: Path) -> None:
        self._point(home, "database_url", self._make(home, "template0"))

    def points(self, _injection: Any, ran: Any, _home: Path) -> list[Any]:
        by_thread: dict[str, int] = {}
        for line in ran.trace:
            if "sendto(" in line:
                thread = line.split()[0]
                by_thread[thread] = by_thread.get(thread, 0) + 1
        return [Message(number) for number in range(1, max(by_thread.values()) + 1)]

    def listing(self, _injection: Any) -> list[str]:
        return ["-e", "trace=sendto"]

    def close(self) -> None:
        for names in self._made.values():
            self._drop(names)
        self._admin.dispose()

    def _drop(self, names: list[str]) -> None:
        with self._admin.connect() as conn:
            for name in names:
                conn.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))

    def _of(self, home: Path, setting: str) -> str:
        return re.search(rf"{setting} = .*(kill_steps_\d+_\d+)", (home / "greffier.toml").read_text()).group(1)

    def _point(self, home: Path, setting: str, url: str) -> None:
        file = home / "greffier.toml"
        file.write_text(re.sub(rf"{setting} = .*", lambda _: f'{setting} = "{url}"', file.read_text()))

    def _make(self, home: Path, template: str) -> str:
        name = f"kill_steps_{os.getpid()}_{next(self._numbers)}"
        with self._admin.connect() as conn:
            conn.execute(
                text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"), {"name": template}
            )
            conn.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
        self._made.setdefault(home, []).append(name)
        return self._url.set(drivername="postgresql", database=name).render_as_string(hide_password=False)


def link_models(name: str, to: str) -> None:
    if name.endswith(".gguf"):
        os.link(name, to)
    else:
        shutil.copy2(name, to)


@dataclass
class Stand:
    """A template home with three decisions, one of them reviewed by nobody, and the ways to run a phase on copies."""

    where: Any
    driver: Any
    injection: Any
    invariants: Any
    scratch: Path
    template: Path
    records: list[str] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.scratch / "home"

    def run(self, phase: str, point: Any = None) -> Any:
        self.where.copy(self.template, self.home)
        options = self.where.listing(self.injection) if point is None else point.options(self.home)
        return self.driver.run(phase, self.home, self.scratch, options)

    def killed(self, phase: str) -> Iterator[tuple[Any, Any]]:
        """(point, run) for the chosen points, after a run without a kill. Each is judged before the next."""
        listed = self.run(phase)
        assert (listed.status, listed.errors.count("Traceback")) == (0, 0), listed.errors
        yield None, listed
        every = self.where.points(self.injection, listed, self.home)
        assert len(every) > 5
        for point in chosen(every):
            ran = self.run(phase, point)
            assert ran.status in (0, -9), ran.errors
            assert "Traceback" not in ran.errors, ran.errors
            yield point, ran


def chosen(every: list[Any]) -> list[Any]:
    if FAULTS == "all":
        return every
    return sorted(random.Random(SEED).sample(every, min(int(FAULTS), len(every))))


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "postgresql with keys"])
def stand(request: Any, tmp_path_factory: pytest.TempPathFactory, model_file: Path, driver: Any) -> Iterator[Stand]:
    if request.param == "sqlite":
        where: Any = Files()
    else:
        where = Server(request.getfixturevalue("postgresql_server"), keys=request.param.endswith("keys"))
    template = tmp_path_factory.mktemp("template") / "home"
    where.create(template)
    shutil.copyfile(CASES / "agency.json", template / "agency.json")
    injection, invariants, acting = (request.getfixturevalue(n) for n in ("injection", "invariants", "acting"))
    with open_home(template) as g:
        register.add_model(g, model_file)
        register.register(g, (CASES / f"{LOAN}.json").read_bytes())
        for state in ("in_review", "approved", "active"):
            lifecycle.change_state(g, LOAN, state)
        records = [acting.decide(g, acting.Heard(), number) for number in range(3)]
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:  # strace cuts long paths
        yield Stand(where, driver, injection, invariants, Path(folder), template, records)
    where.close()


# --- what must hold ---------------------------------------------------------------------------------------------------


def nothing_lost_nothing_left(g: Greffier, records: list[str]) -> list[str]:
    """Every record opens, unless the ledger ordered its erasure: then nothing of it is here. Returns those erased."""
    ordered = {erasure.record for erasure in g.ledger.read()}
    with g.reading() as conn:
        slots = {row.id: row.slot for row in conn.exec_driver_sql("SELECT id, slot FROM auditlog_sealed")}
        for record in records:
            if record not in ordered:
                assert g.vault.open(conn, record).values["subjects"] == ["s1:test7731"], record
                assert len(g.vault.find(conn, "TEST-7731")) >= 1
                continue
            with pytest.raises(Erased):
                g.vault.open(conn, record)
            assert record not in slots
            for table in ABOUT_RECORDS:
                assert record not in repr(conn.exec_driver_sql(f"SELECT * FROM {table}").all()), table
    assert set(g.record_keys.erased()) == g.ledger.slots()
    assert not g.ledger.slots() & set(slots.values())
    return [record for record in records if record in ordered]


def test_recording(stand: Stand) -> None:
    for point, ran in stand.killed("appending"):
        assert stand.invariants.after(stand.home, ran.said) == [], point
        acknowledged = [one["id"] for one in ran.said if "index" in one]
        with open_home(stand.home) as g:
            with g.reading() as conn:
                sealed = set(conn.exec_driver_sql("SELECT id FROM auditlog_sealed").scalars())
            ordered = {erasure.record for erasure in g.ledger.read()}
            decisions = [id_ for id_ in acknowledged if id_ in sealed or id_ in ordered]
            nothing_lost_nothing_left(g, [*stand.records, *decisions])


@pytest.mark.parametrize("phase", ["erasing", "forgetting"])
def test_erasing(stand: Stand, phase: str) -> None:
    went = set()
    for point, ran in stand.killed(phase):
        assert stand.invariants.after(stand.home, ran.said) == [], point
        mine = [one["id"] for one in ran.said if "index" in one]
        with open_home(stand.home) as g:
            gone = nothing_lost_nothing_left(g, [*stand.records, *mine])
            erase.write_tombstones(g, at_once=True)
        # All of a set or nothing; whoever was told that it is erased was told the truth.
        assert len(gone) in ({0, 1} if phase == "erasing" else {0, 2}), point
        told = [one for one in ran.said if "erased" in one or "gone" in one]
        assert gone or not told, point
        assert set(gone).isdisjoint(stand.records)
        assert stand.invariants.after(stand.home, []) == [], point
        went.add(bool(gone))
    assert went == {True, False} or FAULTS != "all"


def test_backup(stand: Stand) -> None:
    """The file is there whole, or not at all, and the next run makes it."""
    there = set()
    for point, ran in stand.killed("saving"):
        assert stand.invariants.after(stand.home, []) == [], point
        file = stand.home / "saved"
        there.add(file.exists())
        if not file.exists():
            assert cli.run(["backup", "--home", str(stand.home), "--to", str(file)]) == 0
        backup = Backup(file)
        size = backup.manifest.logs[0].size
        backup.close()
        assert size >= len(stand.records)
        assert {path.name for path in stand.home.iterdir() if "saved" in path.name} <= {"saved", ".saved.part"}, ran
    assert True in there


def test_restore(stand: Stand, tmp_path: Path) -> None:
    """A record was erased after the backup: it is gone whatever is killed, and the survivors of the backup open."""
    gone, template = stand.records[1], stand.template
    lost = tmp_path / "lost"
    stand.where.copy(template, lost)
    assert cli.run(["backup", "--home", str(lost), "--to", str(lost / "saved")]) == 0
    with open_home(lost) as g:
        # As the order of a process that was killed at once: the log is as old as the backup.
        g.ledger.append(Erasure(gone, "objection", "administrator", "2026-11-25T12:00Z"))
    restore_with(stand, lost)
    try:
        for point, _ran in stand.killed("bringing_back"):
            if restored_by_now(stand.home):
                pass
            else:
                assert cli.run(["restore", "--home", str(stand.home), "--from", str(stand.home / "saved")]) == 0, point
            with open_home(stand.home) as g:
                assert nothing_lost_nothing_left(g, stand.records) == [gone], point
            assert stand.invariants.after(stand.home, []) == [], point
            assert not list(stand.home.glob("*.restoring*"))
    finally:
        stand.template = template


def restore_with(stand: Stand, lost: Path) -> None:
    """From here on copies are made of a home whose database is gone."""
    stand.where.lose(lost)
    stand.template = lost


def restored_by_now(home: Path) -> bool:
    try:
        with open_home(home):
            return True
    except GuardError:
        raise
    except Exception:
        return False
