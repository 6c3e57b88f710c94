"""One decision from end to end: gate → generate → record → release (DESIGN §4). Nothing leaves without its record."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar, cast

from app.actions import boots, costs, notices, programs
from app.errors import Refused, Unfinished, UsageError, asked
from app.home import Greffier
from auditlog.canonical import Json
from auditlog.errors import CannotRecord, TooLarge
from auditlog.log import Check, Integrated, Sequenced, Unit
from auditlog.store import decisions as decision_store
from auditlog.vault.subjects import normalise_all
from registry.errors import GateClosed
from registry.lifecycle import Gate
from registry.store import systems as register_store
from runtime.capture import Generation
from runtime.errors import CounterDamaged, DeadlineExceeded, RuntimeFault, WorkerLost
from runtime.program import Request

if TYPE_CHECKING:
    from auditlog.store.insert import Row

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """What `decide` gives back. While the result is held for an officer, `outcome` and `output` are None.

    So is `usage` then: how many tokens and how long it took can tell which result it was (DESIGN §5.1).
    """

    id: str
    index: int
    system: str
    version: int
    outcome: str | None
    output: Json
    held: bool
    usage: dict[str, Json] | None
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
    _demand_sense(g, subjects, lang)
    _recording(g)
    gate = _gate(g, slug)
    values = _inputs(g, gate, inputs)
    request = Request(
        id=str(uuid.uuid4()),
        program=programs.program(gate.running.manifest),
        fields=cast("Any", values),
        seed=programs.seed(gate.running.manifest),
        watts=gate.record.host.declared_watts if gate.record.host else None,
    )
    generation = _generate(g, gate, request)
    decided = _micro(g.clock())
    usage = costs.usage(gate.record, generation.usage)
    content: dict[str, Json] = {
        **{f"in_{field}": value for field, value in values.items()},
        "output": programs.to_json(generation.output),
        "outcome": generation.outcome,
        "parent": parent,
        "usage": usage,
        "run": programs.run_facts(generation),
        "times": {"received": _micro(received), "decided": decided, "recorded": _micro(g.clock())},
    }
    integrated = _record(g, gate, generation, content, subjects)
    held = gate.running.manifest.release_of(generation.outcome) == "after_review"
    answer = Answer(
        id=generation.id,
        index=integrated.sequenced[0].index,
        system=slug,
        version=gate.version,
        outcome=None if held else generation.outcome,
        output=None if held else content["output"],
        held=held,
        usage=None if held else usage,
        notice=notices.notice(g, gate.record, generation.id, lang),
        ai_generated=True,
    )
    return release(answer, integrated)


def _demand_sense(g: Greffier, subjects: tuple[str, ...], lang: str) -> None:
    """Raise UsageError for what would fail only after the model has run, when the decision is in the log."""
    with asked():
        normalise_all(subjects)
    if lang not in g.renderer.languages:
        raise UsageError(f"use one of {', '.join(g.renderer.languages)}", field="lang")


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
            gate = register_store.gate(conn, slug)
    except GateClosed as error:
        known = slug if error.reason != "unknown_system" else None
        raise _refused(g, error.reason or "not_running", str(error), field="system", system=known) from None
    if gate.model is None:
        raise _refuse(g, gate, "not_running", "the running version is remote; the gateway is not here yet", "system")
    return gate


def _inputs(g: Greffier, gate: Gate, inputs: Mapping[str, Json]) -> dict[str, Json]:
    try:
        return programs.inputs(gate.running.manifest, inputs)
    except RuntimeFault as fault:
        # The name of an undeclared field is the caller's word, whatever it looks like.
        declared = fault.field in {field.id for field in gate.running.manifest.fields}
        message = fault.message if fault.fix is None else f"{fault.message}; {fault.fix}"
        field = f"input.{fault.field}" if declared else "input"
        if not declared:
            message = f"holds a field that this version does not declare; {fault.fix}"
        raise _refuse(g, gate, fault.reason or "input_invalid", message, field) from None


def _generate(g: Greffier, gate: Gate, request: Request) -> Generation:
    """Run the request. A fault before its number was taken is a refusal; after it, the decision is unfinished."""
    try:
        build = g.runtime.start().runtime
        if build not in gate.running.manifest.builds:
            raise _refuse(g, gate, "build_not_accepted", "the version accepts other builds than the one here", "builds")
        return g.runtime.generate(request).result()
    except OSError as error:
        message = f"cannot be used ({error.strerror}): give the program its rights and space"
        raise CannotRecord(message, cause="unwritable", field="run") from error
    except CounterDamaged as fault:
        raise CannotRecord(str(fault), cause="unknown") from None
    except WorkerLost as lost:
        boots.lost(g, lost)
        if lost.n is not None:
            _unfinished(g, gate, str(lost.boot), lost.n, reason="worker_lost")
        raise Unfinished("the runtime ended during the decision; try again", reason="worker_lost") from None
    except RuntimeFault as fault:
        if fault.boot is not None and fault.n is not None:
            _unfinished(g, gate, fault.boot, fault.n, reason=fault.reason or "output_invalid")
            raise Unfinished(str(fault), reason=fault.reason or "output_invalid") from None
        if isinstance(fault, DeadlineExceeded):
            # No number was taken and no rule refused it: there was no time, and nothing to record.
            raise Unfinished(str(fault), reason="deadline") from None
        raise _refuse(g, gate, fault.reason or "build_not_accepted", str(fault), fault.field) from None


def _record(
    g: Greffier, gate: Gate, generation: Generation, content: dict[str, Json], subjects: tuple[str, ...]
) -> Integrated:
    """Seal the values, write entry and rows in one unit, and wait until it is integrated."""
    prepared = g.vault.prepare(generation.id, content, subjects)
    try:
        entry = g.make(
            "decision/1",
            id=generation.id,
            system=gate.system,
            version=gate.version,
            manifest=gate.manifest_digest,
            capture="runtime",
            mode=gate.mode,
            boot=generation.boot,
            source=None,
            n=generation.n,
            opened=None,
            commitments=prepared.commitments,
        )
    except TooLarge:
        _unfinished(g, gate, generation.boot, generation.n, reason="too_large", reached=generation.usage.output_tokens)
        raise Unfinished("the record would exceed 65,535 bytes", reason="too_large") from None

    def rows(sequenced: tuple[Sequenced, ...]) -> list[Row]:
        row = decision_store.row_from(entry, content, sequenced[0].place)
        return [*prepared.rows(), *decision_store.decision_rows(row)]

    # Asked again inside the transaction: what was stopped meanwhile does not leave (promise 1).
    key = (gate.system, gate.manifest_digest, gate.mode)
    check = Check(key, lambda conn: register_store.gate_again(conn, gate))

    try:
        return g.log.append(Unit((entry,), rows=rows, check=check)).result()
    except GateClosed:
        _unfinished(g, gate, generation.boot, generation.n, reason="stopped", reached=generation.usage.output_tokens)
        message = "was stopped while this was decided; ask again when it runs"
        raise Refused(message, reason="stopped_meanwhile", field="system") from None


def _refuse(g: Greffier, gate: Gate, reason: str, message: str, field: str | None) -> Refused:
    return _refused(g, reason, message, field=field, system=gate.system, version=gate.version)


def _refused(
    g: Greffier, reason: str, message: str, *, field: str | None, system: str | None, version: int | None = None
) -> Refused:
    """Record a `refused` entry, which never holds the caller's words, and return what to raise."""
    entry = g.make("refused/1", system=system, version=version, reason=reason, boot=None, n=None)
    g.log.append(Unit((entry,))).result()
    return Refused(message.removeprefix(f"{field}: "), reason=reason, field=field)


def _unfinished(g: Greffier, gate: Gate, boot: str, n: int, *, reason: str, reached: int | None = None) -> None:
    """Record that a number was taken and no decision came of it. `reached` (output tokens) is committed."""
    entry_id = str(uuid.uuid4())
    prepared = g.vault.prepare(entry_id, {"reached": reached})
    entry = g.make(
        "unfinished/1",
        id=entry_id,
        system=gate.system,
        version=gate.version,
        manifest=gate.manifest_digest,
        boot=boot,
        n=n,
        reason=reason,
        opened=None,
        commitments=prepared.commitments,
    )
    g.log.append(Unit((entry,), lambda conn, _: prepared.insert(conn))).result()


def _micro(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
