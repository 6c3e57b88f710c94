"""The register's rows against what the log says about them: a part of `log fsck`, since the gate reads those rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auditlog.record import Entry, OpaqueEntry
from registry.store import history as history_store
from registry.store import model_files as model_store
from registry.store import rows as row_store
from runtime.models import weights

if TYPE_CHECKING:
    from sqlalchemy import Connection

KINDS = ("system/1", "version/1", "state/1")
Columns = Mapping[str, Any]


@dataclass
class Told:
    """What the log told last: table by table, the columns of each row by its key."""

    systems: dict[str, dict[str, Any]] = field(default_factory=dict)
    versions: dict[tuple[str, int], Columns] = field(default_factory=dict)
    changes: dict[history_store.Place, Columns] = field(default_factory=dict)
    models: dict[str, Columns] = field(default_factory=dict)


def differences(
    conn: Connection, entries: Iterable[tuple[history_store.Place, Entry | OpaqueEntry]], models: Path
) -> Iterator[tuple[str, str]]:
    """(place, message) for every value of the register that differs from the log, and for every row that is missing.

    `entries`: those of every log, oldest first. `models`: the folder of model files, whose headers give the names that
    the register shows.
    """
    told = read_told(entries)
    systems = {
        slug: {
            "record": row.record,
            "state": row.state,
            "state_before": row.state_before,
            "running_version": row.running_version,
        }
        for slug, row in row_store.system_rows(conn).items()
    }
    yield from _compare("registry_system", told.systems, systems)
    versions = {key: {"manifest": digest} for key, digest in row_store.version_digests(conn).items()}
    yield from _compare("registry_version", told.versions, versions)
    yield from _compare("registry_model", told.models, _models(conn))
    changes = {place: {"slug": slug} for place, slug in history_store.all_changes(conn).items()}
    yield from _compare("registry_change", told.changes, changes)
    yield from _compare_names(conn, models)


def read_told(entries: Iterable[tuple[history_store.Place, Entry | OpaqueEntry]]) -> Told:
    """What the entries say of the register, of every log, oldest first."""
    told = Told()
    for place, entry in entries:
        if isinstance(entry, OpaqueEntry):
            continue
        members: Any = entry.members
        if entry.kind == "model/1":
            told.models[_hex(members["model"])] = {
                "size": members["size"],
                "derived_from": _hex(members["derived_from"]),
                "quantization": members["quantization"],
            }
        if entry.kind not in KINDS:
            continue
        slug = members["system"]
        told.changes[place] = {"slug": slug}
        if entry.kind == "system/1":
            told.systems.setdefault(slug, {})["record"] = members["record"]
        elif entry.kind == "version/1":
            told.versions[slug, members["version"]] = {"manifest": members["manifest"]}
        else:
            before = members["from"] if members["to"] == "suspended" else None
            state = {"state": members["to"], "state_before": before, "running_version": members["version"]}
            told.systems.setdefault(slug, {}).update(state)
    return told


def _models(conn: Connection) -> dict[str, Columns]:
    return {
        model.sha256: {"size": model.size, "derived_from": model.derived_from, "quantization": model.quantization}
        for model in model_store.list_models(conn)
    }


def _hex(digest: str | None) -> Any:
    return None if digest is None else digest.removeprefix("sha256:")


def _compare(table: str, told: Mapping[Any, Columns], stored: Mapping[Any, Columns]) -> Iterator[tuple[str, str]]:
    for key in sorted(told.keys() | stored.keys(), key=str):
        place = f"{table}({key})"
        if key not in stored:
            yield place, "the log tells of it, but the row is missing: restore the database from a good backup"
        elif key not in told:
            yield place, "no entry of the log tells of it: it was added past the log"
        else:
            for column in sorted(told[key].keys() | stored[key].keys()):
                if told[key].get(column) != stored[key].get(column):
                    yield f"{place}.{column}", "differs from what the log says: it was changed past the log"


def _compare_names(conn: Connection, folder: Path) -> Iterator[tuple[str, str]]:
    """A model's name stands in its file. A file that is missing or changed is for `doctor` and the gate to name."""
    for model in model_store.list_models(conn):
        name = weights.read_name(folder, model.sha256)
        if name is not None and name != model.name:
            yield f"registry_model({model.sha256}).name", "is not the name that the model file gives itself"
