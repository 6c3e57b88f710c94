"""Systems, versions and models in SQL, and the gate.

What the log must witness is planned on a reading connection (`plan_…`), made into entries by an action, and written by
the log's writer in the transaction of those entries (`apply_registration`, `set_state`), which refuse if the register
changed in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from registry import lifecycle
from registry.errors import (
    Conflict,
    FormatError,
    ModelNotRegistered,
    NotRunning,
    Retired,
    SameManifest,
    StoppedMeanwhile,
    TransitionRefused,
    UnknownSystem,
    UnknownVersion,
)
from registry.lifecycle import Gate
from registry.manifest import Manifest, SystemVersion, format_manifest, numbered
from registry.register_file import RegisterFile
from registry.store import listing
from registry.store.model_files import find_model
from registry.store.parse_cache import record_of, version_of
from registry.store.tables import SYSTEM, VERSION
from registry.system import AISystem, format_record
from registry.version_rules import verify_remote


@dataclass(frozen=True, slots=True)
class Registered:
    """A system as the register holds it. `version` is the running one; `newest` the latest number, 0 for none."""

    system: AISystem
    state: str
    state_before: str | None
    running_version: int | None
    version: SystemVersion | None
    newest: int


@dataclass(frozen=True, slots=True)
class Registration:
    """What a register file changes: `action` is registered, changed or None; `version` the new version or None."""

    system: AISystem
    action: str | None
    version: SystemVersion | None


@dataclass(frozen=True, slots=True)
class StateChange:
    """One step of the table of transitions, with the version that runs afterwards; what a `state/1` entry says."""

    system: str
    source: str
    target: str
    reason: str
    role: str
    version: SystemVersion | None
    source_version: int | None


def plan_registration(conn: Connection, file: RegisterFile) -> Registration:
    """What registering this file would change. Raises SameManifest or Conflict if nothing would, Retired."""
    slug = file.system.slug
    row = _system_row(conn, slug)
    if row is None:
        return Registration(file.system, "registered", _version_of(file.manifest, 1))
    if row.state == "retired":
        raise Retired("was taken out of use and takes no new version; register another slug", field="system.slug")
    action = None if row.record == format_record(file.system).decode() else "changed"
    versions = list_versions(conn, slug)
    same = _same_program(versions, file.manifest)
    if file.manifest is None or (same is not None and same == len(versions) and action is not None):
        if action is None:
            raise Conflict("is registered just so already; change the record or the version", field="system")
        return Registration(file.system, action, None)
    if same is not None:
        raise SameManifest(
            f"is version {same} already; change what it does, or run that version (`greffier system state`)",
            field="version",
        )
    return Registration(file.system, action, _version_of(file.manifest, len(versions) + 1))


def apply_registration(conn: Connection, registration: Registration) -> None:
    """Write what was planned. Raises Conflict if the register changed in between."""
    if registration.action == "registered":
        add_system(conn, registration.system)
    elif registration.action == "changed":
        change_system(conn, registration.system)
    if registration.version is not None:
        add_version(conn, registration.version)


def add_system(conn: Connection, system: AISystem) -> None:
    """Register a system, in state draft. Raises Conflict for a slug in use."""
    if _system_row(conn, system.slug) is not None:
        raise Conflict("is in use; choose another slug, or change that system", field="system.slug")
    record = format_record(system).decode()
    conn.execute(insert(SYSTEM).values(slug=system.slug, record=record, state="draft"))
    listing.refresh(conn, system.slug)


def change_system(conn: Connection, system: AISystem) -> None:
    """Replace the public record of a known system."""
    record = format_record(system).decode()
    done = conn.execute(update(SYSTEM).where(SYSTEM.c.slug == system.slug).values(record=record))
    if done.rowcount != 1:
        raise _unknown()
    listing.refresh(conn, system.slug)


def add_version(conn: Connection, version: SystemVersion) -> None:
    """Add an immutable version, whose number must be the next. Raises UnknownSystem, SameManifest, Conflict."""
    if _system_row(conn, version.system) is None:
        raise _unknown()
    versions = list_versions(conn, version.system)
    same = _same_program(versions, version.manifest)
    if same is not None:
        raise SameManifest(f"is version {same} already; change what it does", field="version")
    if version.version != len(versions) + 1:
        raise Conflict("got a new version meanwhile; register the file again", field="version")
    text = format_manifest(version.manifest).decode()
    conn.execute(insert(VERSION).values(slug=version.system, version=version.version, manifest=text))


def plan_state(
    conn: Connection, slug: str, target: str, *, reason: str, role: str, version: int | None = None
) -> StateChange:
    """Check a step against the table and what the target state needs: a version to run, and its model registered.

    `version` picks the version to run; otherwise the running one stays, or the newest starts. Pilot and active run a
    version, suspended keeps it for the return, every other state runs none.
    """
    found = read_system(conn, slug)
    lifecycle.check_transition(found.state, target, reason=reason, role=role)
    if found.state == "suspended" and target in lifecycle.MODES and target != found.state_before:
        raise TransitionRefused(f"was {found.state_before} before it was stopped; go back to that", field="state")
    running = found.version if target == "suspended" else None
    if target in lifecycle.MODES:
        running = _runnable(conn, found, version)
        if found.state == target and (running is None or running.version == found.running_version):
            raise TransitionRefused("runs already; name another version to run", field="version")
    return StateChange(slug, found.state, target, reason, role, running, found.running_version)


def plan_stop(conn: Connection, slug: str, *, reason: str, role: str) -> StateChange:
    """Pilot or active to suspended, at once."""
    return plan_state(conn, slug, "suspended", reason=reason, role=role)


def plan_resume(conn: Connection, slug: str, *, role: str, version: int | None = None) -> StateChange:
    """Suspended back to the state before. Raises TransitionRefused for a system that was not stopped."""
    before = read_system(conn, slug).state_before
    if before is None:
        raise TransitionRefused("was not stopped; nothing to resume", field="state")
    return plan_state(conn, slug, before, reason="resolved", role=role, version=version)


def set_state(conn: Connection, change: StateChange) -> None:
    """Write a planned step. Raises Conflict if state or running version changed in between."""
    running = None if change.version is None else change.version.version
    where = [SYSTEM.c.slug == change.system, SYSTEM.c.state == change.source]
    where.append(SYSTEM.c.running_version.is_not_distinct_from(change.source_version))
    before = change.source if change.target == "suspended" else None
    values = {"state": change.target, "state_before": before, "running_version": running}
    if conn.execute(update(SYSTEM).where(*where).values(**values)).rowcount != 1:
        raise Conflict("changed its state meanwhile; look at it again, then repeat", field="state")
    listing.note_state(conn, change.system, change.target, running)


def gate(conn: Connection, slug: str) -> Gate:
    """What may decide for this system now. Raises a GateClosed, whose `reason` is the `refused/1` code."""
    row = _system_row(conn, slug)
    if row is None:
        raise _unknown()
    mode = lifecycle.check_deciding(row.state)
    record = record_of(row.record)
    if row.running_version is None or record.capture == "none":
        raise NotRunning("has no version that runs here; register one", field="system")
    running = read_version(conn, slug, row.running_version)
    _check_model(conn, running)
    _check_remote(record, running)
    return Gate(slug, running.version, running.digest, mode, running.model, record, running)


def gate_again(conn: Connection, before: Gate) -> None:
    """Asked when the record is written: what was stopped does not leave (StoppedMeanwhile, VersionMismatch)."""
    row = _system_row(conn, before.system)
    if row is None or lifecycle.mode_of(row.state) is None:
        raise StoppedMeanwhile("was stopped while this result was made; nothing leaves", field="system")
    lifecycle.verify_unchanged(before, gate(conn, before.system))


def read_system(conn: Connection, slug: str) -> Registered:
    """One system as it stands. Raises UnknownSystem."""
    row = _system_row(conn, slug)
    if row is None:
        raise _unknown()
    return _registered(conn, row)


def state_of(conn: Connection, slug: str) -> str | None:
    """The state of a system; None of one that is not registered."""
    return conn.execute(select(SYSTEM.c.state).where(SYSTEM.c.slug == slug)).scalar()


def read_record(conn: Connection, slug: str) -> AISystem:
    """The public record of a system alone. Raises UnknownSystem."""
    row = _system_row(conn, slug)
    if row is None:
        raise _unknown()
    return record_of(row.record)


def list_systems(conn: Connection) -> list[Registered]:
    """Every system, by slug."""
    return [_registered(conn, row) for row in conn.execute(select(SYSTEM).order_by(SYSTEM.c.slug))]


def read_version(conn: Connection, slug: str, version: int) -> SystemVersion:
    """One version of a system. Raises UnknownVersion."""
    where = (VERSION.c.slug == slug, VERSION.c.version == version)
    text = conn.execute(select(VERSION.c.manifest).where(*where)).scalar()
    if text is None:
        raise UnknownVersion("is not a version of this system; see `greffier system show`", field="version")
    return version_of(text)


def list_versions(conn: Connection, slug: str) -> list[SystemVersion]:
    """All versions of a system, the first one first."""
    query = select(VERSION.c.manifest).where(VERSION.c.slug == slug).order_by(VERSION.c.version)
    return [version_of(text) for text in conn.execute(query).scalars()]


def _runnable(conn: Connection, found: Registered, version: int | None) -> SystemVersion | None:
    number = version or found.running_version or found.newest
    if number == 0:
        if found.system.capture in {"none", "external"}:
            return None
        raise TransitionRefused("is missing; register a version before it can run", field="version")
    running = read_version(conn, found.system.slug, number)
    _check_model(conn, running)
    _check_remote(found.system, running)
    return running


def _check_model(conn: Connection, version: SystemVersion) -> None:
    if version.model is not None and find_model(conn, version.model) is None:
        raise ModelNotRegistered("is not in the register; add its file with `greffier model add`", field="model")


def _check_remote(record: AISystem, version: SystemVersion) -> None:
    """The record may have changed since: what holds for a remote model at registration holds at each decision."""
    if record.capture == "external":
        return
    try:
        verify_remote(record, version.manifest, "version")
    except FormatError as error:
        raise NotRunning(f"may not run with its record as it is now: {error}", field="system") from None


def _system_row(conn: Connection, slug: str) -> Row[Any] | None:
    return conn.execute(select(SYSTEM).where(SYSTEM.c.slug == slug)).one_or_none()


def _registered(conn: Connection, row: Row[Any]) -> Registered:
    newest = conn.execute(select(func.max(VERSION.c.version)).where(VERSION.c.slug == row.slug)).scalar()
    number = row.running_version
    # A number that no version has is for `fsck` to name.
    running = None if number is None or number > (newest or 0) else read_version(conn, row.slug, number)
    return Registered(record_of(row.record), row.state, row.state_before, number, running, newest or 0)


def _version_of(manifest: Manifest | None, number: int) -> SystemVersion | None:
    return None if manifest is None else SystemVersion(manifest.system, number, numbered(manifest, number))


def _same_program(versions: list[SystemVersion], manifest: Manifest | None) -> int | None:
    """The number of the version that does the same, None if there is none."""
    if manifest is None:
        return None
    return next(
        (item.version for item in versions if item.manifest == numbered(manifest, item.version)),
        None,
    )


def _unknown() -> UnknownSystem:
    return UnknownSystem("is not registered: see the register, or `greffier system list`", field="system")
