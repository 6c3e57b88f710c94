"""Why a recorded decision came out as it did, and the `explanation/1` entry of it (promise 7).

It is measured on the weights that decided, after the recorded run was repeated exactly, or withheld with the reason.
Which decision it was and all that was found are committed and sealed: both can hint at an outcome. They go when the
decision is erased. A result that a protected characteristic changed alone is set aside, and opens a `finding/1`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final, cast

from auditlog.core.entries.record import Entry, parse_time
from auditlog.core.entries.vocabulary import EXPLANATION_CAUSES
from auditlog.core.errors import Erased, KeptElsewhere, NotFound
from auditlog.core.formats.canonical import Json
from auditlog.store.explanations import EXPLANATION
from auditlog.store.record_events import find_about, records_behind
from home.errors import Refused, UsageError
from home.greffier import Greffier
from registry.errors import UnknownVersion
from registry.manifest import Manifest
from registry.store import systems as register_store
from reports.explanation.context import Explanation
from service.explaining import new_decision, order, wording
from service.explaining.entry import keep
from service.explaining.order import ERASED, PURPOSE, Wait
from service.explaining.statement import parse_statement
from service.records import blind_review, reading
from service.records.accesses import STAFF
from service.systems import register

DECISION: Final = "decision/1"
_CLEAR: Final = ("system", "version", "cause", "runtime", "build", "device")
_SEALED: Final = ("verdict", "reasons", "statement", "found", "earlier")


@dataclass(frozen=True, slots=True)
class Explained:
    """An explanation: what stands of it in clear, what is sealed, and how it is told.

    `record` is None where its content was erased before. `earlier` names the explanation before, and which members of
    the statement differ from it (none: it says the same).
    """

    id: str
    record: str | None
    time: str
    system: str
    version: int
    cause: str
    runtime: str | None
    build: str | None
    device: str | None
    verdict: str
    reasons: list[str]
    statement: dict[str, Json] | None
    found: dict[str, Json] | None
    earlier: dict[str, Json] | None
    words: Explanation


def explain(
    g: Greffier, reader: reading.Reader, record_id: str, cause: str = "request", wait: Wait | None = None
) -> Explained:
    """Explain a decision for `reader`, whose access to its content is in the log before; the explanation is, too.

    Raises UnknownRecord, Refused (no decision; its use is restricted; it is to be judged first; others than staff, who
    get explanations in letters), CannotRecord, and Unfinished where the runtime did not come to an end: then nothing is
    said.
    """
    if cause not in EXPLANATION_CAUSES:
        raise UsageError(f"must be one of {', '.join(EXPLANATION_CAUSES)}", field="cause")
    if g.problem is not None:
        raise g.problem
    _demand_staff(reader)
    entry = reading.find(g, record_id).entry
    if entry.kind != DECISION:
        raise Refused("only a decision can be explained", reason="not_a_decision", field="id")
    blind_review.demand_judged(g, reader, record_id)
    measured = order.measure(g, reader, entry, wait or order.patient(g))
    try:
        made = keep(g, entry, measured, cause)
    except Erased:
        # Erased while it ran: what was found about it goes with it.
        made = keep(g, entry, ERASED, cause)
    return _explanation(g, *made)


def show(g: Greffier, reader: reading.Reader, explanation_id: str) -> Explained:
    """An explanation that was made before. The access to its decision is in the log first.

    Raises UnknownRecord, Refused as `explain`, Erased where the decision was erased since.
    """
    _demand_staff(reader)
    entry = demand_explanation(g, explanation_id)
    with g.reading() as conn:
        about = records_behind(conn, explanation_id)
    try:
        for record_id in about:
            blind_review.demand_judged(g, reader, record_id)
            record = reading.open(g, reader, PURPOSE, record_id)
            return of(g, record, entry.id)
        opened = reading.open(g, reader, PURPOSE, explanation_id)
    except KeptElsewhere:
        opened = reading.open(g, reader, PURPOSE, explanation_id)
    except NotFound:
        raise Erased("the decision was erased, and what was found about it with it", field="id") from None
    return _explanation(g, entry, opened.values, None)


def of(g: Greffier, record: reading.Record, explanation_id: str) -> Explained:
    """An explanation of a record that was opened just now: whoever reads it reads this. Raises Erased."""
    for one in reading.behind(g, record, [explanation_id]):
        return _explanation(g, one.entry, one.values, record)
    raise Erased("the decision was erased, and what was found about it with it", field="id")


def newest(g: Greffier, record: reading.Record) -> Explained | None:
    """The explanation of a record that its person is told: the newest that set the result aside, else the newest.

    The record was opened just now. None where nobody asked.
    """
    with g.reading() as conn:
        rows = find_about(conn, record.entry.id, EXPLANATION)
    # What set a result aside stands, whatever was found later: a model that is gone takes nothing of it back.
    told = [row.id for row in rows if row.code == new_decision.SET_ASIDE] or [row.id for row in rows]
    return of(g, record, told[-1]) if told else None


def demand_explanation(g: Greffier, explanation_id: str) -> Entry:
    """The entry of an explanation. Raises UnknownRecord, UsageError for another entry."""
    entry = reading.find(g, explanation_id).entry
    if entry.kind != EXPLANATION:
        raise UsageError("is not the id of an explanation: take one from GET /api/explanations", field="id")
    return entry


def _demand_staff(reader: reading.Reader) -> None:
    if reader.role not in STAFF:
        message = "is for staff only, since the result may be held; the person is told in a letter"
        raise Refused(message, reason="role", field="role")


def _explanation(g: Greffier, entry: Entry, values: dict[str, Json], record: reading.Record | None) -> Explained:
    members: Any = entry.members
    sealed: Any = {name: values[name] for name in _SEALED}
    clear = {name: members[name] for name in _CLEAR}
    reference = cast("str | None", values["reference"])
    return Explained(
        id=entry.id,
        record=reference,
        time=entry.time,
        **clear,
        **sealed,
        words=_words(g, entry, sealed, reference, record),
    )


def _words(
    g: Greffier, entry: Entry, sealed: dict[str, Any], reference: str | None, record: reading.Record | None
) -> Explanation:
    stated = None if sealed["statement"] is None else parse_statement(sealed["statement"])
    manifest = _manifest(g, str(entry.members["system"]), cast("int", entry.members["version"]), record)
    needed = new_decision.is_needed(manifest, sealed["verdict"], None if stated is None else stated.outcome)
    with g.reading() as conn:
        due = None if reference is None else new_decision.of(g, conn, reference, sealed["verdict"], needed=needed)
    return wording.words(
        wording.Made(entry.id, parse_time(entry.time).date()),
        stated,
        register.show(g, str(entry.members["system"])).system,
        manifest,
        values=None if record is None else order.inputs_of(record),
        fresh=due,
        reasons=tuple(sealed["reasons"]),
    )


def _manifest(g: Greffier, system: str, version: int, record: reading.Record | None) -> Manifest | None:
    """That of the version that decided: labels of another one would be wrong."""
    with g.reading() as conn:
        try:
            found = register_store.read_version(conn, system, version)
        except UnknownVersion:
            return None
    return found.manifest if record is None or found.digest == record.entry.members["manifest"] else None


def as_json(told: Explained) -> dict[str, Json]:
    """As command line and API give it, without the words."""
    members: Any = {one.name: getattr(told, one.name) for one in fields(told) if one.name != "words"}
    before = told.words.fresh_before
    return {**members, "fresh": told.words.fresh, "fresh_before": None if before is None else before.isoformat()}
