"""The register's rows against what the log says about them: a part of `log fsck`, since the gate reads those rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from auditlog.record import Entry, OpaqueEntry
from registry.store import history as history_store
from registry.store import models as model_store
from registry.store import systems as store
from registry.system import record_digest

if TYPE_CHECKING:
    from sqlalchemy import Connection

KINDS = ("system/1", "version/1", "state/1")


@dataclass
class _Told:
    """What the log told last about each system and model."""

    records: dict[str, str] = field(default_factory=dict)
    states: dict[str, tuple[str, int | None]] = field(default_factory=dict)
    versions: dict[tuple[str, int], str] = field(default_factory=dict)
    changes: dict[int, str] = field(default_factory=dict)
    models: dict[str, int] = field(default_factory=dict)


def differences(conn: Connection, entries: Iterable[tuple[int, Entry | OpaqueEntry]]) -> Iterator[tuple[str, str]]:
    """(place, message) for every row of the register that differs from the log, and for every one that is missing."""
    told = _read(entries)
    systems = {row.system.slug: row for row in store.list_systems(conn)}
    yield from _compare(
        "registry_system", "record", told.records, {s: record_digest(r.system) for s, r in systems.items()}
    )
    states = {slug: (row.state, row.running_version) for slug, row in systems.items()}
    yield from _compare("registry_system", "state or running_version", told.states, states)
    versions = {(slug, v.version): v.digest for slug in systems for v in store.list_versions(conn, slug)}
    yield from _compare("registry_version", "manifest", told.versions, versions)
    models = {model.sha256: model.size for model in model_store.list_models(conn)}
    yield from _compare("registry_model", "size", told.models, models)
    yield from _compare("registry_change", "slug", told.changes, history_store.all_changes(conn))


def _read(entries: Iterable[tuple[int, Entry | OpaqueEntry]]) -> _Told:
    told = _Told()
    for index, entry in entries:
        if isinstance(entry, OpaqueEntry):
            continue
        members: Any = entry.members
        if entry.kind == "model/1":
            told.models[members["model"].removeprefix("sha256:")] = members["size"]
        if entry.kind not in KINDS:
            continue
        slug = members["system"]
        told.changes[index] = slug
        if entry.kind == "system/1":
            told.records[slug] = members["record"]
        elif entry.kind == "version/1":
            told.versions[slug, members["version"]] = members["manifest"]
        else:
            told.states[slug] = (members["to"], members["version"])
    return told


def _compare(table: str, column: str, told: dict[Any, Any], stored: dict[Any, Any]) -> Iterator[tuple[str, str]]:
    for key in sorted(told.keys() | stored.keys(), key=str):
        place = f"{table}({key}).{column}"
        if key not in stored:
            yield place, "the log tells of it, but the row is missing: restore the database from a good backup"
        elif key not in told:
            yield place, "no entry of the log tells of it: it was added past the log"
        elif told[key] != stored[key]:
            yield place, "differs from what the log says: it was changed past the log"
