"""One decision from end to end: gate → generate → record → release (DESIGN §4). Nothing leaves without its record."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from app.actions import boots, costs, notices, programs
from app.errors import Refused, Unfinished
from app.home import Greffier
from auditlog.canonical import Json
from auditlog.errors import CannotRecord, TooLarge
from auditlog.log import Integrated, Unit
from auditlog.store import decisions as decision_store
from registry.errors import RegistryError
from registry.store import systems as register_store
from registry.store.systems import Gate
from runtime.engine import Generation, Request
from runtime.errors import RuntimeFault, WorkerLost

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """What `decide` gives back. `outcome` and `output` are None while the result is held for an officer."""

    id: str
    index: int
    system: str
    version: int
    outcome: str | None
    output: Json
    held: bool
    usage: dict[str, Json]
    notice: str
    ai_generated: bool


def release(answer: T, integrated: Integrated) -> T:
    """The only way out: an answer leaves with the proof that its record is integrated (DESIGN §3)."""
    if not integrated.sequenced:
        raise CannotRecord("an answer without a record may not leave", cause="unknown")
    return answer


def decide(
    g: Greffier,
    slug: str,
    inputs: Mapping[str, Json],
    *,
    subjects: tuple[str, ...] = (),
    parent: str | None = None,
    lang: str = "en",
) -> Answer:
    """Decide one case with a registered system.

    `inputs` maps declared field ids to values; an absent field counts as not stated. Raises Refused (a rule says no, a
    `refused` entry exists), Unfinished (began and did not end, an entry says so), CannotRecord (nothing was decided).
    """
    received = g.clock()
    _recording(g)
    gate = _gate(g, slug)
    values = programs.check_inputs(gate.manifest, inputs, lambda reason, text, field: _refuse(g, gate, reason, text, field))
    request = Request(
        id=str(uuid.uuid4()),
        program=programs.program(gate.manifest),
        fields=programs.prompt_values(gate.manifest, values),
        seed=programs.seed(gate.manifest),
    )
    generation = _generate(g, gate, request)
    integrated, record_values = _record(g, gate, request.id, values, generation, subjects, parent, received)
    held = programs.held(gate.manifest, generation.outcome)
    usage = record_values["usage"]
    assert isinstance(usage, dict)
    answer = Answer(
        id=request.id,
        index=integrated.sequenced[0].index,
        system=slug,
        version=gate.version,
        outcome=None if held else generation.outcome,
        output=None if held else generation.output,
        held=held,
        usage=usage,
        notice=notices.notice(g, gate.system, request.id, lang),
        ai_generated=True,
    )
    return release(answer, integrated)


def _recording(g: Greffier) -> None:
    """No record, no answer: a log that cannot write decides nothing (promise 2)."""
    if g.problem is not None:
        raise g.problem
    state = g.log.state()
    if not state.recording:
        # One attempt to write again: a pulse. It raises CannotRecord while the cause lasts.
        boots.pulse(g)


def _gate(g: Greffier, slug: str) -> Gate:
    try:
        with g.reading() as conn:
            return register_store.gate(conn, slug)
    except RegistryError as error:
        raise _refused(g, None, error.reason, str(error), "system", slug) from None


def _refuse(g: Greffier, gate: Gate, reason: str, message: str, field: str | None) -> Refused:
    return _refused(g, gate, reason, message, field, gate.system.slug)


def _refused(
    g: Greffier, gate: Gate | None, reason: str, message: str, field: str | None, slug: str, n: int | None = None
) -> Refused:
    """Record a `refused` entry and return what to raise. An unknown caller's string never gets into the log."""
    known = None if reason == "unknown_system" else slug
    entry = g.make(
        "refused/1",
        system=known,
        version=gate.version if gate else None,
        reason=reason,
        boot=g.boot if n is not None else None,
        n=n,
    )
    g.log.append(Unit((entry,))).result()
    return Refused(message, reason=reason, field=field)


def _generate(g: Greffier, gate: Gate, request: Request) -> Generation:
    try:
        boots.ensure(g)
        return g.runtime.generate(request).result()
    except WorkerLost as error:
        _unfinished(g, gate, error.boot, error.n, "worker_lost")
        boots.lost(g, error)
        raise Unfinished("the runtime ended during the decision; try again", reason="worker_lost") from None
    except RuntimeFault as error:
        raise _refuse(g, gate, error.reason, str(error), error.field) from None


def _record(
    g: Greffier,
    gate: Gate,
    decision_id: str,
    inputs: Mapping[str, Json],
    generation: Generation,
    subjects: tuple[str, ...],
    parent: str | None,
    received: datetime,
) -> tuple[Integrated, dict[str, Json]]:
    """Seal the values, write entry and rows in one unit, and wait until it is integrated."""
    decided = g.clock()
    values: dict[str, Json] = {f"in_{field}": value for field, value in inputs.items()}
    values |= {
        "output": generation.output,
        "outcome": generation.outcome,
        "parent": parent,
        "usage": costs.usage(gate.system, generation.usage),
        "run": programs.run_facts(gate.manifest, generation),
        "times": {"received": _micro(received), "decided": _micro(decided), "recorded": _micro(g.clock())},
    }
    prepared = g.vault.prepare(decision_id, values, subjects)
    try:
        entry = g.make(
            "decision/1",
            id=decision_id,
            system=gate.system.slug,
            version=gate.version,
            manifest=gate.digest,
            capture="runtime",
            mode=gate.mode,
            boot=generation.boot,
            source=None,
            n=generation.n,
            opened=None,
            commitments=prepared.commitments,
        )
    except TooLarge:
        _unfinished(g, gate, generation.boot, generation.n, "too_large")
        raise Unfinished("the record would exceed 65,535 bytes", reason="too_large") from None

    def rows(conn: decision_store.Connection, sequenced: tuple[decision_store.Sequenced, ...]) -> None:
        # Asked again inside the transaction: what was stopped meanwhile does not leave (promise 1).
        register_store.require_gate(conn, gate)
        prepared.insert(conn)
        decision_store.insert_decision(conn, entry, prepared.values, sequenced[0].index)

    try:
        return g.log.append(Unit((entry,), rows)).result(), prepared.values
    except RegistryError:
        g.vault.discard(prepared)
        _unfinished(g, gate, generation.boot, generation.n, "stopped")
        raise Refused("the system was stopped while this was decided", reason="stopped_meanwhile", field="system") from None


def _unfinished(g: Greffier, gate: Gate, boot: str, n: int, reason: str) -> None:
    entry = g.make(
        "unfinished/1",
        system=gate.system.slug,
        version=gate.version,
        manifest=gate.digest,
        boot=boot,
        n=n,
        reason=reason,
        opened=None,
        commitments={"reached": None},
    )
    g.log.append(Unit((entry,))).result()


def _micro(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
