"""Attacks on an exported log, by somebody between the agency and the auditor, who has no private key."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from auditlog.core.checking.audit import read_entries
from auditlog.core.checking.tree import format_sums, parse_sums, tree_reader
from auditlog.core.formats.canonical import format_base64
from auditlog.core.formats.checkpoint import Checkpoint, sign_checkpoint
from auditlog.core.formats.keyring import format_key_ring, key_ring
from auditlog.core.formats.merkle import leaf_hash, root_hash
from auditlog.core.formats.note import ED25519, ML_DSA_44, Signer
from auditlog.core.formats.tiles import (
    entry_bundles_of_size,
    format_entries_path,
    format_entry_bundle,
    format_tile_path,
    grow,
    tiles_of_size,
)
from lab.attack.attacks import attack_on_copy
from lab.attack.forgery import origin, stripped
from lab.attack.scene import Scene

BUNDLE = 256


def entries_of(export: Path) -> list[bytes]:
    """Its entries."""
    size = int((export / "checkpoint").read_text("utf-8").split("\n")[1])
    return [data for _, data in read_entries(tree_reader(export), size)]


def write_log(export: Path, data: Sequence[bytes], note: bytes) -> None:
    """Other entries with all their tiles, and a checkpoint; SHA256SUMS is mended."""
    shutil.rmtree(export / "tile")
    growth = grow(0, {}, [leaf_hash(one) for one in data])
    content = {(level, index): hashes for level, index, hashes in growth.tiles}
    files = {format_tile_path(tile): content[tile.level, tile.index] for tile in tiles_of_size(len(data))}
    for index, width in entry_bundles_of_size(len(data)):
        files[format_entries_path(index, width)] = format_entry_bundle(data[index * BUNDLE : index * BUNDLE + width])
    for path, one in {**files, "checkpoint": note}.items():
        (export / path).parent.mkdir(parents=True, exist_ok=True)
        (export / path).write_bytes(one)
    mend(export)


def mend(export: Path) -> None:
    """SHA256SUMS as it must be now."""
    names = [name for name in parse_sums((export / "SHA256SUMS").read_bytes()) if (export / name).exists()]
    sums = {name: sha256((export / name).read_bytes()).hexdigest() for name in names}
    (export / "SHA256SUMS").write_bytes(format_sums(sums))


@attack_on_copy("one byte of an entry changed")
def byte_changed(_: Scene, export: Path) -> None:
    path = next(path for path in sorted((export / "tile" / "entries").rglob("*")) if path.is_file())
    data = path.read_bytes()
    path.write_bytes(data.replace(b'"live"', b'"test"', 1))


@attack_on_copy("an entry deleted, all tiles built anew, size and root in the checkpoint rewritten")
def entry_deleted(_: Scene, export: Path) -> None:
    left = entries_of(export)
    del left[len(left) // 2]
    root = format_base64(root_hash([leaf_hash(one) for one in left]))
    lines = (export / "checkpoint").read_text("utf-8").split("\n")
    write_log(export, left, "\n".join([lines[0], str(len(left)), root, *lines[3:]]).encode())


@attack_on_copy("one of the log's two signature lines stripped")
def line_stripped(_: Scene, export: Path) -> None:
    path = export / "checkpoint"
    path.write_bytes(stripped(path.read_bytes(), ED25519))
    mend(export)


@attack_on_copy("all cosignatures stripped")
def cosignatures_stripped(_: Scene, export: Path) -> None:
    path = export / "checkpoint"
    head, _blank, lines = path.read_text("utf-8").rpartition("\n\n")
    own = "".join(f"{line}\n" for line in lines.splitlines() if f" {origin()} " in line)
    path.write_text(f"{head}\n\n{own}", "utf-8")
    mend(export)


@attack_on_copy("the whole log replaced by one under other keys, which lie beside it")
def log_replaced(_: Scene, export: Path) -> None:
    signers = [Signer.generate(origin(), type_, bytes([7]) * 32) for type_ in (ED25519, ML_DSA_44)]
    data = entries_of(export)[:-3]
    root = root_hash([leaf_hash(one) for one in data])
    (export / "log.vkey").write_text(format_key_ring(key_ring(signer.vkey for signer in signers)), "utf-8")
    write_log(export, data, sign_checkpoint(Checkpoint(origin(), len(data), root), signers))


@attack_on_copy("the log cut to an older size that was truly signed and cosigned")
def cut_to_older(s: Scene, export: Path) -> None:
    size = int(s.early.split(b"\n")[1])
    shutil.rmtree(export / "timestamps", ignore_errors=True)
    write_log(export, entries_of(export)[:size], s.early)


@attack_on_copy("README, verifier, keys and SHA256SUMS replaced together")
def verifier_replaced(_: Scene, export: Path) -> None:
    for name, data in {"README.txt": b"All is well.\n", "verify.pyz": b"print('OK: the log holds')\n"}.items():
        (export / name).write_bytes(data)
    (export / "log.vkey").write_text((export / "log.vkey").read_text("utf-8") + "# more\n", "utf-8")
    mend(export)


@attack_on_copy("a receipt whose opened value was changed")
def receipt_changed(s: Scene, _: Path) -> None:
    s.letters[s.ids[2]] = s.letters[s.ids[2]].replace(b'"value": "pay"', b'"value": "contact"')
    s.texts[s.ids[2]] = "contact"
