"""What the two entries of a sample must say together, and with the log that they draw from (see `sample`). Pure.

The log shows population, nonce and the root that was drawn with. That a witness cosigned that root, and when, only its
cosignature shows: it lies in the evidence, not in the log.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from auditlog.core.checking.history import wrong
from auditlog.core.checking.sample import SAMPLED_MODES, nonce_hash
from auditlog.core.entries.record import Entry
from auditlog.core.errors import FormatError
from auditlog.core.formats.merkle import ReadNodes, tree_root

_STATED = ("system", "since", "until", "population", "count", "witness", "not_before")
"""What the draw repeats of the population."""


@dataclass(slots=True)
class _Begun:
    index: int
    members: Mapping[str, Any]
    drawn_at: int | None = None


@dataclass(slots=True)
class SampleRules:
    """Fed with the entries of one log in order. `roots`: index of a draw → size and root that it states."""

    roots: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    _decided: dict[str | None, array[int]] = field(default_factory=dict)
    _begun: dict[str, _Begun] = field(default_factory=dict)
    _nonces: dict[str, int] = field(default_factory=dict)

    def add(self, index: int, entry: Entry) -> None:
        """Check a sample's entry, count a decision, pass over the rest. Raises VerifyError("entry <index>: …")."""
        check = _CHECKS.get(entry.kind)
        if check is not None:
            check(self, index, entry)

    def check_roots(self, read: ReadNodes) -> None:
        """Compare the roots of all draws with those of the tree, whose nodes `read` gives. Raises VerifyError."""
        for index, (size, root) in self.roots.items():
            if tree_root(size, read) != root:
                raise wrong(index, "draws with a root that this log did not have at that size")

    def _decision(self, index: int, entry: Entry) -> None:
        if entry.members["mode"] in SAMPLED_MODES:
            for system in (None, entry.members["system"]):
                if system not in self._decided:
                    self._decided[system] = array("Q")
                self._decided[system].append(index)

    def _sample(self, index: int, entry: Entry) -> None:
        if entry.members["stage"] == "population":
            self._begin(index, entry)
        else:
            self._draw(index, entry.members)

    def _begin(self, index: int, entry: Entry) -> None:
        members = entry.members
        known = self._begun.setdefault(members["sample"], _Begun(index, members))
        if known.index != index:
            raise wrong(index, f"begins the sample of entry {known.index} a second time")
        first = self._nonces.setdefault(members["nonce"], index)
        if first != index:
            raise wrong(index, f"hides the nonce of entry {first}, which may be known: each sample needs its own")
        if members["checkpoint"] is not None:
            raise wrong(index, "names the checkpoint of a draw before there was one")
        if not members["since"] < members["until"] <= index:
            raise wrong(index, "draws from a range of the log that does not lie before it")
        number = self._count(members["system"], members["since"], members["until"])
        if number != members["population"]:
            raise wrong(index, f"says that it draws from {members['population']} decisions, but there are {number}")
        if not 1 <= members["count"] <= number:
            raise wrong(index, f"draws {members['count']} of {number} decisions")
        if members["not_before"] <= entry.time:  # both to the minute: text compares as time does
            raise wrong(index, "fixes its draw at a time that is not after itself")

    def _draw(self, index: int, members: Mapping[str, Any]) -> None:
        begun = self._begun.get(members["sample"])
        if begun is None:
            raise wrong(index, "draws a sample that no earlier entry of this log began")
        if begun.drawn_at is not None:
            raise wrong(index, f"draws a sample a second time; entry {begun.drawn_at} drew it")
        begun.drawn_at = index
        for name in _STATED:
            if members[name] != begun.members[name]:
                raise wrong(index, f"says another {name} than entry {begun.index}, which began the sample")
        if not _hides(begun.members["nonce"], members["nonce"]):
            raise wrong(index, f"reveals another nonce than the one that entry {begun.index} hid")
        stated = members["checkpoint"]
        if stated is None:
            raise wrong(index, "draws without a checkpoint")
        if not begun.index < stated["size"] <= index:
            raise wrong(index, f"draws with a checkpoint that is not between entry {begun.index} and itself")
        self.roots[index] = (stated["size"], bytes.fromhex(stated["root"]))

    def _count(self, system: str | None, since: int, until: int) -> int:
        decided = self._decided.get(system, ())
        return bisect_left(decided, until) - bisect_left(decided, since)


def _hides(hidden: str, nonce: str) -> bool:
    try:
        return nonce_hash(bytes.fromhex(nonce)) == hidden
    except FormatError:
        return False


_CHECKS: Mapping[str, Callable[[SampleRules, int, Entry], None]] = {
    "decision/1": SampleRules._decision,
    "sample/1": SampleRules._sample,
}
