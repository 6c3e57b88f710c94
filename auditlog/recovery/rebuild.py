"""The log's own tables built anew from a copy, and held against everything that is known of the log.

What a rebuilt log must agree with: the signatures under the copy's checkpoint, the guard, and the signed head of the
old database where that survived. Then nothing that was vouched for is lost, and nothing was added. Entries that the
copy lacks are taken from the old database, where its signed head vouches for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace

from sqlalchemy import Connection, insert

from auditlog.core.checking.audit import ReadFile
from auditlog.core.entries.lineage import Lineage, Predecessor
from auditlog.core.errors import AuditLogError, FormatError
from auditlog.core.formats.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint
from auditlog.core.formats.keyring import KeyRing, LogKey, key_digest
from auditlog.core.formats.note import format_vkey, parse_note
from auditlog.core.formats.tiles import TILE_WIDTH
from auditlog.peers.fetch import fetch_entries
from auditlog.recovery.rebuilt_tree import NotRebuilt, RebuiltTree
from auditlog.store.log import Head, entry_table, head_table, write_head
from auditlog.store.logs import key_table, log_table
from auditlog.store.replacement import Old
from auditlog.store.samples import insert_sample, sample_table, with_note
from auditlog.store.timestamps import StampedNote, insert_timestamp, timestamp_table
from auditlog.store.vault import erasure_table
from auditlog.writing.guard import Guard


@dataclass(frozen=True, slots=True)
class Wanted:
    """One log to build: its guard, and the copy's files (None: only what the old database has).

    `stated`: size and root of it that its successor says were vouched for and lost.
    """

    number: int
    origin: str
    guard: Guard
    source: ReadFile | None
    stated: tuple[int, bytes] | None = None
    progress: Callable[[int, int], None] = lambda _done, _all: None


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """One log as it stands now. `before`: the size that the old database's head signed, None where none held."""

    number: int
    origin: str
    size: int
    guarded: int
    from_copy: int
    from_old: int
    before: int | None
    predecessor: Predecessor | None


@dataclass(frozen=True, slots=True)
class _Signed:
    checkpoint: Checkpoint
    note: bytes


def rebuild_log(new: Connection, old: Old, wanted: Wanted, ring: KeyRing) -> Rebuilt:
    """Write entries, tiles, heads, keys, tombstones and time stamps of one log. Raises NotRebuilt, or GuardError.

    `ring`: the keys of the key file; the sizes at which they sign come from the log's own rotations.
    """
    guarded = wanted.guard.require(wanted.origin)
    copy = _copy_of(wanted)
    heads = _old_heads(old, wanted)
    stamps = list(old.rows(timestamp_table, timestamp_table.c.log == wanted.number))
    due = 0 if guarded == wanted.stated else guarded[0]
    _demand_reach(due, copy, heads.get("integrated"))
    samples = old.rows(sample_table, sample_table.c.log == wanted.number)
    drawing = [row for row in samples if row["note"] and row["size"]]
    marks = {
        guarded[0],
        *(head.checkpoint.size for head in heads.values()),
        *(row["size"] for row in [*stamps, *drawing]),
    }
    tree = RebuiltTree(new, wanted.number, frozenset(marks | ({copy.checkpoint.size} if copy else set())))
    from_copy = _add_copy(tree, wanted, copy)
    tree, target = _add_rest(tree, old, wanted, copy, heads.get("integrated"), due=due)
    sized = _sized(ring.of(wanted.origin), tree.lineage)
    _demand_agreement(tree, wanted, sized, target=target, copy=copy, heads=heads, guarded=guarded)
    write_head(new, wanted.number, Head(tree.size, target.note), old=None)
    public = heads.get("published")
    if public is not None and tree.roots.get(public.checkpoint.size) == public.checkpoint.root:
        write_head(new, wanted.number, Head(public.checkpoint.size, public.note), old=None, name="published")
    _write_derived(new, tree, wanted, sized)
    for row in stamps:
        stamped = StampedNote(row["log"], row["size"], bytes(row["note"]), bytes(row["token"]), row["time"])
        if _holds(stamped.note, sized, wanted.origin, tree):
            insert_timestamp(new, stamped)
    notes = {row["id"]: bytes(row["note"]) for row in drawing if _holds(bytes(row["note"]), sized, wanted.origin, tree)}
    for sample in tree.samples.values():
        insert_sample(new, with_note(sample, notes.get(sample.id)))
    before = heads.get("integrated")
    return Rebuilt(
        number=wanted.number,
        origin=wanted.origin,
        size=tree.size,
        guarded=guarded[0],
        from_copy=from_copy,
        from_old=tree.size - from_copy,
        before=None if before is None else before.checkpoint.size,
        predecessor=tree.lineage.predecessor,
    )


