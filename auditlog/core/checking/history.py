"""What the entries read so far have told, for `rules`: ids, systems, runs of the runtime, opened streams.

A successor log begins with what its predecessor told. An index that is carried over is kept as its complement (-1 - i),
so that a sentence about it says in which log the entry stands.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from auditlog.core.errors import VerifyError

RunKey = tuple[str, int, str, str, int]  # system, version, manifest, boot, n


@dataclass(slots=True)
class Boot:
    """One run of the runtime: the numbers that its entries took, and what its own `close` entry said."""

    numbers: dict[int, int] = field(default_factory=dict)  # n → index of the entry that took it
    highest: int = 0
    closed_at: int | None = None
    reached: int = 0


@dataclass(slots=True)
class System:
    """One registered system. `whole` is False where some of its history stands in entries that are not here."""

    versions: dict[int, str] = field(default_factory=dict)  # version → manifest digest
    fields: dict[int, frozenset[str]] = field(default_factory=dict)  # version → names that its decisions commit
    state: str | None = None
    states: set[str] = field(default_factory=set)
    running: int | None = None
    whole: bool = True


@dataclass(slots=True)
class Opened:
    """A stream that was opened, and whether it ended."""

    index: int
    key: RunKey
    settled: bool = False


@dataclass(slots=True)
class Past:
    """Everything that later entries may refer to. `older` is the predecessor's own, which is only read."""

    agency: str | None = None
    ids: dict[str, int] = field(default_factory=dict)
    erasable: set[str] = field(default_factory=set)
    systems: dict[str, System] = field(default_factory=dict)
    boots: dict[str, Boot] = field(default_factory=dict)
    sources: dict[tuple[str, int], int] = field(default_factory=dict)
    opened: dict[str, Opened] = field(default_factory=dict)
    older: Past | None = None

    def carried(self) -> Past:
        """The past with which a successor log begins."""
        return Past(
            agency=self.agency,
            systems={slug: _copy(system) for slug, system in self.systems.items()},
            boots={name: _carried(boot) for name, boot in self.boots.items()},
            sources={key: _elsewhere(index) for key, index in self.sources.items()},
            opened={name: replace(one, index=_elsewhere(one.index)) for name, one in self.opened.items()},
            older=self,
        )

    def doubt(self) -> None:
        """Entries that are lost may have registered versions and changed states: what was told last is not certain."""
        for system in self.systems.values():
            system.whole, system.state, system.running = False, None, None

    def older_use(self, name: str) -> int | None:
        """Where a predecessor used this id, as a carried index."""
        older = self.older
        while older is not None:
            if name in older.ids:
                return _elsewhere(older.ids[name])
            older = older.older
        return None

    def can_be_erased(self, name: str) -> bool:
        """Whether a record of this id stands before, in this log or one that it continues."""
        past: Past | None = self
        while past is not None:
            if name in past.erasable:
                return True
            past = past.older
        return False


def place(index: int) -> str:
    """An entry in a sentence."""
    return f"entry {index}" if index >= 0 else f"entry {-1 - index} of an earlier log"


def wrong(index: int, sentence: str) -> VerifyError:
    """The error of the entry at `index`."""
    return VerifyError(sentence, field=f"entry {index}")


def _elsewhere(index: int) -> int:
    return index if index < 0 else -1 - index


def _copy(system: System) -> System:
    return replace(system, versions=dict(system.versions), fields=dict(system.fields), states=set(system.states))


def _carried(boot: Boot) -> Boot:
    closed_at = None if boot.closed_at is None else _elsewhere(boot.closed_at)
    return replace(boot, numbers={n: _elsewhere(index) for n, index in boot.numbers.items()}, closed_at=closed_at)
