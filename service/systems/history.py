"""A system as it was on a day, and what changed between two days: from the register's past records, each held against
the entry of the log that names its digest, with the proof that this entry stands in the log."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from auditlog.core.formats.merkle import ReadNodes, prove_inclusion
from auditlog.core.formats.proof import LogProof, format_proof
from auditlog.store import log as log_store
from home.greffier import Greffier
from registry.errors import UnknownSystem
from registry.history import Change, differences
from registry.parts.publication import Publication
from registry.publication import NOT_YET, Hidden, is_restricted, public_system, withheld
from registry.store import as_of as store
from registry.store import history as history_store
from registry.store import systems as system_store
from registry.store.history import Place
from registry.system import AISystem, parse_record
from service.records import reading

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from auditlog.core.entries.record import Entry


@dataclass(frozen=True, slots=True)
class SystemEvent:
    """An entry about a system with its place and its C2SP `tlog-proof` (text). `what`: the entry's own members."""

    log: int
    index: int
    time: str
    kind: str
    what: Mapping[str, Any]
    proof: str


@dataclass(frozen=True, slots=True)
class Past:
    """A system at the end of a day of UTC, as far as it is public.

    `digest`: of the whole record, as `entry` names it. `whole`: nothing is withheld, so `system` gives that digest.
    `hidden`: what is withheld, and why. `state_entry` brought the state; `approvals` are those of the versions so far,
    with the role of who approved.
    """

    day: date
    system: AISystem
    state: str
    running_version: int | None
    digest: str
    whole: bool
    hidden: tuple[Hidden, ...]
    entry: SystemEvent
    state_entry: SystemEvent
    approvals: tuple[SystemEvent, ...]


@dataclass(frozen=True, slots=True)
class Differences:
    """Two days of a system, and each member of its public record that differs."""

    before: Past
    after: Past
    changes: tuple[Change, ...]


def as_of(g: Greffier, slug: str, day: date) -> Past:
    """A system at the end of `day`. Raises UnknownSystem where the public register did not have it then, and where
    nobody kept the record: those from before this register kept them."""
    with g.reading() as conn:
        return _as_of(g, conn, slug, day)


def between(g: Greffier, slug: str, first: date, last: date) -> Differences:
    """What changed from the end of `first` to the end of `last`. Raises UnknownSystem as `as_of` does."""
    with g.reading() as conn:
        before, after = _as_of(g, conn, slug, first), _as_of(g, conn, slug, last)
    return Differences(before, after, differences(before.system, after.system))


def _as_of(g: Greffier, conn: Connection, slug: str, day: date) -> Past:
    now = system_store.read_record(conn, slug)
    told = _until(conn, slug, day)
    records = [(place, entry) for place, entry in told if entry.kind == "system/1"]
    states = [(place, entry) for place, entry in told if entry.kind == "state/1"]
    if not records or not states or states[-1][1].members["to"] in NOT_YET or is_restricted(now):
        raise UnknownSystem("was not in the public register on that day; choose a later one", field="system")
    place, entry = records[-1]
    record = _record(conn, place, entry)
    today = g.clock().date()
    shown = _shown(record, now, today)
    proofs = _Proofs(g, conn)
    running: Any = states[-1][1].members["version"]
    return Past(
        day=day,
        system=shown,
        state=str(states[-1][1].members["to"]),
        running_version=running,
        digest=str(entry.members["record"]),
        whole=shown == record,
        hidden=withheld(shown, today),
        entry=proofs.told(place, entry),
        state_entry=proofs.told(*states[-1]),
        approvals=tuple(proofs.told(*one) for one in states if one[1].members["reason"] == "approved"),
    )


def _until(conn: Connection, slug: str, day: date) -> list[tuple[Place, Entry]]:
    """What counts of the system's entries of that day and before: its newest record, the newest state, approvals.

    Only these are parsed strictly: of the others kind and day are read.
    """
    raw = _raw(conn, slug)
    heads = {place: json.loads(data) for place, data in raw.items()}
    past = [place for place, head in heads.items() if head["time"][:10] <= day.isoformat()]
    records = [place for place in past if heads[place]["kind"] == "system/1"]
    states = [place for place in past if heads[place]["kind"] == "state/1"]
    approvals = [place for place in states if heads[place]["reason"] == "approved"]
    return [(place, reading.known(raw[place])) for place in sorted({*records[-1:], *states[-1:], *approvals})]


def _raw(conn: Connection, slug: str) -> dict[Place, bytes]:
    """The bytes of every entry of a system, oldest first."""
    places = history_store.list_changes(conn, slug)
    logs = {log: [index for number, index in places if number == log] for log in sorted({log for log, _ in places})}
    found = {log: log_store.read_scattered(conn, log, indices) for log, indices in logs.items()}
    return {(log, index): found[log][index] for log, index in places if index in found[log]}


def _record(conn: Connection, place: Place, entry: Entry) -> AISystem:
    stored = store.record_at(conn, place)
    if stored is None or stored.digest != entry.members["record"]:
        raise UnknownSystem(
            "has no record of that day: it was not kept then, or is not the one that the log names", field="system"
        )
    return parse_record(stored.text.encode())


def _shown(record: AISystem, now: AISystem, today: date) -> AISystem:
    """The public part of a past record: what was withheld in it and what is withheld now both stay away, with the
    reasons."""
    own = () if record.publication is None else record.publication.withheld
    names = {one.member for one in own}
    later = () if now.publication is None else now.publication.withheld
    added = tuple(one for one in later if one.member not in names)
    if added:
        record = replace(record, publication=Publication(state="partly", withheld=(*own, *added)))
    return public_system(record, today)


class _Proofs:
    """Proofs of entries under one signed head for each log."""

    def __init__(self, g: Greffier, conn: Connection) -> None:
        self._g, self._conn = g, conn
        self._heads: dict[int, tuple[log_store.Head, ReadNodes]] = {}

    def told(self, place: Place, entry: Entry) -> SystemEvent:
        """The entry with its proof."""
        log, index = place
        if log not in self._heads or self._heads[log][0].size <= index:
            found, _ = reading.head(self._g, self._conn, log=log, covering=index)
            self._heads[log] = (found, log_store.reader(self._conn, log, found.size))
        head, nodes = self._heads[log]
        hashes = prove_inclusion(index, head.size, nodes)
        proof = format_proof(LogProof(index, hashes, head.note, None))
        what = {name: value for name, value in entry.members.items() if name != "system"}
        return SystemEvent(log, index, entry.time, entry.kind, what, proof.decode())
