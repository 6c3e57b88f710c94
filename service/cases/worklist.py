"""What waits for a person: results that are held, those that a colleague passed on, and decisions to be made anew.

A list to work from, the oldest day first; who works on which is put down here and nowhere in the log, since it is no
decision. That it was listed is an access: such a list says of a person's case that it is not decided.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

from auditlog.store.unreviewed import systems_with_unreviewed, unreviewed
from casework.review import Kind
from casework.store import work
from home import calendar
from home.errors import Refused, UsageError
from home.greffier import Greffier
from registry.manifest import Manifest
from registry.store import systems as register_store
from service.cases import officers
from service.cases.officer_requests import ACTING, MOST
from service.deciding import counting
from service.explaining import new_decision
from service.records import reading, release
from service.records.accesses import STAFF

if TYPE_CHECKING:
    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class Waiting:
    """One case. `since`: from when it waits; `due`: by when somebody should have decided. `account`: who works on it;
    `assignment`: to be given back where that is changed, so that two do not take it at once."""

    record: str
    system: str
    version: int
    kind: Kind
    since: date
    due: date
    overdue: bool
    account: str | None
    assignment: int


def queue(
    g: Greffier,
    reader: reading.Reader,
    *,
    systems: Sequence[str] | None = None,
    account: str | None = None,
    limit: int = 200,
) -> list[Waiting]:
    """What waits, due first first: of these systems (None: all), of one account or of all.

    Raises Refused for others than staff and case systems, UsageError, CannotRecord.
    """
    if reader.role not in STAFF | {"client"}:
        raise Refused("is for those who decide", reason="role", field="role")
    if not 1 <= limit <= MOST:
        raise UsageError(f"must be 1 to {MOST}", field="limit")
    found = {one.record: one for one in _fresh(g, systems)}
    with g.reading() as conn:
        for one in _held(g, conn, systems, limit):
            found.setdefault(one.record, one)
        given = work.assignments(conn, list(found))
    listed = [_with(one, given.get(one.record)) for one in found.values() if not g.ledger.names(one.record)]
    listed = [one for one in listed if account in (None, one.account)]
    listed = sorted(listed, key=lambda one: (one.due, one.record))[:limit]
    out = reading.note_scope(g, reader, "review", [one.record for one in listed], {"reviews": "waiting"})
    return [one for one in listed if one.record not in out]


def assign(
    g: Greffier,
    reader: reading.Reader,
    record_id: str,
    *,
    to: str | None,
    assignment: int,
    systems: Sequence[str] | None = None,
) -> None:
    """Say who works on a case, None for nobody. `assignment`: as the list gave it.

    Raises TakenMeanwhile where somebody changed that since, UsageError where `to` cannot open it, UnknownRecord,
    Erased, Refused.
    """
    if reader.role not in ACTING:
        raise Refused("is for those who decide", reason="role", field="role")
    found = reading.find_live(g, record_id)
    if found.entry.kind != "decision/1" or (systems is not None and found.entry.members["system"] not in systems):
        raise Refused("is no decision that this account reaches", reason="not_a_decision", field="id")
    if to is not None:
        officers.demand(g, to, str(found.entry.members["system"]))
    with g.writing() as conn:
        work.assign(conn, work.Assignment(record_id, to, assignment + 1))


def _held(g: Greffier, conn: Connection, systems: Sequence[str] | None, limit: int) -> Iterator[Waiting]:
    today, wait = calendar.today(g), timedelta(days=g.settings.fresh_decision_days)
    for slug in systems_with_unreviewed(conn):
        if systems is not None and slug not in systems:
            continue
        manifests = _manifests(conn, slug)
        outcomes = sorted({code for one in manifests.values() for code in _holding(one)})
        for decision in unreviewed(conn, slug, outcomes, limit=limit) if outcomes else ():
            manifest = manifests.get(decision["version"])
            if manifest is None or not release.needs_review(manifest, decision["outcome"]):
                continue
            kind: Kind = "held" if decision["review"] is None else "referred"
            since = calendar.day_of_minute(g, decision["minute"])
            due = since + wait
            yield Waiting(decision["id"], slug, decision["version"], kind, since, due, today > due, None, 0)


def _holding(manifest: Manifest) -> set[str]:
    """Outcomes that wait for a review in this version, reserved ones as well."""
    return {code for code, waits in counting.waiting_outcomes([manifest]).items() if waits}


def _manifests(conn: Connection, slug: str) -> dict[int, Manifest]:
    return {one.version: one.manifest for one in register_store.list_versions(conn, slug)}


def _fresh(g: Greffier, systems: Sequence[str] | None) -> Iterator[Waiting]:
    today = calendar.today(g)
    with g.reading() as conn:
        for one in new_decision.find_open(g, conn):
            if systems is None or one.system in systems:
                before = date.fromisoformat(one.before)
                since = date.fromisoformat(one.since)
                late = today >= before
                yield Waiting(
                    one.record, one.system, one.version, "fresh", since, before - timedelta(days=1), late, None, 0
                )


def _with(one: Waiting, given: work.Assignment | None) -> Waiting:
    return one if given is None else replace(one, account=given.account, assignment=given.version)
