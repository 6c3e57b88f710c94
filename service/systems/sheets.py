"""The register as sets of systems, kept in memory for as long as no system changes: what a facet counts is how many are
in two sets. A set is an integer that has a bit for each system, in the order of their short names."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from registry.publication import NOT_YET
from registry.search_words import FACETS
from registry.store import listing as store
from registry.store.listing import Listed

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine


@dataclass(frozen=True, slots=True)
class Sheet:
    """Every system in order, where each stands, and the set of those that have a code, by facet. `public`: those that
    everybody sees."""

    rows: tuple[Listed, ...]
    slugs: tuple[str, ...]
    place: Mapping[str, int]
    facets: Mapping[str, Mapping[str, int]]
    public: int

    @property
    def every(self) -> int:
        """The set of all."""
        return (1 << len(self.rows)) - 1

    def with_all(self, chosen: Mapping[str, Sequence[str]], *, but: str | None = None) -> int:
        """Those that have a chosen code of every facet (but one)."""
        found = self.every
        for name, codes in chosen.items():
            if codes and name != but:
                found &= union(self.facets[name].get(code, 0) for code in codes)
        return found

    def counts(self, facet: str, among: int) -> dict[str, int]:
        """How many of a set have each code; codes that none has are left out."""
        found = {code: (members & among).bit_count() for code, members in self.facets[facet].items()}
        return {code: count for code, count in found.items() if count}

    def levels(self, ranks: Mapping[str, int]) -> list[int]:
        """The systems that are named, by rank: the set of the highest first."""
        by_rank: dict[int, list[int]] = {}
        for slug, rank in ranks.items():
            if slug in self.place:
                by_rank.setdefault(rank, []).append(self.place[slug])
        return [_set(by_rank[rank], len(self.rows)) for rank in sorted(by_rank, reverse=True)]

    def after(self, members: int, slug: str) -> int:
        """Those of a set that stand behind a short name."""
        place = bisect_right(self.slugs, slug)
        return members >> place << place


_KEPT: Final[WeakKeyDictionary[Engine, tuple[tuple[int, ...], Sheet]]] = WeakKeyDictionary()


def of(engine: Engine, conn: Connection) -> Sheet:
    """The sheet of a register as it is now."""
    stamp = store.stamp(conn)
    kept = _KEPT.get(engine)
    if kept is None or kept[0] != stamp:
        kept = _KEPT[engine] = (stamp, _sheet(sorted(store.list_all(conn), key=lambda one: one.slug)))
    return kept[1]


def union(sets: Iterable[int]) -> int:
    """Those that are in any of the sets."""
    found = 0
    for one in sets:
        found |= one
    return found


def places(members: int) -> Iterator[int]:
    """The places of a set's systems, in order."""
    while members:
        lowest = members & -members
        yield lowest.bit_length() - 1
        members ^= lowest


def _sheet(rows: list[Listed]) -> Sheet:
    facets: dict[str, dict[str, list[int]]] = {name: {} for name in FACETS}
    for place, one in enumerate(rows):
        for name, codes in _codes(one).items():
            for code in codes:
                facets[name].setdefault(code, []).append(place)
    size = len(rows)
    return Sheet(
        rows=tuple(rows),
        slugs=tuple(one.slug for one in rows),
        place={one.slug: n for n, one in enumerate(rows)},
        facets={name: {code: _set(found, size) for code, found in codes.items()} for name, codes in facets.items()},
        public=_set((n for n, one in enumerate(rows) if not one.hidden and one.state not in NOT_YET), size),
    )


def _codes(one: Listed) -> dict[str, tuple[str, ...]]:
    return {
        "state": (one.state,),
        "theme": one.themes,
        "risk": one.risks,
        "role": (one.role,),
        "owner": (one.owner,),
        "capture": (one.capture,),
    }


def _set(found: Iterable[int], size: int) -> int:
    bits = bytearray(size // 8 + 1)
    for place in found:
        bits[place >> 3] |= 1 << (place & 7)
    return int.from_bytes(bits, "little")
