"""An incident: noted, told in the order of the law, closed; sealed, and read under an access of its own."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from auditlog.core.entries.record import Entry, parse_entry
from auditlog.core.errors import Erased
from auditlog.store import log as log_store
from cli import run
from home.errors import Refused, UnknownRecord, UsageError
from registry.errors import Conflict, FormatError, TransitionRefused
from service.erasing import erase
from service.keeping import doctor, fsck
from service.records import reading
from service.systems import duties, incidents, register

AWARE = datetime(2026, 11, 26, 8, 30, tzinfo=UTC)
FACTS = incidents.Facts(
    what="The system refused everyone on one street.",
    harm="People went without a permit.",
    persons="Residents of that street.",
    cause=None,
    measures=None,
)
OFFICER = reading.Reader("officer", "u000000000001")


def opened(stand: Any, **given: Any) -> incidents.Incident:
    values = {"duty": "serious", "severity": "other", "aware": AWARE, "facts": FACTS, "role": "officer", **given}
    return incidents.open_incident(stand.g, stand.slug, **values)


def entries(stand: Any) -> list[Entry]:
    with stand.g.reading() as conn:
        found = [parse_entry(data) for _, data in log_store.iterate_entries(conn, 1, 0, stand.g.log.state().size)]
    return [entry for entry in found if isinstance(entry, Entry)]


@pytest.fixture
def active(stand: Any) -> Any:
    stand.write()
    stand.approve()
    stand.start()
    return stand


def test_an_incident_goes_its_way(active: Any) -> None:
    found = opened(active, account="u000000000001")
    assert (found.system, found.version, found.closed, found.told) == (active.slug, 1, False, ())
    with pytest.raises(TransitionRefused, match="after the provider"):
        incidents.tell(active.g, found.id, recipient="authority", day=date(2026, 11, 26), role="officer")
    with pytest.raises(Conflict, match="the provider, the market surveillance authority"):
        incidents.close(active.g, found.id, facts=FACTS, role="officer")
    for recipient in ("provider", "authority"):
        incidents.tell(
            active.g,
            found.id,
            recipient=recipient,
            day=date(2026, 11, 26),
            note=f"By mail to {recipient}.",
            role="officer",
        )
    ended = replace(FACTS, cause="A wrong postcode table.")
    assert incidents.close(active.g, found.id, facts=ended, role="approver").closed
    with pytest.raises(Conflict, match="is closed"):
        incidents.tell(active.g, found.id, recipient="provider", day=date(2026, 11, 26), role="officer")
    told = [entry for entry in entries(active) if entry.kind == "incident/1"]
    assert [entry.members["step"] for entry in told] == ["opened", "told", "told", "closed"]
    assert {entry.members["incident"] for entry in told} == {found.id}
    with active.g.reading() as conn:
        whole = b"".join(data for _, data in log_store.iterate_entries(conn, 1, 0, active.g.log.state().size))
    assert not [word for word in (b"street", b"postcode", b"mail", b"u000000000001") if word in whole]


def test_what_happened_is_read_under_an_access_of_its_own(active: Any) -> None:
    found = opened(active)
    incidents.tell(active.g, found.id, recipient="provider", day=date(2026, 11, 26), note="By phone.", role="officer")
    file = incidents.read(active.g, OFFICER, found.id)
    assert (file.facts, file.notes, file.incident.id) == (FACTS, ("By phone.",), found.id)
    accesses = [entry for entry in entries(active) if entry.kind == "access/1"]
    assert {(entry.members["role"], entry.members["purpose"]) for entry in accesses} == {("officer", "evidence")}
    with pytest.raises(UnknownRecord):
        incidents.read(active.g, OFFICER, "00000000-0000-4000-8000-000000000000")


def test_the_system_is_suspended_first(active: Any) -> None:
    opened(active, duty="risk", stop=True)
    assert register.show(active.g, active.slug).state == "suspended"
    kinds = [entry.kind for entry in entries(active)]
    assert kinds.index("incident/1") > max(i for i, kind in enumerate(kinds) if kind == "state/1")
    assert opened(active, duty="risk", stop=True).version == 1, "it was suspended already"


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"duty": "other"}, FormatError),
        ({"severity": "bad"}, FormatError),
        ({"aware": datetime(2026, 11, 26, 9, 1, tzinfo=UTC)}, UsageError),
        ({"facts": replace(FACTS, what="")}, FormatError),
        ({"facts": replace(FACTS, what="x" * 10_000_000)}, FormatError),
        ({"facts": replace(FACTS, harm="\x00")}, FormatError),
    ],
)
def test_bad_input_writes_nothing(active: Any, given: dict[str, Any], error: type[Exception]) -> None:
    before = active.g.log.state().size
    with pytest.raises(error):
        opened(active, stop=True, **given)
    assert active.g.log.state().size == before
    assert register.show(active.g, active.slug).state == "active"


def test_each_role_has_its_own_duty(stand: Any) -> None:
    stand.write(role="deployer")
    with pytest.raises(TransitionRefused, match="duty of the provider"):
        opened(stand, duty="provider")
    stand.write(role="provider")
    with pytest.raises(TransitionRefused, match="duty of the deployer"):
        opened(stand, duty="risk")
    assert opened(stand, duty="provider", severity="death").clock[0].by == date(2026, 12, 6)


def test_days_are_those_of_the_agency(stand: Any) -> None:
    stand.write()
    late = datetime(2026, 11, 25, 23, 30, tzinfo=UTC)  # past midnight in Amsterdam
    assert opened(stand, duty="provider", severity="widespread", aware=late).clock[0].by == date(2026, 11, 28)


def test_open_tellings_are_missing_evidence(stand: Any) -> None:
    stand.write(use={"public_authority": True})

    def evidence() -> bool | None:
        found = duties.of_system(stand.g, stand.slug, evidence=True)
        duty = next(duty for duty in found.duties if duty.id == "26.5")
        return next(item.found for item in duty.evidence if item.code == "incidents_told")

    assert evidence() is True
    found = opened(stand)
    assert evidence() is False
    for recipient in ("provider", "authority"):
        incidents.tell(stand.g, found.id, recipient=recipient, day=date(2026, 11, 26), role="officer")
    assert evidence() is True


def test_two_steps_at_once_do_not_both_stand(active: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    found = opened(active)
    stale = incidents.find(active.g, found.id)
    incidents.tell(active.g, found.id, recipient="provider", day=date(2026, 11, 26), role="officer")
    monkeypatch.setattr(incidents, "find", lambda *_: stale)
    with pytest.raises(Conflict, match="changed meanwhile"):
        incidents.tell(active.g, found.id, recipient="provider", day=date(2026, 11, 26), role="officer")


def test_a_step_from_a_page_that_others_have_overtaken_is_refused(active: Any) -> None:
    found, day = opened(active, duty="provider"), date(2026, 11, 26)
    incidents.tell(active.g, found.id, recipient="authority", day=day, role="officer", seen=1)
    with pytest.raises(Conflict, match="changed meanwhile"):
        incidents.tell(active.g, found.id, recipient="authority", day=day, role="officer", seen=1)
    with pytest.raises(Conflict, match="changed meanwhile"):
        incidents.close(active.g, found.id, facts=FACTS, role="officer", seen=1)
    assert incidents.close(active.g, found.id, facts=FACTS, role="officer", seen=2).closed


@pytest.mark.parametrize("role", ["operator", "program", "client", "person"])
def test_who_keeps_it_running_is_not_given_what_happened(active: Any, role: str) -> None:
    found = opened(active)
    before = active.g.log.state().size
    with pytest.raises(Refused, match="staff only"):
        incidents.read(active.g, reading.Reader(role, None), found.id)
    assert active.g.log.state().size == before


def test_the_log_checks_clean_with_an_incident(active: Any) -> None:
    found = opened(active)
    incidents.tell(active.g, found.id, recipient="provider", day=date(2026, 11, 26), reached=False, role="officer")
    assert not list(fsck.check_all(active.g))


def test_the_command(active: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    facts = tmp_path / "facts.json"
    facts.write_text(
        json.dumps({"what": "It failed.", "harm": "Delay.", "persons": None, "cause": None, "measures": None})
    )
    home = ("--home", str(active.home))
    hour = (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%MZ")
    given = ("--duty", "serious", "--aware", hour, "--facts", str(facts), "--stop")
    assert run(["incident", "open", active.slug, *given, *home]) == 0
    said = capsys.readouterr()
    incident = json.loads(said.out)["id"]
    assert "tell the provider immediately (AI Act 26(5))" in said.err
    assert run(["incident", "told", incident, "--to", "authority", "--day", hour[:10], *home]) == 3
    assert run(["incident", "told", incident, "--to", "provider", "--day", hour[:10], "--unreached", *home]) == 0
    assert "at the latest on" in capsys.readouterr().err
    assert run(["incident", "list", "--json", *home]) == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert listed["clock"][1]["article"] == "26(5), 73(2)"
    assert run(["incident", "show", incident, *home]) == 0
    assert json.loads(capsys.readouterr().out)["facts"]["what"] == "It failed."


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DELETE FROM registry_incident", "the row is missing"),
        ("UPDATE registry_incident SET duty = 'risk'", "duty"),
        ("UPDATE registry_incident SET idx = idx + 100", "added past the log"),
    ],
)
def test_a_step_that_was_changed_past_the_log_is_found(active: Any, statement: str, said: str) -> None:
    opened(active)
    assert not list(fsck.check_all(active.g))
    with active.g.engine.begin() as conn:
        conn.exec_driver_sql(statement)
    found = [str(one) for one in fsck.check_all(active.g)]
    assert any("registry_incident" in one and said in one for one in found), found


def test_the_doctor_names_what_is_overdue(active: Any) -> None:
    found = opened(active, duty="provider", severity="widespread")

    def said() -> list[str]:
        return [
            one.message
            for one in doctor.doctor(active.g)
            if one.place in {f"incident {found.id}", f"system {active.slug}"}
        ]

    active.on("2026-11-28")
    assert said() == []
    active.on("2026-11-29")
    (late,) = said()
    assert "had to be told by 2026-11-28 (AI Act 73(3))" in late
    incidents.tell(active.g, found.id, recipient="authority", day=date(2026, 11, 29), role="officer")
    assert said() == []
    active.on("2027-12-02")
    assert any("runs, and AI Act 26(8)" in one for one in said())


def test_what_happened_can_be_erased_and_the_clock_remains(active: Any) -> None:
    found = opened(active)
    erase.erase(active.g, found.records[0], ground="unlawful")
    assert incidents.find(active.g, found.id).clock == found.clock
    with pytest.raises(Erased):
        incidents.read(active.g, OFFICER, found.id)
    assert not list(fsck.check_all(active.g))
