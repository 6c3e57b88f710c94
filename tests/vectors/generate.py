"""Writes formats.json: our own vectors for canonical JSON, the tree, tiles, notes, checkpoints and proofs.

Run `python tests/vectors/generate.py` after a deliberate change of a format; a test compares `build()` with the file.
Everything is derived from fixed seeds. ML-DSA-44 signatures are randomised, so those in the file are kept for as long
as they verify. The seeds are test keys: never use them for a log.
"""

from __future__ import annotations

import json
import sys
from hashlib import sha256
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from auditlog.core.errors import AuditLogError
from auditlog.core.formats.canonical import format_canonical
from auditlog.core.formats.checkpoint import Checkpoint, format_checkpoint
from auditlog.core.formats.merkle import leaf_hash, prove_consistency, prove_inclusion, root_hash, tree_root
from auditlog.core.formats.note import (
    COSIGNATURE,
    ED25519,
    ML_DSA_44,
    Note,
    Signature,
    Signer,
    format_note,
    format_skey,
    format_vkey,
    parse_note,
)
from auditlog.core.formats.proof import LogProof, format_proof
from auditlog.core.formats.tiles import (
    Tile,
    entry_bundles_of_size,
    format_entries_path,
    format_entry_bundle,
    format_tile_path,
    grow,
    nodes_reader,
    root_from_edge,
    tiles_of_size,
)

FILE = Path(__file__).parents[2] / "docs" / "conformance" / "vectors" / "formats.json"
ORIGIN = "greffier.example/vectors/1"
LEAVES = 70_000
SIZES = (0, 1, 2, 3, 4, 5, 6, 7, 8, 15, 16, 17, 255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537, LEAVES)

CANONICAL = [
    {"b": 1, "a": [True, False, None], "": {}},
    {"text": 'quotation " backslash \\ slash / tab \t bell \x07 delete \x7f line \u2028'},
    {"\u20ac": "euro", "\r": "return", "\ufb33": "dalet", "1": "one", "\U0001f600": "smile", "\x80": "control"},
    {"largest": 2**53 - 1, "smallest": -(2**53) + 1, "zero": 0},
    [[[[]]], "é", "e\u0301"],
]
FRACTIONS = [0.5, -0.0, 1e21, 1e-7, 123456789.125, 5e-324, 1.7976931348623157e308]
REFUSED = [
    '{"a":1,"a":2}',
    '{"b":1,"a":2}',
    '{"a": 1}',
    "[1.5]",
    "[9007199254740992]",
    "[-0]",
    '["\\u0041"]',
    '["\\ud800"]',
    "[NaN]",
    "\ufeff[]",
    "[]\n",
    "[" * 65 + "]" * 65,
]
PATHS = [(0, 0, 256), (0, 5, 256), (0, 1_234_067, 256), (0, 1_234_067, 5), (1, 999, 1), (2, 1000, 255), (63, 0, 1)]


def entry(index: int) -> bytes:
    """Return entry `index` of the vectors' log."""
    return f"entry {index}".encode()


def build(previous: dict) -> dict:
    """Return all vectors; `previous` is where randomised signatures are kept from."""
    hashes = [leaf_hash(entry(index)) for index in range(LEAVES)]
    growth = grow(0, {}, hashes)
    stored = {(level, index): content for level, index, content in growth.tiles}
    # A smaller tree's partial tile is the beginning of the larger tree's tile.
    reader = {
        size: nodes_reader(lambda tile: stored[tile.level, tile.index][: tile.width * 32], size) for size in SIZES
    }
    return {
        "about": "Greffier's own vectors, made by tests/vectors/generate.py. Entry i is the ASCII text `entry <i>`.",
        "canonical": _canonical(),
        "merkle": _merkle(reader),
        "tiles": _tiles(growth.tiles),
        "note": _notes(previous, reader),
        "root_of_edge": root_from_edge(growth.size, growth.edge).hex(),
        "root_of_17": root_hash(hashes[:17]).hex(),
    }


