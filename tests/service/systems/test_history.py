"""A system as it was on a day, with proofs that hold, and what changed between two days."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from alembic import command as alembic
from sqlalchemy import text

from auditlog.core.formats.proof import parse_proof, verify_proof
from auditlog.store.engine import writing
from lab.bench import records_scene
from registry.errors import UnknownSystem
from registry.system import record_digest
from service.keeping import fsck, migrate
from service.logs import export
from service.systems import history, register, search

SLUG = records_scene.SYSTEM
APPROVER = "bo.voorbeeld"
HIDDEN = {"member": "limits", "reason": "security", "explanation": {"en": "It helps a thief."}, "until": None}


@pytest.fixture
def changed(house: Any) -> Any:
    """Registered on 5 January, in use from the 10th, with another purpose from 1 February."""
    change(house)
    return house


def change(house: Any) -> None:
    house.register(limits={"en": "Not for lorries."})
    house.on("2026-01-10")
    house.start()
    house.on("2026-02-01")
    house.register(purpose={"en": "Advises on all permits.", "nl": "Adviseert."}, limits={"en": "Not for lorries."})


@pytest.mark.parametrize(
    ("day", "purpose"),
    [("2026-01-10", "Advises on parking"), ("2026-01-31", "Advises on parking"), ("2026-02-01", "Advises on all")],
)
def test_a_day_shows_the_record_of_that_day(changed: Any, day: str, purpose: str) -> None:
    past = history.as_of(changed.g, SLUG, date.fromisoformat(day))
    assert past.system.purpose["en"].startswith(purpose)
    assert (past.state, past.running_version, past.whole) == ("active", 1, True)
    assert past.digest == record_digest(past.system) == past.entry.what["record"]
    assert [one.what["role"] for one in past.approvals] == ["approver"]


@pytest.mark.parametrize("day", ["2026-01-04", "2026-01-05", "2026-01-09"])
def test_before_it_was_approved_the_public_had_nothing(changed: Any, day: str) -> None:
    with pytest.raises(UnknownSystem, match="was not in the public register on that day"):
        history.as_of(changed.g, SLUG, date.fromisoformat(day))


def test_each_entry_comes_with_a_proof_that_holds(changed: Any) -> None:
    past = history.as_of(changed.g, SLUG, date(2026, 2, 1))
    for told in (past.entry, past.state_entry, *past.approvals):
        with changed.g.reading() as conn:
            data = conn.execute(text("SELECT data FROM auditlog_entry WHERE idx = :idx"), {"idx": told.index}).scalar()
        proof = parse_proof(told.proof.encode())
        assert proof.index == told.index
        verify_proof(proof, bytes(data), changed.g.keys, origin=changed.g.log.origin)


def test_two_days_differ_member_by_member(changed: Any) -> None:
    found = history.between(changed.g, SLUG, date(2026, 1, 31), date(2026, 2, 1))
    assert [(one.path, one.before, one.after) for one in found.changes] == [
        ("purpose.en", "Advises on parking permits. The supplier runs it.", "Advises on all permits."),
        ("purpose.nl", None, "Adviseert."),
    ]
    assert found.changes[0].label["nl"] == "Waarvoor?"
    assert history.between(changed.g, SLUG, date(2026, 2, 1), date(2026, 3, 1)).changes == ()


def test_what_is_withheld_now_is_withheld_in_the_past_too(changed: Any) -> None:
    limits = {"en": "Not for lorries."}
    changed.register(limits=limits, publication={"state": "partly", "withheld": [HIDDEN]})
    past = history.as_of(changed.g, SLUG, date(2026, 1, 31))
    assert past.system.limits is None
    assert not past.whole
    assert [(one.member, one.reason["en"]) for one in past.hidden] == [("limits", "security")]
    found = history.between(changed.g, SLUG, date(2026, 1, 31), date(2026, 2, 1))
    assert "lorries" not in json.dumps([(one.before, one.after) for one in found.changes])


def test_a_system_that_is_restricted_has_no_public_past(changed: Any) -> None:
    changed.register(publication={"state": "restricted", "withheld": [HIDDEN]})
    with pytest.raises(UnknownSystem):
        history.as_of(changed.g, SLUG, date(2026, 1, 31))


def test_a_past_record_that_was_edited_is_not_shown_and_found(changed: Any) -> None:
    with writing(changed.g.engine) as conn:
        conn.execute(text("UPDATE registry_record SET record = replace(record, 'parking', 'all') WHERE idx < 5"))
    with pytest.raises(UnknownSystem, match="not the one that the log names"):
        history.as_of(changed.g, SLUG, date(2026, 1, 31))
    assert any(one.place.startswith("registry_record") for one in fsck.check_all(changed.g))


def test_of_a_system_from_before_records_were_kept_the_newest_is_there(changed: Any) -> None:
    """What the migration leaves: the record as it is, at its own entry."""
    with writing(changed.g.engine) as conn:
        conn.execute(text("DELETE FROM registry_record WHERE idx = (SELECT min(idx) FROM registry_record)"))
    with pytest.raises(UnknownSystem, match="has no record of that day"):
        history.as_of(changed.g, SLUG, date(2026, 1, 31))
    assert history.as_of(changed.g, SLUG, date(2026, 2, 1)).whole
    assert fsck.check_all(changed.g) == []


def test_the_newest_record_that_is_missing_is_found(changed: Any) -> None:
    with writing(changed.g.engine) as conn:
        conn.execute(text("DELETE FROM registry_record WHERE idx = (SELECT max(idx) FROM registry_record)"))
    assert fsck.check_all(changed.g)[0].place.startswith("registry_record")


def rows(home: Path, opened: Any) -> dict[str, list[Any]]:
    with opened(home) as g, g.reading() as conn:
        names = ("record", "step", "modification", "listing", "word")
        return {name: sorted(map(tuple, conn.exec_driver_sql(f"SELECT * FROM registry_{name}"))) for name in names}


def test_an_import_and_a_backup_bring_all_of_it_back(
    home: Path, house_of: Any, command: Any, tmp_path: Path, opened: Any
) -> None:
    with house_of(home) as house:
        change(house)
        export.export_log(house.g, tmp_path / "export")
    before = rows(home, opened)
    assert len(before["record"]) == 2
    assert {row[-1] for row in before["step"]} == {"eef.voorbeeld", APPROVER}
    assert before["word"]
    assert command("log", "import", tmp_path / "export", "--home", home).code == 0
    assert rows(home, opened) == before
    assert command("backup", "--to", tmp_path / "backup.db", "--home", home).code == 0
    for path in home.glob("greffier.db*"):
        path.unlink()
    told = command("restore", "--from", tmp_path / "backup.db", "--home", home)
    assert told.code == 0, told.err
    assert rows(home, opened) == before


def test_the_command_tells_a_day_and_what_changed(changed: Any, home: Path, command: Any) -> None:
    told = json.loads(command("system", "as-of", SLUG, "2026-01-31", "--home", home).out)
    assert told["record"]["purpose"]["en"].startswith("Advises on parking")
    assert told["entry"]["proof"].startswith("c2sp.org/tlog-proof@v1")
    told = json.loads(command("system", "as-of", SLUG, "2026-02-01", "--since", "2026-01-31", "--home", home).out)
    assert [one["path"] for one in told["changes"]] == ["purpose.en", "purpose.nl"]
    assert command("system", "as-of", SLUG, "yesterday", "--home", home).code == 2
    assert register.show(changed.g, SLUG).state == "active"


def test_a_database_from_before_gets_the_records_that_there_are_and_can_be_searched(
    home: Path, house_of: Any, opened: Any
) -> None:
    with house_of(home) as house:
        change(house)
        with writing(house.g.engine) as conn:
            alembic.downgrade(migrate.config(conn), "0009")
        migrate.migrate(house.g.engine)
    with opened(home) as g:
        assert history.as_of(g, SLUG, date(2026, 2, 1)).whole
        with pytest.raises(UnknownSystem, match="has no record of that day"):
            history.as_of(g, SLUG, date(2026, 1, 31))
        assert [one.slug for one in search.find(g, search.Query("permit")).items] == [SLUG]
        assert [one for one in fsck.check_all(g) if one.place.startswith("registry_")] == []
