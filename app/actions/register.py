"""The register: systems and models come in, and each arrival is an entry."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from app.home import Greffier
from auditlog.canonical import Json
from auditlog.log import Unit
from auditlog.record import Entry
from auditlog.store import log as log_store
from registry.manifest import SystemVersion
from registry.store import systems as store
from registry.system import AISystem, format_system, parse_register_file
from runtime import weights

REGISTER_KINDS = ("system/1", "version/1", "state/1")


@dataclass(frozen=True, slots=True)
class PublicSystem:
    """A system as the public register shows it: the record, its state, the running version (None before the first)."""

    system: AISystem
    state: str
    running_version: int | None
    version: SystemVersion | None


def add_model(g: Greffier, file: Path) -> weights.ModelFile:
    """Copy a GGUF file into the content-addressed folder and record it; the same file again changes nothing."""
    model = weights.add_model(file, g.models())
    with g.reading() as conn:
        if store.find_model(conn, model.sha256):
            return model
    digest = f"sha256:{model.sha256}"
    entry = g.make(
        "model/1",
        model=digest,
        size=model.size,
        format="gguf",
        derived_from=None,
        quantization=model.quantization,
    )
    g.log.append(Unit((entry,), lambda conn, _: store.add_model(conn, model.sha256, model.size, model.name))).result()
    return model


def register(g: Greffier, data: bytes) -> PublicSystem:
    """Register a system file: a new system, a further version of it, or a changed public record.

    Raises RegistryError that names the member; nothing is written then. Entries: `system`, `version`, first `state`.
    """
    system, manifest = parse_register_file(data)
    with g.reading() as conn:
        plan = store.plan_registration(conn, system, manifest)
    entries: list[Entry] = []
    if plan.record_changed:
        action = "registered" if plan.is_new else "changed"
        record = f"sha256:{hashlib.sha256(format_system(system)).hexdigest()}"
        entries.append(g.make("system/1", system=system.slug, record=record, action=action))
    if plan.version is not None:
        model = plan.version.manifest.model
        entries.append(
            g.make(
                "version/1",
                system=system.slug,
                version=plan.version.version,
                manifest=plan.version.digest,
                model=f"sha256:{model.sha256}" if model else None,
            )
        )
    if plan.is_new:
        entries.append(
            g.make(
                "state/1",
                system=system.slug,
                version=None,
                manifest=None,
                **{"from": None},
                to="draft",
                reason="registered",
                role="administrator",
            )
        )
    g.log.append(Unit(tuple(entries), lambda conn, _: store.apply_registration(conn, plan))).result()
    return show(g, system.slug)


def list_systems(g: Greffier) -> list[PublicSystem]:
    """All systems, by slug."""
    with g.reading() as conn:
        return [_public(row) for row in store.list_systems(conn)]


def show(g: Greffier, slug: str) -> PublicSystem:
    """One system; raises registry's UnknownSystem."""
    with g.reading() as conn:
        return _public(store.show_system(conn, slug))


def history(g: Greffier, slug: str) -> list[dict[str, Json]]:
    """The system's own entries in order: index, time, kind, and the members that say what happened."""
    show(g, slug)
    changes: list[dict[str, Json]] = []
    with g.reading() as conn:
        for index, entry in log_store.entries_of_kinds(conn, g.log.number, REGISTER_KINDS):
            if entry.members["system"] == slug:
                what = {key: value for key, value in entry.members.items() if key != "system"}
                changes.append({"index": index, "time": entry.time, "kind": entry.kind, "what": what})
    return changes


def _public(row: store.StoredSystem) -> PublicSystem:
    return PublicSystem(row.system, row.state, row.running_version, row.running)
