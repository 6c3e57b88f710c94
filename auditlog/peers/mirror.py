"""A mirror: a verified copy of someone else's log, one folder a log, in the layout of c2sp.org/tlog-tiles.

`<folder>/<hex SHA-256 of the origin>/` holds `checkpoint`, `tile/…`, the keys it was verified with (`log.vkey`) and
`mirror.json` (where from, when seen, what was refused). New files are written before the checkpoint that needs them and
never changed, so a crash leaves the old state readable; the next run takes up the files that are there.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from types import NoneType
from typing import Any, Final

from auditlog.core.checking.audit import CHECKPOINT, ReadFile
from auditlog.core.entries.record import Entry, OpaqueEntry, parse_entry
from auditlog.core.errors import AuditLogError, FormatError, NotFound, VerifyError
from auditlog.core.formats.canonical import parse_json
from auditlog.core.formats.checkpoint import SignedCheckpoint
from auditlog.core.formats.keyring import KeyRing, format_key_ring, parse_key_ring
from auditlog.core.formats.note import parse_note
from auditlog.core.formats.tiles import (
    TILE_HEIGHT,
    TILE_WIDTH,
    Tile,
    format_entries_path,
    format_entry_bundle,
    format_tile_path,
    tiles_of_size,
)
from auditlog.peers.evidence import Evidence, demand_growth, keep_evidence, make_evidence, open_signed
from auditlog.peers.fetch import Tiles, Unreachable, fetch_entries, folder_source
from auditlog.peers.run_lock import alone
from auditlog.writing import durable
from auditlog.writing.keys import VKEY_FILE

STATUS: Final = "mirror.json"
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What is noted beside a copy. `seen`: POSIX seconds of the last good look; the others of the last refusal."""

    origin: str
    source: str
    seen: int | None = None
    refused: int | None = None
    sentence: str | None = None
    evidence: str | None = None


class Refused(VerifyError):
    """The source is not taken over: it contradicts the copy or itself. The copy is as it was; `evidence`: the file."""

    def __init__(self, error: VerifyError, evidence: Path) -> None:
        super().__init__(f"{error}; the copy stays as it was, evidence: {evidence}")
        self.evidence = evidence


_TEXT, _TIME, _MAYBE = (str,), (int, NoneType), (str, NoneType)
_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "origin": _TEXT,
    "source": _TEXT,
    "seen": _TIME,
    "refused": _TIME,
    "sentence": _MAYBE,
    "evidence": _MAYBE,
}


def parse_status(data: bytes) -> Status:
    """The content of `mirror.json`. Raises FormatError."""
    value: Any = parse_json(data)
    known = isinstance(value, dict) and value.keys() == _TYPES.keys()
    if not known or any(type(value[name]) not in types for name, types in _TYPES.items()):
        raise FormatError("is not as this program writes it: remove it, then mirror again", field=STATUS)
    return Status(**value)


def name_of(origin: str) -> str:
    """The folder of a log among mirrors, and its place in addresses: hex SHA-256 of the origin, as at witnesses."""
    return sha256(origin.encode()).hexdigest()


