"""`greffier log import`: a home gets its log back from a copy, and what cannot come back is said."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, make_url

from auditlog.core.errors import GuardError, NotFound
from auditlog.core.formats.keyring import format_key_ring
from auditlog.recovery.salvage import without_content
from auditlog.store import logs as logs_store
from auditlog.store.cursor import DecisionFilter
from auditlog.store.record_events import find_about
from auditlog.vault.losses import Losses
from auditlog.writing.log import Unit
from cli.demo.run import CASES
from home.errors import Refused
from service.deciding import decide
from service.erasing import erase, holds
from service.keeping import fsck
from service.logs import export as log
from service.logs import publish
from service.proving import receipts
from service.records import query, reading
from service.systems import lifecycle, register
from service.wiring import create_home, open_home, succeed_home

LOAN = "social-loan-check"
DB = "greffier.db"
ROOT = Path(__file__).parents[3]


def export(home: Path, to: Path) -> Path:
    with open_home(home) as g:
        log.export_log(g, to)
    return to


def size(home: Path) -> int:
    with open_home(home) as g:
        return g.log.state().size


def findings(home: Path) -> list[Any]:
    with open_home(home) as g:
        return fsck.check_all(g)


def lost(home: Path) -> list[str]:
    return sorted(Losses(home / "guard").read())


def alter(home: Path, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(home / DB)) as conn:
        for name in ("update", "delete"):
            conn.execute(f"DROP TRIGGER IF EXISTS auditlog_entry_no_{name}")
        for statement in statements:
            conn.execute(statement)
        conn.commit()


def aside(home: Path) -> list[Path]:
    return sorted(path for path in home.glob(f"{DB}.before-import-*"))


def drop_database(home: Path) -> None:
    for path in home.glob(f"{DB}*"):
        path.unlink()


def test_a_database_rolled_back_below_the_guard_comes_back_whole(
    home: Path, record_id: str, command: Any, tmp_path: Path, loan_input: Any
) -> None:
    old = tmp_path / "old"
    old.mkdir()
    shutil.copy2(home / DB, old)
    with open_home(home) as g:
        later = decide.decide(g, LOAN, loan_input)
    copy = export(home, tmp_path / "copy")
    whole = size(home)
    shutil.copy2(home / DB, tmp_path / "newest.db")
    drop_database(home)
    shutil.copy2(old / DB, home)
    with pytest.raises(GuardError), open_home(home):
        pass
    before = (home / DB).read_bytes()

    dry = command("log", "import", copy, "--home", home, "--dry-run", "--json")
    assert dry.code == 0, dry.line
    told = json.loads(dry.out)
    assert (told["logs"][0]["size"], told["content_kept"], told["content_lost"]) == (whole, 1, 1)
    assert ((home / DB).read_bytes(), aside(home)) == (before, [])
    assert not list(home.glob("*.importing*"))

    told = command("log", "import", copy, "--home", home)
    assert told.code == 0, told.line
    assert "content not here: 1 records" in told.out
    assert [path.read_bytes()[100:] for path in aside(home)] == [before[100:]]
    with open_home(home) as g:
        assert g.log.state().size == whole + 1  # and the outage that this was
        with g.reading() as conn:
            assert g.vault.open(conn, record_id).values["outcome"]
            with pytest.raises(NotFound):
                g.vault.open(conn, later.id)
        assert [row["id"] for row in query.decisions(g, reading.CLI, DecisionFilter(), everything=True).rows] == [
            record_id
        ]
        # The receipt of the decision whose content is gone still proves what it always proved.
        receipts.receipt(g, later.id, openings=None)
        assert fsck.check_all(g) == []
        assert set(Losses(home / "guard").read()) == {later.id}
        assert decide.decide(g, LOAN, loan_input).index > whole


def test_a_lost_database_comes_back_with_the_register_from_its_files(
    home: Path, record_id: str, command: Any, tmp_path: Path, loan_input: Any
) -> None:
    copy = export(home, tmp_path / "copy")
    whole = size(home)
    drop_database(home)
    bare = command("log", "import", copy, "--home", home, "--dry-run", "--json")
    assert bare.code == 0, bare.line
    assert [place for place, _ in json.loads(bare.out)["register"] if place.startswith("registry_system")]
    assert not (home / DB).exists()
    told = command("log", "import", copy, "--home", home, "--documents", CASES, "--json")
    assert told.code == 0, told.line
    outcome = json.loads(told.out)
    assert (outcome["register"], outcome["content_kept"], outcome["moved_to"]) == ([], 0, None)
    assert (findings(home), lost(home)) == ([], [record_id])
    clean = command("log", "fsck", "--home", home)
    assert clean.code == 0
    assert "content not here: 1 records" in clean.line
    # What vanishes in silence is another matter.
    Losses(home / "guard").path.unlink()
    assert without_content(findings(home)) == ([record_id], [])
    with open_home(home) as g:
        assert decide.decide(g, LOAN, loan_input).index > whole


def flip_entry(home: Path) -> None:
    alter(home, "UPDATE auditlog_entry SET data = replace(data, 'decision/1', 'decision/2') WHERE idx = 3")
    alter(home, "UPDATE auditlog_entry SET data = CAST(data || ' ' AS BLOB) WHERE idx = 3")


def cut_tail(home: Path) -> None:
    alter(home, "DELETE FROM auditlog_entry WHERE idx >= 5")


def drop_tiles(home: Path) -> None:
    alter(home, "DELETE FROM auditlog_tile")


def forge_content(home: Path) -> None:
    alter(home, "UPDATE auditlog_sealed SET ciphertext = CAST(ciphertext || 'x' AS BLOB)", "DELETE FROM auditlog_head")


def add_past_the_log(home: Path) -> None:
    alter(
        home,
        "INSERT INTO auditlog_erasure (record, id) VALUES ('1b4e28ba-2fa1-4d2b-883f-0016d3cca427', 'x')",
        "UPDATE registry_system SET state = 'pilot'",
        "UPDATE auditlog_head SET size = size - 1",
    )


@pytest.mark.parametrize("damage", [flip_entry, cut_tail, drop_tiles, forge_content, add_past_the_log])
def test_whatever_was_done_to_the_database_the_copy_puts_the_log_right(
    home: Path, record_id: str, command: Any, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    copy = export(home, tmp_path / "copy")
    entries = (copy / "tile/entries").rglob("*")
    damage(home)
    told = command("log", "import", copy, "--home", home, "--json")
    assert told.code == 0, told.line
    assert (findings(home), lost(home)) == ([], [record_id] if damage is forge_content else [])
    after = export(home, tmp_path / "after")
    first = next(path for path in entries if path.is_file())
    kept = next(path for path in (after / "tile/entries").rglob("*") if path.is_file())
    assert kept.read_bytes().startswith(first.read_bytes())


def test_an_older_copy_is_completed_from_what_the_database_still_vouches_for(
    home: Path, command: Any, tmp_path: Path, loan_input: Any
) -> None:
    """A flipped bit found the day after the nightly export: the entries since then are in the database alone."""
    copy = export(home, tmp_path / "copy")
    with open_home(home) as g:
        later = decide.decide(g, LOAN, loan_input)
    whole = size(home)
    flip_entry(home)
    told = command("log", "import", copy, "--home", home, "--json")
    assert told.code == 0, told.line
    outcome = json.loads(told.out)["logs"][0]
    assert (outcome["size"], outcome["from_copy"] + outcome["from_old"]) == (whole, whole)
    assert outcome["from_old"] > 0
    assert findings(home) == []
    with open_home(home) as g, g.reading() as conn:
        assert g.vault.open(conn, later.id).values["outcome"]


def test_a_file_that_is_no_database_any_more_is_moved_aside(
    home: Path, record_id: str, command: Any, tmp_path: Path
) -> None:
    copy = export(home, tmp_path / "copy")
    drop_database(home)
    (home / DB).write_bytes(b"what a disk makes of it" * 1000)
    told = command("log", "import", copy, "--home", home, "--documents", CASES, "--json")
    assert told.code == 0, told.line
    assert [path.read_bytes()[:4] for path in aside(home)] == [b"what"]
    assert (findings(home), lost(home)) == ([], [record_id])


@pytest.mark.parametrize(
    "how", ["short", "no guard", "guard differs", "other log", "changed copy", "no copy", "a home"]
)
def test_a_copy_that_does_not_do_is_refused_and_nothing_changes(
    home: Path, loan_template: Path, command: Any, tmp_path: Path, loan_input: Any, how: str
) -> None:
    copy = export(home, tmp_path / "copy")
    code, word = 3, ""
    guard = home / "guard" / "log-1.guard"
    if how == "short":
        with open_home(home) as g:
            decide.decide(g, LOAN, loan_input)
        drop_database(home)
        word = "succeed"
    elif how == "no guard":
        guard.unlink()
        word = "guard"
    elif how == "guard differs":
        origin, number, _ = guard.read_text().split(" ")
        guard.write_text(f"{origin} {int(number) - 1} {'A' * 43}=\n")
        word = "fork"
    elif how == "other log":
        create_home(tmp_path / "other", "waterveen", "other.example/log")
        shutil.rmtree(copy)
        export(tmp_path / "other", copy)
        word = "no log of this home"
    elif how == "changed copy":
        path = next(path for path in (copy / "tile/entries").rglob("*") if path.is_file())
        path.write_bytes(path.read_bytes().replace(b"waterveen", b"westerveen"[:9]))
        word = "root"
    elif how == "no copy":
        copy, code = tmp_path / "nothing", 2
    else:
        copy, code = home, 2
    names = {path.name: path.read_bytes() for path in home.glob("greffier.db*") if path.suffix != ".db-shm"}
    told = command("log", "import", copy, "--home", home)
    assert told.code == code, told.line
    assert word in told.line
    assert {path.name: path.read_bytes() for path in home.glob("greffier.db*") if path.suffix != ".db-shm"} == names


def test_a_copy_that_contradicts_the_old_database_is_a_fork(
    home: Path, command: Any, tmp_path: Path, loan_input: Any
) -> None:
    twin = tmp_path / "twin"
    shutil.copytree(home, twin)
    for one in (home, twin):
        with open_home(one) as g:
            decide.decide(g, LOAN, loan_input)
    copy = export(twin, tmp_path / "copy")
    shutil.copy2(twin / "guard" / "log-1.guard", home / "guard" / "log-1.guard")
    told = command("log", "import", copy, "--home", home)
    assert told.code == 3
    assert "fork" in told.line


def test_a_database_in_use_is_left_alone(home: Path, command: Any, tmp_path: Path) -> None:
    copy = export(home, tmp_path / "copy")
    with open_home(home) as g, g.reading():
        told = command("log", "import", copy, "--home", home)
    assert told.code == 4
    assert "in use" in told.line
    assert aside(home) == []


def test_what_was_erased_stays_erased(home: Path, record_id: str, command: Any, tmp_path: Path) -> None:
    before = tmp_path / "before.db"
    shutil.copy2(home / DB, before)
    with open_home(home) as g:
        erase.erase(g, record_id, ground="consent_withdrawn")
    copy = export(home, tmp_path / "copy")
    drop_database(home)
    shutil.copy2(before, home / DB)
    told = command("log", "import", copy, "--home", home, "--json")
    assert told.code == 0, told.line
    outcome = json.loads(told.out)
    # What was tallied before the erasure is in the log; the cells were sealed in the database that is gone.
    assert (outcome["content_kept"], outcome["content_lost"]) == (0, 1)
    assert outcome["content_left"] == {"erased meanwhile": 1}
    assert findings(home) == []


def test_on_postgresql_the_old_tables_move_to_a_schema_of_their_own(
    postgresql_url: str, model_file: Path, command: Any, tmp_path: Path, loan_input: Any
) -> None:
    home = tmp_path / "home"
    create_home(home, "waterveen", "waterveen.example/log", database_url=postgresql_url)
    with open_home(home) as g:
        register.add_model(g, model_file)
        register.register(g, (CASES / f"{LOAN}.json").read_bytes())
        for state in ("in_review", "approved", "active"):
            lifecycle.change_state(g, LOAN, state)
        first = decide.decide(g, LOAN, loan_input)
    copy = export(home, tmp_path / "copy")
    with open_home(home) as g:
        later = decide.decide(g, LOAN, loan_input)
    whole = size(home)

    # A server's database as a bad hand leaves it: entries gone and changed, a system put into another state.
    statements = (
        "ALTER TABLE auditlog_entry DISABLE TRIGGER ALL",
        "DELETE FROM auditlog_entry WHERE idx = 2",
        "UPDATE auditlog_entry SET data = 'x' WHERE idx = 3",
        "UPDATE registry_system SET state = 'pilot'",
    )
    with sqlalchemy_engine(postgresql_url) as engine, engine.begin() as conn:
        for statement in statements:
            conn.exec_driver_sql(statement)
    broken = findings(home)
    assert broken
    dry = command("log", "import", copy, "--home", home, "--dry-run", "--json")
    assert dry.code == 0, dry.line
    assert findings(home) == broken
    told = command("log", "import", copy, "--home", home, "--json")
    assert told.code == 0, told.line
    outcome = json.loads(told.out)
    assert (outcome["logs"][0]["size"], outcome["content_kept"], outcome["register"]) == (whole, 2, [])
    assert outcome["moved_to"].startswith("the schema before_import_")
    assert findings(home) == []
    with open_home(home) as g:
        assert [row["id"] for row in query.decisions(g, reading.CLI, DecisionFilter(), everything=True).rows] == [
            later.id,
            first.id,
        ]
        assert decide.decide(g, LOAN, loan_input).index > whole
    with sqlalchemy_engine(postgresql_url) as engine, engine.begin() as conn:
        schema = outcome["moved_to"].rpartition(" ")[2]
        assert conn.exec_driver_sql(f"SELECT count(*) FROM {schema}.auditlog_entry").scalar_one() == whole - 1
    short = command("log", "import", copy, "--home", home)
    assert short.code == 0, "what the copy lacks the database still vouches for"


@contextlib.contextmanager
def sqlalchemy_engine(url: str) -> Iterator[Any]:
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    try:
        yield engine
    finally:
        engine.dispose()


KILLED = """
import os, sys
from pathlib import Path
real = {name: getattr(os, name) for name in ("link", "replace", "fsync", "rename")}
left = int(sys.argv[3])
def counted(name):
    def call(*arguments, **options):
        global left
        if left == 0:
            os._exit(9)
        left -= 1
        return real[name](*arguments, **options)
    return call
