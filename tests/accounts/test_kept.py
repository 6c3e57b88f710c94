"""Accounts after a disaster: from a backup, and from a damaged database of the same home."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from accounts import administration, secret_table, sign_in
from accounts.token import SignInRefused
from cli import run
from service.wiring import open_home

PASSWORD = "vier losse woorden samen"


@pytest.fixture
def left(desk: Any, tmp_path: Path) -> tuple[Path, Any]:
    """A home that nobody has open, and its person."""
    person = desk.person("ada.voorbeeld")
    return Path(shutil.copytree(tmp_path / "home", tmp_path / "left")), person


def rows(home: Path, table: str) -> list[Any]:
    with contextlib.closing(sqlite3.connect(home / "greffier.db")) as database:
        return database.execute(f"SELECT * FROM {table}").fetchall()


def test_a_restored_backup_has_the_accounts_and_each_needs_a_new_code(left: tuple[Path, Any], tmp_path: Path) -> None:
    home, ada = left
    assert run(["backup", "--home", str(home), "--to", str(tmp_path / "copy")]) == 0
    events = rows(home, "access_event")
    for file in home.glob("greffier.db*"):
        file.unlink()
    assert run(["restore", "--from", str(tmp_path / "copy"), "--home", str(home)]) == 0
    assert sorted(rows(home, "access_event")) == sorted(events)
    for table in ("access_secret", "access_recovery", "access_session", "access_attempt"):
        assert rows(home, table) == []
    with open_home(home) as g:
        assert administration.names(g)[ada.id].login == ada.login
        with pytest.raises(SignInRefused):
            sign_in.sign_in(g, ada.login, PASSWORD, ada.codes[0], address="")
        issued = administration.reset(g, ada.login, by=None)
        assert sign_in.begin_first(g, ada.login, issued.code, address="").account.id == ada.id


def test_a_damaged_database_of_the_same_home_keeps_what_opens_them(
    left: tuple[Path, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home, ada = left
    assert run(["log", "export", "--home", str(home), "--to", str(tmp_path / "log")]) == 0
    with contextlib.closing(sqlite3.connect(home / "greffier.db")) as database, database:
        database.execute("DELETE FROM auditlog_tile")
        # A row whose account is gone: nothing breaks on it.
        database.execute(
            "INSERT INTO access_event VALUES ('x', 'u000000000000', '2026-11-26T08:00:00Z', 'added', NULL)"
        )
    capsys.readouterr()
    assert run(["log", "import", str(tmp_path / "log"), "--home", str(home), "--json"]) == 0
    json.loads(capsys.readouterr().out)
    assert rows(home, "access_session") == []
    with open_home(home) as g:
        with g.reading() as conn:
            assert secret_table.read_secret(conn, ada.id).password is not None
        assert sign_in.sign_in(g, ada.login, PASSWORD, ada.codes[0], address="").account.id == ada.id
        assert "signed_in" in {event.what for event in administration.events(g, ada.id)}
