"""Recompute a whole log from its published files and say at which place it does not hold.

`audit` trusts nothing but the verifier keys: it hashes every entry, rebuilds every tile and compares it with its file,
compares the root with the signed one, checks that every key signed, and reads every entry strictly (`rules`).
It does no I/O of its own: `read` fetches a path below the log's prefix and raises NotFound where there is nothing.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

from auditlog.core.checking.rules import LogRules
from auditlog.core.checking.succession import check_ring
from auditlog.core.entries.record import format_time, parse_entry
from auditlog.core.errors import FormatError, NotFound, SignatureError, VerifyError
from auditlog.core.formats.canonical import Json
from auditlog.core.formats.checkpoint import SIGNATURE_NAMES, SignedCheckpoint, check_signers, open_checkpoint
from auditlog.core.formats.keyring import KeyRing
from auditlog.core.formats.merkle import HASH_SIZE, root_hash
from auditlog.core.formats.policy import Policy, check_policy, fresh_until
from auditlog.core.formats.tiles import (
    TILE_WIDTH,
    Tile,
    entry_bundles_of_size,
    format_entries_path,
    format_tile_path,
    nodes_reader,
    parse_entry_bundle,
    root_from_edge,
)

ReadFile = Callable[[str], bytes]

CHECKPOINT: Final = "checkpoint"
_LINES: Final[Mapping[str, str]] = {
    "origin": "checkpoint line 1",
    "size": "checkpoint line 2",
    "root": "checkpoint line 3",
}
CLOCKS_DIFFER: Final = 3600
"""Seconds by which the clock of a log may be ahead of its witnesses'."""
# tlog-tiles carries no upper bound, but a checkpoint of a log this size cannot be audited in one run.
_MAX_SIZE: Final = 2**40


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditResult:
    """What held. `kinds` counts entries by kind and version, `opaque` those of kinds this verifier does not know.

    `strict` is False when the entries themselves were not read; then nothing is said of kinds, times, and other logs.
    `unresolved`: references into a predecessor that was not given, or was lost. `times_before_start`: entries that are
    dated before the log began (a clock was set back). `lost`: how many entries of the predecessor the genesis states as
    lost, `kept`: how many it says are not; None where it was closed in order. `witnesses`: name → time of the
    cosignature (POSIX seconds), where a policy was given.
    """

    origin: str
    size: int
    root: bytes
    signatures: tuple[str, ...]
    strict: bool
    kinds: Mapping[str, int]
    opaque: int
    first_time: str | None
    last_time: str | None
    unresolved: int
    times_before_start: int
    predecessor: str | None
    lost: int | None
    kept: int | None
    frozen: bool
    successor: str | None
    witnesses: Mapping[str, int]
    rules: LogRules = field(repr=False, compare=False)


def audit(
    read: ReadFile,
    ring: KeyRing,
    *,
    origin: str | None = None,
    strict: bool = True,
    predecessor: AuditResult | None = None,
    policy: Policy | None = None,
) -> AuditResult:
    """Check a whole log. Every key valid at its size must have signed; `origin` is the ring's only one unless given.

    Raises VerifyError, whose text begins with the place: "checkpoint …", "entry N", "tile/…", "policy". `predecessor`:
    the audit of the log that this one continues. With a `policy` its witnesses must have cosigned the checkpoint.
    `strict=False` leaves out the reading of the entries (hashes and signatures only), for speed comparisons.
    """
    signed = read_signed_checkpoint(read, ring, origin=origin)
    checkpoint = signed.checkpoint
    if checkpoint.size > _MAX_SIZE:
        raise VerifyError("states a size that no log reaches", field="checkpoint line 2")
    tree = _Tree(read)
    rules = LogRules(checkpoint.origin, None if predecessor is None else predecessor.rules)
    problem: VerifyError | None = None
    for index, width in entry_bundles_of_size(checkpoint.size):
        entries = _read_bundle(read, index, width)
        tree.add_bundle(index, entries)
        if strict and problem is None:
            problem = _check_entries(rules, index * TILE_WIDTH, entries)
    tree.finish(checkpoint.root)
    # What an entry says matters only once its bytes are known to be the signed ones.
    if problem is not None:
        raise problem
    if strict and checkpoint.size:
        rules.finish(checkpoint.root)
        rules.samples.check_roots(nodes_reader(lambda tile: _read(read, format_tile_path(tile)), checkpoint.size))
        check_ring(ring, checkpoint.origin, checkpoint.size, rules.keys)
    witnesses = {} if policy is None else check_policy(policy, signed.note)
    witnessed = None if policy is None else fresh_until(policy, witnesses)
    if witnessed is not None:
        _check_times(rules, witnessed)
    return _result(signed, rules, strict, witnesses)


