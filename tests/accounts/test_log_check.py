"""The log tells of accounts, and says nothing of whose they are: `fsck` finds one that was changed past the program."""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update

from accounts import administration, log_check, session
from accounts.account import new_account
from accounts.account_table import account_table, event_table
from accounts.secret_table import recovery_table, secret_table
from accounts.session_table import session_table
from accounts.token import NotSignedIn, SignInRefused
from auditlog.core.entries.record import parse_entry
from auditlog.core.errors import CannotRecord
from auditlog.store.engine import writing
from auditlog.store.log import iterate_entries
from cli import run
from home.errors import UsageError
from registry.canonical import format_canonical
from service.keeping import fsck
from service.wiring import create_home, open_home

WHO: dict[str, Any] = {"login": "ada.voorbeeld", "name": "Ada Voorbeeld", "role": "approver", "by": None}


def told(g: Any) -> list[Any]:
    with g.reading() as conn:
        entries = [parse_entry(data) for _, data in iterate_entries(conn, 1)]
    return [entry for entry in entries if entry.kind == "account/1"]


def rows(g: Any) -> list[dict[str, Any]]:
    with g.reading() as conn:
        return [dict(row) for row in conn.execute(select(account_table).order_by(account_table.c.login)).mappings()]


def rewrite(g: Any, **columns: Any) -> None:
    """As somebody does it who can write into the database."""
    with writing(g.engine) as conn:
        conn.execute(update(account_table).values(**columns))


def found(g: Any) -> list[str]:
    return [one.place.partition("(")[0] for one in fsck.check_all(g)]


def test_every_change_is_told_and_nothing_says_whose_account_it_is(desk: Any) -> None:
    administration.add(desk.g, systems=("loan",), **WHO)
    salts = [rows(desk.g)[0]["salt"]]
    for step in (
        lambda: administration.change(desk.g, WHO["login"], role="officer", ends=date(2026, 12, 31), by=None),
        lambda: administration.reset(desk.g, WHO["login"], by=None),
        lambda: administration.end(desk.g, WHO["login"], by=None),
    ):
        step()
        salts.append(rows(desk.g)[0]["salt"])
    (row,) = rows(desk.g)
    entries = told(desk.g)
    assert [entry.members["action"] for entry in entries] == ["added", "changed", "reset", "ended"]
    assert [entry.members["role"] for entry in entries] == ["approver", "officer", "officer", "officer"]
    assert {entry.members["account"] for entry in entries} == {row["pseudonym"]}
    kept = {name: value for name, value in row.items() if name != "pseudonym"}
    assert entries[-1].members["row"] == f"sha256:{hashlib.sha256(format_canonical(kept)).hexdigest()}"
    assert len(set(salts)) == 4
    for entry in entries:
        assert not [value for value in (row["id"], row["login"], row["name"], "loan") if value in entry.data.decode()]
        assert not [salt for salt in salts if salt in entry.data.decode()]
    assert fsck.check_all(desk.g) == []


@pytest.mark.parametrize(
    "columns",
    [
        {"role": "administrator"}, {"systems": None}, {"ends": "2030-01-01"}, {"ended": None, "ends": None},
        {"login": "bo.voorbeeld"}, {"name": "Bo"}, {"created": "2020-01-01T00:00:00Z"}, {"salt": "ab" * 32},
        {"pseudonym": None}, {"pseudonym": "00000000-0000-4000-8000-000000000000"},
    ],
    ids="-".join,
)  # fmt: skip
def test_an_account_changed_past_the_program_is_found(desk: Any, columns: dict[str, Any]) -> None:
    administration.add(desk.g, systems=("loan",), ends=date(2026, 12, 31), **WHO)
    if "ended" in columns:
        administration.end(desk.g, WHO["login"], by=None)
    rewrite(desk.g, **columns)
    assert set(found(desk.g)) == {"access_account"}


def test_an_account_added_or_taken_away_past_the_program_is_found(desk: Any) -> None:
    administration.add(desk.g, **WHO)
    (row,) = rows(desk.g)
    for told_as in ({}, {"pseudonym": None, "salt": None}):
        with writing(desk.g.engine) as conn:
            conn.execute(insert(account_table).values({**row, "id": "u0123456789ab", "login": "bo", **told_as}))
        assert found(desk.g) == ["access_account"]
        with writing(desk.g.engine) as conn:
            conn.execute(delete(account_table).where(account_table.c.id == "u0123456789ab"))
        assert found(desk.g) == []
    with writing(desk.g.engine) as conn:
        for table in (recovery_table, secret_table, session_table, event_table, account_table):
            conn.execute(delete(table))
    assert found(desk.g) == ["access_account"]


