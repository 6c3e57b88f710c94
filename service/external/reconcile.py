"""The case system's own list against the log: cases without a record, records without a case, results used too early.

A case belongs to a record by its id; else by the case's number, as the reference that the record was made with; else by
the person's reference and a time within a day. Only counts leave here, and, for whoever asks for them, lines with case
numbers and record ids.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from auditlog.core.checking.sample import is_sampled, sampled
from auditlog.core.entries.record import Entry, format_time, parse_entry, parse_time
from auditlog.core.errors import FormatError
from auditlog.core.formats.canonical import Json
from auditlog.store import decisions as decision_store
from auditlog.store import log as log_store
from auditlog.store import samples as store
from auditlog.store.engine import writing
from home.errors import UsageError
from home.greffier import Greffier
from registry.store import systems as register_store
from service.external.case_list import Case
from service.records import query, reading
from service.records.accesses import PERSON

if TYPE_CHECKING:
    from sqlalchemy import Connection

WITHIN: Final = timedelta(days=1)
"""How far a record may be from the time that the case system has, where only the person's reference connects them."""
_ROWS = 500
Line = dict[str, Json]


@dataclass(frozen=True, slots=True)
class Counts:
    """What was found. `outside`: cases of another time than was asked about; `claimed_twice`: of a record that another
    case had; `not_known`: used results of which the log no longer says whether they had to wait for a person."""

    cases: int
    outside: int
    records: int
    without_record: int
    without_case: int
    used_before_review: int
    claimed_twice: int
    not_known: int
    first_day: str
    last_day: str
    log: query.LogStamp

    @property
    def agrees(self) -> bool:
        """Whether list and log say the same."""
        return not (self.without_record or self.without_case or self.used_before_review)


@dataclass(slots=True)
class _Run:
    """The comparison as it goes."""

    system: str | None
    since: str | None
    until: str | None
    tell: Callable[[Line], None]
    claimed: set[str] = field(default_factory=set)
    counts: dict[str, int] = field(default_factory=dict)
    days: set[str] = field(default_factory=set)
    early: dict[str, list[str]] = field(default_factory=dict)
    releases: dict[tuple[str, int], Any] = field(default_factory=dict)

    def add(self, name: str) -> None:
        self.counts[name] = self.counts.get(name, 0) + 1

    def holds(self, minute: str) -> bool:
        """Whether a minute lies in the period that was asked about."""
        return (self.since is None or minute >= self.since) and (self.until is None or minute < self.until)


def reconcile(
    g: Greffier,
    reader: reading.Reader,
    cases: Iterable[Case],
    *,
    system: str | None = None,
    since: str | None = None,
    until: str | None = None,
    tell: Callable[[Line], None] | None = None,
) -> Counts:
    """Compare; `since` and `until` are minutes, the second one not included. Decisions on real people alone count.

    `tell` gets one line for each case or record that has no counterpart, and for each result that was used too early.
    Raises UsageError naming the line of the list, and for a reader who sees nothing of the content: which result had
    to wait for a person is content, and so is whether a person has a record.
    """
    if reader.role in query.TECHNICAL or reader.role == PERSON:
        raise UsageError(f"is not for the role {reader.role}, which sees nothing of the content", field="role")
    with g.reading() as conn:
        if system is not None:
            register_store.read_system(conn, system)
    run = _Run(system, since, until, tell or (lambda _line: None))
    for some in _parts(cases):
        with g.reading() as conn:
            for case in some:
                _match(g, conn, run, case)
    _records(g, run)
    if tell is not None:
        _tell_early(g, reader, run)
    days = sorted(run.days) or [format_time(g.clock())[:10]]
    names = ("cases", "outside", "records", "without_record", "without_case", "used_before_review")
    return Counts(
        **{name: run.counts.get(name, 0) for name in (*names, "claimed_twice", "not_known")},
        first_day=days[0] if since is None else since[:10],
        last_day=days[-1] if until is None else _last_day(until),
        log=query.stamp(g),
    )


def keep(g: Greffier, counts: Counts, system: str | None) -> str:
    """Keep the counts of a comparison for the transparency report; returns the id of the row."""
    row = store.Reconciliation(
        id=str(uuid.uuid4()),
        minute=format_time(g.clock()),
        system=system,
        first_day=counts.first_day,
        last_day=counts.last_day,
        cases=counts.cases,
        records=counts.records,
        without_record=counts.without_record,
        without_case=counts.without_case,
        used_before_review=counts.used_before_review,
    )
    with writing(g.engine) as conn:
        store.insert_reconciliation(conn, row)
    return row.id


