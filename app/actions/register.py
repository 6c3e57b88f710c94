"""The register: systems and models come in, and each arrival is an entry."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.actions import programs, reading
from app.home import Greffier
from auditlog.canonical import Json
from auditlog.log import Sequenced, Unit
from auditlog.record import Entry
from registry.manifest import SystemVersion
from registry.register_file import parse_register_file
from registry.store import history as history_store
from registry.store import model_files as model_store
from registry.store import systems as store
from registry.system import AISystem, record_digest
from runtime import weights

if TYPE_CHECKING:
    from sqlalchemy import Connection


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
        if model_store.find_model(conn, model.sha256):
            return model
    entry = g.make(
        "model/1", model=f"sha256:{model.sha256}", size=model.size, format="gguf", derived_from=None, quantization=None
    )
    row = model_store.RegisteredModel(model.sha256, model.size, model_name(model))
    g.log.append(Unit((entry,), lambda conn, _: model_store.add_model(conn, row))).result()
    return model


def model_name(model: weights.ModelFile) -> str:
    """The name that the file gives itself (GGUF `general.name`), or a part of its digest."""
    return weights.name_of(model.sha256, model.metadata)


def register(g: Greffier, data: bytes) -> PublicSystem:
    """Register a system file: a new system, a further version of it, or a changed public record.

    Raises RegistryError that names the member; nothing is written then. Entries: `system`, `version`, first `state`.
    """
    file = parse_register_file(data)
    if file.manifest is not None:
        # A version that could never run is refused before it is recorded.
        programs.check(file.manifest)
    with g.reading() as conn:
        plan = store.plan_registration(conn, file)
    entries = _entries(g, plan)

    def rows(conn: Connection, sequenced: tuple[Sequenced, ...]) -> None:
        store.apply_registration(conn, plan)
        history_store.add_changes(conn, plan.system.slug, sequenced[0].log, (item.index for item in sequenced))

    g.log.append(Unit(entries, rows)).result()
    return show(g, plan.system.slug)


def list_systems(g: Greffier) -> list[PublicSystem]:
    """All systems, by slug."""
    with g.reading() as conn:
        return [_public(row) for row in store.list_systems(conn)]


def show(g: Greffier, slug: str) -> PublicSystem:
    """One system; raises registry's UnknownSystem."""
    with g.reading() as conn:
        return _public(store.read_system(conn, slug))


def history(g: Greffier, slug: str) -> list[dict[str, Json]]:
    """The system's own entries in order: log, index, time, kind, and the members that say what happened."""
    show(g, slug)
    changes: list[dict[str, Json]] = []
    with g.reading() as conn:
        for log, index in history_store.list_changes(conn, slug):
            entry = reading.entry_at(conn, log, index)
            what = {name: value for name, value in entry.members.items() if name != "system"}
            changes.append({"log": log, "index": index, "time": entry.time, "kind": entry.kind, "what": what})
    return changes


def _entries(g: Greffier, plan: store.Registration) -> tuple[Entry, ...]:
    slug = plan.system.slug
    entries: list[Entry] = []
    if plan.action is not None:
        entries.append(g.make("system/1", system=slug, record=record_digest(plan.system), action=plan.action))
    if plan.version is not None:
        model = plan.version.model
        entries.append(
            g.make(
                "version/1",
                system=slug,
                version=plan.version.version,
                manifest=plan.version.digest,
                model=f"sha256:{model}" if model else None,
            )
        )
    if plan.action == "registered":
        first = {"from": None, "to": "draft", "reason": "registered", "role": "administrator"}
        entries.append(g.make("state/1", system=slug, version=None, manifest=None, **first))
    return tuple(entries)


def _public(row: store.Registered) -> PublicSystem:
    return PublicSystem(row.system, row.state, row.running_version, row.version)
