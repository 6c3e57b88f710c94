from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import IntegrityError

from registry.errors import (
    Conflict,
    GateClosed,
    ModelNotRegistered,
    NotRunning,
    Retired,
    SameManifest,
    StoppedMeanwhile,
    Suspended,
    TransitionRefused,
    UnknownSystem,
    UnknownVersion,
    VersionMismatch,
)
from registry.manifest import manifest_digest
from registry.register_file import RegisterFile
from registry.store import model_files, systems
from registry.store.model_files import RegisteredModel

SLUG = "colour-check"
Parse = Callable[[Any], RegisterFile]
MODEL = RegisteredModel("ab" * 32, 1000, "Test model", None, "Q4_1")


def register(conn: Connection, file: RegisterFile) -> systems.Registration:
    planned = systems.plan_registration(conn, file)
    systems.apply_registration(conn, planned)
    return planned


def move(conn: Connection, *targets: str, version: int | None = None) -> systems.StateChange:
    reasons = {"in_review": "submitted", "approved": "approved", "pilot": "started", "active": "started"}
    for target in targets:
        state = systems.read_system(conn, SLUG).state
        reason = "new_version" if state == target else reasons.get(target, "ended")
        change = systems.plan_state(conn, SLUG, target, reason=reason, role="administrator", version=version)
        systems.set_state(conn, change)
    return change


@pytest.fixture
def file(document: dict[str, Any], parse: Parse) -> RegisterFile:
    return parse(document)


@pytest.fixture
def live(conn: Connection, file: RegisterFile) -> Connection:
    """A system in state active, its model registered."""
    register(conn, file)
    model_files.add_model(conn, MODEL)
    move(conn, "in_review", "approved", "active")
    return conn


def second(document: dict[str, Any], parse: Parse) -> RegisterFile:
    document["version"]["outcomes"][0]["bias_millinats"] = 5
    return parse(document)


def test_a_file_becomes_a_system_in_draft_with_version_1(conn: Connection, file: RegisterFile) -> None:
    planned = register(conn, file)
    assert planned.action == "registered"
    found = systems.read_system(conn, SLUG)
    assert (found.state, found.running_version, found.newest, found.system) == ("draft", None, 1, file.system)
    assert systems.read_version(conn, SLUG, 1) == planned.version
    assert systems.list_systems(conn) == [found]


def test_the_same_file_again_is_refused(conn: Connection, file: RegisterFile) -> None:
    register(conn, file)
    with pytest.raises(SameManifest, match="is version 1 already"):
        systems.plan_registration(conn, file)


def test_another_manifest_is_the_next_version(
    conn: Connection, file: RegisterFile, document: dict[str, Any], parse: Parse
) -> None:
    register(conn, file)
    planned = register(conn, second(document, parse))
    assert planned.action is None
    assert planned.version is not None
    assert planned.version.version == planned.version.manifest.version == 2
    assert [item.version for item in systems.list_versions(conn, SLUG)] == [1, 2]
    with pytest.raises(SameManifest, match="is version 1 already"):
        systems.plan_registration(conn, file)


def test_a_changed_record_alone_makes_no_version(
    conn: Connection, file: RegisterFile, document: dict[str, Any], parse: Parse
) -> None:
    register(conn, file)
    document["system"]["name"]["en"] = "Paint check"
    planned = register(conn, parse(document))
    assert (planned.action, planned.version) == ("changed", None)
    found = systems.read_system(conn, SLUG)
    assert (found.system.name["en"], found.newest) == ("Paint check", 1)


def test_two_registrations_at_once_do_not_both_count(
    conn: Connection, file: RegisterFile, document: dict[str, Any], parse: Parse
) -> None:
    register(conn, file)
    one = systems.plan_registration(conn, second(document, parse))
    document["version"]["outcomes"][0]["bias_millinats"] = 6
    other = systems.plan_registration(conn, parse(document))
    systems.apply_registration(conn, one)
    with pytest.raises(Conflict, match="meanwhile"):
        systems.apply_registration(conn, other)
    with pytest.raises(Conflict, match="in use"):
        systems.add_system(conn, file.system)


