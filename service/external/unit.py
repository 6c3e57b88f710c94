"""Records from elsewhere in the making: each line is held against its version, committed and sealed; then one unit."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar, cast

from auditlog.core.counting.cells import counted
from auditlog.core.counting.figures import Counted
from auditlog.core.entries.record import Entry
from auditlog.core.errors import TooLarge
from auditlog.core.formats.canonical import Json
from auditlog.store import decisions as decision_store
from auditlog.store import sources as source_store
from auditlog.vault.external_content import kept_seal
from auditlog.vault.seal import Prepared
from auditlog.writing.log import Check, Sequenced, Unit
from home.errors import AppError, Refused, asked
from home.greffier import Greffier
from registry.lifecycle import Gate
from registry.store import external_gate
from service.external.lines import Committed, Line, Reported
from service.external.register import Register
from service.external.values import UNDECLARED, Version

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from auditlog.store.insert import Row

A = TypeVar("A")
B = TypeVar("B")


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


@dataclass(frozen=True, slots=True)
class _Ready:
    """A line that its version takes, with the id of its record. `prepared`: None before it is sealed, or for good."""

    position: int
    id: str
    line: Line
    gate: Gate
    version: Version
    values: Mapping[str, Json]
    prepared: Prepared | None = None

    @property
    def commitments(self) -> Mapping[str, str]:
        """What its entry commits to."""
        if self.prepared is not None:
            return self.prepared.commitments
        return self.line.commitments if isinstance(self.line, Committed) else {}


def make(g: Greffier, register: Register, lines: Mapping[int, Line]) -> tuple[list[Made], dict[int, AppError]]:
    """Commit to lines and seal them, given by their positions; and what is wrong with those that cannot be recorded.

    Step by step for all of them, not line by line: each step's code and tables stay in the processor's caches.
    """
    failed: dict[int, AppError] = {}
    ready = [*_each(lines.items(), lambda item: _hold(g, register, *item), lambda item: item[0], failed)]
    sealed = [*_each(ready, lambda item: _seal(g, item), lambda item: item.position, failed)]
    return [*_each(sealed, lambda item: _enter(g, item), lambda item: item.position, failed)], failed


def _each(
    items: Iterable[A], step: Callable[[A], B], position: Callable[[A], int], failed: dict[int, AppError]
) -> Iterator[B]:
    for item in items:
        try:
            yield step(item)
        except AppError as error:
            failed[position(item)] = error


def _hold(g: Greffier, register: Register, position: int, line: Line) -> _Ready:
    """Hold a line against its version. Raises AppError that names the member."""
    gate = register.gate(line)
    version = register.of(gate)
    values: Mapping[str, Json] = {}
    if isinstance(line, Reported):
        values = version.content(line, g.clock())
    else:
        version.demand_names(line)
    return _Ready(position, str(uuid.uuid4()), line, gate, version, values)


def _seal(g: Greffier, ready: _Ready) -> _Ready:
    line = ready.line
    if not isinstance(line, Reported):
        return ready
    with asked():
        return replace(ready, prepared=g.vault.prepare(ready.id, ready.values, line.subjects, refs=line.refs))


def _enter(g: Greffier, ready: _Ready) -> Made:
    gate, line = ready.gate, ready.line
    try:
        entry = g.make(
            "decision/1",
            id=ready.id,
            system=gate.system,
            version=gate.version,
            manifest=gate.manifest_digest,
            capture=external_gate.EXTERNAL,
            mode=gate.mode,
            boot=None,
            source=line.source,
            n=line.n,
            opened=None,
            commitments=ready.commitments,
        )
    except TooLarge:
        raise Refused("the record would exceed 65,535 bytes", reason="too_large") from None
    seal = kept_seal(g.vault, entry) if ready.prepared is None else None
    counts = tuple(_counts(entry, ready.version, ready.values))
    return Made(ready.position, entry, gate, ready.values, ready.prepared, seal, counts)


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
            external_gate.gate_again(conn, gate)
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
