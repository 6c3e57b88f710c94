"""Backups and homes that do not go together: a clear error, and nothing changed."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from auditlog.store import backup as store
from cli.demo.run import CASES
from service.wiring import create_home, open_home

Command = Callable[..., Any]


@pytest.fixture(scope="module")
def saved(decided_template: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of a home with one decision."""
    from service.keeping import backup

    home = tmp_path_factory.mktemp("saved") / "home"
    shutil.copytree(decided_template[0], home, ignore=lambda _, names: [n for n in names if n.endswith(".gguf")])
    with open_home(home, tolerant=True) as g:
        backup.write(g, home.parent / "backup")
    return home.parent / "backup"


@pytest.fixture
def lost(home: Path) -> Path:
    """A home whose database is gone."""
    for path in home.glob("greffier.db*"):
        path.unlink()
    return home


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.suffix != ".gguf"
    }


def test_a_backup_is_never_written_over(home: Path, command: Command, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_bytes(b"kept")
    told = command("backup", "--home", home, "--to", there)
    assert (told.code, there.read_bytes()) == (2, b"kept")
    assert "never written over" in told.line
    assert command("backup", "--home", home, "--to", tmp_path).code == 2
    assert command("backup", "--home", home, "--to", tmp_path / "no" / "folder").code == 2
    assert {path.name for path in tmp_path.iterdir()} == {"there", "home"}


def test_a_leftover_of_a_killed_run_is_no_obstacle(home: Path, command: Command, tmp_path: Path) -> None:
    (tmp_path / ".new.part").write_bytes(b"half")
    assert command("backup", "--home", home, "--to", tmp_path / "new").code == 0
    assert {path.name for path in tmp_path.iterdir()} == {"new", "home"}


def test_a_file_that_is_no_backup(lost: Path, command: Command, saved: Path, bad_file: Any) -> None:
    path = bad_file(b'{"form": "greffier-backup/1"}\n')
    before = files(lost)
    told = command("restore", "--home", lost, "--from", path)
    assert told.code in {2, 3}, told
    assert "--from" in told.line
    assert files(lost) == before


def test_a_database_of_another_sort_is_no_backup(lost: Path, command: Command, decided_template: Any) -> None:
    told = command("restore", "--home", lost, "--from", decided_template[0] / "greffier.db")
    assert (told.code, "no whole backup" in told.line) == (2, True)


def test_a_database_that_is_there_is_never_replaced(home: Path, command: Command, saved: Path) -> None:
    before = files(home)
    told = command("restore", "--home", home, "--from", saved)
    assert (told.code, "holds greffier.db already" in told.line) == (4, True), told
    assert files(home) == before


def test_a_backup_of_another_installation(command: Command, saved: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    create_home(other, "elsewhere", "elsewhere.example/log")
    for path in other.glob("greffier.db*"):
        path.unlink()
    told = command("restore", "--home", other, "--from", saved)
    assert (told.code, "take its own backup" in told.line) == (3, True)
    assert not (other / "greffier.db").exists()


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("keys/records.keys", "put back its replica"),
        ("keys/index.key", "put it back"),
        ("keys/log.vkey", "log.vkey"),
        ("guard/log-1.guard", "guard"),
        ("guard/erasures", "put back the file"),
    ],
)
def test_a_home_without_one_of_its_parts(lost: Path, command: Command, saved: Path, part: str, message: str) -> None:
    (lost / part).unlink()
    told = command("restore", "--home", lost, "--from", saved)
    assert told.code in {1, 2, 3, 4}
    assert message in told.line, told.line
    assert not (lost / "greffier.db").exists()


def test_a_key_store_that_is_older_than_the_backup(lost: Path, command: Command, saved: Path) -> None:
    """The content would not open: an empty key store is none of this database's age."""
    (lost / "keys" / "records.keys").write_bytes(b"")
    told = command("restore", "--home", lost, "--from", saved)
    assert told.code == 3
    assert "does not pass the full check" in told.line
    assert not (lost / "greffier.db").exists()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE auditlog_sealed SET ciphertext = zeroblob(length(ciphertext))",
        "DELETE FROM auditlog_sealed",
        "DELETE FROM auditlog_entry WHERE idx = 3",
        "UPDATE auditlog_entry SET data = CAST('{}' AS BLOB) WHERE idx = 3",
        "UPDATE auditlog_entry SET idx = 4 WHERE idx = 3",
        "UPDATE auditlog_tile SET hashes = zeroblob(32)",
        "DELETE FROM auditlog_head",
        "DROP TABLE auditlog_entry",
        "DROP TABLE greffier_backup",
        "UPDATE greffier_backup SET value = 'greffier-backup/9' WHERE name = 'form'",
        "UPDATE greffier_backup SET value = '9999' WHERE name = 'revision'",
        "UPDATE greffier_backup SET value = '[]' WHERE name = 'logs'",
        "UPDATE greffier_backup SET value = '{\"access_key\": 0}' WHERE name = 'tables'",
        "UPDATE registry_system SET state = 'retired'",
    ],
)
def test_a_backup_that_was_changed_is_refused(
    lost: Path, command: Command, saved: Path, tmp_path: Path, statement: str
) -> None:
    changed = tmp_path / "changed"
    shutil.copyfile(saved, changed)
    conn = sqlite3.connect(changed)
    conn.execute(statement)
    conn.commit()
    conn.close()
    before = files(lost)
    told = command("restore", "--home", lost, "--from", changed)
    assert told.code in {1, 2, 3}, told
    if "registry" not in statement:
        assert files(lost) == before


def test_settings_that_are_there_are_not_changed(lost: Path, command: Command, saved: Path) -> None:
    told = command("restore", "--home", lost, "--from", saved, "--database-url", "sqlite:///other.db")
    assert (told.code, "--database-url" in told.line) == (2, True)


def test_a_fresh_folder_keeps_nothing_of_a_restore_that_failed(command: Command, saved: Path, tmp_path: Path) -> None:
    fresh = tmp_path / "fresh"
    told = command("restore", "--home", fresh, "--from", saved)
    assert told.code in {1, 2, 4}
    assert not [path for path in fresh.rglob("*") if path.is_file()]


def test_a_backup_holds_no_value_of_a_person(saved: Path, loan_input: dict[str, Any]) -> None:
    data = saved.read_bytes()
    register = (CASES / "social-loan-check.json").read_text()
    given = [*map(str, loan_input.values()), "test1", "TEST-1"]
    texts = [text for text in given if len(text) > 4 and text not in register]
    assert texts
    assert not [text for text in texts if text.encode() in data]
    backup = store.Backup(saved)
    assert set(backup.manifest.tables) <= set(store.KEPT)
    backup.close()