def full(_unit: Any) -> Any:
    raise CannotRecord("the disk is full", cause="disk_full")


def test_where_nothing_can_be_recorded_no_account_is_changed(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    administration.add(desk.g, **WHO)
    before = rows(desk.g)
    monkeypatch.setattr(desk.g.log, "append", full)
    for step in (
        lambda: administration.add(desk.g, **{**WHO, "login": "bo.voorbeeld"}),
        lambda: administration.change(desk.g, WHO["login"], role="officer", by=None),
        lambda: administration.end(desk.g, WHO["login"], by=None),
    ):
        with pytest.raises(CannotRecord):
            step()
    assert rows(desk.g) == before


def test_who_must_go_goes_though_nothing_can_be_recorded(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The account is not said to have ended, and opens nothing; it ends when the log can tell of it."""
    bo = desk.person("bo.voorbeeld")
    assert session.known(desk.g, bo.token).account == bo.id
    desk.wait(minutes=1)
    with monkeypatch.context() as broken, pytest.raises(CannotRecord, match="nothing opens the account now"):
        broken.setattr(desk.g.log, "append", full)
        administration.end(desk.g, bo.login, by=None)
    with pytest.raises(NotSignedIn):
        session.known(desk.g, bo.token)
    with pytest.raises(SignInRefused):
        desk.sign_in(bo)
    assert administration.find(desk.g, bo.login).ended is None
    assert administration.events(desk.g, bo.id)[0].what == "reset"
    administration.end(desk.g, bo.login, by=None)
    assert administration.find(desk.g, bo.login).ended is not None
    assert found(desk.g) == []


def test_a_login_that_there_is_leaves_no_entry(desk: Any) -> None:
    administration.add(desk.g, **WHO)
    with pytest.raises(UsageError, match="login"):
        administration.add(desk.g, **WHO)
    assert len(told(desk.g)) == 1


def test_accounts_from_before_are_found_until_they_are_confirmed(desk: Any) -> None:
    """They work as they did; one that has ended opens nothing, and is not asked for."""
    for login in ("ada.voorbeeld", "bo.voorbeeld"):
        administration.enter(desk.g, invented(desk, login), by=None)
    administration.end(desk.g, "bo.voorbeeld", by=None)
    with writing(desk.g.engine) as conn:
        conn.execute(update(account_table).values(pseudonym=None, salt=None))
    newest = log_check.Newest()
    with desk.g.reading() as conn:
        (one,) = log_check.differences(conn, newest)
    assert "confirm it with `greffier account change" in one[1]
    administration.change(desk.g, "ada.voorbeeld", role="officer", by=None)
    newest.entries = {told(desk.g)[-1].members["account"]: told(desk.g)[-1].members}
    with desk.g.reading() as conn:
        assert list(log_check.differences(conn, newest)) == []


def invented(desk: Any, login: str) -> Any:
    return new_account(login, "Ada Voorbeeld", "officer", now=desk.g.clock(), random=lambda size: login.encode()[:size])


# --- import -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def kept(tmp_path: Path) -> tuple[str, ...]:
    """A closed home with an account, and an export of its log."""
    home = tmp_path / "home"
    create_home(home, "waterveen", "waterveen.example/log")
    with open_home(home) as g:
        administration.add(g, **WHO)
    assert run(["log", "export", "--to", str(tmp_path / "tree"), "--home", str(home)]) == 0
    return ("log", "import", str(tmp_path / "tree"), "--home", str(home))


@pytest.mark.parametrize("lost", [False, True])
def test_an_import_keeps_accounts_or_says_that_they_are_lost(
    kept: tuple[str, ...], tmp_path: Path, lost: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    if lost:
        for path in home.glob("greffier.db*"):
            path.unlink()
    assert run(list(kept)) == 0
    assert ("accounts of staff that are lost: 1" in capsys.readouterr().err) == lost
    with open_home(home) as g:
        assert [entry.members["action"] for entry in told(g)] == ["added", "lost"][: 1 + lost]
        assert len(rows(g)) == (not lost)
        assert fsck.check_all(g) == []
        assert log_check.state_lost(g) == 0
