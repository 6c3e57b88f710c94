"""The entry of an explanation, and of a finding where it set the result aside: made, and put into the log.

One explanation of a decision comes after another: the later one names what it says otherwise than the one before, and
a finding is opened once.
"""

from __future__ import annotations

import contextlib
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from auditlog.core.entries.record import Entry
from auditlog.core.entries.vocabulary import FINDING_RULES
from auditlog.core.formats.canonical import Json
from auditlog.store.explanations import EXPLANATION, FINDING
from auditlog.store.record_events import about_from, find_about, insert_about
from auditlog.vault.holds import RESTRICTION, demand_holdable, holds_in_force
from auditlog.vault.seal import Prepared
from auditlog.writing.log import Sequenced, Unit
from home.errors import Refused
from home.greffier import Greffier
from runtime.explain.question import Explained
from service.deciding import boots
from service.explaining import new_decision, order
from service.explaining.order import Measured
from service.explaining.statement import differing, format_statement
from service.records import reading

if TYPE_CHECKING:
    from sqlalchemy import Connection

_TRIES: Final = 5
_NOTHING_RAN: Final = {"runtime": None, "build": None, "device": None}


def ids_of(g: Greffier, record_id: str) -> list[str]:
    """The explanations of a record, oldest first."""
    with g.reading() as conn:
        return [row.id for row in find_about(conn, record_id, EXPLANATION)]


def keep(
    g: Greffier, decision: Entry, measured: Measured, cause: str
) -> tuple[Entry, dict[str, Json], reading.Record | None]:
    """Put the explanation into the log. Raises Erased where its decision was erased meanwhile, CannotRecord, Refused
    where its use was restricted meanwhile, and where others explain the same all the time."""
    for _ in range(_TRIES):
        with contextlib.suppress(_ExplainedMeanwhile):
            return _keep(g, decision, measured, cause)
    raise Refused("is being explained by others at this moment: try again", reason="explained", field="id")


def _keep(
    g: Greffier, decision: Entry, measured: Measured, cause: str
) -> tuple[Entry, dict[str, Json], reading.Record | None]:
    before = ids_of(g, decision.id)
    made = [_explanation(g, decision, measured, cause)]
    reference = None if measured.gone else decision.id
    if (
        measured.statement is not None
        and measured.statement.verdict == new_decision.SET_ASIDE
        and not _is_found(g, decision)
    ):
        made.append(_finding(g, decision, measured, made[0].entry.id))

    def rows(conn: Connection, sequenced: tuple[Sequenced, ...]) -> None:
        if reference is not None:
            demand_holdable(conn, g.ledger, reference)
            if RESTRICTION in holds_in_force(conn, reference):
                message = "the use of its content was restricted meanwhile (GDPR 18): lift the hold first"
                raise Refused(message, reason="restricted", field="id")
            if [row.id for row in find_about(conn, reference, EXPLANATION)] != before:
                raise _ExplainedMeanwhile
        for one, at in zip(made, sequenced, strict=True):
            one.prepared.insert(conn)
            insert_about(conn, about_from(one.entry, one.values, at.place))

    g.log.append(Unit(tuple(one.entry for one in made), rows)).result()
    return made[0].entry, made[0].values, measured.record


class _ExplainedMeanwhile(Exception):
    """Somebody else's explanation of the same decision came first: it is the earlier one, and its finding is."""


@dataclass(frozen=True, slots=True)
class _Made:
    """An entry that is to be recorded, with what it commits to."""

    entry: Entry
    values: dict[str, Json]
    prepared: Prepared


def _explanation(g: Greffier, decision: Entry, measured: Measured, cause: str) -> _Made:
    stated, explained = measured.statement, measured.explained
    statement = None if stated is None else format_statement(stated)
    values: dict[str, Json] = {
        "reference": None if measured.gone else decision.id,
        "verdict": new_decision.WITHHELD if stated is None else stated.verdict,
        "reasons": [measured.reason] if stated is None else [*stated.reasons],
        "statement": statement,
        "found": None if explained is None else order.numbers(explained),
        "earlier": _earlier(g, measured.record, statement),
    }
    ran = _NOTHING_RAN if explained is None else _ran(g, explained)
    return _make(g, EXPLANATION, values, **_of(decision), cause=cause, **ran)


def _finding(g: Greffier, decision: Entry, measured: Measured, explanation_id: str) -> _Made:
    assert measured.statement is not None
    facts: dict[str, Json] = {"explanation": explanation_id, "fields": [*measured.statement.protected]}
    values: dict[str, Json] = {"reference": decision.id, "facts": facts}
    return _make(g, FINDING, values, **_of(decision), rule=FINDING_RULES[0])


def _make(g: Greffier, kind: str, values: dict[str, Json], **members: Json) -> _Made:
    id_ = str(uuid.uuid4())
    prepared = g.vault.prepare(id_, values)
    return _Made(g.make(kind, id=id_, **members, commitments=prepared.commitments), values, prepared)


def _of(decision: Entry) -> dict[str, Json]:
    return {"system": decision.members["system"], "version": decision.members["version"]}


def _is_found(g: Greffier, decision: Entry) -> bool:
    """Whether those who oversee the system have a finding about this result already."""
    with g.reading() as conn:
        return bool(find_about(conn, decision.id, FINDING))


def _earlier(g: Greffier, record: reading.Record | None, statement: dict[str, Json] | None) -> Json:
    """The explanation before, and which members of the statement differ."""
    ids = [] if record is None else ids_of(g, record.entry.id)
    if record is None or not ids:
        return None
    for before in reading.behind(g, record, ids[-1:]):
        said = before.values["statement"]
        return {"id": before.entry.id, "differs": [*differing(cast("Any", said or {}), statement or {})]}
    return None


def _ran(g: Greffier, explained: Explained) -> dict[str, Json]:
    boot = g.runtime.boot
    runtime = g.runtime.start().runtime if boot is None else boot.runtime
    return {"runtime": runtime, "build": explained.build, "device": boots.device_name(explained.device)}
