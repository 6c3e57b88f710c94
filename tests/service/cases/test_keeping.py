"""Requests, codes and judgements in a backup, a rebuilt database and the full check; and the end of their retention."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from auditlog.store.backup import KEPT, LEFT, REBUILT
from casework.errors import CodeRejected
from casework.store import metadata
from casework.store.tables import judgement_table, request_table, tracking_table
from service.cases import access_codes, first_judgement, officer_requests, public_requests
from service.erasing import erase, expire
from service.keeping import backup, fsck
from service.logs import export
from service.records import reading

ADA = reading.Reader("officer", "u0000000ada")
ASKED = {"right": "explain", "channel": "web", "lang": "nl", "text": "Waarom niet?"}
OTHER = {"id": "00000000-0000-4000-8000-000000000000", "record": "00000000-0000-4000-8000-000000000000"}


def populate(g: Any, office: Any) -> tuple[list[str], str, str, str]:
    """Three requests in three states; a decision with a code and a first judgement."""
    g.settings = g.settings.model_copy(update={"blind_share": 100})
    record = office.decide(g, "TEST-1")
    code = access_codes.issue_code(g, record)
    made = [public_requests.open_request(g, **ASKED, reference=record, code=code) for _ in range(3)]
    officer_requests.answer(g, ADA, made[0].request.id, version=1, text="Omdat.")
    officer_requests.extend(g, ADA, made[1].request.id, version=1, ground="many", text="Later.")
    first_judgement.first_judgement(g, ADA, record, "refuse", "invented")
    return [one.tracking_code for one in made], record, code, made[0].request.id


def rows(g: Any) -> dict[str, list[Any]]:
    with g.reading() as conn:
        return {
            table.name: [tuple(row) for row in conn.execute(select(table).order_by(*table.primary_key.columns))]
            for table in (request_table, judgement_table, tracking_table)
        }


def test_each_table_is_kept_rebuilt_or_left_on_purpose() -> None:
    assert set(metadata.tables) == {name for name in (*KEPT, *REBUILT, *LEFT) if name.startswith("casework_")}


def test_a_backup_gives_all_of_it_back_but_what_was_erased_since(small_office: Any, told: Any) -> None:
    home = small_office.home
    with small_office.opened() as g:
        trackings, record, code, answered = populate(g, small_office)
        before = rows(g)
        backup.write(g, home.parent / "copy")
    stored = (home.parent / "copy").read_bytes()
    assert ADA.account.encode() not in stored, "what is sealed stands nowhere else"
    assert b"casework_request" not in stored
    for path in home.glob("greffier.db*"):
        path.unlink()
    number, _, said = told("restore", "--home", home, "--from", home.parent / "copy")
    assert number == 0, said
    with small_office.opened() as g:
        assert rows(g) == before
        access_codes.check_code(g, record, code)
        assert [public_requests.status(g, one).state for one in trackings] == ["answered", "open", "open"]
        assert fsck.check_all(g) == []
        erase.erase(g, answered, ground="objection")
        erase.erase(g, record, ground="objection")
    for path in home.glob("greffier.db*"):
        path.unlink()
    assert told("restore", "--home", home, "--from", home.parent / "copy")[0] == 1, "it is older than the guard"
    with contextlib.closing(sqlite3.connect(home / "greffier.db")) as file:
        assert file.execute("SELECT count(*) FROM casework_code").fetchall() == [(0,)]
        assert file.execute("SELECT count(*), count(reference) FROM casework_request").fetchall() == [(2, 0)]
        assert file.execute("SELECT count(*) FROM casework_tracking").fetchall() == [(2,)]
        assert file.execute("SELECT count(*) FROM casework_judgement").fetchall() == [(0,)]


def test_a_database_that_is_built_anew_from_a_copy_of_the_log_has_them(small_office: Any, told: Any) -> None:
    home = small_office.home
    with small_office.opened() as g:
        trackings, record, code, _ = populate(g, small_office)
        before = rows(g)
        export.export_log(g, home.parent / "copy")
        with g.writing() as conn:
            conn.execute(request_table.delete())
            conn.execute(update(judgement_table).values(outcome="grant"))
    number, _, said = told("log", "import", home.parent / "copy", "--home", home)
    assert number == 0, said
    with small_office.opened() as g:
        assert rows(g) == before
        access_codes.check_code(g, record, code)
        assert public_requests.status(g, trackings[0]).state == "answered"
        assert fsck.check_all(g) == []


def test_without_its_database_no_code_opens_anything(small_office: Any, told: Any) -> None:
    home = small_office.home
    with small_office.opened() as g:
        trackings, record, code, _ = populate(g, small_office)
        export.export_log(g, home.parent / "copy")
    for path in home.glob("greffier.db*"):
        path.unlink()
    told("log", "import", home.parent / "copy", "--home", home)
    with small_office.opened() as g:
        assert not any(rows(g).values())
        for ask in (lambda: access_codes.check_code(g, record, code), lambda: public_requests.status(g, trackings[0])):
            with pytest.raises(CodeRejected):
                ask()


@pytest.mark.parametrize(
    "column", ["state", "due", "received", "right_code", "reference", "system", "version", "closed"]
)
def test_a_request_that_was_changed_past_the_log_is_named(small_office: Any, column: str) -> None:
    others = {"state": "refused", "due": "2027-01-01", "received": "2026-01-01", "right_code": "access"}
    others |= {"reference": OTHER["id"], "system": "another", "version": 7, "closed": "2026-01-01"}
    with small_office.opened() as g:
        populate(g, small_office)
        assert fsck.check_all(g) == []
        with g.writing() as conn:
            conn.execute(update(request_table).values({column: others[column]}))
        assert {one.place.partition("(")[0] for one in fsck.check_all(g)} == {"casework_request"}


@pytest.mark.parametrize("table", [request_table, judgement_table])
def test_a_row_that_nothing_tells_of_and_one_that_is_missing_are_named(small_office: Any, table: Any) -> None:
    with small_office.opened() as g:
        populate(g, small_office)
        with g.writing() as conn:
            (row, *_) = conn.execute(select(table)).mappings()
            conn.execute(table.delete())
        assert {one.message for one in fsck.check_all(g)} == {"is missing"}
        with g.writing() as conn:
            conn.execute(insert(table).values({**row, **{k: v for k, v in OTHER.items() if k in row}}))
        assert any("past the log" in one.message for one in fsck.check_all(g))


def test_a_closed_request_expires_and_an_open_one_does_not(small_office: Any) -> None:
    with small_office.opened() as g:
        trackings, record, code, answered = populate(g, small_office)
        months = g.settings.request_months
        small_office.clock.on(days=30.4 * months - 3)
        due = expire.plan(g).plan.records
        assert answered not in due
        small_office.clock.on(days=6)
        assert answered in expire.plan(g).plan.records
        expire.expire(g)
        with pytest.raises(CodeRejected):
            public_requests.status(g, trackings[0])
        assert public_requests.status(g, trackings[1]).state == "open"
        with pytest.raises(CodeRejected):
            access_codes.check_code(g, record, code)
        assert fsck.check_all(g) == []
