"""An auditor's lists: decisions and other entries by filter, page by page or as an export; who may see which columns.

Columns with content (outcome, reviews) leave an access in the log before they are given. A technical reader gets none
of them and no id, and leaves none.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from auditlog.core.errors import Erased
from auditlog.core.formats.canonical import Json
from auditlog.store import events as event_store
from auditlog.store import listing as store
from auditlog.store.cursor import DecisionFilter, format_cursor, given
from auditlog.store.cursor import Page as Rows
from auditlog.store.decisions import ORDER
from home.errors import UsageError, asked
from home.greffier import Greffier
from service.records import reading
from service.records.accesses import PERSON
from service.records.reading import Purpose, Reader

UNSCOPED: Final = 1000
"""In a log with more decisions than that, a query names a system, a period, a boot or a source, or says that it means
all of them."""
TECHNICAL: Final = frozenset({"operator", "program", "client"})
"""Roles that see how the program runs, and nothing of persons."""
_CONTENT: Final = ("outcome", "review", "reviewed", "waited")
_IDS: Final = ("id",)
EVENT_COLUMNS: Final = ("log", "idx", "id", "kind", "minute", "system", "code")
DECISION_COLUMNS: Final = (
    *("log", "idx", "id", "system", "version", "mode", "minute", "outcome", "review", "reviewed", "waited"),
    *(
        "capture",
        "boot",
        "source",
        "n",
        "content",
        "prompt_tokens",
        "output_tokens",
        "queue_us",
        "first_us",
        "total_us",
    ),
    *("energy_uj", "energy_method", "cost_millionths", "currency"),
)
_USAGE: Final = ("prompt_tokens", "output_tokens", "queue_us", "first_us", "total_us", "energy_uj", "cost_millionths")
_OPEN_FILTERS: Final = frozenset({"system", "version", "mode", "since", "until", "capture", "boot", "source", "kind"})
"""What stands in the log in clear: to be found by it tells nothing of the content."""
_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class LogStamp:
    """Which log, at which size and root (base64), an answer was computed from."""

    origin: str
    size: int
    root: str


@dataclass(frozen=True, slots=True)
class Page:
    """One page of rows, newest first; `next` continues it, None at the end."""

    rows: list[dict[str, Json]]
    next: str | None
    log: LogStamp


@dataclass(frozen=True, slots=True)
class Export:
    """All rows of a query, oldest first: names of columns, and rows in batches, to be read once."""

    columns: tuple[str, ...]
    batches: Iterator[Sequence[Sequence[Any]]]
    log: LogStamp


def decisions(
    g: Greffier,
    reader: Reader,
    chosen: DecisionFilter,
    cursor: str | None = None,
    limit: int = 100,
    *,
    everything: bool = False,
) -> Page:
    """List decisions, or other entries where the filter names their kind.

    Raises UsageError for a cursor of another query, for a query that the role may not ask, and for one without scope
    unless it says `everything`; CannotRecord where the log cannot take the access.
    """
    columns = _allowed(g, reader, chosen, everything=everything)
    for attempt in range(_TRIES):
        page = _find(g, reader, chosen, cursor, limit)
        try:
            held = _note(g, reader, "query", [str(row["id"]) for row in page.rows], chosen)
        except Erased:
            # One of them was erased meanwhile: what is left is looked up anew.
            if attempt + 1 == _TRIES:
                raise
            continue
        break
    shown = [row for row in (_shown(dict(row), held, chosen) for row in page.rows) if row is not None]
    return Page([{name: row[name] for name in columns} for row in shown], page.next, stamp(g))


def _find(g: Greffier, reader: Reader, chosen: DecisionFilter, cursor: str | None, limit: int) -> Rows:
    """The rows of a page. Where a filter of content finds what may not be given, the next rows take its place: a short
    page, or a cursor that leads to it, would tell what the filter found."""
    if not chosen.of_decisions:
        with asked(), g.reading() as conn:
            return event_store.list_events(conn, chosen, cursor=cursor, limit=limit)
    kept: list[Mapping[str, Any]] = []
    while True:
        with asked(), g.reading() as conn:
            page = store.list_decisions(conn, chosen, cursor=cursor, limit=limit)
        ids = [str(row["id"]) for row in page.rows]
        out = g.ledger.named(ids)  # their erasure waits for a database that failed
        if _is_open(chosen) and not out and not kept:
            return page
        if not _is_open(chosen):
            out |= reading.withheld(g, reader, "query", ids)
        kept += [row for row in page.rows if row["id"] not in out]
        if len(kept) > limit or page.next is None:
            break
        cursor = page.next
    last = kept[limit - 1] if len(kept) > limit else None
    return Rows(tuple(kept[:limit]), None if last is None else format_cursor([last[name] for name in ORDER], chosen))


def export(g: Greffier, reader: Reader, chosen: DecisionFilter, *, everything: bool = False) -> Export:
    """All rows that match, read after their access is in the log. Errors as `decisions`."""
    columns = _allowed(g, reader, chosen, everything=everything)
    if not chosen.of_decisions:
        return Export(columns, _events(g, chosen, columns), stamp(g))
    with g.reading() as conn:
        batches = store.iterate_batches(conn, chosen, ("id", "log", "idx"))
        places = [tuple(row) for batch in batches for row in batch]
    ids = {place[0] for place in places}
    ids -= g.ledger.named(ids)
    held = _note(g, reader, "export", sorted(ids), chosen)
    noted = _Noted(max((place[1:] for place in places), default=(0, 0)), ids, held)
    return Export(columns, _rows(g, chosen, columns, noted), stamp(g))


def stamp(g: Greffier) -> LogStamp:
    """Origin, size and root of the integrated log."""
    with g.reading() as conn:
        _, checkpoint = reading.head(g, conn)
    return LogStamp(checkpoint.origin, checkpoint.size, base64.b64encode(checkpoint.root).decode())


def demand_scope(g: Greffier, chosen: DecisionFilter, *, everything: bool) -> None:
    """Raise UsageError for a query that would walk the whole of a large log without saying so."""
    if everything or chosen.scoped:
        return
    with g.reading() as conn:
        large = store.more_than(conn, UNSCOPED)
    if large:
        message = "name a system (--system) or a period (--since, --until), or say that you mean all of them (--all)"
        raise UsageError(message, field="query")


def _allowed(g: Greffier, reader: Reader, chosen: DecisionFilter, *, everything: bool) -> tuple[str, ...]:
    """The columns that this reader may see of this query."""
    if reader.role == PERSON:
        raise UsageError("is for one's own records: find my decisions, or an access file, and no lists", field="role")
    demand_scope(g, chosen, everything=everything)
    columns = DECISION_COLUMNS if chosen.of_decisions else EVENT_COLUMNS
    if reader.role not in TECHNICAL:
        return columns
    for name in given(chosen):
        if name in _CONTENT:
            raise UsageError(f"is not for the role {reader.role}, which sees nothing of the content", field=name)
    return tuple(name for name in columns if name not in (*_CONTENT, *_IDS))


def _note(g: Greffier, reader: Reader, purpose: Purpose, ids: Sequence[str], chosen: DecisionFilter) -> frozenset[str]:
    """The access to these records; returns those of which nothing may be given (GDPR 18)."""
    if not chosen.of_decisions:
        return frozenset()
    if reader.role in TECHNICAL:
        return reading.withheld(g, reader, purpose, ids)
    return reading.note_scope(g, reader, purpose, ids, {**given(chosen)})


def _shown(row: dict[str, Json], held: frozenset[str], chosen: DecisionFilter) -> dict[str, Json] | None:
    """A row as it may be given. Of a record whose use is restricted it says no more than the log does, and None where
    the filter looked at its content: to be found by it would tell."""
    if row["id"] not in held:
        return row
    if not _is_open(chosen):
        return None
    return {**row, **dict.fromkeys((*_CONTENT, *_USAGE)), "content": "restricted"}


def _is_open(chosen: DecisionFilter) -> bool:
    """Whether it asks for nothing but what stands in the log in clear."""
    return given(chosen).keys() <= _OPEN_FILTERS


@dataclass(frozen=True, slots=True)
class _Noted:
    """Which records an access names: those up to a place (log, index), and which of them are withheld all the same."""

    until: tuple[int, int]
    ids: set[str]
    held: frozenset[str]


def _rows(
    g: Greffier, chosen: DecisionFilter, columns: Sequence[str], noted: _Noted
) -> Iterator[Sequence[Sequence[Any]]]:
    """The rows whose access was noted, as they are now: what was erased meanwhile is gone."""
    with g.reading() as conn:
        for batch in store.iterate_batches(conn, chosen, ("id", *columns), until=noted.until):
            rows = [row for row in batch if row[0] in noted.ids]
            if not noted.held:
                yield [row[1:] for row in rows]
                continue
            full = [_shown(dict(zip(("id", *columns), row, strict=True)), noted.held, chosen) for row in rows]
            yield [[row[name] for name in columns] for row in full if row is not None]


def _events(g: Greffier, chosen: DecisionFilter, columns: Sequence[str]) -> Iterator[Sequence[Sequence[Any]]]:
    with g.reading() as conn:
        yield from event_store.iterate_events(conn, chosen, columns)
