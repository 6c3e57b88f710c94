"""One decision from end to end: gate → generate → record → release (DESIGN §4). Nothing leaves without its record."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, cast

from auditlog.core.entries.vocabulary import INPUT_PREFIX
from auditlog.core.errors import CannotRecord
from auditlog.core.formats.canonical import Json
from auditlog.vault.references import NO_REFS, Refs
from auditlog.vault.subjects import normalise_all
from auditlog.writing.log import Integrated
from home.errors import Unfinished, UsageError, asked
from home.greffier import Greffier
from registry.errors import GateClosed
from registry.lifecycle import Gate
from registry.manifest import SystemVersion
from registry.store import systems as register_store
from registry.system import AISystem
from runtime.errors import RuntimeFault
from runtime.program import Request
from service.deciding import (
    ai_notice,
    boots,
    chat,
    conversations,
    generation,
    idempotency,
    programs,
    recording,
    unanswered,
)
from service.deciding.recording import micro
from service.deciding.result import Generated
from service.deciding.run_options import NO_OPTIONS, RunOptions
from service.deciding.unanswered import refuse, refused
from service.records import reading

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


@dataclass(frozen=True, slots=True)
class Case:
    """What was asked, and when it came in."""

    slug: str
    inputs: Mapping[str, Json]
    subjects: tuple[str, ...]
    refs: Refs
    parent: str | None
    lang: str
    received: datetime
    id: str
    options: RunOptions = NO_OPTIONS


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
    refs: Refs = NO_REFS,
    parent: str | None = None,
    lang: str = "en",
    key: idempotency.Key | None = None,
    record_id: str | None = None,
    received: datetime | None = None,
    options: RunOptions = NO_OPTIONS,
) -> Answer:
    """Decide one case with a registered system.

    `inputs` maps declared field ids to values; an absent field counts as not stated. `refs`: case and conversation; a
    turn of a conversation has the turn before as its parent, unless `parent` names another record. With a `key`, a
    request that was answered before gets the same answer, and nothing is decided. What was taken in before it could be
    decided has its `record_id` and its time `received` already. Raises Refused (a rule says no, a
    `refused` entry exists; KeyConflict has none), Unfinished (began and did not end, an entry says so; InProgress: try
    again), CannotRecord (nothing was decided).
    """
    received = received or g.clock()
    demand_sense(g, subjects, refs, lang)
    demand_recording(g)
    case = Case(slug, inputs, subjects, refs, parent, lang, received, record_id or str(uuid.uuid4()), options)
    if key is None:
        return _decide(g, case, None)
    request = idempotency.request(g, key, slug, inputs, subjects=subjects, refs=refs, parent=parent, lang=lang)
    with idempotency.turn(g, request):
        answer = _repeated(g, case, request)
        if answer is not None:
            return answer
        try:
            return _decide(g, case, request)
        except idempotency.Duplicate:
            answer = _repeated(g, case, request)
    if answer is None:
        raise Unfinished("another request with the same key came first and failed; try again", reason="duplicate")
    return answer


def _decide(g: Greffier, case: Case, request: idempotency.Request | None) -> Answer:
    gate = pass_gate(g, case.slug)
    values = demand_inputs(g, gate, case.inputs)
    turn = chat.turn(g, gate, values, case.refs, case.parent)
    ordered = order(gate, case, values if turn is None else turn.values)
    generated = generation.generate(g, gate, ordered, case.options.told)
    return record(g, gate, case, generated, values, turn=turn, request=request)


def order(gate: Gate, case: Case, values: Mapping[str, Json]) -> Request:
    """What the runtime is asked. `values`: all declared fields as the model reads them."""
    options = case.options
    return Request(
        id=case.id,
        program=programs.program(gate.running.manifest),
        fields=cast("Any", values),
        seed=options.seed or programs.seed(gate.running.manifest),
        watts=gate.record.host.declared_watts if gate.record.host else None,
        max_tokens=options.max_tokens,
        stop=options.stop,
        pieces=options.told is not None,
        top=options.top,
    )


def record(
    g: Greffier,
    gate: Gate,
    case: Case,
    generated: Generated,
    values: Mapping[str, Json],
    *,
    turn: chat.Turn | None,
    request: idempotency.Request | None = None,
) -> Answer:
    """Record a result, and give what may leave then. `values`: all declared fields; raises as `recording.record`."""
    decided = micro(g.clock())
    kept = values if turn is None else turn.kept
    # The turns before keep their own words: here they would outlive them, as tokens.
    goes_on = turn is not None and turn.values != turn.kept
    run = programs.without_prompts(generated.run) if goes_on else generated.run
    with unanswered.owing(
        g,
        gate,
        generated.boot,
        generated.n,
        generated.id,
        reached=generated.reached,
        opened=generated.opened,
        refs=None if generated.opened is None else case.refs,
    ):
        parent, refs = (turn.parent, turn.refs) if turn else conversations.place(g, case.slug, case.refs, case.parent)
        content: dict[str, Json] = {
            **{f"{INPUT_PREFIX}{field}": value for field, value in kept.items()},
            "output": generated.output,
            "outcome": generated.outcome,
            "parent": parent,
            "usage": generated.usage,
            "run": run,
            "times": {"received": micro(case.received), "decided": decided, "recorded": micro(g.clock())},
        }
        integrated = recording.record(g, gate, generated, content, subjects=case.subjects, refs=refs, request=request)
    return _answer(g, content, integrated, version=gate.running, system=gate.record, lang=case.lang)


def _repeated(g: Greffier, case: Case, request: idempotency.Request) -> Answer | None:
    """The answer as the first request with the same key got it, or would have got it; None where there was none."""
    found = idempotency.find(g, request)
    if found is None:
        return None
    record, integrated = found
    return _from_record(g, record, integrated, case.lang)


def answered(g: Greffier, key: idempotency.Key, record_id: str) -> Answer | None:
    """The answer of a record that was asked for under `key`; None where the key led to no record, or to another."""
    found = idempotency.led_to(g, key, record_id)
    if found is None:
        return None
    record, integrated = found
    return _from_record(g, record, integrated, record.opened.asked.lang if record.opened.asked else "en")


def _from_record(g: Greffier, record: reading.Record, integrated: Integrated, lang: str) -> Answer:
    slug, number = cast("str", record.entry.members["system"]), cast("int", record.entry.members["version"])
    with g.reading() as conn:
        system = register_store.read_system(conn, slug).system
        version = register_store.read_version(conn, slug, number)
    return _answer(g, record.values, integrated, version=version, system=system, lang=lang)


def _answer(
    g: Greffier,
    content: Mapping[str, Json],
    integrated: Integrated,
    *,
    version: SystemVersion,
    system: AISystem,
    lang: str,
) -> Answer:
    """What leaves. A result that is held stays so in a repeated answer, whatever an officer has done since."""
    sequenced = integrated.sequenced[0]
    outcome = cast("str", content["outcome"])
    held = version.manifest.release_of(outcome) == "after_review"
    answer = Answer(
        id=sequenced.entry.id,
        index=sequenced.index,
        system=system.slug,
        version=version.version,
        outcome=None if held else outcome,
        output=None if held else content["output"],
        held=held,
        usage=None if held else cast("dict[str, Json]", content["usage"]),
        notice=ai_notice.notice(g, system, sequenced.entry.id, lang),
        ai_generated=True,
    )
    return release(answer, integrated)


def demand_sense(g: Greffier, subjects: tuple[str, ...], refs: Refs, lang: str) -> None:
    """Raise UsageError for what would fail only after the model has run, when the decision is in the log."""
    with asked():
        normalise_all(subjects)
        refs.normalised()
    if lang not in g.renderer.languages:
        raise UsageError(f"use one of {', '.join(g.renderer.languages)}", field="lang")


def demand_recording(g: Greffier) -> None:
    """No record, no answer: a log that cannot write decides nothing (promise 2)."""
    if g.ending:
        raise Unfinished("the program is being stopped: ask again when it runs", reason="stopped")
    if g.problem is not None:
        raise g.problem
    state = g.log.state()
    if not state.recording:
        # One attempt to write again: a pulse. It raises CannotRecord while the cause lasts.
        boots.pulse(g)
    elif g.owed:
        unanswered.settle(g)
    # Asked before the model runs: its number would find no place.
    g.log.demand_room()


def pass_gate(g: Greffier, slug: str) -> Gate:
    """The running version of a system in use. Raises Refused, which an entry states."""
    try:
        with g.reading() as conn:
            gate = register_store.gate(conn, slug)
    except GateClosed as error:
        known = slug if error.reason != "unknown_system" else None
        raise refused(g, error.reason or "not_running", str(error), field="system", system=known) from None
    if gate.model is None and gate.record.capture == "external":
        raise refuse(g, gate, "not_running", "runs elsewhere, and its results are sent to us", "system")
    return gate


def demand_inputs(g: Greffier, gate: Gate, inputs: Mapping[str, Json]) -> dict[str, Json]:
    """Every declared field with its value, None where absent. Raises Refused, which an entry states."""
    try:
        return programs.inputs(gate.running.manifest, inputs)
    except RuntimeFault as fault:
        # The name of an undeclared field is the caller's word, whatever it looks like.
        declared = fault.field in {field.id for field in gate.running.manifest.fields}
        message = fault.message if fault.fix is None else f"{fault.message}; {fault.fix}"
        field = f"input.{fault.field}" if declared else "input"
        if not declared:
            message = f"holds a field that this version does not declare; {fault.fix}"
        raise refuse(g, gate, fault.reason or "input_invalid", message, field) from None
