"""What `log fsck` checks of tallies and publications: their rows against their entries, and published cells.

Of the content of a tally only numbers are looked at. `figures_sums` holds roll-up and tallies together.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from auditlog.core.entries.record import Entry, OpaqueEntry
from auditlog.core.errors import AuditLogError
from auditlog.store.figure_rows import all_publications, all_published, all_tallies
from auditlog.store.tallies import row_from
from home.errors import UnknownRecord
from home.greffier import Greffier
from service.figures import period_tallies
from service.records import reading

if TYPE_CHECKING:
    from sqlalchemy import Connection

Place = tuple[int, int]
Difference = tuple[str, str]
"""Where (table, row, column), and what is wrong."""


@dataclass(slots=True)
class LoggedTallies:
    """What the entries say: tallies and publications with their places, by id, and the size of each log."""

    tallies: dict[str, tuple[Place, Entry]] = field(default_factory=dict)
    publications: dict[str, tuple[Place, Entry]] = field(default_factory=dict)
    sizes: dict[int, int] = field(default_factory=dict)

    def watch(
        self, entries: Iterator[tuple[Place, Entry | OpaqueEntry]]
    ) -> Iterator[tuple[Place, Entry | OpaqueEntry]]:
        """The same entries on their way."""
        for place, entry in entries:
            self.sizes[place[0]] = place[1] + 1
            if entry.kind == "tally/1" and isinstance(entry, Entry):
                self.tallies[entry.id] = place, entry
            elif entry.kind == "publication/1" and isinstance(entry, Entry):
                self.publications[entry.id] = place, entry
            yield place, entry


def differences(g: Greffier, conn: Connection, told: LoggedTallies, stated: Collection[str]) -> Iterator[Difference]:
    """Rows that are not what the entries make of them. `stated`: what was lost, content and row, and said to be."""
    stored = all_tallies(conn)
    for id_ in sorted(stored.keys() | told.tallies.keys()):
        place = f"auditlog_tally(id={id_})"
        if id_ not in told.tallies:
            yield place, "belongs to no tally of the log"
        elif id_ not in stored:
            if id_ not in stated:
                yield place, "is missing"
        else:
            yield from _tally(place, stored[id_], *told.tallies[id_], told.sizes)
    yield from _publications(g, conn, told)


def _tally(
    place: str, row: Mapping[str, Any], at: Place, entry: Entry, sizes: Mapping[int, int]
) -> Iterator[Difference]:
    """The entry names neither the log nor the range where they are of an earlier log, nor whether it was recounted."""
    of_day = entry.members["level"] == "day"
    own = not of_day or entry.members["since"] is not None
    counted = (at[0] if of_day else 0) if own else row["counted"]
    wanted = asdict(row_from(entry, at, counted)) | {"recounted": row["recounted"]}
    if not own:
        wanted |= {"since": row["since"], "until": row["until"]}
        yield from _of_earlier(place, row, at[0], sizes)
    if row["recounted"] not in (0, 1):
        yield f"{place}.recounted", "is neither 0 nor 1"
    yield from _unequal(place, wanted, row)


def _of_earlier(place: str, row: Mapping[str, Any], log: int, sizes: Mapping[int, int]) -> Iterator[Difference]:
    if row["counted"] not in range(1, log):
        yield f"{place}.counted", "names no earlier log"
        return
    since, until = row["since"], row["until"]
    if since is None or until is None or not 0 <= since <= until <= sizes.get(row["counted"], 0):
        yield f"{place}.until", "is no range of the log that it counts"


def _publications(g: Greffier, conn: Connection, told: LoggedTallies) -> Iterator[Difference]:
    stored, cells = all_publications(conn), all_published(conn)
    for id_ in sorted(stored.keys() | told.publications.keys()):
        place = f"auditlog_publication(id={id_})"
        if id_ not in told.publications:
            yield place, "belongs to no publication of the log"
        elif id_ not in stored:
            yield place, "is missing"
        else:
            at, entry = told.publications[id_]
            wrong = list(_publication(place, stored[id_], at, entry))
            yield from wrong
            if not wrong:
                yield from _cells(g, id_, bytes(stored[id_]["body"]), cells.pop(id_, {}))
    for id_ in sorted(cells.keys() - stored.keys()):
        yield f"auditlog_published(id={id_})", "belongs to no publication"


def _publication(place: str, row: Mapping[str, Any], at: Place, entry: Entry) -> Iterator[Difference]:
    of = entry.members
    wanted = {"log": at[0], "idx": at[1], "document": of["document"], "first": of["first"], "last": of["last"]}
    yield from _unequal(place, wanted, row)
    body = row["body"]
    if not isinstance(body, bytes) or f"sha256:{sha256(body).hexdigest()}" != of["digest"]:
        yield f"{place}.body", "is not the document whose digest the log holds"


def _cells(
    g: Greffier, id_: str, body: bytes, stored: Mapping[tuple[str, str], tuple[int, str | None]]
) -> Iterator[Difference]:
    """The numbers of all cells of a document, also of those that it does not show. Its bytes are as published."""
    try:
        wanted = {place: value for tally in json.loads(body)["tallies"] for place, value in _cells_of(g, tally)}
    except (UnknownRecord, AuditLogError, LookupError, TypeError, ValueError):
        return  # a document of another version of this program, or a tally that is a finding itself
    for system, cell in sorted(wanted.keys() | stored.keys()):
        place = f"auditlog_published(id={id_},system={system},cell={cell})"
        have, want = stored.get((system, cell)), wanted.get((system, cell))
        if have is None or want is None:
            yield place, "is missing" if have is None else "is no cell of the document"
            continue
        if have[0] != want[0]:
            yield f"{place}.number", "is not what the tally of the document says"
        if have[1] != want[1]:
            yield f"{place}.why", "is not what the document says"


def _cells_of(g: Greffier, tally: Any) -> Iterator[tuple[tuple[str, str], tuple[int, str | None]]]:
    for record in reading.recount(g, [tally["id"]]):
        numbers = period_tallies.cells_of(record)
        for one in tally["cells"]:
            yield (tally["system"] or "", one["cell"]), (numbers.get(one["cell"], 0), one["why"])


def _unequal(place: str, wanted: Mapping[str, Any], row: Mapping[str, Any]) -> Iterator[Difference]:
    for name, value in wanted.items():
        if row[name] != value or type(row[name]) is not type(value):
            yield f"{place}.{name}", "is not what the entry says"
