"""What `log fsck` checks of the roll-up: it is what tallies say, and what live records add that no tally counts yet.

Where content is gone that was never tallied (lost with a database, and stated), a number may be larger than what is
left gives, never smaller. That a tally is what its records give is the business of `greffier tally recount`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from auditlog.core.counting.cells import COUNTED_KINDS, key_of
from auditlog.core.counting.figures import CellKey, Counted
from auditlog.core.counting.tally import parse_content
from auditlog.core.entries.record import Entry, parse_entry
from auditlog.core.errors import AuditLogError
from auditlog.store import log as log_store
from auditlog.store.figure_rows import Key, all_due, all_rolled_up, all_rounds, all_tallied, replace_rolled_up
from auditlog.store.rollup import KEY, row_key
from auditlog.store.tallies import TallyRow, day_tallies, tallied_until
from home.errors import AppError
from home.greffier import Greffier
from registry.errors import RegistryError
from service.deciding.counting import LiveCounts, Placed
from service.records import reading

if TYPE_CHECKING:
    from sqlalchemy import Connection

_BATCH = 500
_OF_REVIEWS = ("reviewed", "reviews.", "review_time.", "held.reviewed")
Difference = tuple[str, str]


@dataclass(slots=True)
class _Sums:
    """Key and cell → number. `at_least`: keys of which something is not known any more; `reviews_at_least`: logs."""

    tallied: Counter[tuple[Key, str]] = field(default_factory=Counter)
    more: Counter[tuple[Key, str]] = field(default_factory=Counter)
    last: dict[Key, int] = field(default_factory=dict)
    unopened: set[tuple[Any, ...]] = field(default_factory=set)
    at_least: set[Key] = field(default_factory=set)
    reviews_at_least: set[int] = field(default_factory=set)

    def is_bound(self, key: Key, cell: str) -> bool:
        """Whether the number that is known is only the least that it can be."""
        return key in self.at_least or (key[0] in self.reviews_at_least and cell.startswith(_OF_REVIEWS))


def differences(g: Greffier, conn: Connection, sizes: Mapping[int, int]) -> Iterator[Difference]:
    """Rows that differ from what tallies and entries say. `sizes`: number of a log → how many entries it has."""
    sums = _sum(g, conn, sizes)
    rollup, tallied = all_rolled_up(conn), all_tallied(conn)
    yield from _tallied(sums, tallied)
    yield from _rollup(sums, rollup, tallied)
    yield from _due(conn, sums, rollup, tallied, sizes)
    for number, until in all_rounds(conn).items():
        if not 0 <= until <= sizes.get(number, -1):
            yield f"auditlog_tally_round(log={number}).until", "is beyond the end of that log"


def fit(g: Greffier) -> None:
    """Make roll-up, and what is due, such that `differences` finds nothing: from tallies and live records.

    For a database that was built anew, or changed past the program. Where content is gone, a larger number stays.
    """
    with g.reading() as conn:
        heads = {number: log_store.read_head(conn, number) for number in g.publishers}
        sizes = {number: head.size for number, head in heads.items() if head is not None}
        sums = _sum(g, conn, sizes)
        rollup, old = all_rolled_up(conn), all_tallied(conn)
        rounds = {number: min(until, sizes[number]) for number, until in all_rounds(conn).items() if number in sizes}
    tallied = dict(sums.tallied) | {whole: number for whole, number in old.items() if whole[0][:4] in sums.unopened}
    wanted = {}
    for key, cell in rollup.keys() | tallied.keys() | sums.more.keys():
        known = tallied.get((key, cell), 0) + sums.more[key, cell]
        bound = sums.is_bound(key, cell)
        wanted[key, cell] = max(known, rollup.get((key, cell), 0)) if bound else known
    due = {key: sizes[key[0]] for (key, cell), number in wanted.items() if number != tallied.get((key, cell), 0)}
    with log_store.writing(g.engine) as conn:
        replace_rolled_up(conn, wanted, tallied, due, rounds)


def _sum(g: Greffier, conn: Connection, sizes: Mapping[int, int]) -> _Sums:
    rows, sums = day_tallies(conn), _Sums()
    _open(g, sums, rows)
    for log, size in sizes.items():
        _add_up(g, conn, sums, [row for row in rows if row.counted == log], (log, size))
    return sums


def _open(g: Greffier, sums: _Sums, rows: Sequence[TallyRow]) -> None:
    """What the tallies of days say."""
    for row in rows:
        group = (row.counted, row.system, row.version, row.mode)
        try:
            record = next(iter(reading.recount(g, [row.id])))
            cells, _, days = parse_content(record.values["content"])
        except (AuditLogError, AppError, StopIteration, LookupError, TypeError):
            sums.unopened.add(group)  # its content is lost, or a finding of the vault's part
            continue
        for day, of in (days or {row.first: cells}).items():
            for cell, number in of.items():
                sums.tallied[(*group, day), cell] += number


def _add_up(g: Greffier, conn: Connection, sums: _Sums, rows: Sequence[TallyRow], log: tuple[int, int]) -> None:
    """What the entries of a log (number, size) add that no tally counts: those after its last round, but for a few."""
    number, size = log
    live = LiveCounts(g)
    since = min(tallied_until(conn, number), size)
    near = [row for row in rows if row.until is None or row.until > since]
    entries = _entries(conn, number, since, size)
    while some := list(islice(entries, _BATCH)):
        for placed, counts in _counts(live, some):
            if counts is None:
                _miss(sums, placed, near)
                continue
            for key, cells in counts:
                if any(row.covers(key, placed.place) for row in near):
                    continue
                whole = row_key(number, key)
                sums.last[whole] = placed.place[1]
                sums.more.update({(whole, cell): amount for cell, amount in cells.items()})


def _counts(live: LiveCounts, some: Sequence[Placed]) -> Iterator[tuple[Placed, list[Counted] | None]]:
    """As `LiveCounts.of`; None also where something does not open, which is a finding of the vault's part."""
    for placed in some:
        try:
            yield from live.of([placed])
        except (AuditLogError, AppError, RegistryError, LookupError, TypeError):
            yield placed, None