def _copy_of(wanted: Wanted) -> _Signed | None:
    if wanted.source is None:
        return None
    note = wanted.source("checkpoint")
    try:
        checkpoint = parse_checkpoint(parse_note(note).text)
    except FormatError as error:
        raise NotRebuilt(f"holds no checkpoint of this program ({error})", field="SOURCE") from error
    if checkpoint.origin != wanted.origin:
        raise NotRebuilt(f"is a copy of {checkpoint.origin}, not of {wanted.origin}", field="SOURCE")
    return _Signed(checkpoint, note)


def _old_heads(old: Old, wanted: Wanted) -> dict[str, _Signed]:
    """The heads that the old database has; what they are worth is judged at the end."""
    found = {}
    for row in old.rows(head_table, head_table.c.log == wanted.number):
        try:
            checkpoint = parse_checkpoint(parse_note(bytes(row["note"])).text)
        except (FormatError, TypeError):
            continue
        if checkpoint.origin == wanted.origin:
            found[row["name"]] = _Signed(checkpoint, bytes(row["note"]))
    return found


def _demand_reach(guarded: int, copy: _Signed | None, head: _Signed | None) -> None:
    reach = max((one.checkpoint.size for one in (copy, head) if one is not None), default=0)
    if reach < guarded:
        raise NotRebuilt(
            f"reaches {reach} entries, and the guard vouches for {guarded}: find a newer copy (a mirror, a witness's "
            f"keeper); if there is none, `greffier log succeed --reason loss` states that {guarded - reach} are lost",
            field="SOURCE",
        )


