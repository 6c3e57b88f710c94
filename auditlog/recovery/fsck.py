"""The full check of a database: every column of every `auditlog_` table is computed again or opened, and compared.

What is computed: tiles from entries, roots from both, heads from roots; sealed rows from commitments and keys, tags and
query rows from what was opened. Findings never stop at the first. What the entries say to each other is `audit`'s.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from auditlog.core.entries.record import parse_entry
from auditlog.core.errors import AuditLogError, FormatError
from auditlog.core.formats.checkpoint import open_checkpoint
from auditlog.core.formats.keyring import KeyRing
from auditlog.core.formats.merkle import leaf_hash, root_hash
from auditlog.core.formats.tiles import TILE_WIDTH, grow, root_from_edge, tiles_of_size
from auditlog.recovery.events_check import check_events
from auditlog.recovery.fsck_lineage import check_lineages
from auditlog.recovery.samples_check import check_samples, sample_sizes
from auditlog.recovery.timestamps import check_timestamps, timestamp_sizes
from auditlog.store.log import HASH_BYTES, entry_table, head_table, tile_table
from auditlog.store.logs import key_table
from auditlog.store.rollup import event_table
from auditlog.store.samples import sample_table
from auditlog.store.timestamps import timestamp_table
from auditlog.vault.check import Finding, check_vault
from auditlog.vault.ledger import Ledger
from auditlog.vault.seal import Vault
from auditlog.writing.guard import Guard

__all__ = ("Checked", "Finding", "fsck")

_NO_HASH = bytes(HASH_BYTES)
_HEADS = ("integrated", "published")


@dataclass(frozen=True, slots=True)
class Checked:
    """A log to check: its number and origin, and its guard."""

    number: int
    origin: str
    guard: Guard


def fsck(
    conn: Connection,
    ring: KeyRing,
    logs: Sequence[Checked],
    vault: Vault | None,
    *,
    ledger: Ledger | None = None,
    stated: Collection[str] = (),
) -> Iterator[Finding]:
    """Everything that is wrong, table by table; nothing when all holds. Without a vault its tables are left out.

    `ring`: the key file's. `logs`: all of this installation, oldest first. `conn` has read nothing before: the guards
    are read first, since they never lead the database, while a log that is written to meanwhile soon leads the
    snapshot. `stated`: records whose content was lost and said to be.
    """
    guards = [_read_guard(log) for log in logs]
    lineages = check_lineages(conn, ring, [(log.number, log.origin) for log in logs])
    yield from lineages.findings
    for log, (guarded, problems) in zip(logs, guards, strict=True):
        heads = _Heads(conn, lineages.ring, log)
        yield from heads.findings
        yield from problems
        marks = heads.marks | timestamp_sizes(conn, log.number) | sample_sizes(conn, log.number)
        marks |= {guarded[0]} if guarded else set()
        tree = _Tree(conn, log.number, heads.size, marks)
        yield from tree.check_entries()
        yield from tree.check_tiles(heads.root)
        yield from heads.compare(tree.roots)
        yield from check_timestamps(conn, lineages.ring, log.number, origin=log.origin, roots=tree.roots)
        yield from check_samples(conn, lineages.ring, log.number, origin=log.origin, roots=tree.roots)
        yield from check_events(conn, log.number)
        if guarded is None or guarded != lineages.lost.get(log.number):
            yield from _compare_guard(guarded, heads, tree)
    yield from _strangers(conn, {log.number for log in logs})
    if vault is not None:
        yield from check_vault(conn, vault, ledger, stated=stated)


def _read_guard(log: Checked) -> tuple[tuple[int, bytes] | None, list[Finding]]:
    try:
        return log.guard.require(log.origin), []
    except AuditLogError as error:
        return None, [Finding("guard", str(error))]


def _compare_guard(guarded: tuple[int, bytes] | None, heads: _Heads, tree: _Tree) -> Iterator[Finding]:
    if guarded is None or heads.size is None:
        return
    size, root = guarded
    if size > heads.size:
        yield Finding(
            "guard", f"stands at {size} entries, the signed head at {heads.size}: the log was cut or restored"
        )
    elif tree.roots.get(size, root) != root:
        yield Finding("guard", f"states another root for the first {size} entries: the log was replaced or forked")


def _strangers(conn: Connection, numbers: set[int]) -> Iterator[Finding]:
    """Rows of logs that this installation does not have."""
    for table in (entry_table, tile_table, head_table, key_table, timestamp_table, sample_table, event_table):
        keys = list(table.primary_key.columns)
        statement = select(*keys).where(table.c.log.not_in(numbers)).order_by(*keys)
        for row in conn.execute(statement).mappings():
            place = ",".join(f"{key.name}={row[key.name]}" for key in keys)
            yield Finding(f"{table.name}({place})", "belongs to no log of this installation")


class _Heads:
    """The signed heads: `size` and `root` of the integrated one (None where it does not hold)."""

    def __init__(self, conn: Connection, ring: KeyRing, checked: Checked) -> None:
        self.size: int | None = None
        self.root: bytes | None = None
        self.findings: list[Finding] = []
        self._number = number = checked.number
        self._signed: dict[str, tuple[int, bytes]] = {}
        columns = head_table.c
        statement = select(columns.name, columns.size, columns.note).where(columns.log == number).order_by(columns.name)
        for name, size, note in conn.execute(statement):
            place = f"auditlog_head(log={number},name={name})"
            if name not in _HEADS:
                self._find(place, "belongs to no head of this log")
                continue
            try:
                checkpoint = open_checkpoint(_blob(note), ring, origin=checked.origin).checkpoint
            except AuditLogError as error:
                self._find(f"{place}.note", str(error))
                continue
            if checkpoint.size != size:
                self._find(f"{place}.size", f"is {size}, the note says {checkpoint.size}")
            self._signed[name] = (checkpoint.size, checkpoint.root)
        if "integrated" in self._signed:
            self.size, self.root = self._signed["integrated"]
        else:
            self._find(f"auditlog_head(log={number},name=integrated)", "there is no signed head")

    @property
    def marks(self) -> set[int]:
        """Sizes whose roots are needed."""
        return {size for size, _ in self._signed.values()}

    def compare(self, roots: dict[int, bytes]) -> Iterator[Finding]:
        """The roots that were signed against those of the entries."""
        for name, (size, root) in self._signed.items():
            place = f"auditlog_head(log={self._number},name={name}).note"
            if self.size is not None and size > self.size:
                yield Finding(place, f"covers {size} entries, more than were integrated ({self.size})")
            elif roots.get(size, root) != root:
                yield Finding(place, f"signs another root than that of the first {size} entries")

    def _find(self, place: str, message: str) -> None:
        self.findings.append(Finding(place, message))


@dataclass
class _Tree:
    """Entries and tiles of one log. `size`: what the head signs; None lets the entries say it."""

    conn: Connection
    number: int
    size: int | None
    marks: set[int]
    roots: dict[int, bytes] = field(default_factory=dict)
    _altered: dict[tuple[int, int], bytes] = field(default_factory=dict)
    _seen: set[tuple[int, int]] = field(default_factory=set)
    _count: int = 0
    _edge: dict[int, bytes] = field(default_factory=dict)

    def check_entries(self) -> Iterator[Finding]:
        """Each row, and the tiles that the entries make against those stored."""
        hashes: list[bytes] = []
        expected = 0
        for index, id_, data in self._rows():
            place = f"auditlog_entry(log={self.number},idx={index})"
            if self.size is not None and index >= self.size:
                yield Finding(place, f"lies beyond the signed head of {self.size} entries")
                continue
            if index > expected:
                yield from self._missing(expected, index)
                for gap in range(expected, index):
                    self._add(hashes, self._stored_leaf(gap))
            yield from _check_entry(place, id_, _blob(data))
            self._add(hashes, leaf_hash(_blob(data)))
            expected = index + 1
        if self.size is not None and expected < self.size:
            yield from self._missing(expected, self.size)
            for gap in range(expected, self.size):
                self._add(hashes, self._stored_leaf(gap))
        self._flush(hashes)

    def check_tiles(self, root: bytes | None) -> Iterator[Finding]:
        """Rows that differ from what the entries make; an entry is named where the signed tree stands by its tile."""
        size = self._count
        for level, content in self._edge.items():
            index = size >> 8 * (level + 1)
            if self._tile(level, index) not in (None, content):
                self._altered[level, index] = content
        wanted = {(tile.level, tile.index) for tile in tiles_of_size(size)}
        for place in sorted(wanted - self._seen):
            yield Finding(self._place(*place), "is missing")
        columns = tile_table.c
        for level, index in self.conn.execute(select(columns.level, columns.idx).where(columns.log == self.number)):
            if (level, index) not in wanted:
                yield Finding(self._place(level, index), "belongs to no tile of this log")
        entries_hold = root is None or self.roots.get(size) == root
        for place in sorted(self._altered):
            if entries_hold or not self._is_signed(*place, root or b""):
                yield Finding(f"{self._place(*place)}.hashes", "is not what the entries make")
            elif place[0] == 0:
                yield from self._altered_entries(place[1])

    def _rows(self) -> Iterator[tuple[int, str, object]]:
        columns = entry_table.c
        statement = select(columns.idx, columns.id, columns.data).where(columns.log == self.number)
        for row in self.conn.execute(statement.order_by(columns.idx).execution_options(yield_per=1000)):
            yield row[0], row[1], row[2]

    def _missing(self, start: int, end: int) -> Iterator[Finding]:
        for index in range(start, end):
            yield Finding(f"auditlog_entry(log={self.number},idx={index})", "is missing")

    def _add(self, hashes: list[bytes], leaf: bytes) -> None:
        hashes.append(leaf)
        size = self._count + len(hashes)
        if len(hashes) == TILE_WIDTH or size in self.marks:
            self._flush(hashes)

    def _flush(self, hashes: list[bytes]) -> None:
        """Grow the tree, and compare every tile that changed; a partial one may be longer in the database as yet."""
        growth = grow(self._count, self._edge, hashes)
        hashes.clear()
        self._count, self._edge = growth.size, growth.edge
        self.roots[growth.size] = root_from_edge(growth.size, growth.edge)
        for level, index, content in growth.tiles:
            stored = self._tile(level, index)
            if stored is not None:
                self._seen.add((level, index))
                whole = len(content) == TILE_WIDTH * HASH_BYTES
                if (stored if whole else stored[: len(content)]) != content:
                    self._altered[level, index] = content

    def _altered_entries(self, tile: int) -> Iterator[Finding]:
        computed, stored = self._altered[0, tile], self._tile(0, tile) or b""
        for at in range(0, len(computed), HASH_BYTES):
            if computed[at : at + HASH_BYTES] != stored[at : at + HASH_BYTES]:
                index = tile * TILE_WIDTH + at // HASH_BYTES
                place = f"auditlog_entry(log={self.number},idx={index}).data"
                yield Finding(place, "is not the entry that the log signed")

    def _is_signed(self, level: int, index: int, root: bytes) -> bool:
        """Whether a stored tile leads, through the stored tiles above it, to the signed root."""
        content = self._tile(level, index)
        if content is None:
            return False
        if len(content) < TILE_WIDTH * HASH_BYTES:
            return self._edge_is_signed(root)
        above = self._tile(level + 1, index // TILE_WIDTH) or b""
        at = index % TILE_WIDTH * HASH_BYTES
        hashes = [content[start : start + HASH_BYTES] for start in range(0, len(content), HASH_BYTES)]
        named = above[at : at + HASH_BYTES] == root_hash(hashes)
        return named and self._is_signed(level + 1, index // TILE_WIDTH, root)

    def _edge_is_signed(self, root: bytes) -> bool:
        partial = {t.level: self._tile(t.level, t.index) or b"" for t in tiles_of_size(self._count) if t.width < 256}
        try:
            return root_from_edge(self._count, partial) == root
        except FormatError:
            return False

    def _stored_leaf(self, index: int) -> bytes:
        """The hash of an entry that is gone, so that those after it can still be checked."""
        content = self._tile(0, index // TILE_WIDTH) or b""
        at = index % TILE_WIDTH * HASH_BYTES
        return content[at : at + HASH_BYTES].ljust(HASH_BYTES, b"\0")

    def _tile(self, level: int, index: int) -> bytes | None:
        columns = tile_table.c
        where = (columns.log == self.number, columns.level == level, columns.idx == index)
        row = self.conn.execute(select(columns.hashes).where(*where)).first()
        return None if row is None else _blob(row[0])

    def _place(self, level: int, index: int) -> str:
        return f"auditlog_tile(log={self.number},level={level},idx={index})"


def _check_entry(place: str, id_: str, data: bytes) -> Iterator[Finding]:
    try:
        entry = parse_entry(data)
    except FormatError as error:
        yield Finding(f"{place}.data", str(error))
        return
    if entry.id is not None and entry.id != id_:
        yield Finding(f"{place}.id", "is not the id that the entry carries")


def _blob(value: object) -> bytes:
    """SQLite keeps what it was given, whatever the column's type says."""
    return value if isinstance(value, bytes) else b""