class Mirror:
    """The copy of one log below `root`."""

    def __init__(self, root: Path, origin: str) -> None:
        self.origin = origin
        self.folder = root / name_of(origin)
        self.read: ReadFile = folder_source(self.folder)

    def checkpoint(self) -> bytes | None:
        """The newest checkpoint whose tree is complete here; None where there is no copy yet."""
        try:
            return self.read(CHECKPOINT)
        except NotFound:
            return None

    def known(self, ring: KeyRing) -> SignedCheckpoint | None:
        """The checkpoint, opened. Raises VerifyError where the ring does not verify it."""
        note = self.checkpoint()
        return None if note is None else open_signed(note, ring)

    def ring(self) -> KeyRing | None:
        """The keys that the copy was verified with last; None where there is no copy."""
        try:
            return parse_key_ring((self.folder / VKEY_FILE).read_text("utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise FormatError("cannot be read: give the keys again (--vkey)", field=VKEY_FILE) from error

    def status(self) -> Status | None:
        """What `mirror.json` says; None where there is none. Raises FormatError."""
        try:
            return parse_status((self.folder / STATUS).read_bytes())
        except FileNotFoundError:
            return None

    def update(
        self,
        read: ReadFile,
        ring: KeyRing,
        *,
        source: str,
        now: int,
        progress: Progress = lambda _done, _all: None,
    ) -> SignedCheckpoint:
        """Take over what the source has more; all of it is verified first. Returns the checkpoint that stands then.

        Raises Refused (evidence kept, the copy untouched), Unreachable or Withheld (what came is kept for next time).
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with alone(self.folder):
            known = self.known(ring)
            note = read_checkpoint(read)
            status = self.status() or Status(origin=self.origin, source=source)
            try:
                found = self._check(note, known, ring, read)
                self._copy(read, found, known.checkpoint.size if known else 0, progress)
            except VerifyError as error:
                kept = None if known is None else known.note
                raise self._refuse(error, status, known=kept, found=note, ring=ring, now=now) from error
            self._keep(found, known, ring)
            self._write_status(replace(status, source=source, seen=now, refused=None, sentence=None, evidence=None))
            return found

    def _check(self, note: bytes, known: SignedCheckpoint | None, ring: KeyRing, read: ReadFile) -> SignedCheckpoint:
        try:
            found = open_signed(note, ring)
        except FormatError as error:
            raise VerifyError(str(error), field=CHECKPOINT) from error
        if found.checkpoint.origin != self.origin:
            raise VerifyError(f"this is not the checkpoint of {self.origin}", field=CHECKPOINT)
        if known is not None:
            larger = max(found.checkpoint, known.checkpoint, key=lambda one: one.size)
            own = larger is not found.checkpoint
            demand_growth(known, found, Tiles(self.read if own else read, larger.size, larger.root).nodes())
        return found

    def _copy(self, read: ReadFile, found: SignedCheckpoint, old: int, progress: Progress) -> None:
        """Every file that the new tree has and the old one had not, each verified before it is written."""
        size = found.checkpoint.size
        if size == old:
            return
        tiles = Tiles(read, size, found.checkpoint.root)
        for tile in tiles_of_size(size):
            if tile.width == TILE_WIDTH and (tile.index + 1) << TILE_HEIGHT * (tile.level + 1) <= old:
                continue
            if tile.level == 0:
                self._copy_entries(tiles, tile)
                progress(tile.index * TILE_WIDTH + tile.width, size)
            self._write(format_tile_path(tile), tiles.tile(tile))
            if tile.level == 0 and tile.width == TILE_WIDTH:
                tiles.forget(0, tile.index)

    def _copy_entries(self, tiles: Tiles, tile: Tile) -> None:
        path = format_entries_path(tile.index, tile.width)
        if (self.folder / path).exists():  # from a run that was cut off
            with contextlib.suppress(AuditLogError):
                tiles.check_entries(tile.index, fetch_entries(self.read, tile.index, tile.width))
                return
        self._write(path, format_entry_bundle(tiles.entries(tile.index, tile.width)))

    def _keep(self, found: SignedCheckpoint, known: SignedCheckpoint | None, ring: KeyRing) -> None:
        """The new checkpoint, now that all it needs is there; then partial files that full ones replace go."""
        if known is None or _says_more(found, known):
            durable.replace(self.folder / CHECKPOINT, found.note, 0o644)
        durable.replace(self.folder / VKEY_FILE, format_key_ring(ring.of(self.origin)).encode(), 0o644)
        if known is None:
            return
        for level in range(known.checkpoint.size.bit_length() // TILE_HEIGHT + 1):
            index = known.checkpoint.size >> TILE_HEIGHT * (level + 1)
            self._remove_partial(format_tile_path(Tile(level, index)))
            if level == 0:
                self._remove_partial(format_entries_path(index))

    def _remove_partial(self, full: str) -> None:
        folder = self.folder / f"{full}.p"
        if not (self.folder / full).exists() or not folder.is_dir():
            return
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()

    def _write(self, path: str, data: bytes) -> None:
        target = self.folder / path
        if not target.parent.is_dir():
            target.parent.mkdir(parents=True)
            for folder in list(target.parents)[1 : path.count("/") + 2]:
                durable.sync_folder(folder)
        with contextlib.suppress(FileNotFoundError):
            if target.read_bytes() == data:
                return
        durable.replace(target, data, 0o644)

    def _refuse(
        self,
        error: VerifyError,
        status: Status,
        *,
        known: bytes | None,
        found: bytes,
        ring: KeyRing,
        now: int,
    ) -> Refused:
        evidence: Evidence = make_evidence(
            error, "tree", known=known, found=found, keys=format_key_ring(ring.of(self.origin)), now=now
        )
        path = keep_evidence(self.folder, evidence)
        self._write_status(replace(status, refused=now, sentence=evidence.sentence, evidence=path.name))
        return Refused(error, path)

    def _write_status(self, status: Status) -> None:
        data = json.dumps(asdict(status), indent=2, ensure_ascii=False) + "\n"
        durable.replace(self.folder / STATUS, data.encode(), 0o644)


def read_checkpoint(read: ReadFile) -> bytes:
    """The note at the source. Raises Unreachable where there is none: a log has one from its first entry on."""
    try:
        return read(CHECKPOINT)
    except NotFound:
        raise Unreachable("there is no log at this place, or none yet: check the address", field=CHECKPOINT) from None


def read_entries(mirror: Mirror, size: int) -> Iterator[tuple[int, bytes]]:
    """(index, bytes) of the first `size` entries of a copy, in order."""
    for index in range(-(-size // TILE_WIDTH)):
        width = min(TILE_WIDTH, size - index * TILE_WIDTH)
        yield from enumerate(fetch_entries(mirror.read, index, width), index * TILE_WIDTH)


def last_entry(mirror: Mirror, size: int) -> Entry | OpaqueEntry | None:
    """The newest entry of a copy, where it is one of ours."""
    if size == 0:
        return None
    index, width = (size - 1) // TILE_WIDTH, (size - 1) % TILE_WIDTH + 1
    try:
        return parse_entry(fetch_entries(mirror.read, index, width)[-1])
    except (FormatError, VerifyError):
        return None


def list_mirrors(root: Path) -> list[Mirror]:
    """Every copy below `root`, by origin."""
    found = []
    for path in sorted(root.glob("*/" + STATUS)):
        try:
            value = parse_json(path.read_bytes())
        except (FormatError, OSError):
            continue
        origin = value.get("origin") if isinstance(value, dict) else None
        if isinstance(origin, str) and path.parent.name == name_of(origin):
            found.append(Mirror(root, origin))
    return sorted(found, key=lambda mirror: mirror.origin)


def _says_more(found: SignedCheckpoint, known: SignedCheckpoint) -> bool:
    """Of two notes over one tree the one with more signatures stays; a fresh one where they have as many."""
    if found.checkpoint.size != known.checkpoint.size:
        return True
    return len(parse_note(found.note).signatures) >= len(parse_note(known.note).signatures)
