"""The gate for records from elsewhere: only for systems that run elsewhere and are in use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection

from registry.errors import GateClosed, NotElsewhere, StoppedMeanwhile, UnknownVersion
from registry.register_file import RegisterFile
from registry.store import external_gate, systems

SLUG = "colour-check"
Parse = Callable[[Any], RegisterFile]


def register(conn: Connection, file: RegisterFile) -> None:
    systems.apply_registration(conn, systems.plan_registration(conn, file))


def move(conn: Connection, *targets: str, version: int | None = None) -> None:
    reasons = {"in_review": "submitted", "approved": "approved", "pilot": "started", "active": "started"}
    for target in targets:
        same = systems.read_system(conn, SLUG).state == target
        reason = "new_version" if same else reasons.get(target, "ended")
        systems.set_state(
            conn, systems.plan_state(conn, SLUG, target, reason=reason, role="administrator", version=version)
        )


@pytest.fixture
def external(document: dict[str, Any]) -> dict[str, Any]:
    remote = {"provider": "Test supplier", "endpoint": "https://x.example/", "model": "m", "terms": "t"}
    document["system"]["capture"] = "external"
    document["version"] |= {"model": None, "context": None, "builds": [], "remote": remote}
    return document


def test_it_opens_with_the_state_and_closes_with_it(conn: Connection, external: dict[str, Any], parse: Parse) -> None:
    def reason() -> str | None:
        with pytest.raises(GateClosed) as caught:
            external_gate.gate(conn, SLUG)
        return caught.value.reason

    assert reason() == "unknown_system"
    register(conn, parse(external))
    move(conn, "in_review", "approved")
    assert reason() == "not_running"
    move(conn, "pilot")
    found = external_gate.gate(conn, SLUG)
    assert (found.system, found.version, found.mode, found.model) == (SLUG, 1, "pilot", None)
    external_gate.gate_again(conn, found)
    move(conn, "active")
    with pytest.raises(StoppedMeanwhile, match="changed its state"):
        external_gate.gate_again(conn, found)
    live = external_gate.gate(conn, SLUG)
    assert live.mode == "live"
    systems.set_state(conn, systems.plan_stop(conn, SLUG, reason="incident", role="officer"))
    with pytest.raises(StoppedMeanwhile, match="was stopped"):
        external_gate.gate_again(conn, live)
    assert reason() == "suspended"
    move(conn, "retired")
    assert reason() == "retired"


def test_an_older_version_is_named_and_a_version_that_is_not_there_refused(
    conn: Connection, external: dict[str, Any], parse: Parse
) -> None:
    register(conn, parse(external))
    move(conn, "in_review", "approved", "active")
    external["version"]["outcomes"][0]["bias_millinats"] = 5
    register(conn, parse(external))
    move(conn, "active", version=2)
    assert external_gate.gate(conn, SLUG).version == 2
    old = external_gate.gate(conn, SLUG, 1)
    assert (old.version, old.running.manifest.version, old.mode) == (1, 1, "live")
    external_gate.gate_again(conn, old)
    for number in (3, 0):
        with pytest.raises(UnknownVersion):
            external_gate.gate(conn, SLUG, number)


@pytest.mark.parametrize("capture", ["runtime", "none"])
def test_no_record_is_taken_in_for_a_system_that_runs_here_or_is_not_recorded(
    conn: Connection, document: dict[str, Any], parse: Parse, capture: str
) -> None:
    document["system"] |= {"capture": capture}
    if capture == "none":
        document["system"]["notice"] = None
        del document["version"]
    register(conn, parse(document))
    with pytest.raises(NotElsewhere, match="capture is not external"):
        external_gate.gate(conn, SLUG)