def _add_copy(tree: RebuiltTree, wanted: Wanted, copy: _Signed | None) -> int:
    if copy is None or wanted.source is None:
        return 0
    size = copy.checkpoint.size
    for index in range(-(-size // TILE_WIDTH)):
        tree.add(fetch_entries(wanted.source, index, min(TILE_WIDTH, size - index * TILE_WIDTH)))
        wanted.progress(tree.size, size)
    if tree.roots.get(size) != copy.checkpoint.root:
        raise NotRebuilt("its entries do not lead to the root that its checkpoint signs", field="SOURCE")
    return size


def _add_rest(
    tree: RebuiltTree, old: Old, wanted: Wanted, copy: _Signed | None, head: _Signed | None, *, due: int
) -> tuple[RebuiltTree, _Signed]:
    """What the old database has beyond the copy, where its signed head vouches for it; the checkpoint that stands."""
    if head is None or head.checkpoint.size <= tree.size:
        assert copy is not None, "the copy reaches further than the head, or there is no head"
        return tree, copy
    longer = replace(tree, roots=dict(tree.roots), lineage=deepcopy(tree.lineage), tombstones=dict(tree.tombstones))
    savepoint = tree.conn.begin_nested()
    try:
        for entries in _old_entries(old, wanted.number, tree.size, head.checkpoint.size):
            longer.add(entries)
        whole = longer.roots.get(head.checkpoint.size) == head.checkpoint.root
    except NotRebuilt:
        whole = False
    if whole:
        savepoint.commit()
        return longer, head
    savepoint.rollback()
    if copy is None or tree.size < due:
        raise NotRebuilt(
            f"reaches {tree.size} entries, and what the old database has beyond them, up to the {due} that the guard "
            "vouches for, is damaged: find a newer copy, or run `greffier log succeed --reason loss`",
            field="SOURCE",
        )
    return tree, copy


def _old_entries(old: Old, number: int, start: int, end: int) -> Iterator[list[bytes]]:
    """Entries start..end-1 of the old database, in lists; fewer where some are missing."""
    columns = entry_table.c
    expected, batch = start, []
    for row in old.rows(entry_table, columns.log == number, columns.idx >= start, columns.idx < end):
        if row["idx"] != expected or not isinstance(row["data"], bytes | memoryview):
            break
        batch.append(bytes(row["data"]))
        expected += 1
        if len(batch) == TILE_WIDTH:
            yield batch
            batch = []
    if batch:
        yield batch


def _sized(ring: KeyRing, lineage: Lineage) -> KeyRing:
    """The keys with the sizes that the rotations in the entries give them."""
    known = {key_digest(key.vkey): key for key in ring.keys}
    for digest in lineage.keys:
        if digest not in known:
            raise NotRebuilt(f"a rotation names the key {digest[:19]}…: put back its line", field="log.vkey")
    return KeyRing(tuple(LogKey(key.vkey, *lineage.keys.get(digest, (0, None))) for digest, key in known.items()))


def _demand_agreement(
    tree: RebuiltTree,
    wanted: Wanted,
    ring: KeyRing,
    *,
    target: _Signed,
    copy: _Signed | None,
    heads: Mapping[str, _Signed],
    guarded: tuple[int, bytes],
) -> None:
    """Everything that vouches for this log agrees with the tree. Raises NotRebuilt."""
    for signed in (copy, target):
        try:
            if signed is not None:
                open_checkpoint(signed.note, ring, origin=wanted.origin)
        except AuditLogError as error:
            raise NotRebuilt(f"its checkpoint does not hold: {error}", field="SOURCE") from error
    size, root = guarded
    if guarded != wanted.stated and tree.roots.get(size) != root:
        raise NotRebuilt(
            f"its first {size} entries are not those that the guard vouches for: it is a fork, or of another log",
            field="SOURCE",
        )
    head = heads.get("integrated")
    if head is not None and head is not target and head.checkpoint.size <= tree.size:
        try:
            open_checkpoint(head.note, ring, origin=wanted.origin)
        except AuditLogError:
            return  # it was damaged as well, and says nothing
        if tree.roots.get(head.checkpoint.size) != head.checkpoint.root:
            raise NotRebuilt(
                f"contradicts the old database, whose head signs another tree of {head.checkpoint.size} entries: keep "
                "both, one of them is a fork",
                field="SOURCE",
            )


def _write_derived(new: Connection, tree: RebuiltTree, wanted: Wanted, ring: KeyRing) -> None:
    """The rows that the entries themselves make."""
    row = {
        "log": wanted.number,
        "origin": wanted.origin,
        "closed_at": tree.size if wanted.stated else tree.lineage.closed_at,
    }
    new.execute(insert(log_table), row)
    keys = [
        {
            "log": wanted.number,
            "vkey": format_vkey(key.vkey),
            "valid_from": key.valid_from,
            "valid_until": key.valid_until,
        }
        for key in ring.keys
        if key_digest(key.vkey) in tree.lineage.keys
    ]
    if keys:
        new.execute(insert(key_table), keys)
    if tree.tombstones:
        new.execute(insert(erasure_table), [{"record": r, "id": i} for r, i in tree.tombstones.items()])


def _holds(note: bytes, ring: KeyRing, origin: str, tree: RebuiltTree) -> bool:
    try:
        checkpoint = open_checkpoint(note, ring, origin=origin).checkpoint
    except AuditLogError:
        return False
    return tree.roots.get(checkpoint.size) == checkpoint.root