for name in real:
    setattr(os, name, counted(name))
from cli import run
sys.exit(run(["log", "import", sys.argv[1], "--home", sys.argv[2]]))
"""


@pytest.mark.parametrize("after", range(5))
def test_a_kill_at_any_step_of_the_swap_leaves_the_old_database_or_the_new_one(
    home: Path, command: Any, tmp_path: Path, after: int
) -> None:
    copy = export(home, tmp_path / "copy")
    whole = size(home)
    drop_tiles(home)
    told = subprocess.run(
        [sys.executable, "-c", KILLED, copy, home, str(after)], cwd=ROOT, capture_output=True, check=False, timeout=120
    )
    assert told.returncode == 9 or after > 2, told.stderr
    assert (home / DB).exists()
    again = command("log", "import", copy, "--home", home, "--json")
    assert again.code == 0, again.line
    assert json.loads(again.out)["logs"][0]["size"] >= whole
    assert findings(home) == []
    assert not list(home.glob("*.importing*"))


def make_small(folder: Path) -> Path:
    create_home(folder, "waterveen", "waterveen.example/log")
    say(folder, 5)
    return folder


def say(home: Path, times: int) -> None:
    with open_home(home) as g:
        for _ in range(times):
            g.log.append(Unit((g.make("pulse/1", boots=[], recording="ok"),))).result()


def test_every_log_of_a_home_comes_back_with_its_rotations(command: Any, tmp_path: Path) -> None:
    home = make_small(tmp_path / "home")
    assert command("log", "rotate", "--home", home).code == 0
    say(home, 2)
    with open_home(home) as g:
        assert publish.advance(g, at_once=True)
    assert command("log", "rotate", "--home", home, "--finish").code == 0
    succeed_home(home, "year")
    say(home, 300)
    with open_home(home) as g, g.reading() as conn:
        rows, ring = logs_store.read_logs(conn), g.keys
    assert len(rows) == 2
    vkey = tmp_path / "log.vkey"
    vkey.write_text(format_key_ring(ring))
    assert command("mirror", home, "--to", tmp_path / "mirrors", "--vkey", vkey).code == 0
    drop_database(home)
    told = command("log", "import", tmp_path / "mirrors", "--home", home, "--json")
    assert told.code == 0, told.line
    assert [one["origin"][-1] for one in json.loads(told.out)["logs"]] == ["1", "2"]
    assert findings(home) == []
    with open_home(home) as g:
        assert g.keys == ring
        with g.reading() as conn:
            assert logs_store.read_logs(conn) == rows


def test_a_copy_of_the_newest_log_alone_keeps_the_older_ones_from_the_database(command: Any, tmp_path: Path) -> None:
    home = make_small(tmp_path / "home")
    succeed_home(home, "year")
    say(home, 3)
    copy = export(home, tmp_path / "copy")
    alter(home, "DELETE FROM auditlog_tile", "DELETE FROM auditlog_log")
    told = command("log", "import", copy, "--home", home, "--json")
    assert told.code == 0, told.line
    assert [one["from_copy"] > 0 for one in json.loads(told.out)["logs"]] == [False, True]
    assert findings(home) == []
    newest = export(home, tmp_path / "newest")
    drop_database(home)
    gone = command("log", "import", newest, "--home", home)
    assert gone.code == 3, "the older log is in no copy"
    assert "reaches 0 entries" in gone.line


def test_a_log_whose_loss_was_stated_is_kept_as_it_stands(command: Any, tmp_path: Path) -> None:
    home = make_small(tmp_path / "home")
    older = (home / DB).read_bytes()
    say(home, 4)
    drop_database(home)
    (home / DB).write_bytes(older)
    succeed_home(home, "loss")
    say(home, 3)
    assert findings(home) == []
    copy = export(home, tmp_path / "copy")
    alter(home, "DELETE FROM auditlog_tile")
    told = command("log", "import", copy, "--home", home, "--json")
    assert told.code == 0, told.line
    first = json.loads(told.out)["logs"][0]
    assert first["size"] < first["guarded"]
    assert findings(home) == []


def test_holds_and_accesses_come_back_with_the_content(
    home: Path, record_id: str, command: Any, tmp_path: Path
) -> None:
    """A hold that vanished with the database would let go of what it holds."""
    with open_home(home) as g:
        reading.open(g, reading.CLI, "review", record_id)
        holds.place(g, record_id, ground="legal_claim")
        with g.reading() as conn:
            before = find_about(conn, record_id)
    assert {about.kind for about in before} == {"access/1", "hold/1"}
    copy = export(home, tmp_path / "copy")
    told = command("log", "import", copy, "--home", home, "--json")
    assert told.code == 0, told.line
    with open_home(home) as g:
        with g.reading() as conn:
            assert find_about(conn, record_id) == before
        with pytest.raises(Refused, match="legal_claim"):
            erase.erase(g, record_id, ground="objection")
    assert findings(home) == []
