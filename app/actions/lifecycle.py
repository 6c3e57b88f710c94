"""A system's states: each change is an entry, and the row changes in the entry's own transaction."""

from __future__ import annotations

from app.actions import register
from app.home import Greffier
from auditlog.log import Unit
from registry import lifecycle
from registry.store import systems as store


def change_state(
    g: Greffier, slug: str, to: str, *, reason: str, role: str = "administrator", version: int | None = None
) -> register.PublicSystem:
    """Bring a system into a state by the table of transitions; raises RegistryError with a reason code.

    On the way to `pilot` or `active` the newest version (or the one named) becomes the running one.
    """
    with g.reading() as conn:
        stored = store.show_system(conn, slug)
        change = lifecycle.plan_change(stored, to, reason=reason, role=role, version=version)
        if change.needs_model is not None:
            store.require_model(conn, change.needs_model)
    entry = g.make(
        "state/1",
        system=slug,
        version=change.version,
        manifest=change.manifest,
        **{"from": change.before},
        to=change.to,
        reason=reason,
        role=role,
    )
    g.log.append(Unit((entry,), lambda conn, _: store.set_state(conn, change))).result()
    return register.show(g, slug)


def stop(g: Greffier, slug: str, *, reason: str, role: str = "officer") -> register.PublicSystem:
    """Stop a system at once (AI Act Article 14(4)(e))."""
    return change_state(g, slug, "suspended", reason=reason, role=role)


def resume(g: Greffier, slug: str, *, reason: str, role: str = "officer") -> register.PublicSystem:
    """Bring a stopped system back to the state that it was stopped in."""
    with g.reading() as conn:
        before = store.state_before_stop(conn, slug)
    return change_state(g, slug, before, reason=reason, role=role)
