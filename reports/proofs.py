"""A published report in one file with what proves it: the entries behind it, their proofs, and the log's keys. Pure.

The file is JSON: `{"entries": [{"entry", "proof"}…], "keys": …, "report": …}`. `report` is the report's form for
machines as text, byte for byte as published; `entry` is an entry in its canonical form and `proof` the text of a C2SP
`.tlog-proof` file; `keys` is a file of verifier keys. What one file shows: each figure follows from opened cells, each
cell is what an entry of the log commits to, these entries and the publication stand under a signed checkpoint. What it
cannot show: that no tally was left out, and what entries say in clear; that takes the log itself (`reports.recount`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from auditlog.core.entries.record import Entry, parse_entry
from auditlog.core.errors import AuditLogError
from auditlog.core.formats.keyring import KeyRing, parse_key_ring
from auditlog.core.formats.proof import LogProof, format_proof, parse_proof, verify_proof
from reports.errors import TwinError
from reports.recount import Recounted, check_alone

_MEMBERS: Final = {"entries", "keys", "report"}


@dataclass(frozen=True, slots=True)
class Proven:
    """The report's bytes, each entry with its proof (tallies, then the publication), and the text of a key file."""

    report: bytes
    entries: tuple[tuple[bytes, LogProof], ...]
    keys: str


def format_proven(made: Proven) -> bytes:
    """The file's bytes."""
    value = {
        "report": made.report.decode("utf-8"),
        "entries": [
            {"entry": entry.decode("utf-8"), "proof": format_proof(proof).decode("utf-8")}
            for entry, proof in made.entries
        ],
        "keys": made.keys,
    }
    return json.dumps(value, ensure_ascii=False, sort_keys=True, indent=2).encode("utf-8") + b"\n"


def parse_proven(data: bytes) -> Proven | None:
    """The parts of such a file; None where `data` is something else, such as a report alone. Raises TwinError."""
    try:
        value: Any = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or value.keys() != _MEMBERS:
        return None
    try:
        entries = tuple(
            (one["entry"].encode("utf-8"), parse_proof(one["proof"].encode("utf-8"))) for one in value["entries"]
        )
        return Proven(value["report"].encode("utf-8"), entries, str(value["keys"]))
    except (AuditLogError, AttributeError, KeyError, TypeError) as error:
        raise TwinError(f"entries: cannot be read ({error})") from None


def verify_alone(made: Proven, ring: KeyRing | None = None) -> Recounted:
    """Check the report against the entries that the file brings, under these keys (None: those that it brings itself).

    Raises TwinError whose text names the figure, cell, number or entry that is wrong.
    """
    entries = [_entry(entry, proof, ring or _keys(made)) for entry, proof in made.entries]
    return check_alone(made.report, f"sha256:{sha256(made.report).hexdigest()}", entries)


def _keys(made: Proven) -> KeyRing:
    try:
        return parse_key_ring(made.keys, name="keys")
    except AuditLogError as error:
        raise TwinError(f"keys: {error}") from None


def _entry(data: bytes, proof: LogProof, ring: KeyRing) -> Entry:
    """An entry that stands in its log."""
    origin = proof.checkpoint.partition(b"\n")[0].decode("utf-8", "replace")
    try:
        verify_proof(proof, data, ring, origin=origin)
        entry = parse_entry(data)
    except AuditLogError as error:
        raise TwinError(f"entry {proof.index}: {error}") from None
    if not isinstance(entry, Entry):
        raise TwinError(f"entry {proof.index}: is of a kind that this version does not know")
    return entry
