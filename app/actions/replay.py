"""A recorded decision run again: what the runtime is handed, and the `replay/1` entry of its verdict (promise 5).

Which decision it was, and the numbers behind the verdict, are committed and sealed: they go when the decision is
erased. System, version and verdict stand in clear, so that anyone can count them.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from app.actions import boots, calibrations, chat, programs, reading
from app.errors import Refused, Unfinished, UsageError
from app.home import Greffier
from auditlog.canonical import Json
from auditlog.errors import CannotRecord, Erased, NotFound
from auditlog.log import Sequenced, Unit
from auditlog.record import Entry
from auditlog.store import about as about_store
from auditlog.store.replays import REPLAY
from auditlog.vault.holds import demand_holdable
from auditlog.vocabulary import Purpose
from registry.errors import UnknownSystem, UnknownVersion
from registry.manifest import SystemVersion
from registry.store import systems as register_store
from runtime.capture import parse_run
from runtime.errors import (
    CounterDamaged,
    InputInvalid,
    InputUndeclared,
    ModelAltered,
    ModelMissing,
    ModelUnusable,
    ProgramInvalid,
    PromptTooLong,
    RuntimeFault,
    WorkerLost,
)
from runtime.verdict import PASSES, Replayed, ReplayOrder, format_replayed

if TYPE_CHECKING:
    from sqlalchemy import Connection

DECISION: Final = "decision/1"
PURPOSE: Final[Purpose] = "replay"
_NOTHING_RAN: Final = {"runtime": None, "build": None, "device": None}

_OF_THE_ORDER: Final = (
    ModelMissing, ModelAltered, ModelUnusable, ProgramInvalid, InputInvalid, InputUndeclared, PromptTooLong,
)  # fmt: skip

Wait = Callable[[Future[Replayed]], Replayed]
"""How long a replay is waited for: it runs while no request needs the device. Raises Unfinished at the end of it."""
Read = Callable[[], reading.Record]
"""Opens the decision's content for whoever reads it."""


@dataclass(frozen=True, slots=True)
class How:
    """`passes`: over prompt and output in one pass, or generated anew `alone`. `threads` overrides the version's."""

    passes: str = "one_pass"
    threads: int | None = None
    cause: str = "request"

    def __post_init__(self) -> None:
        if self.passes not in PASSES:
            raise UsageError(f"must be one of {', '.join(PASSES)}", field="passes")
        if self.threads is not None and not 1 <= self.threads <= 512:
            raise UsageError("must be 1 to 512", field="threads")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a replay, and its entry. `record` is None where its content was erased before."""

    id: str
    record: str | None
    system: str
    version: int
    verdict: str
    reason: str | None
    cause: str
    runtime: str | None
    build: str | None
    device: str | None
    found: dict[str, Json] | None


@dataclass(frozen=True, slots=True)
class _Judged:
    """`gone`: the decision's own content was erased, so that its replay does not name it."""

    verdict: str
    reason: str | None
    replayed: Replayed | None = None
    gone: bool = False


_ERASED: Final = _Judged("not_replayable", "erased", gone=True)


def replay(g: Greffier, reader: reading.Reader, record_id: str, how: How = How(), wait: Wait | None = None) -> Verdict:
    """Run a decision again for `reader`, whose access to its content is in the log before; the verdict is, too.

    Raises UnknownRecord, Refused (no decision; its use is restricted; the role sees no content), CannotRecord, and
    Unfinished where the runtime did not come to an end: then nothing is said about the decision.
    """
    return judge(g, record_id, lambda: reading.open(g, reader, PURPOSE, record_id), how, wait or patient(g))


def judge(g: Greffier, record_id: str, read: Read, how: How, wait: Wait) -> Verdict:
    """As `replay`, with the content that `read` opens."""
    if g.problem is not None:
        raise g.problem
    found = reading.find(g, record_id)
    if found.entry.kind != DECISION:
        raise Refused("only a decision can be run again", reason="not_a_decision", field="id")
    judged = _judge(g, found.entry, read, how, wait)
    try:
        return _record(g, found.entry, judged, how)
    except Erased:
        # Erased while it ran: what was found about it goes with it.
        return _record(g, found.entry, _ERASED, how)


def show(g: Greffier, reader: reading.Reader, replay_id: str) -> Verdict:
    """A replay that was made before, with what is sealed of it. The access to its decision is in the log first.

    Raises UnknownRecord, Erased where the decision was erased since.
    """
    entry = demand_replay(g, replay_id)
    try:
        record = reading.open(g, reader, PURPOSE, replay_id)
    except NotFound:
        raise Erased("the decision was erased, and what was found about it with it", field="id") from None
    return _verdict(entry, record.values["reference"], record.values["found"])


def demand_replay(g: Greffier, replay_id: str) -> Entry:
    """The entry of a replay. Raises UnknownRecord, UsageError for another entry."""
    entry = reading.find(g, replay_id).entry
    if entry.kind != REPLAY:
        raise UsageError("is not the id of a replay", field="id")
    return entry


def order_of(g: Greffier, record: reading.Record, version: SystemVersion, how: How) -> ReplayOrder | None:
    """What the runtime is handed, of a decision of a version that runs here. None where its run was not recorded."""
    values: Any = record.values
    try:
        run = parse_run(values["run"])
    except (KeyError, TypeError, ValueError):
        return None
    if not run.prompt_tokens:
        return None
    return ReplayOrder(
        id=str(uuid.uuid4()),
        program=programs.program(version.manifest),
        fields=cast("Any", inputs_of(g, record)),
        run=run,
        output=values["output"],
        outcome=values["outcome"],
        passes=how.passes,
        threads=how.threads,
        bars=calibrations.bars_of(g, run),
    )


