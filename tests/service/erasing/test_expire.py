"""The end of retention: six calendar months, periods of the register, the clock, and what a served home does daily."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from auditlog.core.errors import Erased
from auditlog.store import erasures as store
from auditlog.store import log as log_store
from auditlog.store import tallies as tally_store
from cli.demo.run import CASES
from home.errors import Refused, UsageError
from service.erasing import erase, expire, holds
from service.keeping import daily, fsck
from service.records import reading
from service.records.reading import CLI
from service.systems import register

LOAN = "social-loan-check"


def keep(g: Any, **periods: Any) -> None:
    """The register says how long."""
    document = json.loads((CASES / f"{LOAN}.json").read_bytes())
    retention = {"log_months": 6, "content_months": 6, "max_months": 84, "schedule": None, **periods}
    document["system"]["retention"] = retention if periods.get("stated", True) else None
    if document["system"]["retention"]:
        document["system"]["retention"].pop("stated", None)
    register.register(g, json.dumps(document).encode())


def at(day: str) -> datetime:
    return datetime.fromisoformat(f"{day}T10:00:00").replace(tzinfo=UTC)


def test_six_months_are_calendar_months(office: Any) -> None:
    """31 August is due on the last day of February, 183 days would be 2 March."""
    with office.opened() as g:
        keep(g)
        august = office.decide(g, "TEST-1")
        office.clock.now = at("2026-09-01")
        september = office.decide(g, "TEST-1")
        office.clock.now = at("2027-02-27")
        assert expire.plan(g).plan.records == ()
        office.clock.now = at("2027-02-28")
        found = expire.plan(g)
        assert found.systems == {LOAN: date(2026, 8, 31)}
        assert found.plan.records == (august,)
        assert erase.confirm(g, found.plan, found.plan.code).records == 1
        assert expire.plan(g).plan.records == ()
        office.clock.now = at("2027-03-01")
        assert expire.plan(g).plan.records == (september,)
        assert expire.plan(g, date(2027, 2, 28)).plan.records == ()
        with pytest.raises(Erased):
            reading.open(g, CLI, "export", august)
        assert reading.open(g, CLI, "export", september).values["outcome"] == "grant"
        assert fsck.check_all(g) == []


def test_the_ground_is_its_own_and_tombstones_do_not_group(office: Any) -> None:
    with office.opened() as g:
        keep(g)
        old = [office.decide(g, f"TEST-{number}") for number in range(3)]
        office.clock.now = at("2027-03-10")
        found = expire.plan(g).plan
        erase.confirm(g, found, found.code)
        two = [office.decide(g, "TEST-9") for _ in range(2)]
        person = erase.plan_person(g, "TEST-9", ground="objection")
        erase.confirm(g, person, person.code)
        office.clock.on(days=1)
        assert erase.write_tombstones(g) == 0, "by its ground, each set would stand out beside the other"
        office.clock.on(days=7)
        assert erase.write_tombstones(g) == 5
        with g.reading() as conn:
            told = [entry for _, entry in log_store.entries_of_kinds(conn, g.log.number, {"erasure/1"})]
        assert [str(entry.members["record"]) for entry in told] == sorted([*old, *two])
        assert sorted({str(entry.members["ground"]) for entry in told}) == ["objection", "retention_expired"]
        assert fsck.check_all(g) == []


def test_held_records_stay_and_systems_without_a_period_keep_all(office: Any) -> None:
    with office.opened() as g:
        held, free = office.decide(g, "TEST-1"), office.decide(g, "TEST-1")
        holds.place(g, held, ground="legal_claim")
        keep(g, content_months=None, max_months=12)
        office.clock.now = at("2027-08-31")
        found = expire.plan(g)
        assert (found.plan.records, dict(found.plan.held)) == ((free,), {held: ("legal_claim",)})
        keep(g, stated=False)
        found = expire.plan(g)
        assert (found.plan.records, found.unstated) == ((), (LOAN,))


def test_a_clock_that_went_back_expires_nothing(office: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREFFIER_EXPIRE_DAILY", "true")
    with office.opened() as g:
        keep(g)
        office.decide(g, "TEST-1")
        office.clock.now = at("2027-06-01")
        office.decide(g, "TEST-1")
        office.clock.now -= timedelta(minutes=1)
        size, told = g.log.state().size, g.ledger.path.read_bytes()
        for attempt in (lambda: expire.plan(g), lambda: expire.expire(g)):
            with pytest.raises(Refused, match=r"^clock: stands before the newest entry that the log has") as error:
                attempt()
            assert error.value.reason == "clock"
        assert (g.log.state().size, g.ledger.path.read_bytes()) == (size, told)
        assert daily.run(g, None) == office.clock.now.date(), "the operator is told, and the server serves on"
        assert g.ledger.path.read_bytes() == told
        with pytest.raises(Refused, match=r"^clock: "):
            expire.expire(g)  # also once the log has entries that the wrong clock dates
        office.clock.now += timedelta(minutes=1)
        with pytest.raises(UsageError, match="in the future"):
            expire.plan(g, date(2027, 6, 2))
        assert len(expire.plan(g).plan.records) == 1


def test_what_expired_was_tallied_before(office: Any) -> None:
    with office.opened() as g:
        keep(g)
        for _ in range(3):
            office.decide(g, "TEST-1")
        office.clock.now = at("2027-03-10")
        found = expire.plan(g).plan
        erase.confirm(g, found, found.code)
        with g.reading() as conn:
            kinds = [entry.kind for _, entry in log_store.entries_of_kinds(conn, 1, {"tally/1", "erasure/1"})]
            assert kinds
            assert set(kinds) == {"tally/1"}, "and the tombstones come after it"
            assert tally_store.recounted_until(conn, 1) > 0


def test_nothing_expires_while_a_tally_is_not_what_its_records_give(office: Any) -> None:
    with office.opened() as g:
        keep(g)
        record, other = office.decide(g, "TEST-1"), office.decide(g, "TEST-1")
        with log_store.writing(g.engine) as conn:
            conn.exec_driver_sql("UPDATE auditlog_rollup SET number = 7 WHERE cell = 'decisions'")
        office.clock.now = at("2027-03-10")
        found = expire.plan(g).plan
        with pytest.raises(Refused) as error:
            erase.confirm(g, found, found.code)
        assert error.value.reason == "recount"
        assert g.ledger.read() == ()
        assert reading.open(g, CLI, "export", record).values["outcome"] == "grant"
        erase.erase(g, other, ground="objection")  # which is a person's right


def test_a_served_home_does_the_days_work_once(office: Any) -> None:
    with office.opened() as g:
        keep(g)
        records = [office.decide(g, f"TEST-{number}") for number in range(2)]
        for reference in ("TEST-0", "TEST-1"):
            office.decide(g, reference)
            plan = erase.plan_person(g, reference, ground="objection")
            erase.confirm(g, plan, plan.code)
            office.clock.on(minutes=2)
        day = daily.run(g, None)
        with g.reading() as conn:
            assert len(store.read_due(conn)) == 4
        office.clock.on(days=1)
        assert daily.run(g, day) == office.clock.now.date()
        with g.reading() as conn:
            assert store.read_due(conn) == []
        size = g.log.state().size
        assert daily.run(g, office.clock.now.date()) == office.clock.now.date()
        assert g.log.state().size == size
        assert records


def test_expiry_by_itself_is_a_setting(small_office: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with small_office.opened() as g:
        keep(g)
        record = small_office.decide(g, "TEST-1")
        small_office.clock.now = at("2027-03-10")
        daily.run(g, None)
        assert reading.open(g, CLI, "export", record).values["outcome"] == "grant"
    monkeypatch.setenv("GREFFIER_EXPIRE_DAILY", "true")
    with small_office.opened() as g:
        daily.run(g, None)
        with pytest.raises(Erased):
            reading.open(g, CLI, "export", record)


def test_more_than_one_transaction_of_them(small_office: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from auditlog.vault import erasure

    monkeypatch.setattr(erasure, "CHUNK", 4)
    with small_office.opened() as g:
        keep(g)
        records = [small_office.decide(g, f"TEST-{number}") for number in range(10)]
        small_office.clock.now = at("2027-03-10")
        assert expire.expire(g) == 10
        small_office.clock.on(days=8)
        assert erase.write_tombstones(g) == 10
        with g.reading() as conn:
            assert not any(store.count_about(conn, records).values())
        assert fsck.check_all(g) == []


def test_the_command(small_office: Any, told: Any, tmp_path: Path) -> None:
    with small_office.opened() as g:
        keep(g)
        small_office.decide(g, "TEST-1")
    code, said, _ = told("expire", "--until", "2026-09-01", "--home", small_office.home)
    assert code == 0
    assert said["would_erase"] == []
    assert said["confirm"] is None
    assert said["recorded_until"] == {LOAN: "2026-03-01"}
