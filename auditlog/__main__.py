"""The offline verifier: `python -m auditlog verify RECEIPT --vkey FILE` and `audit DIR --vkey FILE`.

Needs neither our server nor our database: it imports the standard library, `cryptography`, `rfc8785` and pure modules.
Exit status: 0 what was asked holds; 1 it does not; 2 the question could not be asked (usage, no such file, bad keys).
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from auditlog.audit import AuditResult, result_json
from auditlog.canonical import Json
from auditlog.errors import AuditLogError
from auditlog.keyring import KeyRing
from auditlog.keys import read_key_ring
from auditlog.receipt import VerifiedReceipt, parse_receipt, verify_receipt
from auditlog.tree import audit_tree

HOLDS, FAILS, USAGE = 0, 1, 2


class _UsageError(Exception):
    """What was asked for cannot be looked at."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        keys = _read_keys(options.vkey)
        if options.command == "verify":
            facts, text = _verify(options.receipt, keys)
        else:
            facts, text = _audit(options.folder, keys, strict=not options.hashes_only)
    except _UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return USAGE
    except AuditLogError as error:
        return _fail(error, as_json=options.json)
    print(json.dumps({"ok": True, **facts}, indent=2) if options.json else text)
    return HOLDS


def _fail(error: AuditLogError, *, as_json: bool) -> int:
    text = str(error)
    place = text.partition(": ")[0]
    # The sentence may quote names out of the file under test: escaped, so that it cannot play with a terminal.
    plain = text.encode("ascii", "backslashreplace").decode()
    print(json.dumps({"ok": False, "place": place, "error": text}, indent=2) if as_json else f"FAILED: {plain}")
    return FAILS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="auditlog", description="Check a receipt, or a whole exported log, offline.", allow_abbrev=False
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    verify = commands.add_parser("verify", help="check one receipt", allow_abbrev=False)
    verify.add_argument("receipt", type=Path, metavar="RECEIPT", help="a .receipt.json file")
    audit = commands.add_parser("audit", help="check a whole log", allow_abbrev=False)
    audit.add_argument("folder", type=Path, metavar="DIR", help="an exported log")
    audit.add_argument("--hashes-only", action="store_true", help="leave out the reading of each entry")
    for command in (verify, audit):
        command.add_argument(
            "--vkey",
            type=Path,
            required=True,
            metavar="FILE",
            help="the log's verifier keys, one a line, from a source you trust",
        )
        command.add_argument("--json", action="store_true", help="print the result as JSON")
    return parser


def _read_keys(path: Path) -> KeyRing:
    try:
        keys = read_key_ring(path)
        keys.only_origin()
    except AuditLogError as error:
        raise _UsageError(str(error)) from error
    return keys


def _verify(path: Path, keys: KeyRing) -> tuple[dict[str, Json], str]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _UsageError(f"{path}: cannot be read: {error.strerror}") from error
    receipt = parse_receipt(data)
    verified = verify_receipt(receipt, keys, origin=keys.only_origin())
    facts = _receipt_json(verified)
    opened = ", ".join(sorted(opening.field for opening in verified.openings)) or "none"
    text = (
        f"Entry {facts['index']} of {facts['origin']}: {facts['kind']}, {facts['time']}\n"
        f"Opened values that match it: {opened}\n"
        f"OK: the receipt holds, its entry is in the log as signed at size {facts['size']}"
    )
    return facts, text


def _receipt_json(verified: VerifiedReceipt) -> dict[str, Json]:
    checkpoint = verified.checkpoint.checkpoint
    return {
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "root": base64.b64encode(checkpoint.root).decode(),
        "index": verified.index,
        "kind": verified.entry.kind,
        "id": verified.entry.id,
        "agency": verified.entry.agency,
        "time": verified.entry.time,
        "openings": {opening.field: opening.value for opening in verified.openings},
    }


def _audit(folder: Path, keys: KeyRing, *, strict: bool) -> tuple[dict[str, Json], str]:
    if not folder.is_dir():
        raise _UsageError(f"{folder}: is no folder")
    result = audit_tree(folder, keys, strict=strict)
    return result_json(result), _audit_text(result)


def _audit_text(result: AuditResult) -> str:
    """Facts first, the verdict in the last line."""
    lines = [f"Log {result.origin}, root {base64.b64encode(result.root).decode()}"]
    if not result.strict:
        lines.append("The entries themselves were not read (--hashes-only).")
    elif result.size:
        lines.append(f"Entries from {result.first_time} to {result.last_time}:")
        lines += [f"  {count:>9} {kind}" for kind, count in result.kinds.items()]
    if result.opaque:
        lines.append(f"{result.opaque} of them are of kinds that this verifier does not know; it only counted them.")
    lines.append("Whether the log was cut short or forked, only its guard, a witness or an older checkpoint can say.")
    signatures = " and ".join(result.signatures)
    lines.append(f"OK: the log holds, {result.size} entries lead to the root that {signatures} signed")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