def _canonical() -> dict:
    return {
        "integers": [format_canonical(value).decode() for value in CANONICAL],
        "fractions": [format_canonical(value, fractions=True).decode() for value in FRACTIONS],
        "refused": REFUSED,
    }


def _merkle(reader: dict) -> dict:
    return {
        "roots": {str(size): tree_root(size, reader[size]).hex() for size in SIZES},
        "inclusion": [
            {"index": index, "size": size, "proof": [h.hex() for h in prove_inclusion(index, size, reader[size])]}
            for size in (1, 2, 7, 257, 65_537, LEAVES)
            for index in sorted({0, size // 2, size - 1})
        ],
        "consistency": [
            {"old": old, "new": new, "proof": [h.hex() for h in prove_consistency(old, new, reader[new])]}
            for old, new in ((0, 7), (1, 2), (3, 7), (6, 8), (255, 257), (256, 257), (513, LEAVES), (65_536, LEAVES))
        ],
    }


def _tiles(tiles: tuple) -> dict:
    return {
        "paths": [[*place, format_tile_path(Tile(*place))] for place in PATHS],
        "tiles_of_70000": {
            format_tile_path(Tile(level, index, len(content) // 32)): sha256(content).hexdigest()
            for level, index, content in tiles
            if index in (0, 272, 273) or level
        },
        "number_of_tiles": len(tiles_of_size(LEAVES)),
        "last_bundle": format_entries_path(*entry_bundles_of_size(LEAVES)[-1]),
        "bundle_of_3": format_entry_bundle([entry(index) for index in range(3)]).hex(),
    }


def _notes(previous: dict, reader: dict) -> dict:
    signers = [
        Signer(ORIGIN, ED25519, sha256(b"greffier test vector key 1").digest()),
        Signer(ORIGIN, ML_DSA_44, sha256(b"greffier test vector key 6").digest()),
        Signer("witness.example/w", COSIGNATURE, sha256(b"greffier test vector key 4").digest()),
    ]
    kept = _kept(previous)
    notes = {}
    for size in (0, 17, LEAVES):
        root = root_hash([leaf_hash(entry(index)) for index in range(size)])
        text = format_checkpoint(Checkpoint(ORIGIN, size, root))
        times = (0, 0, 1_800_000_000)
        lines = tuple(_sign(s, text, time, kept) for s, time in zip(signers, times, strict=True))
        notes[str(size)] = format_note(Note(text, lines)).decode()
    index, size = 11, 17
    small = grow(0, {}, [leaf_hash(entry(i)) for i in range(size)])
    path = prove_inclusion(index, size, nodes_reader(lambda _: small.edge[0], size))
    proof = LogProof(index, path, notes["17"].encode(), b"anything")
    return {
        "origin": ORIGIN,
        "skeys": [format_skey(signer) for signer in signers],
        "vkeys": [format_vkey(signer.vkey) for signer in signers],
        "checkpoints": notes,
        "proof_of_entry_11": format_proof(proof).decode(),
    }


def _kept(previous: dict) -> dict[str, tuple[Signature, ...]]:
    notes = previous.get("note", {}).get("checkpoints", {}).values()
    return {note.text: note.signatures for note in (parse_note(text.encode()) for text in notes)}


def _sign(signer: Signer, text: str, timestamp: int, kept: dict[str, tuple[Signature, ...]]) -> Signature:
    if signer.type == ML_DSA_44:
        for signature in kept.get(text, ()):
            if signature.key_id == signer.vkey.key_id:
                try:
                    if signer.vkey.verify(text, signature.blob) == timestamp:
                        return signature
                except AuditLogError:
                    break
    return signer.sign(text, timestamp=timestamp)


def dump(vectors: dict) -> str:
    """Return the text of the file."""
    return json.dumps(vectors, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(dump(build(json.loads(FILE.read_text()) if FILE.exists() else {})))
