"""What the runtime is asked to explain a recorded decision, and what comes of it: a statement, or why there is none."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Final, cast

from auditlog.core.entries.vocabulary import INPUT_PREFIX, Purpose
from auditlog.core.errors import Erased, KeptElsewhere
from auditlog.core.formats.canonical import Json
from runtime.errors import (
    InputInvalid,
    InputUndeclared,
    ModelAltered,
    ModelMissing,
    ModelUnusable,
    ProgramInvalid,
    PromptTooLong,
)
from runtime.explain.pipe import format_explained
from runtime.explain.question import Explained, Question, Wording
from service.deciding import programs
from service.explaining import statement
from service.explaining.statement import Result, Statement
from service.records import reading
from service.replaying import order as replay_order
from service.systems.fitness import groups_of

if TYPE_CHECKING:
    from auditlog.core.entries.record import Entry
    from home.greffier import Greffier
    from registry.manifest import SystemVersion
    from runtime.verdict import ReplayOrder

Wait = Callable[[Future[Explained]], Explained]
"""How long an explanation is waited for: it runs while no request needs the device. Raises Unfinished then."""

PURPOSE: Final[Purpose] = "explanation"
# An explanation is some hundred runs, so that it is waited for so many times as long as one request may take.
_PATIENCE: Final = 10
# Where a decision was made by a model that nobody here can run.
_ELSEWHERE: Final = frozenset({"gateway", "external"})
_HOW: Final = replay_order.How()


@dataclass(frozen=True, slots=True)
class Measured:
    """What is known of one decision. `reason`: why nothing ran. `gone`: its own content was erased, so that the
    explanation does not name it. `statement` is None where no outcome is known here, `record` where it has none."""

    statement: Statement | None
    reason: str | None = None
    explained: Explained | None = None
    record: reading.Record | None = None
    gone: bool = False


ERASED: Final = Measured(None, "erased", gone=True)


def patient(g: Greffier) -> Wait:
    """Waits for the device, which is everybody's before it is an explanation's."""
    return replay_order.patient(g, times=_PATIENCE)


def measure(g: Greffier, reader: reading.Reader, entry: Entry, wait: Wait) -> Measured:
    """Open a decision for `reader`, whose access is in the log before, and explain it.

    Raises as `reading.open`, and Unfinished where the runtime did not come to an end: then nothing is said of it.
    """
    try:
        record = reading.open(g, reader, PURPOSE, entry.id)
    except Erased:
        return ERASED
    except KeptElsewhere:
        return Measured(None, "elsewhere")
    return replace(_measured(g, entry, record, wait), record=record)


def _measured(g: Greffier, entry: Entry, record: reading.Record, wait: Wait) -> Measured:
    system, number = str(entry.members["system"]), cast("int", entry.members["version"])
    result = Result(system, number, str(record.values["outcome"]))
    if entry.members["capture"] in _ELSEWHERE:
        return _nothing(result, "elsewhere")
    version = replay_order.version_of(g, entry)
    if version is None:
        # The register has not the version that the decision names: nothing that runs now is what ran then.
        return _nothing(result, "not_repeated", "mismatch")
    if version.model is None:
        return _nothing(result, "elsewhere")
    try:
        order = replay_order.order_of(g, record, version, _HOW)
    except Erased:  # an earlier turn of its conversation
        return _nothing(result, "erased")
    if order is None:
        return _nothing(result, "not_recorded")
    found = _run(g, result, question_of(version, order, entry.id), wait)
    if not isinstance(found, Measured):
        found = Measured(statement.state(result, version.manifest, inputs_of(record), found), explained=found)
    return found


def inputs_of(record: reading.Record) -> dict[str, Json]:
    """What the record itself holds, by field: of a conversation this turn alone, since the others can be erased."""
    given = {name: value for name, value in record.values.items() if name.startswith(INPUT_PREFIX)}
    return {name.removeprefix(INPUT_PREFIX): value for name, value in given.items()}


def _run(g: Greffier, result: Result, question: Question, wait: Wait) -> Explained | Measured:
    order = question.replay
    barred = replay_order.bars(g, order)
    try:
        return replay_order.waited(
            g, order.id, lambda facts: g.runtime.explain(replace(question, replay=barred(facts))), wait
        )
    except (ModelMissing, ModelAltered, ModelUnusable):
        # Neither other bytes under its name nor a model that this build cannot run is the one that decided.
        return _nothing(result, "model_missing")
    except PromptTooLong:
        return _nothing(result, "too_long")
    except (ProgramInvalid, InputInvalid, InputUndeclared):
        # The version could not have been given this.
        return _nothing(result, "not_repeated", "mismatch")


def _nothing(result: Result, reason: str, replay: str | None = None) -> Measured:
    return Measured(statement.withheld(result, reason, replay), reason)


def question_of(version: SystemVersion, order: ReplayOrder, record_id: str) -> Question:
    """What a version declares for explanations, with the recorded decision."""
    manifest = version.manifest
    return Question(
        replay=order,
        wordings=tuple(Wording(one.kind, one.template) for one in manifest.wordings or ()),
        protected=tuple(field.id for field in manifest.fields if field.protected),
        groups=groups_of(manifest),
        seed=seed_of(record_id, version.digest),
    )


def seed_of(record_id: str, manifest: str) -> str:
    """What fixes every random order: 32 hex digits of SHA-256 over the record's id and the digest of its manifest."""
    return sha256(f"{record_id}{manifest}".encode()).hexdigest()[:32]


def numbers(explained: Explained) -> dict[str, Json]:
    """The numbers behind a statement, as they are committed."""
    shown = format_explained(explained)
    del shown["id"]
    return cast("dict[str, Json]", programs.to_json(shown))
