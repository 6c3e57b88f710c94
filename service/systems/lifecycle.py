"""A system's states: each change is an entry, and the row changes in the entry's own transaction.

A version with a model here comes into `pilot` or `active` by its tests, or by an override, which is an entry before
that of the step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditlog.core.entries.record import Entry
from auditlog.writing.log import Sequenced, Unit
from home.greffier import Greffier
from registry.errors import Conflict, TransitionRefused
from registry.lifecycle import MODES, check_transition
from registry.store import fitness as fitness_store
from registry.store import systems as store
from service.systems import admission, approval, gates, register
from service.systems.admission import Admission, Barred, Override

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ("Override", "change_state", "resume", "stop")


def change_state(
    g: Greffier,
    slug: str,
    to: str,
    *,
    reason: str | None = None,
    role: str = "administrator",
    version: int | None = None,
    override: Override | None = None,
    account: str | None = None,
) -> register.PublicSystem:
    """Bring a system into a state by the table of transitions; raises RegistryError that names what is missing.

    `account`: whose step it is, an opaque id. What needs four eyes is refused to the account whose work it is.

    On the way to `pilot` or `active` the newest version (or the one named) becomes the running one. `override`: let it
    through although its tests, or a duty of the law, held it back; the reasons are public. A stopped system goes back
    to the version that it ran without new tests.
    """
    with g.reading() as conn:
        reason = reason or _only_reason(store.read_system(conn, slug).state, to)
        change = store.plan_state(conn, slug, to, reason=reason, role=role, version=version)
        tested = _tested(conn, change)
    if change.version is not None and change.target != "suspended":
        found = register.other_architecture(g, change.version.manifest)
        if found is not None:
            raise TransitionRefused(found, field="model.architecture")
    by_duty = gates.demand(g, change, override).overridden
    if tested is not None:
        admission.demand(tested, override, enforced=g.settings.fitness == "enforced", by_duty=by_duty)
    elif override is not None and not by_duty:
        raise TransitionRefused(
            "is for a version with a model here that begins to decide; leave it out", field="override"
        )
    return _carry_out(g, change, account, tested, override)


def stop(
    g: Greffier, slug: str, *, reason: str, role: str = "officer", account: str | None = None
) -> register.PublicSystem:
    """Stop a system at once (AI Act Article 14(4)(e))."""
    with g.reading() as conn:
        change = store.plan_stop(conn, slug, reason=reason, role=role)
    return _carry_out(g, change, account)


def resume(g: Greffier, slug: str, *, role: str = "administrator", account: str | None = None) -> register.PublicSystem:
    """Bring a stopped system back to the state that it was stopped in: by another account than the one that stopped."""
    with g.reading() as conn:
        change = store.plan_resume(conn, slug, role=role)
    gates.demand(g, change, None)
    return _carry_out(g, change, account)


def _only_reason(source: str, target: str) -> str:
    """The reason of a step that has just one, or `new_version` of one that stays; raises TransitionRefused else."""
    step = check_transition(source, target)
    if len(step.reasons) > 1 and source != target:
        raise TransitionRefused(f"is needed for this step; give {' or '.join(step.reasons)}", field="reason")
    return step.reasons[0]


def _tested(conn: Connection, change: store.StateChange) -> Admission | None:
    """How the version's tests stand, where the step needs them."""
    version = change.version
    if change.target not in MODES or version is None or version.model is None:
        return None
    if store.read_system(conn, change.system).system.capture != "runtime":
        return None
    if change.source == "suspended" and version.version == change.source_version:
        return None
    return admission.admission(conn, version)


def _carry_out(
    g: Greffier,
    change: store.StateChange,
    account: str | None,
    tested: Admission | None = None,
    override: Override | None = None,
) -> register.PublicSystem:
    """Both entries and both rows in one unit, the override first: nothing decides before everybody can read why."""
    approval.check_account(account)
    with g.reading() as conn:
        approval.demand(g, conn, change, account, overridden=override is not None)
    entries = [_state_entry(g, change)]
    barred = tested.barred if tested else Barred(change.system, change.version.version if change.version else 0, None)
    if override is not None:
        entries.insert(0, admission.make_override(g, barred, override, change.role))

    def rows(conn: Connection, sequenced: tuple[Sequenced, ...]) -> None:
        store.set_state(conn, change)
        # Asked again: what came in meanwhile was not looked at.
        approval.demand(g, conn, change, account, overridden=override is not None)
        if tested is not None:
            _demand_unchanged(conn, tested)
        if override is not None:
            admission.add_override(conn, barred, override, change.role, sequenced[0].place)
        approval.note(conn, change.system, sequenced, account)

    g.log.append(Unit(tuple(entries), rows)).result()
    return register.show(g, change.system)


def _demand_unchanged(conn: Connection, tested: Admission) -> None:
    version = tested.version
    if fitness_store.newest_report(conn, version.system, version.version) != tested.stored:
        raise Conflict("was tested meanwhile; look at the results, then repeat", field="version")


def _state_entry(g: Greffier, change: store.StateChange) -> Entry:
    return g.make(
        "state/1",
        system=change.system,
        version=change.version.version if change.version else None,
        manifest=change.version.digest if change.version else None,
        reason=change.reason,
        role=change.role,
        **{"from": change.source, "to": change.target},
    )
