"""The register: systems and models come in, and each arrival is an entry."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from auditlog.core.entries.record import Entry
from auditlog.core.formats.canonical import Json
from auditlog.writing.log import Sequenced, Unit
from home.errors import UsageError
from home.greffier import Greffier
from registry.errors import FormatError
from registry.manifest import Manifest, SystemVersion
from registry.modification import Modification
from registry.publication import NOT_YET
from registry.register_file import parse_register_file
from registry.store import as_of as past_store
from registry.store import history as history_store
from registry.store import listing as listing_store
from registry.store import model_files as model_store
from registry.store import systems as store
from registry.system import AISystem, format_record, record_digest
from runtime.errors import RuntimeFault
from runtime.models import quantize, weights
from service.deciding import programs
from service.records import reading
from service.systems import approval

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
    _record_model(g, model)
    return model


def add_quantized(
    g: Greffier, file: Path, kind: str, told: Callable[[int, int], None] = lambda _done, _all: None
) -> tuple[weights.ModelFile, quantize.Source]:
    """Make a quantised file of a GGUF file in the content-addressed folder, and record it with its origin.

    Where that was done before and the file is as it was, nothing is done. Returns the file that was made and what it
    was made from. Raises UsageError for an unknown type, RuntimeFault where it cannot be made.
    """
    if kind not in quantize.KINDS:
        raise UsageError(
            f"is no type that can be made here: use one of {', '.join(quantize.KINDS)}", field="--quantize"
        )
    with quantize.opened(file) as source:
        model = _made_before(g, source.sha256, kind) or quantize.quantize(source, g.models(), kind, told)
    _record_model(g, model, derived_from=source.sha256, quantization=kind)
    return model, source


def _made_before(g: Greffier, origin: str, kind: str) -> weights.ModelFile | None:
    with g.reading() as conn:
        known = [
            one.sha256
            for one in model_store.list_models(conn)
            if (one.derived_from, one.quantization) == (origin, kind)
        ]
    for sha256 in known:
        # A file that is gone or altered is made again.
        with contextlib.suppress(RuntimeFault):
            return weights.read_model(g.models(), sha256)
    return None


def _record_model(
    g: Greffier, model: weights.ModelFile, *, derived_from: str | None = None, quantization: str | None = None
) -> None:
    with g.reading() as conn:
        if model_store.find_model(conn, model.sha256):
            return
    entry = g.make(
        "model/1",
        model=f"sha256:{model.sha256}",
        size=model.size,
        format="gguf",
        derived_from=f"sha256:{derived_from}" if derived_from else None,
        quantization=quantization,
    )
    row = model_store.RegisteredModel(model.sha256, model.size, model_name(model), derived_from, quantization)
    g.log.append(Unit((entry,), lambda conn, _: model_store.add_model(conn, row))).result()


def model_name(model: weights.ModelFile) -> str:
    """The name that the file gives itself (GGUF `general.name`), or a part of its digest."""
    return weights.name_of(model.sha256, model.metadata)


def register(
    g: Greffier, data: bytes, *, account: str | None = None, substantial: Modification | None = None
) -> PublicSystem:
    """Register a system file: a new system, a further version of it, or a changed public record.

    `account`: whose work it is, an opaque id. `substantial`: of a new version of a system in use, whether it changes
    the system substantially (AI Act 3(23)). Raises RegistryError that names the member; nothing is written then.
    Entries: `system`, `version`, `modification`, first `state`.
    """
    approval.check_account(account)
    file = parse_register_file(data)
    if file.manifest is not None:
        # A version that could never run is refused before it is recorded.
        programs.check(file.manifest, recorded_only=file.system.capture == "external")
        found = other_architecture(g, file.manifest)
        if found is not None:
            raise FormatError(found, field="version.model.architecture")
    with g.reading() as conn:
        plan = store.plan_registration(conn, file)
        approval.demand_answer(g, plan, store.state_of(conn, plan.system.slug), substantial)
    entries = _entries(g, plan, substantial)

    def rows(conn: Connection, sequenced: tuple[Sequenced, ...]) -> None:
        store.apply_registration(conn, plan)
        approval.note(conn, plan.system.slug, sequenced, account)
        for entry, item in zip(entries, sequenced, strict=True):
            if entry.kind == "system/1":
                past_store.add_record(conn, plan.system.slug, item.place, format_record(plan.system).decode())
            if entry.kind == "modification/1" and substantial is not None:
                approval.add_modification(conn, plan, substantial, "administrator", item.place)

    g.log.append(Unit(entries, rows)).result()
    return show(g, plan.system.slug)


def other_architecture(g: Greffier, manifest: Manifest) -> str | None:
    """What is wrong where the model's file has another architecture than the version declares, else None.

    A file that is not here yet is looked at when a version of it is to run.
    """
    if manifest.model is None or manifest.model.architecture is None:
        return None
    found = weights.architecture(g.models(), manifest.model.sha256)
    if found is None or found == manifest.model.architecture:
        return None
    return "is not what the file's header names: declare that, or name the file that was meant"


def list_systems(g: Greffier) -> list[PublicSystem]:
    """All systems, by slug."""
    with g.reading() as conn:
        return [_public(row) for row in store.list_systems(conn)]


def some_systems(g: Greffier, slugs: Sequence[str]) -> list[PublicSystem]:
    """These systems, in this order; raises UnknownSystem for one that there is not."""
    with g.reading() as conn:
        return [_public(store.read_system(conn, slug)) for slug in slugs]


def restricted(g: Greffier) -> dict[str, int]:
    """How many systems are in no public list though they were approved, by the reason that their records give."""
    with g.reading() as conn:
        hidden = [one.slug for one in listing_store.list_all(conn) if one.hidden and one.state not in NOT_YET]
        records = [store.read_system(conn, slug).system for slug in hidden]
    reasons = Counter(one.publication.withheld[0].reason for one in records if one.publication is not None)
    return dict(sorted(reasons.items()))


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


def _entries(g: Greffier, plan: store.Registration, answer: Modification | None) -> tuple[Entry, ...]:
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
    if answer is not None:
        entries.append(approval.make_modification(g, plan, answer, "administrator"))
    if plan.action == "registered":
        first = {"from": None, "to": "draft", "reason": "registered", "role": "administrator"}
        entries.append(g.make("state/1", system=slug, version=None, manifest=None, **first))
    return tuple(entries)


def _public(row: store.Registered) -> PublicSystem:
    return PublicSystem(row.system, row.state, row.running_version, row.version)