def inputs_of(g: Greffier, record: reading.Record) -> dict[str, Json]:
    """The declared fields of a decision as its version was given them: of a conversation, with the turns before.

    Raises Erased where one of those was erased.
    """
    try:
        return chat.whole_input(g, record)
    except UsageError:
        raise Erased("an earlier turn of its conversation was erased", field="id") from None


def version_of(g: Greffier, entry: Entry) -> SystemVersion | None:
    """The version that decided, bound by the digest in its entry; None where the register has another, or none."""
    members = entry.members
    with g.reading() as conn:
        try:
            version = register_store.read_version(conn, str(members["system"]), cast("int", members["version"]))
        except (UnknownSystem, UnknownVersion):
            return None
    return version if version.digest == members["manifest"] else None


def patient(g: Greffier) -> Wait:
    """Waits as long as a request may take."""

    def wait(future: Future[Replayed]) -> Replayed:
        try:
            return future.result(timeout=g.settings.deadline_s)
        except TimeoutError:
            raise Unfinished("the device was busy all the time; try again later", reason="deadline") from None

    return wait


# Why a decision that was made elsewhere cannot be run again here: nobody's content is opened to say so.
_ELSEWHERE: Final = {"gateway": "provider", "external": "external"}


def _judge(g: Greffier, entry: Entry, read: Read, how: How, wait: Wait) -> _Judged:
    try:
        reading.find_live(g, entry.id)
        elsewhere = _ELSEWHERE.get(str(entry.members["capture"]))
        if elsewhere is not None:
            return _Judged("not_replayable", elsewhere)
        version = version_of(g, entry)
        if version is None or version.model is None:
            return _Judged("mismatch", "manifest")
        record = read()
    except Erased:
        return _ERASED
    try:
        order = order_of(g, record, version, how)
    except Erased:
        return _Judged("not_replayable", "erased")
    return _Judged("not_replayable", "not_recorded") if order is None else _run(g, order, wait)


def _run(g: Greffier, order: ReplayOrder, wait: Wait) -> _Judged:
    try:
        replayed = run(g, order, wait)
    except (ModelMissing, ModelAltered):
        # A file under that name with other bytes is not the model either.
        return _Judged("not_replayable", "weights_absent")
    except ModelUnusable:
        return _Judged("not_replayable", "build")
    except (ProgramInvalid, InputInvalid, InputUndeclared, PromptTooLong):
        # The version could not have been given this.
        return _Judged("mismatch", "prompt")
    return _Judged(replayed.verdict, replayed.reason, replayed)


def run(g: Greffier, order: ReplayOrder, wait: Wait) -> Replayed:
    """Hand an order to the runtime; nothing is recorded of it.

    Raises CannotRecord where the worker cannot start, Unfinished where it ends or has no time, and the faults that say
    something of the order.
    """
    try:
        g.runtime.start()
        return wait(g.runtime.replay(order))
    except OSError as error:
        message = f"cannot be used ({error.strerror}): give the program its rights and space"
        raise CannotRecord(message, cause="unwritable", field="run") from error
    except CounterDamaged as fault:
        raise CannotRecord(str(fault), cause="unknown") from None
    except WorkerLost as lost:
        boots.lost(g, lost)
        raise Unfinished("the runtime ended during the replay; try again", reason="worker_lost") from None
    except _OF_THE_ORDER:
        raise
    except RuntimeFault as fault:
        raise Unfinished(str(fault), reason=fault.reason or "stopped") from None


def _record(g: Greffier, decision: Entry, judged: _Judged, how: How) -> Verdict:
    replayed, reference = judged.replayed, None if judged.gone else decision.id
    found = None if replayed is None else _numbers(replayed)
    entry_id = str(uuid.uuid4())
    values: dict[str, Json] = {"reference": reference, "found": found}
    prepared = g.vault.prepare(entry_id, values)
    entry = g.make(
        REPLAY,
        id=entry_id,
        system=decision.members["system"],
        version=decision.members["version"],
        verdict=judged.verdict,
        reason=judged.reason,
        cause=how.cause,
        **(_NOTHING_RAN if replayed is None else _ran(g, replayed)),
        commitments=prepared.commitments,
    )

    def rows(conn: Connection, sequenced: tuple[Sequenced, ...]) -> None:
        if reference is not None:
            demand_holdable(conn, g.ledger, reference)
        prepared.insert(conn)
        about_store.insert_about(conn, about_store.about_from(entry, values, sequenced[0].place))

    g.log.append(Unit((entry,), rows)).result()
    return _verdict(entry, reference, found)


def _ran(g: Greffier, replayed: Replayed) -> dict[str, Json]:
    boot = g.runtime.boot
    runtime = g.runtime.start().runtime if boot is None else boot.runtime
    return {"runtime": runtime, "build": replayed.build, "device": boots.device_name(replayed.device)}


def _numbers(replayed: Replayed) -> dict[str, Json]:
    shown = format_replayed(replayed)
    for name in ("id", "verdict", "reason"):
        del shown[name]
    return cast("dict[str, Json]", programs.to_json(shown))


def _verdict(entry: Entry, reference: Json, found: Json) -> Verdict:
    members: Any = entry.members
    stated = {
        name: members[name]
        for name in ("system", "version", "verdict", "reason", "cause", "runtime", "build", "device")
    }
    return Verdict(
        id=entry.id,
        record=None if reference is None else str(reference),
        found=found if isinstance(found, dict) else None,
        **stated,
    )


def as_json(verdict: Verdict) -> dict[str, Json]:
    """As command line and API give it."""
    return cast("dict[str, Json]", asdict(verdict))
