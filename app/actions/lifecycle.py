"""A system's states: each change is an entry, and the row changes in the entry's own transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.actions import register
from app.home import Greffier
from auditlog.log import Sequenced, Unit
from registry.errors import TransitionRefused
from registry.lifecycle import check_transition
from registry.store import history as history_store
from registry.store import systems as store

if TYPE_CHECKING:
    from sqlalchemy import Connection


def change_state(
    g: Greffier,
    slug: str,
    to: str,
    *,
    reason: str | None = None,
    role: str = "administrator",
    version: int | None = None,
) -> register.PublicSystem:
    """Bring a system into a state by the table of transitions; raises RegistryError that names what is missing.

    On the way to `pilot` or `active` the newest version (or the one named) becomes the running one.
    """
    with g.reading() as conn:
        reason = reason or _only_reason(store.read_system(conn, slug).state, to)
        change = store.plan_state(conn, slug, to, reason=reason, role=role, version=version)
    if change.version is not None and change.target != "suspended":
        found = register.other_architecture(g, change.version.manifest)
        if found is not None:
            raise TransitionRefused(found, field="model.architecture")
    return _carry_out(g, change)


def stop(g: Greffier, slug: str, *, reason: str, role: str = "officer") -> register.PublicSystem:
    """Stop a system at once (AI Act Article 14(4)(e))."""
    with g.reading() as conn:
        change = store.plan_stop(conn, slug, reason=reason, role=role)
    return _carry_out(g, change)


def resume(g: Greffier, slug: str, *, role: str = "administrator") -> register.PublicSystem:
    """Bring a stopped system back to the state that it was stopped in."""
    with g.reading() as conn:
        change = store.plan_resume(conn, slug, role=role)
    return _carry_out(g, change)


def _only_reason(source: str, target: str) -> str:
    """The reason of a step that has just one; raises TransitionRefused for an unknown step or one with several."""
    step = check_transition(source, target)
    if len(step.reasons) > 1:
        raise TransitionRefused(f"is needed for this step; give {' or '.join(step.reasons)}", field="reason")
    return step.reasons[0]


def _carry_out(g: Greffier, change: store.StateChange) -> register.PublicSystem:
    entry = g.make(
        "state/1",
        system=change.system,
        version=change.version.version if change.version else None,
        manifest=change.version.digest if change.version else None,
        reason=change.reason,
        role=change.role,
        **{"from": change.source, "to": change.target},
    )

    def rows(conn: Connection, sequenced: tuple[Sequenced, ...]) -> None:
        store.set_state(conn, change)
        history_store.add_changes(conn, change.system, sequenced[0].log, (sequenced[0].index,))

    g.log.append(Unit((entry,), rows)).result()
    return register.show(g, change.system)