def _result(signed: SignedCheckpoint, rules: LogRules, strict: bool, witnesses: Mapping[str, int]) -> AuditResult:
    before = rules.lineage.predecessor
    return AuditResult(
        origin=signed.checkpoint.origin,
        size=signed.checkpoint.size,
        root=signed.checkpoint.root,
        signatures=tuple(SIGNATURE_NAMES.get(key.type, f"0x{key.type:02x}") for key in signed.by),
        strict=strict,
        kinds=dict(sorted(rules.kinds.items())),
        opaque=rules.opaque,
        first_time=rules.first_time,
        last_time=rules.last_time,
        unresolved=rules.unresolved,
        times_before_start=rules.times_before_start,
        predecessor=None if before is None else before.origin,
        lost=None if before is None else before.lost,
        kept=None if before is None or before.lost is None else before.size - before.lost,
        frozen=rules.lineage.closed_at is not None,
        successor=rules.lineage.successor,
        witnesses=witnesses,
        rules=rules,
    )


def _check_times(rules: LogRules, witnessed: int) -> None:
    """An entry cannot be younger than a checkpoint that covers it; clocks may differ by an hour."""
    latest = format_posix(witnessed + CLOCKS_DIFFER)
    if rules.last_time is not None and rules.last_time > latest:
        raise VerifyError(
            f"is dated {rules.last_time}, after it was witnessed ({format_posix(witnessed)}): the clock of the log was "
            "wrong, or the entry was post-dated",
            field=f"entry {rules.last_time_at}",
        )


def format_posix(time: int) -> str:
    """POSIX seconds as entries write times: UTC, cut to the minute."""
    try:
        return format_time(datetime.fromtimestamp(time, UTC))
    except (OverflowError, OSError, ValueError):  # a cosignature has 64 bits for its time
        return "9999-12-31T23:59Z"


def read_signed_checkpoint(read: ReadFile, ring: KeyRing, *, origin: str | None) -> SignedCheckpoint:
    """The checkpoint, signed by every key valid at its size. Raises VerifyError("checkpoint line N: …")."""
    note = _read(read, CHECKPOINT)
    expected = ring.only_origin() if origin is None else origin
    # Said before the signatures are: another log's checkpoint bears other keys too, and the name explains both.
    if note.split(b"\n", 1)[0] != expected.encode():
        raise VerifyError(f"this is not the checkpoint of {expected}", field="checkpoint line 1")
    try:
        signed = open_checkpoint(note, ring, origin=expected)
        check_signers(note, ring)
    except (FormatError, SignatureError) as error:
        text = str(error)
        place = _LINES.get(error.field or "", CHECKPOINT)
        raise VerifyError(text if text.startswith(CHECKPOINT) else f"{place}: {text}") from error
    return signed


