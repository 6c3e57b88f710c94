from __future__ import annotations

import pytest

from registry import lifecycle
from registry.errors import NotRunning, Retired, Suspended, TransitionRefused
from registry.lifecycle import STATES, TRANSITIONS, check_deciding, check_transition, mode_of, targets

ALLOWED = {
    "draft": {"in_review", "retired"},
    "in_review": {"draft", "approved", "retired"},
    "approved": {"draft", "pilot", "active", "retired"},
    "pilot": {"approved", "active", "pilot", "suspended", "retired"},
    "active": {"active", "suspended", "retired"},
    "suspended": {"pilot", "active", "retired"},
    "retired": set(),
}


@pytest.mark.parametrize("source", STATES)
def test_the_table_is_these_steps_and_no_other(source: str) -> None:
    assert set(targets(source)) == ALLOWED[source]
    for target in STATES:
        if target in ALLOWED[source]:
            check_transition(source, target)
        else:
            with pytest.raises(TransitionRefused, match="cannot follow"):
                check_transition(source, target)


def test_each_step_stands_once_with_reasons_and_roles() -> None:
    steps = [(step.source, step.target) for step in TRANSITIONS]
    assert len(set(steps)) == len(steps)
    assert all(step.reasons and step.roles for step in TRANSITIONS)
    assert check_transition(None, "draft").reasons == ("registered",)


def test_the_codes_are_those_that_a_state_entry_may_carry() -> None:
    kinds = pytest.importorskip("auditlog.core.entries.kinds")
    assert tuple(STATES) == kinds.STATES
    assert {reason for step in TRANSITIONS for reason in step.reasons} <= set(kinds.STATE_REASONS)
    assert {role for step in TRANSITIONS for role in step.roles} <= set(kinds.ROLES)
    assert set(lifecycle.MODES.values()) <= set(kinds.MODES)


def test_reason_and_role_are_checked() -> None:
    check_transition("active", "suspended", reason="malfunction", role="officer")
    with pytest.raises(TransitionRefused, match="reason: is not a reason") as caught:
        check_transition("active", "suspended", reason="resolved")
    assert "malfunction" in str(caught.value)
    with pytest.raises(TransitionRefused, match="role: may not"):
        check_transition("suspended", "active", reason="resolved", role="officer")


@pytest.mark.parametrize(
    ("state", "error"),
    [("draft", NotRunning), ("in_review", NotRunning), ("approved", NotRunning), ("suspended", Suspended),
     ("retired", Retired)],
)  # fmt: skip
def test_no_other_state_decides(state: str, error: type[Exception]) -> None:
    assert mode_of(state) is None
    with pytest.raises(error):
        check_deciding(state)


def test_the_mode_follows_from_the_state() -> None:
    assert [mode_of(state) for state in ("pilot", "active")] == ["pilot", "live"]
    assert check_deciding("active") == "live"
