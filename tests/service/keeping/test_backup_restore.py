"""`greffier backup` and `restore`: what comes back, what does not, and what was erased in between."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import shutil
import sqlite3
import stat
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import create_engine, make_url, text

import cli
from auditlog.core.errors import Erased, GuardError
from auditlog.store import backup as store
from auditlog.store.engine import reading
from cli.demo.run import CASES
from home.greffier import Greffier
from service.cases import reviews
from service.erasing import erase
from service.keeping import fsck
from service.systems import lifecycle, register
from service.wiring import create_home, open_home

LOAN = "social-loan-check"
NAMES = ("TEST-7731", "TEST-7732")


@pytest.fixture(scope="session")
def acting() -> ModuleType:
    """What the fault tests' driver does: decisions without a model."""
    path = Path(__file__).parents[2] / "faults" / "driver.py"
    spec = importlib.util.spec_from_file_location("greffier_backup_driver", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass
class Scene:
    """A home with decisions and reviews of them, closed; and the database it is on."""

    home: Path
    url: str | None
    admin: Any
    records: list[str]

    def forget_database(self) -> None:
        """The disaster: the database is gone, with all that lay beside it."""
        for path in self.home.glob("greffier.db*"):
            path.unlink()
        if self.url is not None:
            name = make_url(self.url).database
            with self.admin.connect() as conn:
                conn.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
                conn.execute(text(f"CREATE DATABASE {name}"))


@pytest.fixture(params=["sqlite", "postgresql"])
def scene(request, tmp_path: Path, model_file: Path, acting: ModuleType) -> Iterator[Scene]:
    url = request.getfixturevalue("postgresql_home_url") if request.param == "postgresql" else None
    home = tmp_path / "home"
    create_home(home, "waterveen", "waterveen.example/log", database_url=url)
    shutil.copyfile(CASES / "agency.json", home / "agency.json")
    with open_home(home) as g:
        register.add_model(g, model_file)
        register.register(g, (CASES / f"{LOAN}.json").read_bytes())
        for state in ("in_review", "approved", "active"):
            lifecycle.change_state(g, LOAN, state)
        records = [acting.decide(g, acting.Heard(), number) for number in range(4)]
        for record in records[:3]:
            reviews.record_review(g, record, reviews.Review("release", "as suggested", "invented reasons"))
    admin = create_engine(
        make_url(request.getfixturevalue("postgresql_server")).set(drivername="postgresql+psycopg"),
        isolation_level="AUTOCOMMIT",
    )
    yield Scene(home, url, admin, records)
    admin.dispose()


def run(*arguments: object) -> int:
    return cli.run([str(one) for one in arguments])


def rows(g: Greffier) -> dict[str, list[str]]:
    """Every table but that of the migrations and of API keys, as text."""
    found = {}
    with reading(g.engine) as conn:
        for name in (*store.KEPT, *store.REBUILT):
            with contextlib.suppress(Exception), conn.begin_nested():
                found[name] = sorted(repr(tuple(row)) for row in conn.exec_driver_sql(f"SELECT * FROM {name}"))
    return found


def test_everything_comes_back_as_it_was(scene: Scene, tmp_path: Path, capsys) -> None:
    file = tmp_path / "backup"
    with open_home(scene.home) as g:
        before = rows(g)
        state = g.log.state()
    assert run("backup", "--home", scene.home, "--to", file, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["manifest"]["logs"][0] | {"number": 1} == {
        "number": 1,
        "origin": "waterveen.example/log/1",
        "size": state.size,
        "root": state.root.hex(),
    }
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    scene.forget_database()
    assert run("restore", "--home", scene.home, "--from", file) == 0
    with open_home(scene.home) as g:
        assert g.log.state().size == state.size
        assert rows(g) == before
        assert fsck.check_all(g) == []
        with g.reading() as conn:
            assert g.vault.open(conn, scene.records[0]).values["subjects"] == ["s1:test7731"]


def test_a_backup_says_nothing_in_clear(scene: Scene, tmp_path: Path) -> None:
    file = tmp_path / "backup"
    with open_home(scene.home) as g, g.reading() as conn:
        tags = {bytes(tag) for (tag,) in conn.exec_driver_sql("SELECT tag FROM auditlog_subject")}
    assert run("backup", "--home", scene.home, "--to", file) == 0
    names = {name for (name,) in sqlite3.connect(file).execute("SELECT name FROM sqlite_master")}
    assert names.isdisjoint({*store.REBUILT, *store.LEFT})
    data = file.read_bytes()
    assert tags
    assert not [tag for tag in tags if tag in data]
    # Not the digits alone: digests in hexadecimal hold any four of them sooner or later.
    assert not [name for name in (b"TEST-7731", b"test7731", b"TEST7731") if name in data]
    assert b"invented reasons" not in data


def test_every_table_is_kept_rebuilt_or_left(url: str, tmp_path: Path) -> None:
    create_home(tmp_path / "home", "waterveen", "waterveen.example/log", database_url=url)
    with open_home(tmp_path / "home") as g, reading(g.engine) as conn:
        from sqlalchemy import inspect

        names = set(inspect(conn).get_table_names())
    known = [*store.KEPT, *store.REBUILT, *store.LEFT]
    assert len(known) == len(set(known))
    assert names - set(known) == set()


def test_what_was_erased_since_is_erased_again_before_the_log_opens(scene: Scene, tmp_path: Path) -> None:
    """With the key store of today, where the keys are gone; and with one of the day of the backup, where they are."""
    file, keys = tmp_path / "backup", scene.home / "keys" / "records.keys"
    assert run("backup", "--home", scene.home, "--to", file) == 0
    older = keys.read_bytes()
    gone, kept = scene.records[1], scene.records[0]
    with open_home(scene.home) as g:
        for record in (gone, scene.records[3]):
            erase.erase(g, record, ground="objection")
        size = g.log.state().size
    # The newest database is lost; a copy of the log brings the entries since, as the guard demands them.
    for key_store in (keys.read_bytes(), older):
        keys.write_bytes(key_store)
        scene.forget_database()
        assert run("restore", "--home", scene.home, "--from", file) == 1
        with pytest.raises(GuardError, match="restored from an older copy"), open_home(scene.home):
            pass
        with open_home(scene.home, tolerant=True) as g, g.reading() as conn:
            assert g.vault.open(conn, kept).values["subjects"] == ["s1:test7731"]
            with pytest.raises(Erased):
                g.vault.open(conn, gone)
            assert sorted(g.record_keys.erased()) == sorted(g.ledger.slots())
            for name in (*store.KEPT, *store.REBUILT):
                if name not in {"auditlog_entry", "auditlog_erasure", "auditlog_erasure_due", "auditlog_event"}:
                    with contextlib.suppress(Exception):
                        text_ = repr(conn.exec_driver_sql(f"SELECT * FROM {name}").all())
                        assert gone not in text_, name
    assert size > 0


def test_a_backup_as_old_as_the_guard_completes_an_erasure_that_was_ordered(scene: Scene, tmp_path: Path) -> None:
    """The order was written, and the process died: the backup was taken, the database lost."""
    file = tmp_path / "backup"
    assert run("backup", "--home", scene.home, "--to", file) == 0
    gone = scene.records[2]
    from auditlog.vault.ledger import Erasure

    with open_home(scene.home) as g:
        g.ledger.append(Erasure(gone, "objection", "administrator", "2026-11-25T12:00Z"))
    scene.forget_database()
    assert run("restore", "--home", scene.home, "--from", file) == 0
    with open_home(scene.home) as g:
        with g.reading() as conn, pytest.raises(Erased):
            g.vault.open(conn, gone)
        for record in scene.records:
            if record != gone:
                with g.reading() as conn:
                    g.vault.open(conn, record)
        erase.write_tombstones(g, at_once=True)
        assert fsck.check_all(g) == []


def test_a_backup_is_one_moment_of_a_log_that_goes_on(scene: Scene, tmp_path: Path, acting: ModuleType) -> None:
    stop = threading.Event()
    with open_home(scene.home) as g:

        def work() -> None:
            while not stop.is_set():
                acting.decide(g, acting.Heard(), 1)

        worker = threading.Thread(target=work)
        worker.start()
        try:
            for number in range(3):
                assert run("backup", "--home", scene.home, "--to", tmp_path / str(number)) == 0
        finally:
            stop.set()
            worker.join()
    sizes = [store.Backup(tmp_path / str(number)).manifest.logs[0].size for number in range(3)]
    assert sizes[0] < sizes[1] < sizes[2]
    scene.forget_database()
    assert run("restore", "--home", scene.home, "--from", tmp_path / "2") == 1
    with open_home(scene.home, tolerant=True) as g:
        assert {finding.place for finding in fsck.check_all(g)} <= {"guard", "log"}


def test_a_lost_home_comes_back_from_its_parts(scene: Scene, tmp_path: Path) -> None:
    """Settings are made from the backup; keys and guard were put back from their own."""
    file = tmp_path / "backup"
    assert run("backup", "--home", scene.home, "--to", file) == 0
    scene.forget_database()
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    for part in ("keys", "guard"):
        shutil.copytree(scene.home / part, fresh / part)
    options = [] if scene.url is None else ["--database-url", scene.url]
    assert run("restore", "--home", fresh, "--from", file, *options) == 0
    with open_home(fresh) as g, g.reading() as conn:
        assert g.vault.open(conn, scene.records[0]).values["subjects"] == ["s1:test7731"]
