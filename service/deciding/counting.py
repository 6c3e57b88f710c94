"""What a record adds to the figures, with what the register says of its system (see `auditlog.core.counting.cells`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from auditlog.core.counting.cells import counted
from auditlog.core.counting.figures import Counted
from auditlog.core.entries.record import Entry
from auditlog.core.formats.canonical import Json
from auditlog.store import decisions as decision_store
from auditlog.store import vault as vault_store
from home.greffier import Greffier
from registry.manifest import Manifest
from registry.manifest_rules import RESERVED_OUTCOMES
from registry.store import systems as register_store
from service.records import reading
from service.records.release import needs_review

if TYPE_CHECKING:
    from sqlalchemy import Connection


class ReviewedMeanwhile(Exception):
    """Another review of the same result came first, so that this one counts otherwise: ask again and try again."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """What a review of a result takes the place of."""

    decided: Entry
    previous: str | None
    held: bool

    def counts(self, review: Entry, action: str) -> list[Counted]:
        """What the review adds."""
        values = {"action": action}
        return counted(review, values, decided=self.decided, previous=self.previous, held=self.held)

    def demand_unchanged(self, conn: Connection) -> None:
        """In the transaction of the review. Raises ReviewedMeanwhile."""
        row = decision_store.find_decision(conn, self.decided.id)
        if row is not None and row["review"] != self.previous:
            raise ReviewedMeanwhile


@dataclass(frozen=True, slots=True)
class Placed:
    """An entry and its place: number of the log, index in it."""

    entry: Entry
    place: tuple[int, int]


def waiting_outcomes(manifests: Iterable[Manifest]) -> dict[str, bool]:
    """Outcome → whether its results wait for a review, where all versions that declare it agree."""
    found: dict[str, set[bool]] = {code: {True} for code in RESERVED_OUTCOMES}
    for manifest in manifests:
        reserved = RESERVED_OUTCOMES if manifest.streaming else ()
        for code in (*(outcome.code for outcome in manifest.outcomes), *reserved):
            found.setdefault(code, set()).add(needs_review(manifest, code))
    return {code: waits.pop() for code, waits in found.items() if len(waits) == 1}


def earlier(g: Greffier, decided: Entry) -> Earlier:
    """What a review of this decision would take the place of, as things stand."""
    with g.reading() as conn:
        row = decision_store.find_decision(conn, decided.id)
        version = register_store.read_version(conn, decided.members["system"], decided.members["version"])
    previous = None if row is None else row["review"]
    return Earlier(decided, previous, needs_review(version.manifest, None if row is None else row["outcome"]))


class LiveCounts:
    """What entries add, told from the content of live records: what the writer counted is counted again."""

    def __init__(self, g: Greffier) -> None:
        self._g = g
        self._manifests: dict[tuple[str, int], Manifest] = {}

    def of(self, placed: Sequence[Placed]) -> Iterator[tuple[Placed, list[Counted] | None]]:
        """What each of some entries of the counted kinds adds, in their order; None where its content was erased."""
        ids = [one.entry.id for one in placed if one.entry.kind != "refused/1"]
        with self._g.reading() as conn:
            held = vault_store.slots_of(conn, ids).keys()
            rows = {id_: decision_store.find_decision(conn, id_) for id_ in ids if id_ not in held}
        values: dict[str, Mapping[str, Json]] = {
            id_: {} for id_, row in rows.items() if row is not None and row["content"] == decision_store.EXTERNAL
        }
        for record in reading.recount(self._g, [id_ for id_ in ids if id_ in held]):
            values[record.entry.id] = record.values
        for one in placed:
            yield one, self._one(one, values)

    def _one(self, placed: Placed, values: Mapping[str, Mapping[str, Json]]) -> list[Counted] | None:
        entry = placed.entry
        if entry.kind == "refused/1":
            return counted(entry, {})
        mine = values.get(entry.id)
        if mine is None:
            return None
        if entry.kind == "review/1":
            return self._review(placed, mine)
        run = mine.get("run")
        undeclared = run.get("undeclared", 0) if isinstance(run, dict) else 0
        return counted(entry, mine, held=self._held(entry, mine), undeclared=cast("int", undeclared))

    def _review(self, placed: Placed, values: Mapping[str, Json]) -> list[Counted] | None:
        reference = str(values["reference"])
        decided = reading.find(self._g, reference).entry
        with self._g.reading() as conn:
            reviews = decision_store.find_reviews(conn, reference)
            sealed = bool(vault_store.slots_of(conn, [reference]))
        before = [row["action"] for row in reviews if (row["log"], row["idx"]) < placed.place]
        of = next(iter(reading.recount(self._g, [reference])), None) if sealed else None
        held = of is not None and self._held(decided, of.values)
        return counted(placed.entry, values, decided=decided, previous=before[-1] if before else None, held=held)

    def _held(self, decided: Entry, values: Mapping[str, Json]) -> bool:
        key = decided.members["system"], decided.members["version"]
        if key not in self._manifests:
            with self._g.reading() as conn:
                self._manifests[key] = register_store.read_version(conn, *key).manifest
        return needs_review(self._manifests[key], cast("str | None", values.get("outcome")))