def test_a_retired_system_takes_no_version(
    conn: Connection, file: RegisterFile, document: dict[str, Any], parse: Parse
) -> None:
    register(conn, file)
    move(conn, "retired")
    with pytest.raises(Retired):
        systems.plan_registration(conn, second(document, parse))


def test_the_gate_lets_a_live_system_through(live: Connection, file: RegisterFile) -> None:
    gate = systems.gate(live, SLUG)
    assert (gate.system, gate.version, gate.mode, gate.model) == (SLUG, 1, "live", "ab" * 32)
    assert gate.manifest_digest == manifest_digest(gate.running.manifest)
    assert gate.record == file.system
    systems.gate_again(live, gate)


def test_the_gate_says_why_it_is_closed(conn: Connection, file: RegisterFile) -> None:
    def reason() -> str | None:
        with pytest.raises(GateClosed) as caught:
            systems.gate(conn, SLUG)
        return caught.value.reason

    assert reason() == "unknown_system"
    register(conn, file)
    assert reason() == "not_running"
    model_files.add_model(conn, MODEL)
    move(conn, "in_review", "approved")
    assert reason() == "not_running"
    move(conn, "pilot")
    assert systems.gate(conn, SLUG).mode == "pilot"
    conn.execute(text("DELETE FROM registry_model"))
    assert reason() == "model_not_registered"
    systems.set_state(conn, systems.plan_stop(conn, SLUG, reason="incident", role="officer"))
    assert reason() == "suspended"
    move(conn, "retired")
    assert reason() == "retired"


def test_nothing_runs_without_its_model(conn: Connection, file: RegisterFile) -> None:
    register(conn, file)
    move(conn, "in_review", "approved")
    with pytest.raises(ModelNotRegistered, match="model add"):
        move(conn, "active")
    assert systems.read_system(conn, SLUG).state == "approved"


def test_stop_keeps_the_version_and_resume_goes_back_to_the_state_before(live: Connection) -> None:
    before = systems.gate(live, SLUG)
    systems.set_state(live, systems.plan_stop(live, SLUG, reason="malfunction", role="operator"))
    stopped = systems.read_system(live, SLUG)
    assert (stopped.state, stopped.state_before, stopped.running_version) == ("suspended", "active", 1)
    with pytest.raises(StoppedMeanwhile) as caught:
        systems.gate_again(live, before)
    assert caught.value.reason == "stopped_meanwhile"
    with pytest.raises(TransitionRefused, match="was active before"):
        systems.plan_state(live, SLUG, "pilot", reason="resolved", role="approver")
    systems.set_state(live, systems.plan_resume(live, SLUG, role="approver"))
    assert systems.read_system(live, SLUG).state_before is None
    systems.gate_again(live, before)


def test_stop_needs_a_reason_and_something_to_stop(live: Connection) -> None:
    with pytest.raises(TransitionRefused, match="not a reason"):
        systems.plan_stop(live, SLUG, reason="resolved", role="officer")
    with pytest.raises(TransitionRefused, match="nothing to resume"):
        systems.plan_resume(live, SLUG, role="approver")
    systems.set_state(live, systems.plan_stop(live, SLUG, reason="other", role="officer"))
    with pytest.raises(TransitionRefused, match="cannot follow"):
        systems.plan_stop(live, SLUG, reason="other", role="officer")


def test_a_new_version_runs_only_when_it_is_put_into_use(
    live: Connection, document: dict[str, Any], parse: Parse
) -> None:
    before = systems.gate(live, SLUG)
    register(live, second(document, parse))
    assert systems.gate(live, SLUG).version == 1
    with pytest.raises(TransitionRefused, match="runs already"):
        move(live, "active", version=1)
    with pytest.raises(UnknownVersion):
        move(live, "active", version=3)
    change = move(live, "active", version=2)
    assert change.version is not None
    assert systems.gate(live, SLUG).version == change.version.version == 2
    with pytest.raises(VersionMismatch):
        systems.gate_again(live, before)