class _Tree:
    """Rebuilds the tree from the entries, bundle by bundle, and compares each tile with its file."""

    def __init__(self, read: ReadFile) -> None:
        self._read = read
        self._size = 0
        self._edge: dict[int, list[bytes]] = {}
        self._indices: dict[int, int] = {}
        # The first difference found at level 0 and above; who is at fault is known only once the root is.
        self._entry_differs: VerifyError | None = None
        self._tile_differs: VerifyError | None = None

    def add_bundle(self, index: int, entries: Sequence[bytes]) -> None:
        """Take the entries of the next bundle; a bundle below 256 entries is the last."""
        leaves = [sha256(b"\0" + entry).digest() for entry in entries]
        self._size += len(leaves)
        if len(leaves) < TILE_WIDTH:
            self._edge[0] = leaves
        else:
            self._add_tile(0, index, leaves)

    def _add_tile(self, level: int, index: int, hashes: list[bytes]) -> None:
        """A full tile: compare it, and pass its root up."""
        self._compare(Tile(level, index), hashes)
        above = self._edge.setdefault(level + 1, [])
        above.append(root_hash(hashes))
        if len(above) == TILE_WIDTH:
            self._edge[level + 1] = []
            position = self._indices.get(level + 1, 0)
            self._indices[level + 1] = position + 1
            self._add_tile(level + 1, position, above)

    def finish(self, root: bytes) -> None:
        """Compare the partial tiles and the root. Raises VerifyError naming the entry, the tile or the checkpoint."""
        for level, hashes in sorted(self._edge.items()):
            if hashes:
                self._compare(Tile(level, self._size >> 8 * (level + 1), len(hashes)), hashes)
        computed = root_from_edge(self._size, {level: b"".join(hashes) for level, hashes in self._edge.items()})
        if computed == root:
            # The entries are the signed ones, so a tile that says otherwise is the one at fault.
            if self._tile_differs is not None:
                raise self._tile_differs
            return
        if self._entry_differs is not None:
            raise self._entry_differs
        raise VerifyError(
            "the entries do not lead to the root that was signed: entries were changed, removed, added or reordered",
            field="checkpoint line 3",
        )

    def _compare(self, tile: Tile, hashes: Sequence[bytes]) -> None:
        if self._tile_differs is not None:
            return
        path = format_tile_path(tile)
        stored = _read(self._read, path)
        expected = b"".join(hashes)
        if stored == expected:
            return
        if len(stored) != len(expected):
            self._tile_differs = VerifyError(f"must be {len(expected)} bytes and has {len(stored)}", field=path)
            return
        position = next(n for n in range(len(hashes)) if stored[n * HASH_SIZE : (n + 1) * HASH_SIZE] != hashes[n])
        self._tile_differs = VerifyError(f"hash {position} is not the one that the entries give", field=path)
        if tile.level == 0:
            entry = tile.index * TILE_WIDTH + position
            self._entry_differs = VerifyError(
                "its bytes are not those that were signed: it was changed, moved or replaced", field=f"entry {entry}"
            )


def _read(read: ReadFile, path: str) -> bytes:
    try:
        return read(path)
    except NotFound:
        raise VerifyError("this file is missing", field=path) from None


def _read_bundle(read: ReadFile, index: int, width: int) -> list[bytes]:
    path = format_entries_path(index, width)
    data = _read(read, path)
    try:
        entries = parse_entry_bundle(data)
    except FormatError as error:
        raise VerifyError(f"the file is damaged ({error})", field=path) from error
    if len(entries) != width:
        raise VerifyError(f"must hold {width} entries and holds {len(entries)}", field=path)
    return entries


def read_entries(read: ReadFile, size: int) -> Iterator[tuple[int, bytes]]:
    """(index, bytes) of the first `size` entries, as the files have them. Raises VerifyError naming the file."""
    for index, width in entry_bundles_of_size(size):
        yield from enumerate(_read_bundle(read, index, width), index * TILE_WIDTH)


def _check_entries(rules: LogRules, start: int, entries: Sequence[bytes]) -> VerifyError | None:
    """The first entry that breaks a rule, if any."""
    index = start
    try:
        for index, data in enumerate(entries, start):
            rules.add(index, parse_entry(data))
    except FormatError as error:
        return VerifyError(f"is not a proper entry: {error}", field=f"entry {index}")
    except VerifyError as error:
        return error
    return None


def result_json(result: AuditResult) -> dict[str, Json]:
    """The result as JSON; the root in base64, as the checkpoint writes it."""
    return {
        "origin": result.origin,
        "size": result.size,
        "root": base64.b64encode(result.root).decode(),
        "signatures": list(result.signatures),
        "strict": result.strict,
        "kinds": dict(result.kinds),
        "opaque": result.opaque,
        "first_time": result.first_time,
        "last_time": result.last_time,
        "unresolved": result.unresolved,
        "times_before_start": result.times_before_start,
        "predecessor": result.predecessor,
        "lost": result.lost,
        "kept": result.kept,
        "frozen": result.frozen,
        "successor": result.successor,
        "witnesses": dict(result.witnesses),
    }
