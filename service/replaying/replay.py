"""A recorded decision run again, and the `replay/1` entry of its verdict (promise 5).

Which decision it was, and the numbers behind the verdict, are committed and sealed: they go when the decision is
erased. System, version and verdict stand in clear, so that anyone can count them.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from auditlog.core.entries.record import Entry
from auditlog.core.errors import Erased, NotFound
from auditlog.core.formats.canonical import Json
from auditlog.store import record_events as about_store
from auditlog.store.replays import REPLAY
from auditlog.vault.holds import demand_holdable
from auditlog.writing.log import Sequenced, Unit
from home.errors import Refused, UsageError
from home.greffier import Greffier
from runtime.errors import (
    InputInvalid,
    InputUndeclared,
    ModelAltered,
    ModelMissing,
    ModelUnusable,
    ProgramInvalid,
    PromptTooLong,
)
from runtime.verdict import Replayed, ReplayOrder, format_replayed
from service.deciding import boots, programs
from service.records import blind_review, reading
from service.replaying import order as replay_order
from service.replaying.order import PURPOSE, How, Wait, patient

if TYPE_CHECKING:
    from sqlalchemy import Connection

DECISION: Final = "decision/1"
ON_REQUEST: Final = How()
_NOTHING_RAN: Final = {"runtime": None, "build": None, "device": None}

Read = Callable[[], reading.Record]
"""Opens the decision's content for whoever reads it."""


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


def replay(
    g: Greffier, reader: reading.Reader, record_id: str, how: How = ON_REQUEST, wait: Wait | None = None
) -> Verdict:
    """Run a decision again for `reader`, whose access to its content is in the log before; the verdict is, too.

    Raises UnknownRecord, Refused (no decision; its use is restricted; the role sees no content; it is to be judged
    first, since the length of an output may tell which it is), CannotRecord, and Unfinished where the runtime did not
    come to an end: then nothing is said about the decision.
    """
    blind_review.demand_judged(g, reader, record_id)
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

    Raises UnknownRecord, Refused as `replay`, Erased where the decision was erased since.
    """
    entry = demand_replay(g, replay_id)
    with g.reading() as conn:
        about = about_store.records_behind(conn, replay_id)
    for record_id in about:
        blind_review.demand_judged(g, reader, record_id)
    try:
        record = reading.open(g, reader, PURPOSE, replay_id)
    except NotFound:
        raise Erased("the decision was erased, and what was found about it with it", field="id") from None
    return _verdict(entry, record.values["reference"], record.values["found"])


def demand_replay(g: Greffier, replay_id: str) -> Entry:
    """The entry of a replay. Raises UnknownRecord, UsageError for another entry."""
    entry = reading.find(g, replay_id).entry
    if entry.kind != REPLAY:
        raise UsageError("is not the id of a replay: take one from GET /api/replays", field="id")
    return entry


# Why a decision that was made elsewhere cannot be run again here: nobody's content is opened to say so.
_ELSEWHERE: Final = {"gateway": "provider", "external": "external"}


def _judge(g: Greffier, entry: Entry, read: Read, how: How, wait: Wait) -> _Judged:
    try:
        reading.find_live(g, entry.id)
        elsewhere = _ELSEWHERE.get(str(entry.members["capture"]))
        if elsewhere is not None:
            return _Judged("not_replayable", elsewhere)
        version = replay_order.version_of(g, entry)
        if version is None or version.model is None:
            return _Judged("mismatch", "manifest")
        record = read()
    except Erased:
        return _ERASED
    try:
        order = replay_order.order_of(g, record, version, how)
    except Erased:
        return _Judged("not_replayable", "erased")
    return _Judged("not_replayable", "not_recorded") if order is None else _run(g, order, wait)


def _run(g: Greffier, order: ReplayOrder, wait: Wait) -> _Judged:
    try:
        replayed = replay_order.run(g, order, wait)
    except (ModelMissing, ModelAltered):
        # A file under that name with other bytes is not the model either.
        return _Judged("not_replayable", "weights_absent")
    except ModelUnusable:
        return _Judged("not_replayable", "build")
    except (ProgramInvalid, InputInvalid, InputUndeclared, PromptTooLong):
        # The version could not have been given this.
        return _Judged("mismatch", "prompt")
    return _Judged(replayed.verdict, replayed.reason, replayed)


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
