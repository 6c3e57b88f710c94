"""Keeping accounts."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from accounts import administration
from cli import run
from home.errors import UsageError


def add(desk: Any, login: str = "ada.voorbeeld", **more: Any) -> Any:
    made = {"name": "Ada Voorbeeld", "role": "officer", "by": None} | more
    return administration.add(desk.g, login=login, **made)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("login", ""),
        ("login", "a"),
        ("login", "9lives"),
        ("login", "ada voorbeeld"),
        ("login", "ada@voorbeeld"),
        ("login", "a" * 65),
        ("login", "u0123456789ab"),
        ("name", ""),
        ("name", "x" * 101),
        ("name", "a\nb"),
        ("role", "client"),
        ("role", "emperor"),
        ("systems", ("Not a slug",)),
        ("ends", date(2026, 11, 25)),
    ],
)
def test_what_no_account_may_have_is_refused_by_name(desk: Any, member: str, value: Any) -> None:
    with pytest.raises(UsageError) as caught:
        add(desk, **{member: value})
    assert caught.value.field == member
    assert administration.conditions(desk.g) == []


def test_a_login_is_one_accounts_for_good(desk: Any) -> None:
    add(desk)
    with pytest.raises(UsageError, match="login"):
        add(desk, "ADA.voorbeeld ")
    administration.end(desk.g, "ada.voorbeeld", by=None)
    with pytest.raises(UsageError, match="login"):
        add(desk)


def test_nobody_changes_or_ends_their_own_account(desk: Any) -> None:
    eef = add(desk, "eef.voorbeeld", role="administrator").account
    for act in (administration.end, administration.change):
        with pytest.raises(UsageError, match="own"):
            act(desk.g, eef.id, by=eef.id)
    administration.change(desk.g, eef.id, systems=("loan",), by=None)
    assert administration.find(desk.g, "eef.voorbeeld").systems == ("loan",)


def test_what_was_done_stands_in_the_list_of_events_with_who_did_it(desk: Any) -> None:
    eef = add(desk, "eef.voorbeeld", role="administrator").account
    ada = desk.person("ada.voorbeeld")
    desk.wait(minutes=1)
    administration.change(desk.g, ada.id, ends=date(2026, 12, 31), by=eef.id)
    desk.wait(minutes=1)
    administration.end(desk.g, ada.id, by=eef.id)
    told = [(one.what, one.actor) for one in administration.events(desk.g, ada.id)]
    assert told[:2] == [("ended", eef.id), ("changed", eef.id)]
    assert {("added", None), ("set_up", ada.id)} == set(told[2:])


def test_work_goes_to_those_in_use_whose_scope_reaches_it(desk: Any) -> None:
    add(desk, "a.all")
    add(desk, "b.loan", systems=("loan",))
    add(desk, "c.tax", systems=("tax",))
    add(desk, "d.auditor", role="auditor")
    add(desk, "e.today", ends=date(2026, 11, 26))
    add(desk, "f.ended")
    administration.end(desk.g, "f.ended", by=None)
    assert [one.login for one in administration.reaching(desk.g, "loan", "officer")] == ["a.all", "b.loan", "e.today"]
    desk.wait(days=1)
    assert [one.login for one in administration.reaching(desk.g, "loan", "officer")] == ["a.all", "b.loan"]


def test_the_database_itself_refuses_a_role_that_nobody_has(desk: Any) -> None:
    add(desk)
    with pytest.raises(IntegrityError), desk.g.engine.begin() as conn:
        conn.execute(text("UPDATE access_account SET role = 'client'"))


def test_a_backup_says_whose_an_account_is_and_not_what_opens_it(desk: Any, tmp_path: Path) -> None:
    from service.keeping import backup

    ada = desk.person("ada.voorbeeld")
    manifest = backup.write(desk.g, tmp_path / "copy").manifest
    assert manifest.tables["access_account"] == 1
    assert not {"access_secret", "access_session", "access_recovery", "access_attempt"} & manifest.tables.keys()
    kept = (tmp_path / "copy").read_bytes()
    assert b"ada.voorbeeld" in kept
    assert desk.sealed(ada.id) not in kept
    assert b"argon2" not in kept


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = str(tmp_path / "home")
    assert run(["init", "--home", home, "--agency", "waterveen", "--origin", "waterveen.example/log"]) == 0
    args = ["--home", home, "eef.voorbeeld"]
    assert run(["account", "add", *args, "--name", "Eef Voorbeeld", "--role", "administrator"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["role"] == "administrator"
    assert run(["account", "list", "--home", home, "--json"]) == 0
    shown = capsys.readouterr().out
    assert json.loads(shown)[0]["state"] == "waits for the first sign-in"
    assert made["code"] not in shown
    assert run(["account", "change", *args, "--system", "loan", "--ends", "2099-12-31"]) == 0
    assert run(["account", "reset", *args]) == 0
    assert json.loads(capsys.readouterr().out)["code"] != made["code"]
    assert run(["account", "end", *args]) == 0
    assert run(["account", "end", *args]) == 2
    assert run(["account", "reset", "--home", home, "nobody.voorbeeld"]) == 2
    said = capsys.readouterr().err
    assert "nobody.voorbeeld" not in said
    assert "account list" in said


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("http://greffier.example", True),
        ("https://greffier.example", False),
        ("http://127.0.0.1:8000", False),
        ("http://localhost:8000", False),
    ],
)
def test_the_doctor_names_an_address_on_which_passwords_can_be_read(
    desk: Any, monkeypatch: pytest.MonkeyPatch, address: str, told: bool
) -> None:
    from service.keeping import doctor

    monkeypatch.setattr(desk.g, "settings", desk.g.settings.model_copy(update={"base_url": address}))
    assert ("base_url" in {finding.place for finding in doctor.doctor(desk.g)}) == told
