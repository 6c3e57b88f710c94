"""When a person must decide anew, without the result: an explanation could not say why, or set the result aside.

That is so where an explanation is withheld and the outcome is adverse or a reserved one, and where the result was set
aside. It is due `fresh_decision_days` after the first explanation of the record that said so, however often it is
asked again. A review that was recorded after that one is the fresh decision where it confirms or overrides, with
reasons given anew; to refer is to pass it on, and to release lets the result go as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final, Literal, cast

from auditlog.core.entries.record import parse_time
from auditlog.core.errors import Erased
from auditlog.core.formats.canonical import Json
from auditlog.store import decisions as decision_store
from auditlog.store.erasures import about_among, chunks
from auditlog.store.explanations import EXPLANATION, iterate_explained
from auditlog.store.record_events import About, find_about
from home.errors import Refused
from home.greffier import Greffier
from registry.errors import UnknownVersion
from registry.manifest import Manifest
from registry.store import systems as register_store
from service.records import reading
from service.records.accesses import STAFF
from service.systems import register

if TYPE_CHECKING:
    from sqlalchemy import Connection

SET_ASIDE: Final = "set_aside"
WITHHELD: Final = "withheld"
_DECISIONS: Final = frozenset({"confirm", "override"})


@dataclass(frozen=True, slots=True)
class Fresh:
    """Whether somebody decided anew, and else the day before which the person hears of it, or should have heard."""

    state: Literal["due", "done"]
    before: date
    overdue: bool = False


@dataclass(frozen=True, slots=True)
class Open:
    """A fresh decision that is still to be made. `explanation`: the one that said so first; days as YYYY-MM-DD."""

    record: str
    system: str
    version: int
    verdict: str
    explanation: str
    since: str
    before: str
    overdue: bool


def is_needed(manifest: Manifest | None, verdict: str, outcome: str | None) -> bool:
    """Whether a person must decide anew. Pure.

    An outcome that is not known here lies with whoever sent the record, and so does the decision. Where the register
    has not the version any more, nobody can say that the outcome was not adverse.
    """
    if verdict == SET_ASIDE:
        return True
    if verdict != WITHHELD or outcome is None:
        return False
    declared = None if manifest is None else manifest.outcome(outcome)
    return declared is None or declared.adverse


def of(g: Greffier, conn: Connection, record: str, verdict: str, *, needed: bool) -> Fresh | None:
    """Where the fresh decision stands that an explanation with this verdict demands, or one that set the result aside;
    None where neither does (`needed`: whether this one does). Raises Erased where the record's rows are gone."""
    rows = find_about(conn, record, EXPLANATION)
    if not rows:
        raise Erased("the decision was erased, and what was found about it with it", field="id")
    said = [row for row in rows if row.code == SET_ASIDE] or [row for row in rows if needed and row.code == verdict]
    if not said:
        return None
    reviews = decision_store.find_reviews(conn, record)
    before = _before(g, said[0])
    return Fresh("done", before) if _is_decided(said[0], reviews) else Fresh("due", before, _is_over(g, before))


def demand_decided(conn: Connection, record: str) -> None:
    """Inside the writer's transaction, before a result is released as it is. Raises Refused where it was set aside and
    nobody has decided since."""
    aside = [row for row in find_about(conn, record, EXPLANATION) if row.code == SET_ASIDE]
    if aside and not _is_decided(aside[0], decision_store.find_reviews(conn, record)):
        message = "its result was set aside: decide anew by confirm or override, with reasons"
        raise Refused(message, reason="set_aside", field="action")


def open_ones(g: Greffier, reader: reading.Reader, system: str | None = None) -> list[Open]:
    """Fresh decisions that are still to be made, of a system or of all, those due first first.

    The access to these records is in the log before they are given; those whose use is restricted (GDPR 18) are left
    out.

    Raises Refused for others than staff, UnknownSystem, CannotRecord.
    """
    if reader.role not in STAFF:
        raise Refused("is for staff only: it says how cases ended", reason="role", field="role")
    if system is not None:
        register.show(g, system)
    with g.reading() as conn:
        found = [one for one in find_open(g, conn) if system in (None, one.system)]
    scope: dict[str, Json] = {"explanations": "open", "system": system}
    held = reading.note_scope(g, reader, "query", [one.record for one in found], scope)
    return sorted([one for one in found if one.record not in held], key=lambda one: (one.before, one.record))


def find_open(g: Greffier, conn: Connection) -> list[Open]:
    """Fresh decisions that are still to be made, in no order. The caller notes the access."""
    rows = list(iterate_explained(conn, (WITHHELD, SET_ASIDE)))
    return [one for some in chunks(sorted({row.record for row in rows})) for one in _open_among(g, conn, some)]


def _open_among(g: Greffier, conn: Connection, records: Sequence[str]) -> Iterator[Open]:
    said: dict[str, list[About]] = {}
    for row in about_among(conn, records, EXPLANATION):
        said.setdefault(row.record, []).append(row)
    reviews = decision_store.reviews_of(conn, records)
    out = g.ledger.named(records)
    for record, rows in said.items():
        decision = decision_store.find_decision(conn, record)
        first = _standing(rows)
        if first is None or decision is None or record in out or _is_decided(first, reviews.get(record, ())):
            continue
        system, number, verdict = str(decision["system"]), decision["version"], str(first.code)
        if is_needed(_manifest(conn, system, number), verdict, decision["outcome"]):
            before = _before(g, first)
            since = first.minute.partition("T")[0]
            yield Open(record, system, number, verdict, first.id, since, before.isoformat(), _is_over(g, before))


def _standing(rows: Sequence[About]) -> About | None:
    """The explanation of a record from which its fresh decision is due: the first that set its result aside; else, as
    long as the newest is withheld, the first that was."""
    verdict = SET_ASIDE if any(row.code == SET_ASIDE for row in rows) else rows[-1].code
    return None if verdict not in (SET_ASIDE, WITHHELD) else next(row for row in rows if row.code == verdict)


def _is_decided(said: About, reviews: Sequence[dict[str, object]]) -> bool:
    place = (said.log, said.idx)
    return any(
        (cast("int", one["log"]), cast("int", one["idx"])) > place and one["action"] in _DECISIONS for one in reviews
    )


def _before(g: Greffier, said: About) -> date:
    return parse_time(said.minute).date() + timedelta(days=g.settings.fresh_decision_days)


def _is_over(g: Greffier, before: date) -> bool:
    return before <= g.clock().date()


def _manifest(conn: Connection, system: str, version: int) -> Manifest | None:
    try:
        return register_store.read_version(conn, system, version).manifest
    except UnknownVersion:
        return None
