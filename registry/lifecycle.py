"""The seven states of a system, the one table of steps between them, and what the gate lets through.

A step names its reasons and who may take it (AI Act 26(5) and 14(4)(e): anyone on duty may stop a system).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from registry.errors import NotRunning, Retired, StoppedMeanwhile, Suspended, TransitionRefused, VersionMismatch

if TYPE_CHECKING:
    from registry.manifest import SystemVersion
    from registry.system import AISystem

STATES: Final = ("draft", "in_review", "approved", "pilot", "active", "suspended", "retired")
MODES: Final = {"pilot": "pilot", "active": "live"}
"""States in which a system decides, and the mode that its decisions carry: a pilot on real people is use."""


@dataclass(frozen=True, slots=True)
class Transition:
    """One allowed step. `source` None is the registration itself."""

    source: str | None
    target: str
    reasons: tuple[str, ...]
    roles: tuple[str, ...]


_STOPS = ("malfunction", "incident", "complaint", "authority", "maintenance", "other")
_STAFF = ("administrator", "operator", "officer", "approver", "program")
_ADMINISTRATOR = ("administrator",)
_APPROVER = ("administrator", "approver")

TRANSITIONS: Final = (
    Transition(None, "draft", ("registered",), _ADMINISTRATOR),
    Transition("draft", "in_review", ("submitted",), _ADMINISTRATOR),
    Transition("in_review", "draft", ("returned",), _APPROVER),
    Transition("in_review", "approved", ("approved",), _APPROVER),
    Transition("approved", "draft", ("returned",), _APPROVER),
    Transition("approved", "pilot", ("started",), _APPROVER),
    Transition("approved", "active", ("started",), _APPROVER),
    Transition("pilot", "active", ("started",), _APPROVER),
    Transition("pilot", "approved", ("ended",), _APPROVER),
    Transition("pilot", "pilot", ("new_version", "approved"), _APPROVER),
    Transition("active", "active", ("new_version", "approved"), _APPROVER),
    Transition("pilot", "suspended", _STOPS, _STAFF),
    Transition("active", "suspended", _STOPS, _STAFF),
    Transition("suspended", "pilot", ("resolved",), _APPROVER),
    Transition("suspended", "active", ("resolved",), _APPROVER),
    Transition("draft", "retired", ("ended",), _ADMINISTRATOR),
    Transition("in_review", "retired", ("ended",), _ADMINISTRATOR),
    Transition("approved", "retired", ("ended",), _ADMINISTRATOR),
    Transition("pilot", "retired", ("ended",), _ADMINISTRATOR),
    Transition("active", "retired", ("ended",), _ADMINISTRATOR),
    Transition("suspended", "retired", ("ended",), _ADMINISTRATOR),
)


@dataclass(frozen=True, slots=True)
class Gate:
    """What the gate let through: the running version of a system in use, and the mode of its decisions.

    `manifest_digest` is `sha256:…`; `model` the SHA-256 of the weights (64 hex digits), None for a remote model.
    """

    system: str
    version: int
    manifest_digest: str
    mode: str
    model: str | None
    record: AISystem
    running: SystemVersion


def find_transition(source: str | None, target: str) -> Transition | None:
    """The row of the table for this step, None where there is none."""
    return next((step for step in TRANSITIONS if (step.source, step.target) == (source, target)), None)


def targets(source: str) -> tuple[str, ...]:
    """The states that can follow, in the table's order."""
    return tuple(step.target for step in TRANSITIONS if step.source == source)


def check_transition(
    source: str | None, target: str, *, reason: str | None = None, role: str | None = None
) -> Transition:
    """The row of the table for this step. Raises TransitionRefused for an unknown step, reason or role."""
    step = find_transition(source, target)
    if step is None:
        after = ", ".join(targets(source)) if source else "draft"
        raise TransitionRefused(f"cannot follow {source}; possible: {after or 'nothing, it is final'}", field="state")
    if reason is not None and reason not in step.reasons:
        raise TransitionRefused(f"is not a reason for this step; give {' or '.join(step.reasons)}", field="reason")
    if role is not None and role not in step.roles:
        raise TransitionRefused(f"may not take this step; {' or '.join(step.roles)} may", field="role")
    return step


def mode_of(state: str) -> str | None:
    """`pilot` or `live`; None for a state in which a system does not decide."""
    return MODES.get(state)


def check_deciding(state: str) -> str:
    """The mode of decisions in this state. Raises Suspended, Retired or NotRunning where there are none."""
    if state == "suspended":
        raise Suspended("was stopped; see `greffier system show`, then `greffier resume`", field="system")
    if state == "retired":
        raise Retired("was taken out of use; register another", field="system")
    mode = mode_of(state)
    if mode is None:
        raise NotRunning(f"is {state}; put it into pilot or active first (`greffier system state`)", field="system")
    return mode


def verify_unchanged(before: Gate, now: Gate) -> None:
    """Asked again when the record is written: the same version in the same mode, or the result does not leave."""
    if before.manifest_digest != now.manifest_digest:
        raise VersionMismatch("runs another version than the one that made this result; ask again", field="system")
    if before.mode != now.mode:
        raise StoppedMeanwhile("changed its state while this result was made; ask again", field="system")
