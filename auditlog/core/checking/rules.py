"""What the entries of one log must say together: each id and counter number once, every reference to something before.

Pure. `LogRules.add` takes the entries in order and raises a `VerifyError` that begins with "entry N". The rules look
only at members that stand in clear; what is committed cannot be judged from the log alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from auditlog.core.checking.history import Opened, Past, RunKey, System, place, wrong
from auditlog.core.checking.runs import Runs
from auditlog.core.checking.sample_rules import SampleRules
from auditlog.core.checking.succession import Known, check_predecessor, check_rotation
from auditlog.core.entries.kinds import KINDS
from auditlog.core.entries.lineage import Lineage, Predecessor
from auditlog.core.entries.record import Entry, OpaqueEntry
from auditlog.core.errors import VerifyError
from auditlog.core.formats.keyring import Sizes

GENESIS = "genesis/1"
_OF_THE_LOG = frozenset((GENESIS, "rotation/1", "freeze/1"))
# Kinds that commit to something in the vault: what an erasure can name.
_RECORDS = frozenset(name for name, kind in KINDS.items() if kind.committed)
# A live decision needs an active system, a pilot decision a pilot. Tests and shadow runs are staff work in any state.
STATE_OF_MODE: Mapping[str, str | None] = {"live": "active", "pilot": "pilot", "test": None, "shadow": None}


class LogRules:
    """Checks the entries of one log, given in order from index 0.

    With the rules of the log that it continues, all of which have been read, references into that log hold too. Without
    them such references are only counted (`unresolved`), and only where the genesis names a predecessor.
    """

    def __init__(self, origin: str, predecessor: LogRules | None = None) -> None:
        self.origin = origin
        self.size = 0
        self.root: bytes | None = None
        self.kinds: dict[str, int] = {}
        self.opaque = 0
        self.first_time: str | None = None
        self.last_time: str | None = None
        self.last_time_at = 0
        self.unresolved = 0
        # A clock that was set back gives times before the log began. The entry is signed and cannot be taken out, so an
        # error here would fail every audit from then on for a fault that harms nobody: it is counted. Back-dating on
        # purpose is shown by an older witnessed checkpoint that does not hold the entry (see `verifier`).
        self.times_before_start = 0
        self.lineage = Lineage()
        self.samples = SampleRules()
        self.past: Past = Past() if predecessor is None else predecessor.past.carried()
        self._runs = Runs(self.past.boots, self._missing)
        self._predecessor = predecessor
        self._open = False  # whether references may lead to entries that are not here

    @property
    def keys(self) -> Mapping[str, Sizes]:
        """Digest of a key that a rotation names → the sizes at which it signs."""
        return self.lineage.keys

    def add(self, index: int, entry: Entry | OpaqueEntry) -> None:
        """Check the entry at `index`. Raises VerifyError("entry <index>: …")."""
        if (index == 0) != (entry.kind == GENESIS):
            second = "is a second genesis entry; a log begins only once"
            raise wrong(index, second if index else "the log must begin with its genesis entry")
        if self.lineage.closed_at is not None:
            raise wrong(index, f"follows entry {self.lineage.closed_at - 1}, which froze the log: nothing may follow")
        self.size = index + 1
        self.kinds[entry.kind] = self.kinds.get(entry.kind, 0) + 1
        if isinstance(entry, OpaqueEntry):
            self._add_opaque(index, entry)
            return
        if index == 0:
            self._genesis(index, entry.members)  # before ids are compared with those of a log that is no predecessor
        self._add_common(index, entry)
        if entry.kind == "opened/1":
            self.past.opened[entry.id] = self._open_stream(index, entry.members)
        check = _CHECKS.get(entry.kind)
        if check is not None:
            check(self, index, entry.members)
        self.samples.add(index, entry)
        if entry.kind in _OF_THE_LOG:
            self.lineage.add(index, entry)

    def finish(self, root: bytes | None = None) -> None:
        """Check what only the whole log shows. `root`: its root, which a successor must state. Raises VerifyError."""
        if self.first_time is None:
            raise VerifyError("is missing: the log must begin with its genesis entry", field="entry 0")
        self.root = root

    def _add_opaque(self, index: int, entry: OpaqueEntry) -> None:
        """Of an unknown kind only the id is looked at: a later erasure may name it."""
        self.opaque += 1
        if entry.id is not None:
            self._take_id(index, entry.id)
            self.past.erasable.add(entry.id)

    def _add_common(self, index: int, entry: Entry) -> None:
        self._take_id(index, entry.id)
        time = entry.time  # always the same width, so text compares as time does
        if self.past.agency is None:
            self.past.agency = entry.agency
        if self.first_time is None or self.last_time is None:
            self.first_time = self.last_time = time
        if entry.agency != self.past.agency:
            raise wrong(index, "names another agency than the first entry; one log serves one agency")
        if time < self.first_time:
            self.times_before_start += 1
        if time > self.last_time:
            self.last_time, self.last_time_at = time, index
        if entry.kind in _RECORDS:
            self.past.erasable.add(entry.id)

    def _take_id(self, index: int, name: str) -> None:
        first = self.past.ids.setdefault(name, index)
        if first == index and self.past.older is not None:
            older = self.past.older_use(name)
            first = index if older is None else older
        if first != index:
            raise wrong(index, f"has the same id as {place(first)}; every id is used once")

    def _genesis(self, index: int, members: Mapping[str, Any]) -> None:
        if members["origin"] != self.origin:
            raise wrong(index, "names another log than the checkpoint; the entries belong to a different log")
        stated = members["predecessor"]
        if stated is None:
            if self._predecessor is not None:
                raise wrong(index, f"continues no log, but {self._predecessor.origin} was given as the one before it")
            return
        if self._predecessor is None:
            self._open = True
            return
        lost = members["lost"]
        before = Predecessor(stated["origin"], stated["size"], bytes.fromhex(stated["root"]), lost)
        given = self._predecessor
        problem = check_predecessor(before, self.origin, Known(given.origin, given.size, given.root, given.lineage))
        if problem is not None:
            raise wrong(index, problem)
        if lost:
            self._open = True
            self.past.doubt()

    def _rotation(self, index: int, members: Mapping[str, Any]) -> None:
        problem = check_rotation(self.keys, members)
        if problem is not None:
            raise wrong(index, problem)

    def _freeze(self, index: int, members: Mapping[str, Any]) -> None:
        if members["successor"] == self.origin:
            raise wrong(index, "names the log itself as its successor")

    def _missing(self, index: int, sentence: str) -> None:
        """A reference that nothing here explains: an error, unless it may lead into entries that are not here."""
        if not self._open:
            raise wrong(index, sentence)
        self.unresolved += 1

    def _system(self, index: int, members: Mapping[str, Any]) -> None:
        known, changed = members["system"] in self.past.systems, members["action"] == "changed"
        if known and not changed:
            raise wrong(index, "registers a system that is registered already")
        if changed and not known:
            self._missing(index, "changes a system that was never registered")
        self.past.systems.setdefault(members["system"], System(whole=not changed))

    def _registered(self, index: int, slug: str) -> System:
        system = self.past.systems.get(slug)
        if system is None:
            self._missing(index, "names a system that no earlier entry registered")
            system = self.past.systems[slug] = System(whole=False)
        return system

    def _version(self, index: int, members: Mapping[str, Any]) -> None:
        system = self._registered(index, members["system"])
        if members["version"] in system.versions:
            raise wrong(index, "registers a version number a second time; a version never changes")
        system.versions[members["version"]] = members["manifest"]

    def _known_version(self, index: int, members: Mapping[str, Any]) -> System:
        """The system of an entry that names (system, version, manifest), all three registered together before it."""
        system = self._registered(index, members["system"])
        manifest = system.versions.get(members["version"])
        if manifest is None:
            if system.whole:
                raise wrong(index, "names a version that no earlier entry registered")
            self._missing(index, "names a version that no earlier entry registered")
            manifest = system.versions[members["version"]] = members["manifest"]
        if manifest != members["manifest"]:
            raise wrong(index, "names another manifest than the one registered for this version")
        return system

    def _answers(self, index: int, members: Mapping[str, Any]) -> None:
        self._registered(index, members["system"])

    def _state(self, index: int, members: Mapping[str, Any]) -> None:
        system = self._registered(index, members["system"])
        # The first state entry of a system may leave "from" open or name the draft that registering made.
        before = {None, "draft"} if system.state is None else {system.state}
        if members["from"] not in before and (system.whole or system.state is not None):
            raise wrong(index, f"says the state was {members['from']}, but the log last said {system.state or 'draft'}")
        if members["version"] is not None:
            self._known_version(index, members)
        elif members["to"] in STATE_OF_MODE.values() and system.versions:
            # One that runs elsewhere, unrecorded, has none; no decision can name one that is not registered.
            raise wrong(index, "puts a system into use without naming a version")
        system.running = members["version"]
        system.state = members["to"]
        system.states.add(members["to"])

    def _boot(self, index: int, members: Mapping[str, Any]) -> None:
        self._runs.begin(index, members["boot"])

    def _close(self, index: int, members: Mapping[str, Any]) -> None:
        self._runs.close(index, members["boot"], members["n"])

    def _pulse(self, index: int, members: Mapping[str, Any]) -> None:
        for item in members["boots"]:
            self._runs.known(index, item["boot"])

    def _outage(self, index: int, members: Mapping[str, Any]) -> None:
        if members["boot"] is not None:
            self._runs.known(index, members["boot"])

    def _refused(self, index: int, members: Mapping[str, Any]) -> None:
        if members["system"] is not None:
            self._registered(index, members["system"])
        if members["boot"] is not None:
            if members["n"] is None:
                self._runs.known(index, members["boot"])
            else:
                self._runs.take(index, members["boot"], members["n"])

    def _in_use(self, index: int, members: Mapping[str, Any]) -> None:
        """Mode follows from the state in force at this index (promise 1)."""
        system = self._known_version(index, members)
        needed = STATE_OF_MODE[members["mode"]]
        if needed is None:
            return
        if not system.whole:
            # Its state stands in entries that are not here; from this one on it is known.
            system.states.add(needed)
            if system.state is None and members["capture"] != "external":
                system.state, system.running = needed, members["version"]
        if members["capture"] == "external":
            # Decisions made elsewhere arrive later; the system must have been in that state at some time before.
            if needed not in system.states:
                raise wrong(index, f"is {members['mode']}, but its system was never {needed} before")
            return
        if system.state != needed:
            raise wrong(index, f"is {members['mode']}, but its system was {system.state or 'draft'} then, not {needed}")
        if system.running != members["version"]:
            raise wrong(index, f"was made with version {members['version']}, but version {system.running} was in force")

    def _open_stream(self, index: int, members: Mapping[str, Any]) -> Opened:
        self._in_use(index, members)
        boot = self._runs.known(index, members["boot"])
        self._runs.below_close(index, boot, members["n"])
        return Opened(index, _run_key(members))

    def _settle(self, index: int, members: Mapping[str, Any]) -> None:
        """A decision or unfinished run that was opened first must be the same run as its `opened` entry."""
        if members["opened"] is None:
            return
        opened = self.past.opened.get(members["opened"])
        if opened is None:
            self._missing(index, "refers to an opened entry that does not exist before it")
            return
        if opened.settled:
            raise wrong(index, f"ends the run that {place(opened.index)} opened, which was ended before")
        if opened.key != _run_key(members):
            raise wrong(index, f"says something else than {place(opened.index)}, which opened the same run")
        opened.settled = True

    def _unfinished(self, index: int, members: Mapping[str, Any]) -> None:
        self._known_version(index, members)
        self._runs.take(index, members["boot"], members["n"])
        self._settle(index, members)

    def _decision(self, index: int, members: Mapping[str, Any]) -> None:
        self._in_use(index, members)
        if members["boot"] is not None:
            self._runs.take(index, members["boot"], members["n"])
        else:
            key = (members["source"], members["n"])
            first = self.past.sources.setdefault(key, index)
            if first != index:
                raise wrong(index, f"uses number {key[1]} of source {key[0]}, which {place(first)} has used")
        self._settle(index, members)
        names = frozenset(members["commitments"])
        fields = self.past.systems[members["system"]].fields
        if fields.setdefault(members["version"], names) != names:
            raise wrong(index, "commits other fields than the earlier decisions of the same version")

    def _erasure(self, index: int, members: Mapping[str, Any]) -> None:
        if not self.past.can_be_erased(members["record"]):
            self._missing(index, "says that a record was erased which no earlier entry holds")


def _run_key(members: Mapping[str, Any]) -> RunKey:
    return members["system"], members["version"], members["manifest"], members["boot"], members["n"]


_CHECKS: Mapping[str, Callable[[LogRules, int, Mapping[str, Any]], None]] = {
    "system/1": LogRules._system,
    "version/1": LogRules._version,
    "state/1": LogRules._state,
    "answers/1": LogRules._answers,
    "boot/1": LogRules._boot,
    "close/1": LogRules._close,
    "pulse/1": LogRules._pulse,
    "outage/1": LogRules._outage,
    "refused/1": LogRules._refused,
    "unfinished/1": LogRules._unfinished,
    "decision/1": LogRules._decision,
    "erasure/1": LogRules._erasure,
    "rotation/1": LogRules._rotation,
    "freeze/1": LogRules._freeze,
}
