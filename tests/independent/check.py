"""Run by .venv-independent: an implementation of C2SP that is not ours audits our export and our receipts.

Usage: check.py EXPORT PROOF ENTRY [PROOF ENTRY …]. Prints one JSON object; exit 1 when something does not hold.
aics-tlog knows no ML-DSA-44, so of the signatures it checks Ed25519 alone.
"""

import base64
import json
import sys
from pathlib import Path

from aics_tlog import (
    FileSystemTileReader,
    audit_tiles,
    checkpoint,
    note,
    parse_vkey,
    verify_checkpoint,
    verify_leaf_inclusion,
)


def read_checkpoint(data, key):
    parsed = note.parse_note(data)
    result = verify_checkpoint(parsed, key, expected_origin=key.name)
    assert result.log_ok, result.error
    return checkpoint.parse_checkpoint(parsed.text)


def check_proof(proof, entry, key):
    head, _, signed = proof.partition(b"\n\n")
    lines = head.decode("ascii").split("\n")
    assert lines[0] == "c2sp.org/tlog-proof@v1", lines[0]
    index = int(lines[1].removeprefix("index "))
    hashes = [base64.b64decode(line, validate=True) for line in lines[2:]]
    head = read_checkpoint(signed, key)
    assert verify_leaf_inclusion(entry, index, head.size, hashes, head.root), f"entry {index} is not in the tree"
    return index


def main(export, *pairs):
    export = Path(export)
    key = parse_vkey((export / "log.vkey").read_text().splitlines()[0])
    head = read_checkpoint((export / "checkpoint").read_bytes(), key)
    report = audit_tiles(FileSystemTileReader(export), head.size, head.root)
    indices = [
        check_proof(Path(proof).read_bytes(), Path(entry).read_bytes(), key)
        for proof, entry in zip(pairs[::2], pairs[1::2], strict=True)
    ]
    print(json.dumps({"size": report.size, "tiles": report.tiles, "bundles": report.bundles, "indices": indices}))


main(*sys.argv[1:])