def test_pilot_and_live_are_not_the_same_decision(conn: Connection, file: RegisterFile) -> None:
    register(conn, file)
    model_files.add_model(conn, MODEL)
    move(conn, "in_review", "approved", "pilot")
    before = systems.gate(conn, SLUG)
    move(conn, "active")
    with pytest.raises(StoppedMeanwhile, match="changed its state"):
        systems.gate_again(conn, before)


def test_a_step_planned_on_an_older_state_is_refused(live: Connection) -> None:
    late = systems.plan_state(live, SLUG, "retired", reason="ended", role="administrator")
    systems.set_state(live, systems.plan_stop(live, SLUG, reason="incident", role="officer"))
    with pytest.raises(Conflict, match="meanwhile"):
        systems.set_state(live, late)
    assert systems.read_system(live, SLUG).state == "suspended"


def test_a_state_without_use_runs_no_version(live: Connection) -> None:
    systems.set_state(live, systems.plan_state(live, SLUG, "retired", reason="ended", role="administrator"))
    found = systems.read_system(live, SLUG)
    assert (found.running_version, found.version) == (None, None)


def test_a_system_that_runs_elsewhere_can_be_in_use_but_never_decides(
    conn: Connection, document: dict[str, Any], parse: Parse
) -> None:
    document["system"] |= {"capture": "none", "notice": None}
    del document["version"]
    register(conn, parse(document))
    assert move(conn, "in_review", "approved", "active").version is None
    with pytest.raises(NotRunning):
        systems.gate(conn, SLUG)
    with pytest.raises(Conflict, match="just so already"):
        systems.plan_registration(conn, parse(document))


def test_models_are_registered_once(conn: Connection) -> None:
    model_files.add_model(conn, MODEL)
    derived = dataclasses.replace(MODEL, sha256="cd" * 32, derived_from=MODEL.sha256)
    model_files.add_model(conn, derived)
    assert model_files.find_model(conn, MODEL.sha256) == MODEL
    assert model_files.find_model(conn, "ef" * 32) is None
    assert model_files.list_models(conn) == [MODEL, derived]
    with pytest.raises(Conflict, match="already"):
        model_files.add_model(conn, MODEL)


def test_unknown_slugs_are_unknown(conn: Connection, file: RegisterFile) -> None:
    for ask in (
        lambda: systems.read_system(conn, "nobody"),
        lambda: systems.change_system(conn, file.system),
        lambda: systems.plan_stop(conn, "nobody", reason="other", role="officer"),
    ):
        with pytest.raises(UnknownSystem):
            ask()


def test_the_whole_walk_is_the_same_on_both_databases(
    either: Connection, file: RegisterFile, document: dict[str, Any], parse: Parse
) -> None:
    register(either, file)
    model_files.add_model(either, MODEL)
    move(either, "in_review", "approved", "pilot", "active")
    before = systems.gate(either, SLUG)
    register(either, second(document, parse))
    late = systems.plan_state(either, SLUG, "active", reason="new_version", role="approver", version=2)
    systems.set_state(either, systems.plan_stop(either, SLUG, reason="incident", role="officer"))
    with pytest.raises(StoppedMeanwhile):
        systems.gate_again(either, before)
    with pytest.raises(Conflict):
        systems.set_state(either, late)
    systems.set_state(either, systems.plan_resume(either, SLUG, role="approver"))
    systems.gate_again(either, before)
    assert systems.read_system(either, SLUG).newest == 2
    for broken in ("state = 'lost'", "state = 'suspended'", "state_before = 'pilot'"):
        with pytest.raises(IntegrityError), either.begin_nested():
            either.execute(text(f"UPDATE registry_system SET {broken}"))


def test_every_constraint_has_a_name(either: Connection) -> None:
    seen = inspect(either)
    for table in ("registry_system", "registry_version", "registry_model"):
        assert seen.get_pk_constraint(table)["name"] == f"pk_{table}"
        assert all(item["name"] for item in seen.get_check_constraints(table) + seen.get_foreign_keys(table))


def test_suspended_alone_remembers_a_state_before(live: Connection) -> None:
    systems.set_state(live, systems.plan_stop(live, SLUG, reason="incident", role="officer"))
    with pytest.raises(Suspended):
        systems.gate(live, SLUG)
