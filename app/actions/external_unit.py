"""Records from elsewhere in the making: each line is held against its version, committed and sealed; then one unit."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from app.actions.external_lines import Line, Told
from app.actions.external_register import Register
from app.actions.external_values import UNDECLARED, Version
from app.errors import asked
from app.home import Greffier
from auditlog.canonical import Json
from auditlog.cells import counted
from auditlog.figures import Counted
from auditlog.log import Check, Sequenced, Unit
from auditlog.record import Entry
from auditlog.store import decisions as decision_store
from auditlog.store import sources as source_store
from auditlog.vault.elsewhere import kept_seal
from auditlog.vault.seal import Prepared
from registry.lifecycle import Gate
from registry.store import elsewhere

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from auditlog.store.insert import Row


@dataclass(frozen=True, slots=True)
class Made:
    """A line that is ready to be recorded. `prepared` is None where the content stays with its sender."""

    position: int
    entry: Entry
    gate: Gate
    values: Mapping[str, Json]
    prepared: Prepared | None
    seal: bytes | None
    counts: tuple[Counted, ...]


def make(g: Greffier, register: Register, position: int, line: Line) -> Made:
    """Commit to a line and seal it. Raises AppError that names the member, TooLarge."""
    gate = register.gate(line)
    version = register.of(gate)
    entry_id = str(uuid.uuid4())
    values: Mapping[str, Json] = {}
    prepared = None
    if isinstance(line, Told):
        now = g.clock()
        values = version.content(line, now, now)
        with asked():
            prepared = g.vault.prepare(entry_id, values, line.subjects, refs=line.refs)
        commitments = prepared.commitments
    else:
        version.demand_names(line)
        commitments = line.commitments
    entry = g.make(
        "decision/1",
        id=entry_id,
        system=gate.system,
        version=gate.version,
        manifest=gate.manifest_digest,
        capture=elsewhere.EXTERNAL,
        mode=gate.mode,
        boot=None,
        source=line.source,
        n=line.n,
        opened=None,
        commitments=commitments,
    )
    seal = kept_seal(g.vault, entry) if prepared is None else None
    return Made(position, entry, gate, values, prepared, seal, tuple(_counts(entry, version, values)))


def _counts(entry: Entry, version: Version, values: Mapping[str, Json]) -> list[Counted]:
    if not values:
        return counted(entry, {})
    run = values["run"]
    undeclared = cast("int", run[UNDECLARED]) if isinstance(run, dict) else 0
    return counted(entry, values, held=version.held(str(values["outcome"])), undeclared=undeclared)


def unit(made: Sequence[Made]) -> Unit:
    """All of them, in one transaction. Dropped with NumberTaken or a GateClosed where something changed meanwhile."""
    numbers = [(item.entry.members["source"], item.entry.members["n"]) for item in made]
    gates = {(item.gate.system, item.gate.version): item.gate for item in made}

    def ask(conn: Connection) -> None:
        """What was stopped meanwhile is not recorded, and no number has two records."""
        for gate in gates.values():
            elsewhere.gate_again(conn, gate)
        source_store.demand_free(conn, numbers)

    def rows(sequenced: tuple[Sequenced, ...]) -> list[Row]:
        found: list[Row] = []
        for item, placed in zip(made, sequenced, strict=True):
            if item.prepared is not None:
                found += item.prepared.rows()
            found += decision_store.decision_rows(item.entry, item.values, placed.place)
            found.append(source_store.source_row(item.entry, placed.place, item.seal))
        return found

    counts = [one for item in made for one in item.counts]
    # Asked for each unit anew: two that bring the same number may stand in one group.
    return Unit(tuple([item.entry for item in made]), rows=rows, check=Check(object(), ask), counts=lambda _: counts)
