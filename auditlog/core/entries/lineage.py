"""What the entries of a log say about the log itself: its name, its keys, its end, and the log that it continues. Pure.

The tables `auditlog_log` and `auditlog_key` repeat this, so that opening an installation does not walk the log; `fsck`
compares them with it, and an import writes them from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from auditlog.core.entries.record import Entry, OpaqueEntry

Sizes = tuple[int, int | None]


@dataclass(frozen=True, slots=True)
class Predecessor:
    """The log that this one continues: its last size and root (32 bytes), and how many entries of it were lost.

    `lost` is None where its last entry froze it.
    """

    origin: str
    size: int
    root: bytes
    lost: int | None


@dataclass(slots=True)
class Lineage:
    """`keys`: digest of a key that a rotation names → its sizes. `closed_at`: the final size, where frozen."""

    origin: str | None = None
    predecessor: Predecessor | None = None
    keys: dict[str, Sizes] = field(default_factory=dict)
    closed_at: int | None = None
    successor: str | None = None

    def add(self, index: int, entry: Entry | OpaqueEntry) -> None:
        """Take the entry at `index`; entries come in order."""
        if isinstance(entry, OpaqueEntry):
            return
        members = entry.members
        if entry.kind == "genesis/1":
            self.origin = str(members["origin"])
            before = members["predecessor"]
            if before is not None:
                root = bytes.fromhex(before["root"])
                self.predecessor = Predecessor(before["origin"], before["size"], root, members["lost"])
        elif entry.kind == "rotation/1":
            for digest in members["added"]:
                self.keys[digest] = (index + 1, None)
            for digest in members["retired"]:
                self.keys[digest] = (self.keys.get(digest, (0, None))[0], index + 1)
        elif entry.kind == "freeze/1":
            self.closed_at = index + 1
            self.successor = members["successor"]


def lineage(entries: Iterable[tuple[int, Entry | OpaqueEntry]]) -> Lineage:
    """Of a whole log, given as (index, entry) in order."""
    found = Lineage()
    for index, entry in entries:
        found.add(index, entry)
    return found