def _match(g: Greffier, conn: Connection, run: _Run, case: Case) -> None:
    inside = run.holds(format_time(case.decided.time))
    run.add("cases" if inside else "outside")
    if inside:
        run.days.add(format_time(case.decided.time)[:10])
    try:
        found = _records_of(g, conn, run, case)
    except FormatError as error:
        raise UsageError(f"line {case.line}: {error}", field="--from") from None
    twice = [entry.id for entry in found if entry.id in run.claimed]
    run.claimed.update(entry.id for entry in found)
    if not inside:
        return
    if not found:
        run.add("without_record")
        run.tell({"found": "case_without_record", "case": case.case, "line": case.line})
    elif len(twice) == len(found):
        run.add("claimed_twice")
    if case.used is not None and found:
        _check_use(conn, run, case, found)


def _records_of(g: Greffier, conn: Connection, run: _Run, case: Case) -> list[Entry]:
    if case.id is not None:
        entry = _decision(conn, run, case.id)
        return [] if entry is None else [entry]
    by_case = list(_decisions(conn, run, g.vault.find(conn, case.case, "case")))
    if by_case or case.subject is None:
        return by_case
    near = [
        (distance, entry)
        for entry in _decisions(conn, run, g.vault.find(conn, case.subject))
        if entry.id not in run.claimed and (distance := abs(parse_time(entry.time) - case.decided.time)) <= WITHIN
    ]
    return [entry for _, entry in sorted(near, key=lambda pair: (pair[0], pair[1].id))[:1]]


def _decisions(conn: Connection, run: _Run, ids: Iterable[str]) -> Iterator[Entry]:
    for id_ in ids:
        entry = _decision(conn, run, id_)
        if entry is not None:
            yield entry


def _decision(conn: Connection, run: _Run, id_: str) -> Entry | None:
    stored = log_store.find_entry(conn, id_)
    entry = None if stored is None else parse_entry(stored.data)
    return entry if isinstance(entry, Entry) and is_sampled(entry, run.system) else None


def _check_use(conn: Connection, run: _Run, case: Case, found: list[Entry]) -> None:
    """Of several records of one case the newest is the one that was used."""
    entry = max(found, key=lambda one: (one.time, one.id))
    row = decision_store.find_decision(conn, entry.id)
    if row is None or row["outcome"] is None:
        run.add("not_known")
        return
    if not _is_held(conn, run, entry, str(row["outcome"])):
        return
    reviewed = next((one for one in decision_store.find_reviews(conn, entry.id) if one["action"] != "refer"), None)
    if reviewed is not None:
        at = reading.entry_at(conn, reviewed["log"], reviewed["idx"])
        if case.used is None or not case.used.before(parse_time(at.time)):
            return
    run.add("used_before_review")
    run.early.setdefault(entry.id, []).append(case.case)


def _is_held(conn: Connection, run: _Run, entry: Entry, outcome: str) -> bool:
    members: Any = entry.members
    key = (members["system"], members["version"])
    if key not in run.releases:
        run.releases[key] = register_store.read_version(conn, *key).manifest
    return bool(run.releases[key].release_of(outcome) == "after_review")


def _records(g: Greffier, run: _Run) -> None:
    """Every record of the period, in whichever log it stands; an erased one is a record, too."""
    with g.reading() as conn:
        for number in sorted(g.publishers):
            for index, entry in sampled(log_store.iterate_entries(conn, number), run.system):
                if not run.holds(entry.time):
                    continue
                run.add("records")
                run.days.add(entry.time[:10])
                if entry.id not in run.claimed:
                    run.add("without_case")
                    line: Line = {"found": "record_without_case", "id": entry.id, "log": number, "index": index}
                    run.tell({**line, "system": entry.system, "time": entry.time})


def _tell_early(g: Greffier, reader: reading.Reader, run: _Run) -> None:
    """Which results had to wait is content: it is noted before it is told. What may not be used is only counted."""
    if not run.early:
        return
    withheld = reading.note_scope(g, reader, "query", sorted(run.early), {"reconcile": "used_before_review"})
    for id_, cases in sorted(run.early.items()):
        for case in cases if id_ not in withheld else ():
            run.tell({"found": "used_before_review", "case": case, "id": id_})


def _last_day(until: str) -> str:
    return format_time(parse_time(until) - timedelta(minutes=1))[:10]


def _parts(cases: Iterable[Case]) -> Iterator[list[Case]]:
    many = iter(cases)
    while some := list(islice(many, _ROWS)):
        yield some
