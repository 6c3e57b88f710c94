"""A system in a period, for an authority that asks for all of it (AI Act 26(12), 77(1)): entries and documents.

Nothing of a decision's content is read here. Each document is held against the entry that names its digest; one that
was never kept here is left out, and its entry still names it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from auditlog.core.entries.record import Entry
from auditlog.core.errors import VerifyError
from auditlog.store import listing as decision_list
from auditlog.store import publications as publication_store
from auditlog.store.cursor import DecisionFilter
from home.errors import UsageError
from home.greffier import Greffier
from registry.manifest import format_manifest
from registry.store import as_of as past_store
from registry.store import fitness as fitness_store
from registry.store import history as history_store
from registry.store import systems as system_store
from registry.store.history import Place
from service.proving.item import Period
from service.records import reading

if TYPE_CHECKING:
    from sqlalchemy import Connection

MOST: Final = 1_000
"""Decisions in one folder: each has files of its own. Of more, a sample shows as much."""
# Which member of an entry names the digest of its document, and in which folder that lies.
_DOCUMENTS: Final = {
    "system/1": ("record", "register/records"),
    "version/1": ("manifest", "manifests"),
    "fitness/1": ("report", "register/tests"),
    "override/1": ("statement", "register/statements"),
    "modification/1": ("statement", "register/statements"),
    "publication/1": ("digest", "reports"),
}


def gather(g: Greffier, slug: str, first: date, last: date) -> Period:
    """Every entry about the system up to `last`, the reports published of days in the period, and their documents.

    Raises UnknownSystem, UsageError, and VerifyError for a document that is not the one of its entry.
    """
    if first > last:
        raise UsageError("must not be before the first day", field="until")
    with g.reading() as conn:
        system_store.read_system(conn, slug)
        places = [*history_store.list_changes(conn, slug), *_reports(conn, first, last)]
        told = [reading.Found(reading.entry_at(conn, *place), *place) for place in sorted(places)]
        told = [found for found in told if found.entry.time[:10] <= last.isoformat() or _is_report(found.entry)]
        files = dict(_documents(conn, slug, told))
    return Period(slug, first, last, tuple(told), files)


def decisions(g: Greffier, slug: str, first: date, last: date) -> list[str]:
    """The ids of the system's decisions in the period, in the order of the log. Raises UsageError for too many."""
    if last == date.max:
        raise UsageError("must be a day that another one follows", field="until")
    until = last + timedelta(days=1)
    chosen = DecisionFilter(system=slug, since=f"{first.isoformat()}T00:00Z", until=f"{until.isoformat()}T00:00Z")
    with g.reading() as conn:
        found = decision_list.first_ids(conn, chosen, MOST + 1)
    if len(found) > MOST:
        message = f"holds more than {MOST} decisions: choose fewer days, or draw a sample (`greffier sample`)"
        raise UsageError(message, field="period")
    return found


def _reports(conn: Connection, first: date, last: date) -> Iterator[Place]:
    """Where the reports stand that were published of days in the period."""
    for one in publication_store.list_publications(conn, "transparency"):
        if one.first <= last.isoformat() and first.isoformat() <= one.last:
            yield one.log, one.idx


def _is_report(entry: Entry) -> bool:
    return entry.kind == "publication/1"


def _documents(conn: Connection, slug: str, told: list[reading.Found]) -> Iterator[tuple[str, bytes]]:
    kept = _kept(conn, slug)
    for found in told:
        if found.entry.kind not in _DOCUMENTS:
            continue
        data = _document(conn, slug, found, kept)
        if data is None:
            continue
        member, folder = _DOCUMENTS[found.entry.kind]
        digest = sha256(data).hexdigest()
        if found.entry.members[member] != f"sha256:{digest}":
            message = f"of entry {found.index} is not the one that it names: run `greffier log fsck`"
            raise VerifyError(message, field=member)
        yield f"{folder}/{digest}.json", data


def _kept(conn: Connection, slug: str) -> dict[Place, str]:
    """What is kept of tests and public reasons, by the place of its entry."""
    reports = {one.place: one.text for one in fitness_store.reports(conn, slug)}
    reasons = {(one.log, one.index): one.text for one in fitness_store.overrides(conn, slug)}
    return reports | reasons | {one.place: one.text for one in past_store.modifications(conn, slug)}


def _document(conn: Connection, slug: str, found: reading.Found, kept: dict[Place, str]) -> bytes | None:
    place, members = (found.log, found.index), found.entry.members
    if found.entry.kind == "system/1":
        stored = past_store.record_at(conn, place)
        return None if stored is None else stored.text.encode()
    if found.entry.kind == "version/1":
        version: Any = members["version"]
        return format_manifest(system_store.read_version(conn, slug, version).manifest)
    if _is_report(found.entry):
        return publication_store.body_of(conn, found.entry.id)
    text = kept.get(place)
    return None if text is None else text.encode()
