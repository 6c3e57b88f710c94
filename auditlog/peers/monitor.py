"""Following a log: does it keep to what it signed, does it go on, and is it cosigned as the policy demands?

Each run compares with the last one, whose checkpoints stand in `state.json` of the state folder. With `entries` the
folder also keeps a mirror of the log, and the rules between entries are applied to the whole copy each time: the rules'
own state is large and changes with the program, while a copy stays what it is, and is of use by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from auditlog.core.checking.audit import ReadFile
from auditlog.core.checking.rules import LogRules
from auditlog.core.checking.succession import check_ring
from auditlog.core.entries.record import Entry, OpaqueEntry, parse_entry
from auditlog.core.errors import AuditLogError, FormatError, VerifyError
from auditlog.core.formats.checkpoint import SignedCheckpoint
from auditlog.core.formats.keyring import KeyRing, format_key_ring
from auditlog.core.formats.merkle import tree_root
from auditlog.core.formats.policy import Policy, check_policy, fresh_until
from auditlog.core.formats.tiles import TILE_WIDTH
from auditlog.peers.evidence import Contradiction, Kind, demand_growth, keep_evidence, make_evidence, open_signed
from auditlog.peers.fetch import Tiles, Withheld
from auditlog.peers.mirror import Mirror, Refused, read_checkpoint, read_entries
from auditlog.peers.monitor_state import Memory, State, read_state, write_state
from auditlog.peers.run_lock import alone

FREEZE: Final = "freeze/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One run over one log. `before`: the size at the last run; `cosigned`: witness → POSIX seconds."""

    holds: bool
    sentence: str
    origin: str
    size: int
    before: int | None
    frozen: bool = False
    successor: str | None = None
    entries_read: bool = False
    cosigned: Mapping[str, int] = field(default_factory=dict)
    evidence: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitor:
    """Follows logs by one policy. `now`: POSIX seconds.

    `max_age`: seconds that a log may stand still, and that a quorum's cosignatures may be old.
    """

    folder: Path
    policy: Policy
    now: int
    max_age: int | None = None
    entries: bool = False

    def run(self, url: str, read: ReadFile, *, origin: str | None = None) -> Report:
        """Look once at the log at `url`, whose files `read` gives. `origin`: the log expected there, where known.

        Raises Unreachable and Withheld, which say nothing of the log, and FormatError for a damaged state folder.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with alone(self.folder):
            return self._run(url, read, origin)

    def _run(self, url: str, read: ReadFile, origin: str | None) -> Report:
        state = read_state(self.folder)
        expected = origin or state.origins.get(url)
        note = read_checkpoint(read)
        memory = state.logs.get(expected) if expected else None
        try:
            found = self._open(note, expected)
            memory = state.logs.get(found.checkpoint.origin)
            known = None if memory is None else open_signed(memory.note.encode(), self.policy.logs)
            last = self._check_tree(read, known, found, url)
            if known is not None and memory is not None and memory.frozen:
                _demand_end(known, found)
        except Refused as error:
            return self._failed(error, "tree", memory, note, evidence=error.evidence)
        except (VerifyError, FormatError) as error:
            return self._failed(_verify_error(error), "tree", memory, note)
        memory = self._remember(state, url, found, memory, last)
        try:
            cosigned = self._check_rest(found, memory)
        except _Wrong as wrong:
            return self._failed(wrong.error, wrong.kind, memory, note, found=found)
        return self._held(found, known, memory, cosigned)

    def _open(self, note: bytes, expected: str | None) -> SignedCheckpoint:
        found = open_signed(note, self.policy.logs)
        if expected is not None and found.checkpoint.origin != expected:
            raise Contradiction(f"another log is served in the place of {expected}", kind="signature")
        return found

    def _check_tree(
        self, read: ReadFile, known: SignedCheckpoint | None, found: SignedCheckpoint, url: str
    ) -> Entry | OpaqueEntry | None:
        """The tree only grew, and its tiles make it. Returns the newest entry, where it is new and given to us."""
        checkpoint = found.checkpoint
        mirror = Mirror(self.folder, checkpoint.origin) if self.entries else None
        tiles = Tiles(read, checkpoint.size, checkpoint.root)
        if known is None:
            tree_root(checkpoint.size, tiles.nodes())
        elif checkpoint.size >= known.checkpoint.size:
            demand_growth(known, found, tiles.nodes())
        else:
            own = None if mirror is None or mirror.checkpoint() is None else mirror.read
            larger = None if own is None else Tiles(own, known.checkpoint.size, known.checkpoint.root).nodes()
            demand_growth(known, found, larger)
        if mirror is not None:
            mirror.update(_with_note(read, found.note), self.policy.logs, source=url, now=self.now)
        if checkpoint.size == 0 or (known is not None and known.checkpoint.size == checkpoint.size):
            return None
        return _newest(tiles)

    def _remember(
        self,
        state: State,
        url: str,
        found: SignedCheckpoint,
        memory: Memory | None,
        last: Entry | OpaqueEntry | None,
    ) -> Memory:
        """What was seen is kept even where cosignatures or rules fail: the log has signed it."""
        origin, size = found.checkpoint.origin, found.checkpoint.size
        text = found.note.decode()
        grown = memory is None or open_signed(memory.note.encode(), self.policy.logs).checkpoint.size < size
        made = Memory(note=text, seen=self.now, grown=self.now) if memory is None or grown else memory
        if memory is not None:
            made = replace(made, note=text, seen=self.now, frozen=memory.frozen, successor=memory.successor)
        if isinstance(last, Entry) and last.kind == FREEZE:
            made = replace(made, frozen=True, successor=last.members["successor"])
        logs = {**state.logs, origin: made}
        write_state(self.folder, State(origins={**state.origins, url: origin}, logs=logs))
        return made

    def _check_rest(self, found: SignedCheckpoint, memory: Memory) -> Mapping[str, int]:
        """Rules between entries, cosignatures, and whether the log goes on. Raises _Wrong."""
        if self.entries:
            self._check_entries(found)
        aged = None if memory.frozen or self.policy.quorum is None else self.max_age
        try:
            cosigned = check_policy(self.policy, found.note, max_age=aged, now=self.now)
        except (VerifyError, FormatError) as error:
            raise _Wrong(_verify_error(error), "policy") from error
        newest = max(memory.grown, fresh_until(self.policy, cosigned) or 0)
        if self.max_age is not None and not memory.frozen and self.now - newest > self.max_age:
            sentence = (
                f"the log stands still: nothing new, and no fresh cosignature, for {self.now - newest} seconds; "
                f"{self.max_age} are allowed"
            )
            raise _Wrong(VerifyError(sentence), "stale")
        return cosigned

    def _check_entries(self, found: SignedCheckpoint) -> None:
        try:
            rules = self._rules(found)
            if found.checkpoint.size:
                check_ring(self.policy.logs, found.checkpoint.origin, found.checkpoint.size, rules.keys)
        except VerifyError as error:
            raise _Wrong(error, "entries") from error

    def _rules(self, found: SignedCheckpoint) -> LogRules:
        """All entries read by the rules, those of the log before first where they are here. Raises VerifyError."""
        checkpoint = found.checkpoint
        held = Mirror(self.folder, checkpoint.origin)
        before = self._before(held, checkpoint.size)
        rules = LogRules(checkpoint.origin, None if before is None else self._rules(before))
        index = 0
        try:
            for index, data in read_entries(held, checkpoint.size):
                rules.add(index, parse_entry(data))
        except FormatError as error:
            raise VerifyError(f"is not a proper entry: {error}", field=f"entry {index}") from error
        if checkpoint.size:
            rules.finish(checkpoint.root)
        return rules

    def _before(self, held: Mirror, size: int) -> SignedCheckpoint | None:
        """The log that this one continues, where its entries are here up to the end that this one states."""
        first = next(read_entries(held, size), None)
        try:
            entry = None if first is None else parse_entry(first[1])
        except FormatError:
            return None  # the rules say so
        stated = entry.members.get("predecessor") if isinstance(entry, Entry) and entry.kind == "genesis/1" else None
        if stated is None or stated["origin"] not in self.policy.logs.origins:
            return None
        known = Mirror(self.folder, stated["origin"]).known(self.policy.logs)
        return known if known is not None and known.checkpoint.size == stated["size"] else None

    def _held(
        self, found: SignedCheckpoint, known: SignedCheckpoint | None, memory: Memory, cosigned: Mapping[str, int]
    ) -> Report:
        size = found.checkpoint.size
        before = None if known is None else known.checkpoint.size
        return Report(
            holds=True,
            sentence=_good_news(found.checkpoint.origin, size, before, memory, len(cosigned)),
            origin=found.checkpoint.origin,
            size=size,
            before=before,
            frozen=memory.frozen,
            successor=memory.successor,
            entries_read=self.entries,
            cosigned=cosigned,
        )

    def _failed(
        self,
        error: VerifyError,
        kind: Kind,
        memory: Memory | None,
        note: bytes,
        *,
        found: SignedCheckpoint | None = None,
        evidence: Path | None = None,
    ) -> Report:
        known = None if memory is None or found is not None else memory.note.encode()
        made = make_evidence(error, kind, known=known, found=note, keys=format_key_ring(self.policy.logs), now=self.now)
        path = evidence or keep_evidence(self.folder, made)
        before = None if known is None else _size(known, self.policy.logs)
        return Report(
            holds=False,
            sentence=f"{error}. Evidence: {path}" if evidence is None else str(error),
            origin=note.split(b"\n", 1)[0].decode("ascii", "replace")[:255],
            size=_size(note, self.policy.logs) or 0,
            before=before,
            entries_read=self.entries,
            evidence=str(path),
        )


class _Wrong(Exception):
    """A finding that is no contradiction of trees."""

    def __init__(self, error: VerifyError, kind: Kind) -> None:
        super().__init__(str(error))
        self.error = error
        self.kind = kind


def _newest(tiles: Tiles) -> Entry | OpaqueEntry | None:
    """The last entry, held against its hash; None where bundles are not public, or the entry is none of ours."""
    index, width = (tiles.size - 1) // TILE_WIDTH, (tiles.size - 1) % TILE_WIDTH + 1
    try:
        return parse_entry(tiles.entries(index, width)[-1])
    except (Withheld, FormatError):
        return None
    except VerifyError as error:
        if (error.field or "").startswith("tile/entries/"):  # not served; what is served must be right
            return None
        raise


def _demand_end(known: SignedCheckpoint, found: SignedCheckpoint) -> None:
    size = known.checkpoint.size
    if found.checkpoint.size > size:
        raise Contradiction(f"the log goes on although entry {size - 1} closed it for good", kind="entries")


def _with_note(read: ReadFile, note: bytes) -> ReadFile:
    """The same files, with the checkpoint that was judged: the log may have moved on meanwhile."""
    return lambda path: note if path == "checkpoint" else read(path)


def _good_news(origin: str, size: int, before: int | None, memory: Memory, witnesses: int) -> str:
    if before is None:
        told = f"{origin}: first look, {size} entries, their tree holds"
    elif size == before:
        told = f"{origin}: {size} entries as at the last run"
    else:
        told = f"{origin}: grew from {before} to {size} entries and changed none"
    if witnesses:
        told += f", cosigned by {witnesses} of its witnesses"
    if not memory.frozen:
        return told
    return f"{told}; it was closed" + (f" and goes on as {memory.successor}" if memory.successor else " for good")


def _verify_error(error: AuditLogError) -> VerifyError:
    if isinstance(error, VerifyError):
        return error
    return VerifyError(f"what is served here is no checkpoint ({error}): check the address")


def _size(note: bytes, ring: KeyRing) -> int | None:
    try:
        return open_signed(note, ring).checkpoint.size
    except AuditLogError:
        return None
