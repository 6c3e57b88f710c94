"""Write a log as a static tree that anyone can check: the files of tlog-tiles, keys, instructions, and the verifier."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final

from sqlalchemy import Connection

from auditlog.core.checking.audit import CHECKPOINT
from auditlog.core.checking.tree import SUMS, audit_tree, format_sums
from auditlog.core.entries.lineage import Lineage
from auditlog.core.entries.record import parse_entry
from auditlog.core.errors import AuditLogError, NotFound
from auditlog.core.formats.keyring import KeyRing, format_key_ring
from auditlog.core.formats.policy import POLICY_FILE, Policy, parse_policy
from auditlog.core.formats.tiles import (
    TILE_WIDTH,
    entry_bundles_of_size,
    format_entries_path,
    format_entry_bundle,
    format_tile_path,
    tiles_of_size,
)
from auditlog.recovery.instructions import instructions
from auditlog.recovery.timestamps import timestamp_files
from auditlog.store.log import Head, HeadName, read_entries, read_head, read_tile

__all__ = ("VERIFIER_MODULES", "audit_tree", "export_log", "make_verifier")

# What the offline verifier consists of; a test compares with what it really imports.
VERIFIER_MODULES: Final = (
    "__init__",
    "core/__init__",
    "core/__main__",
    "core/checking/__init__",
    "core/checking/audit",
    "core/checking/gaps",
    "core/checking/history",
    "core/checking/policy_text",
    "core/checking/rules",
    "core/checking/runs",
    "core/checking/sample",
    "core/checking/sample_rules",
    "core/checking/silence",
    "core/checking/sources",
    "core/checking/succession",
    "core/checking/tree",
    "core/checking/verifier",
    "core/entries/__init__",
    "core/entries/kind",
    "core/entries/kinds",
    "core/entries/kinds_records",
    "core/entries/lineage",
    "core/entries/receipt",
    "core/entries/record",
    "core/entries/vocabulary",
    "core/errors",
    "core/formats/__init__",
    "core/formats/canonical",
    "core/formats/checkpoint",
    "core/formats/commitment",
    "core/formats/cosignature",
    "core/formats/jcs",
    "core/formats/keyring",
    "core/formats/merkle",
    "core/formats/note",
    "core/formats/policy",
    "core/formats/proof",
    "core/formats/tiles",
)
_LAUNCHER = b"""import sys

if sys.version_info < (3, 11):
    print("error: this verifier needs Python 3.11 or later", file=sys.stderr)
    sys.exit(2)
try:
    from auditlog.core.__main__ import main
except ImportError as error:
    if (error.name or "").partition(".")[0] != "cryptography":
        raise
    print("error: this verifier needs cryptography: python3 -m pip install 'cryptography>=50'", file=sys.stderr)
    sys.exit(2)

sys.exit(main())
"""


def export_log(
    conn: Connection,
    number: int,
    ring: KeyRing,
    to: Path,
    *,
    head: HeadName | None = None,
    policy: str | None = None,
    extra: Mapping[str, bytes] | None = None,
) -> int:
    """Write log `number` to the new folder `to`, all or nothing, and return its size.

    The same log gives the same bytes. `head` chooses which checkpoint: the published one where `policy` (the text of a
    policy file) demands witnesses and there is one, else the integrated one. `extra`: path → content of more files.
    Nothing is verified here: a damaged log must be exportable as evidence. Raises AuditLogError when `to` is not empty
    or cannot be written, NotFound for missing data, FormatError for a policy that is none.
    """
    known = None if policy is None else parse_policy(policy)
    stored = _read_head(conn, number, head, known)
    if stored is None:
        raise NotFound("there is no checkpoint to export yet", field=f"log {number}")
    to = to.absolute()
    if to.is_symlink() or (to.exists() and not (to.is_dir() and not any(to.iterdir()))):
        raise AuditLogError("exists and is not an empty folder: choose a new one", field=str(to))
    own = ring.of(_origin(stored, ring))
    lineage = _lineage(conn, number, stored.size)
    text = instructions(own.only_origin(), stored.size, stored.note, lineage, known)
    named = {
        CHECKPOINT: stored.note,
        "log.vkey": format_key_ring(own).encode(),
        "README.txt": text.encode(),
        "verify.pyz": make_verifier(),
        **({} if policy is None else {POLICY_FILE: policy.encode("utf-8", "surrogateescape")}),
        **dict(timestamp_files(conn, number, stored.size)),
        **(extra or {}),
    }
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        # The outer folder is private; the inner one gets the ordinary mode, since an export is there to be handed out.
        workplace = Path(tempfile.mkdtemp(prefix=f".{to.name}.", dir=to.parent))
        try:
            folder = workplace / "log"
            _write_tree(folder, _files(conn, number, stored.size, named))
            folder.replace(to)
        finally:
            shutil.rmtree(workplace, ignore_errors=True)
        _sync(to.parent)
    except OSError as error:
        raise AuditLogError(f"cannot be written: {error.strerror}", field=str(to)) from error
    return stored.size


def _read_head(conn: Connection, number: int, head: HeadName | None, policy: Policy | None) -> Head | None:
    if head is not None:
        return read_head(conn, number, head)
    published = read_head(conn, number, "published") if policy is not None and policy.quorum is not None else None
    return published or read_head(conn, number, "integrated")


def _origin(head: Head, ring: KeyRing) -> str:
    """The log that the checkpoint names; when it is damaged beyond that, the first one that there are keys of."""
    named = head.note.split(b"\n", 1)[0].decode("utf-8", "replace")
    return named if named in ring.origins else ring.origins[0]


def _files(conn: Connection, number: int, size: int, named: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """(path, content) of every file, SHA256SUMS last."""
    for tile in tiles_of_size(size):
        yield format_tile_path(tile), read_tile(conn, number, tile.level, tile.index, tile.width)
    for index, width in entry_bundles_of_size(size):
        start = index * TILE_WIDTH
        yield format_entries_path(index, width), format_entry_bundle(read_entries(conn, number, start, start + width))
    yield from named.items()
    yield SUMS, format_sums({name: sha256(content).hexdigest() for name, content in named.items()})


def _lineage(conn: Connection, number: int, size: int) -> Lineage:
    """What first and last entry say of the log's neighbours; nothing where they cannot be read."""
    found = Lineage()
    for index in sorted({0, max(size - 1, 0)}):
        try:
            for data in read_entries(conn, number, index, index + 1):
                found.add(index, parse_entry(data))
        except AuditLogError:
            continue
    return found


def make_verifier() -> bytes:
    """`verify.pyz`: a zip that Python runs; without times and compression, so the same source gives the same bytes."""
    buffer = io.BytesIO()
    buffer.write(b"#!/usr/bin/env python3\n")
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in sorted(_verifier_files().items()):
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            info.create_system = 3  # else the bytes would depend on the system that wrote them
            info.external_attr = 0o644 << 16
            archive.writestr(info, content)
    return buffer.getvalue()


def _verifier_files() -> dict[str, bytes]:
    ours = Path(__file__).parents[1]
    files = {f"auditlog/{name}.py": (ours / f"{name}.py").read_bytes() for name in VERIFIER_MODULES}
    return files | {"__main__.py": _LAUNCHER}


def _write_tree(folder: Path, files: Iterator[tuple[str, bytes]]) -> None:
    """Write and sync every file, then the folders; a crash leaves at most a hidden folder beside the target."""
    for path, content in files:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    for base, _, _ in os.walk(folder):
        _sync(Path(base))


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
