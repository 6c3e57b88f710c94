"""The register's rows against what the log says about them: a part of `log fsck`, since the gate reads those rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auditlog.core.entries.record import Entry, OpaqueEntry
from auditlog.store.vault import find_sealed
from registry.store import answers as answer_store
from registry.store import as_of as past_store
from registry.store import fitness as fitness_store
from registry.store import history as history_store
from registry.store import incidents as incident_store
from registry.store import listing as listing_store
from registry.store import model_files as model_store
from registry.store import rows as row_store
from runtime.models import weights

if TYPE_CHECKING:
    from sqlalchemy import Connection

KINDS = ("system/1", "version/1", "state/1", "fitness/1", "override/1", "modification/1", "answers/1")
Columns = Mapping[str, Any]


@dataclass
class LoggedRegister:
    """What the log told last: table by table, the columns of each row by its key."""

    systems: dict[str, dict[str, Any]] = field(default_factory=dict)
    versions: dict[tuple[str, int], Columns] = field(default_factory=dict)
    changes: dict[history_store.Place, Columns] = field(default_factory=dict)
    models: dict[str, Columns] = field(default_factory=dict)
    reports: dict[history_store.Place, Columns] = field(default_factory=dict)
    overrides: dict[history_store.Place, Columns] = field(default_factory=dict)
    records: dict[history_store.Place, Columns] = field(default_factory=dict)
    modifications: dict[history_store.Place, Columns] = field(default_factory=dict)
    incidents: dict[history_store.Place, Columns] = field(default_factory=dict)
    answers: dict[str, str] = field(default_factory=dict)


def differences(
    conn: Connection, entries: Iterable[tuple[history_store.Place, Entry | OpaqueEntry]], models: Path
) -> Iterator[tuple[str, str]]:
    """(place, message) for every value of the register that differs from the log, and for every row that is missing.

    `entries`: those of every log, oldest first. `models`: the folder of model files, whose headers give the names that
    the register shows.
    """
    told = read_logged(entries)
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
    yield from _compare("registry_fitness", told.reports, _reports(conn))
    yield from _compare("registry_override", told.overrides, _overrides(conn))
    yield from _compare("registry_modification", told.modifications, _modifications(conn))
    yield from _compare_answers(conn, told)
    yield from _compare("registry_record", *_records(conn, told))
    yield from _compare_steps(conn, told)
    stored = incident_store.logged_columns(conn)
    yield from _compare("registry_incident", _with_content(conn, told, stored), stored)
    yield from listing_store.differences(conn)
    yield from _compare_names(conn, models)


def read_logged(entries: Iterable[tuple[history_store.Place, Entry | OpaqueEntry]]) -> LoggedRegister:
    """What the entries say of the register, of every log, oldest first."""
    told = LoggedRegister()
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
        if entry.kind == "incident/1":
            names = ("incident", "version", "duty", "step", "role")
            columns = {"id": entry.id, "slug": members["system"]}
            told.incidents[place] = {**columns, **{name: members[name] for name in names}}
        if entry.kind in KINDS:
            told.changes[place] = {"slug": members["system"]}
            _TOLD[entry.kind](told, place, members)
    return told


def _logged_state(told: LoggedRegister, _place: history_store.Place, members: Any) -> None:
    before = members["from"] if members["to"] == "suspended" else None
    state = {"state": members["to"], "state_before": before, "running_version": members["version"]}
    told.systems.setdefault(members["system"], {}).update(state)


def _logged_system(told: LoggedRegister, place: history_store.Place, members: Any) -> None:
    told.systems.setdefault(members["system"], {})["record"] = members["record"]
    told.records[place] = {"slug": members["system"], "record": members["record"]}


def _logged_version(told: LoggedRegister, _place: history_store.Place, members: Any) -> None:
    told.versions[members["system"], members["version"]] = {"manifest": members["manifest"]}


def _logged_fitness(told: LoggedRegister, place: history_store.Place, members: Any) -> None:
    told.reports[place] = {"slug": members["system"], "version": members["version"], "report": members["report"]}


def _logged_override(told: LoggedRegister, place: history_store.Place, members: Any) -> None:
    names = ("version", "fitness", "ground", "statement", "role")
    told.overrides[place] = {"slug": members["system"], **{name: members[name] for name in names}}


def _logged_modification(told: LoggedRegister, place: history_store.Place, members: Any) -> None:
    names = ("version", "substantial", "statement", "role")
    told.modifications[place] = {"slug": members["system"], **{name: members[name] for name in names}}


def _logged_answers(told: LoggedRegister, _place: history_store.Place, members: Any) -> None:
    told.answers[members["system"]] = members["answers"]


_TOLD = {
    "system/1": _logged_system,
    "version/1": _logged_version,
    "state/1": _logged_state,
    "fitness/1": _logged_fitness,
    "override/1": _logged_override,
    "modification/1": _logged_modification,
    "answers/1": _logged_answers,
}


def _reports(conn: Connection) -> dict[history_store.Place, Columns]:
    found = fitness_store.all_reports(conn).items()
    return {place: {"slug": one.slug, "version": one.version, "report": one.digest} for place, one in found}


def _overrides(conn: Connection) -> dict[history_store.Place, Columns]:
    return {
        place: {
            "slug": one.slug,
            "version": one.version,
            "fitness": one.fitness,
            "ground": one.ground,
            "statement": one.digest,
            "role": one.role,
        }
        for place, one in fitness_store.all_overrides(conn).items()
    }


def _modifications(conn: Connection) -> dict[history_store.Place, Columns]:
    names = ("slug", "version", "substantial", "role")
    return {
        place: {**{name: getattr(one, name) for name in names}, "statement": one.digest}
        for place, one in past_store.all_modifications(conn).items()
    }


def _records(
    conn: Connection, told: LoggedRegister
) -> tuple[dict[history_store.Place, Columns], dict[history_store.Place, Columns]]:
    """Past records as the log tells of them, and as they are stored. Those from before the first one of a system that
    was kept are not asked for: the newest one always is."""
    stored: dict[history_store.Place, Columns] = {
        place: {"slug": slug, "record": record} for place, (slug, record) in past_store.all_records(conn).items()
    }
    kept: dict[str, history_store.Place] = {}
    for place in sorted(told.records, reverse=True):
        slug = told.records[place]["slug"]
        if slug not in kept or place in stored:
            kept[slug] = place
    asked = {place: columns for place, columns in told.records.items() if place >= kept[columns["slug"]]}
    return asked, stored


def _compare_answers(conn: Connection, told: LoggedRegister) -> Iterator[tuple[str, str]]:
    """All rounds of a system against the newest entry that tells of them. Rounds from before the log told of answers,
    of a system that was not answered since, have nothing that they could be held against: `doctor` names them."""
    stored = answer_store.all_digests(conn)
    for slug in sorted(told.answers.keys() | stored.keys(), key=str):
        place = f"registry_answer({slug})"
        if slug not in stored:
            yield place, "the log tells of answers, but the rows are missing: restore the database, or answer again"
        elif slug in told.answers and told.answers[slug] != stored[slug][0]:
            yield place, "are not the answers that the log tells of: rows were changed, added or taken away past it"
        elif slug not in told.answers and not stored[slug][1]:
            yield place, "no entry of the log tells of these answers: they were added past the log"


def _compare_steps(conn: Connection, told: LoggedRegister) -> Iterator[tuple[str, str]]:
    """The log tells of each step; whose it was, the register alone says."""
    for place, slug in sorted(past_store.all_steps(conn).items()):
        if told.changes.get(place, {}).get("slug") != slug:
            yield f"registry_step({place})", "no entry of the log tells of it: it was added past the log"


def _with_content(
    conn: Connection, told: LoggedRegister, stored: Mapping[history_store.Place, Columns]
) -> dict[history_store.Place, Columns]:
    """Steps of incidents that have a row, or content: a database that was built from an export alone has neither, and
    nobody knows what the row said."""
    return {
        place: columns
        for place, columns in told.incidents.items()
        if place in stored or find_sealed(conn, columns["id"]) is not None
    }


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
