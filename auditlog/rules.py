"""What the entries of one log must say together: each id and counter number once, every reference to something before.

Pure. `LogRules.add` takes the entries in order and raises a `VerifyError` that begins with "entry N". The rules look
only at members that stand in clear; what is committed cannot be judged from the log alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from auditlog.errors import VerifyError
from auditlog.kinds import KINDS
from auditlog.record import Entry, OpaqueEntry

GENESIS = "genesis/1"
# Kinds that commit to something in the vault: what an erasure can name.
_RECORDS = frozenset(name for name, kind in KINDS.items() if kind.committed)
# A live decision needs an active system, a pilot decision a pilot. Tests and shadow runs are staff work in any state.
STATE_OF_MODE: Mapping[str, str | None] = {"live": "active", "pilot": "pilot", "test": None, "shadow": None}


@dataclass(slots=True)
class _Boot:
    """One run of the runtime: the numbers that its entries took, and what its own `close` entry said."""

    numbers: dict[int, int] = field(default_factory=dict)  # n → index of the entry that took it
    highest: int = 0
    closed_at: int | None = None
    reached: int = 0


@dataclass(slots=True)
class _System:
    """One registered system as the log tells it so far."""

    versions: dict[int, str] = field(default_factory=dict)  # version → manifest digest
    fields: dict[int, frozenset[str]] = field(default_factory=dict)  # version → names that its decisions commit
    state: str | None = None
    states: set[str] = field(default_factory=set)
    running: int | None = None


@dataclass(slots=True)
class _Opened:
    index: int
    key: tuple[str, int, str, str, int]  # system, version, manifest, boot, n
    settled: bool = False


class LogRules:
    """Checks the entries of one log, given in order from index 0."""

    def __init__(self, origin: str) -> None:
        self.kinds: dict[str, int] = {}
        self.opaque = 0
        self.first_time: str | None = None
        self.last_time: str | None = None
        self._origin = origin
        self._agency: str | None = None
        self._ids: dict[str, int] = {}
        self._erasable: set[str] = set()
        self._systems: dict[str, _System] = {}
        self._boots: dict[str, _Boot] = {}
        self._sources: dict[tuple[str, int], int] = {}
        self._opened: dict[str, _Opened] = {}

    def add(self, index: int, entry: Entry | OpaqueEntry) -> None:
        """Check the entry at `index`. Raises VerifyError("entry <index>: …")."""
        if (index == 0) != (entry.kind == GENESIS):
            raise _wrong(
                index,
                "the log must begin with its genesis entry"
                if index == 0
                else "is a second genesis entry; a log begins only once",
            )
        self.kinds[entry.kind] = self.kinds.get(entry.kind, 0) + 1
        if isinstance(entry, OpaqueEntry):
            self._add_opaque(index, entry)
            return
        self._add_common(index, entry)
        if entry.kind == "opened/1":
            self._opened[entry.id] = self._open_stream(index, entry.members)
        check = _CHECKS.get(entry.kind)
        if check is not None:
            check(self, index, entry.members)

    def finish(self) -> None:
        """Check what only the whole log shows. Raises VerifyError."""
        if self._agency is None:
            raise VerifyError("is missing: the log must begin with its genesis entry", field="entry 0")

    def _add_opaque(self, index: int, entry: OpaqueEntry) -> None:
        """Of an unknown kind only the id is looked at: a later erasure may name it."""
        self.opaque += 1
        if entry.id is not None:
            self._take_id(index, entry.id)
            self._erasable.add(entry.id)

    def _add_common(self, index: int, entry: Entry) -> None:
        self._take_id(index, entry.id)
        time = entry.time  # always the same width, so text compares as time does
        if self._agency is None or self.first_time is None:
            self._agency, self.first_time, self.last_time = entry.agency, time, time
        if entry.agency != self._agency:
            raise _wrong(index, "names another agency than the first entry; one log serves one agency")
        if time < self.first_time:
            raise _wrong(index, f"carries the time {time}, before the log itself began ({self.first_time})")
        self.last_time = max(self.last_time or time, time)
        if entry.kind in _RECORDS:
            self._erasable.add(entry.id)

    def _take_id(self, index: int, name: str) -> None:
        first = self._ids.setdefault(name, index)
        if first != index:
            raise _wrong(index, f"has the same id as entry {first}; every id is used once")

    def _genesis(self, index: int, members: Mapping[str, Any]) -> None:
        if members["origin"] != self._origin:
            raise _wrong(index, "names another log than the checkpoint; the entries belong to a different log")

    def _system(self, index: int, members: Mapping[str, Any]) -> None:
        known = members["system"] in self._systems
        if known != (members["action"] == "changed"):
            raise _wrong(
                index,
                "registers a system that is registered already"
                if known
                else "changes a system that was never registered",
            )
        self._systems.setdefault(members["system"], _System())

    def _registered(self, index: int, slug: str) -> _System:
        system = self._systems.get(slug)
        if system is None:
            raise _wrong(index, "names a system that no earlier entry registered")
        return system

    def _version(self, index: int, members: Mapping[str, Any]) -> None:
        system = self._registered(index, members["system"])
        if members["version"] in system.versions:
            raise _wrong(index, "registers a version number a second time; a version never changes")
        system.versions[members["version"]] = members["manifest"]

    def _known_version(self, index: int, members: Mapping[str, Any]) -> _System:
        """The system of an entry that names (system, version, manifest), all three registered together before it."""
        system = self._registered(index, members["system"])
        manifest = system.versions.get(members["version"])
        if manifest is None:
            raise _wrong(index, "names a version that no earlier entry registered")
        if manifest != members["manifest"]:
            raise _wrong(index, "names another manifest than the one registered for this version")
        return system

    def _state(self, index: int, members: Mapping[str, Any]) -> None:
        system = self._registered(index, members["system"])
        # The first state entry of a system may leave "from" open or name the draft that registering made.
        before = {None, "draft"} if system.state is None else {system.state}
        if members["from"] not in before:
            raise _wrong(
                index, f"says the state was {members['from']}, but the log last said {system.state or 'draft'}"
            )
        if members["version"] is not None:
            self._known_version(index, members)
        elif members["to"] in STATE_OF_MODE.values():
            raise _wrong(index, "puts a system into use without naming a version")
        system.running = members["version"]
        system.state = members["to"]
        system.states.add(members["to"])

    def _boot(self, index: int, members: Mapping[str, Any]) -> None:
        # `unclosed` may name a boot that died before its own entry was written, so those ids are not looked up.
        if members["boot"] in self._boots:
            raise _wrong(index, "states a boot that an earlier entry stated already")
        self._boots[members["boot"]] = _Boot()

    def _known_boot(self, index: int, boot: str) -> _Boot:
        known = self._boots.get(boot)
        if known is None:
            raise _wrong(index, "names a boot that no earlier entry stated")
        return known

    def _take_number(self, index: int, boot: str, n: int) -> None:
        """One number of a boot's counter, taken by exactly one decision, refusal or unfinished run."""
        known = self._known_boot(index, boot)
        first = known.numbers.setdefault(n, index)
        if first != index:
            raise _wrong(index, f"uses counter number {n} of its boot, which entry {first} has used; each is used once")
        self._below_close(index, known, n)

    def _below_close(self, index: int, boot: _Boot, n: int) -> None:
        if boot.closed_at is not None and n > boot.reached:
            raise _wrong(
                index, f"uses counter number {n}, but entry {boot.closed_at} closed its boot at {boot.reached}"
            )
        boot.highest = max(boot.highest, n)

    def _close(self, index: int, members: Mapping[str, Any]) -> None:
        boot = self._known_boot(index, members["boot"])
        if boot.closed_at is not None:
            raise _wrong(index, f"closes a boot that entry {boot.closed_at} has closed")
        if members["n"] < boot.highest:
            raise _wrong(index, f"closes its boot at {members['n']}, but number {boot.highest} was used before")
        boot.closed_at, boot.reached = index, members["n"]

    def _pulse(self, index: int, members: Mapping[str, Any]) -> None:
        for item in members["boots"]:
            self._known_boot(index, item["boot"])

    def _outage(self, index: int, members: Mapping[str, Any]) -> None:
        if members["boot"] is not None:
            self._known_boot(index, members["boot"])

    def _refused(self, index: int, members: Mapping[str, Any]) -> None:
        if members["system"] is not None:
            self._registered(index, members["system"])
        if members["boot"] is not None:
            if members["n"] is None:
                self._known_boot(index, members["boot"])
            else:
                self._take_number(index, members["boot"], members["n"])

    def _in_use(self, index: int, members: Mapping[str, Any]) -> None:
        """Mode follows from the state in force at this index (promise 1)."""
        system = self._known_version(index, members)
        needed = STATE_OF_MODE[members["mode"]]
        if needed is None:
            return
        if members["capture"] == "external":
            # Decisions made elsewhere arrive later; the system must have been in that state at some time before.
            if needed not in system.states:
                raise _wrong(index, f"is {members['mode']}, but its system was never {needed} before")
            return
        if system.state != needed:
            raise _wrong(
                index, f"is {members['mode']}, but its system was {system.state or 'draft'} then, not {needed}"
            )
        if system.running != members["version"]:
            raise _wrong(
                index, f"was made with version {members['version']}, but version {system.running} was in force"
            )

    def _open_stream(self, index: int, members: Mapping[str, Any]) -> _Opened:
        self._in_use(index, members)
        boot = self._known_boot(index, members["boot"])
        self._below_close(index, boot, members["n"])
        return _Opened(index, _run_key(members))

    def _settle(self, index: int, members: Mapping[str, Any]) -> None:
        """A decision or unfinished run that was opened first must be the same run as its `opened` entry."""
        if members["opened"] is None:
            return
        opened = self._opened.get(members["opened"])
        if opened is None:
            raise _wrong(index, "refers to an opened entry that does not exist before it")
        if opened.settled:
            raise _wrong(index, f"ends the run that entry {opened.index} opened, which was ended before")
        if opened.key != _run_key(members):
            raise _wrong(index, f"says something else than entry {opened.index}, which opened the same run")
        opened.settled = True

    def _unfinished(self, index: int, members: Mapping[str, Any]) -> None:
        self._known_version(index, members)
        self._take_number(index, members["boot"], members["n"])
        self._settle(index, members)

    def _decision(self, index: int, members: Mapping[str, Any]) -> None:
        self._in_use(index, members)
        if members["boot"] is not None:
            self._take_number(index, members["boot"], members["n"])
        else:
            key = (members["source"], members["n"])
            first = self._sources.setdefault(key, index)
            if first != index:
                raise _wrong(index, f"uses number {key[1]} of source {key[0]}, which entry {first} has used")
        self._settle(index, members)
        names = frozenset(members["commitments"])
        fields = self._systems[members["system"]].fields
        if fields.setdefault(members["version"], names) != names:
            raise _wrong(index, "commits other fields than the earlier decisions of the same version")

    def _erasure(self, index: int, members: Mapping[str, Any]) -> None:
        if members["record"] not in self._erasable:
            raise _wrong(index, "says that a record was erased which no earlier entry holds")


def _run_key(members: Mapping[str, Any]) -> tuple[str, int, str, str, int]:
    return members["system"], members["version"], members["manifest"], members["boot"], members["n"]


def _wrong(index: int, sentence: str) -> VerifyError:
    return VerifyError(sentence, field=f"entry {index}")


_CHECKS: Mapping[str, Callable[[LogRules, int, Mapping[str, Any]], None]] = {
    GENESIS: LogRules._genesis,
    "system/1": LogRules._system,
    "version/1": LogRules._version,
    "state/1": LogRules._state,
    "boot/1": LogRules._boot,
    "close/1": LogRules._close,
    "pulse/1": LogRules._pulse,
    "outage/1": LogRules._outage,
    "refused/1": LogRules._refused,
    "unfinished/1": LogRules._unfinished,
    "decision/1": LogRules._decision,
    "erasure/1": LogRules._erasure,
}