def _entries(conn: Connection, log: int, since: int, until: int) -> Iterator[Placed]:
    for index, data in log_store.iterate_entries(conn, log, since, until):
        try:
            entry = parse_entry(data)
        except AuditLogError:
            continue
        if isinstance(entry, Entry) and entry.kind in COUNTED_KINDS:
            yield Placed(entry, (log, index))


def _miss(sums: _Sums, placed: Placed, rows: Iterable[TallyRow]) -> None:
    """The content of an entry is gone: what it added is not known, unless a tally counts it."""
    log = placed.place[0]
    if placed.entry.kind == "review/1":
        sums.reviews_at_least.add(log)
        return
    key: CellKey = key_of(placed.entry)
    if not any(row.covers(key, placed.place) for row in rows):
        sums.at_least.add(row_key(log, key))


def _tallied(sums: _Sums, tallied: Mapping[tuple[Key, str], int]) -> Iterator[Difference]:
    for key, cell in sorted(sums.tallied.keys() | tallied.keys()):
        if key[:4] not in sums.unopened and sums.tallied[key, cell] != tallied.get((key, cell), 0):
            yield f"{_place('auditlog_rollup_tallied', key, cell)}.number", "is not what the tallies say"


def _rollup(
    sums: _Sums, rollup: Mapping[tuple[Key, str], int], tallied: Mapping[tuple[Key, str], int]
) -> Iterator[Difference]:
    for key, cell in sorted(rollup.keys() | sums.tallied.keys() | tallied.keys() | sums.more.keys()):
        known = tallied.get((key, cell), 0) if key[:4] in sums.unopened else sums.tallied[key, cell]
        known += sums.more[key, cell]
        have = rollup.get((key, cell), 0)
        if have < known or (have > known and not sums.is_bound(key, cell)):
            yield f"{_place('auditlog_rollup', key, cell)}.number", "is not what tallies and records give"


def _due(
    conn: Connection,
    sums: _Sums,
    rollup: Mapping[tuple[Key, str], int],
    tallied: Mapping[tuple[Key, str], int],
    sizes: Mapping[int, int],
) -> Iterator[Difference]:
    """What is not tallied yet is due, from the size on at which its key gained last."""
    waiting = {key for (key, cell), number in rollup.items() if number != tallied.get((key, cell), 0)}
    known = {key for key, _ in rollup}
    stored = all_due(conn)
    for key in sorted(waiting - stored.keys()):
        yield _place("auditlog_rollup_due", key), "is missing: what its key gained would not be tallied"
    for key, changed in sorted(stored.items()):
        place = _place("auditlog_rollup_due", key)
        if key not in known:
            yield place, "is of a key that nothing is counted under"
        elif not sums.last.get(key, 0) < changed <= sizes.get(key[0], 0):
            yield f"{place}.changed", "is not a size of the log at which its key gained"


def _place(table: str, key: Key, cell: str | None = None) -> str:
    named = ",".join(f"{name}={value}" for name, value in zip(KEY, key, strict=True))
    return f"{table}({named}{'' if cell is None else f',cell={cell}'})"
