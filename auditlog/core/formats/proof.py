"""Inclusion proofs as files (c2sp.org/tlog-proof): the path of one entry to a signed checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from auditlog.core.errors import FormatError
from auditlog.core.formats.canonical import MAX_UINT64, format_base64, parse_base64, parse_decimal
from auditlog.core.formats.checkpoint import SignedCheckpoint, open_checkpoint
from auditlog.core.formats.keyring import KeyRing
from auditlog.core.formats.merkle import HASH_SIZE, leaf_hash, verify_inclusion
from auditlog.core.formats.note import parse_note

HEADER: Final = "c2sp.org/tlog-proof@v1"
MAX_HASHES: Final = 64
"""A tree of 2^64 leaves is no higher."""


@dataclass(frozen=True, slots=True)
class LogProof:
    """Entry number `index`, its audit path (leaf side first), the checkpoint verbatim, and unauthenticated `extra`."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.index <= MAX_UINT64:
            raise FormatError(f"must be 0 to {MAX_UINT64}", field="index")
        if len(self.hashes) > MAX_HASHES:
            raise FormatError(f"must be at most {MAX_HASHES}", field="hashes")
        if any(len(value) != HASH_SIZE for value in self.hashes):
            raise FormatError(f"must be {HASH_SIZE} bytes each", field="hashes")


def parse_proof(data: bytes) -> LogProof:
    """Return a proof in its only spelling; nothing is verified."""
    head, gap, checkpoint = data.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise FormatError("must begin with lines of ASCII", field="proof") from None
    if not gap or lines[0] != HEADER:
        raise FormatError(f"must begin with {HEADER} and end with a checkpoint", field="proof")
    rest = lines[1:]
    extra = None
    if rest and rest[0].startswith("extra "):
        extra = parse_base64(rest.pop(0).removeprefix("extra "), field="extra")
    if not rest or not rest[0].startswith("index "):
        raise FormatError("must have an index line", field="proof")
    index = parse_decimal(rest.pop(0).removeprefix("index "), field="index")
    hashes = tuple(parse_base64(line, field="hashes", length=HASH_SIZE) for line in rest)
    parse_note(checkpoint)
    return LogProof(index, hashes, checkpoint, extra)


def format_proof(proof: LogProof) -> bytes:
    """Return the bytes of a `.tlog-proof` file."""
    lines = [HEADER]
    if proof.extra is not None:
        lines.append(f"extra {format_base64(proof.extra)}")
    lines.append(f"index {proof.index}")
    lines += [format_base64(value) for value in proof.hashes]
    return "\n".join(lines).encode() + b"\n\n" + proof.checkpoint


def verify_proof(proof: LogProof, entry: bytes, ring: KeyRing, *, origin: str) -> SignedCheckpoint:
    """Return the checkpoint of log `origin`, signed by every key valid there, with `entry` at `proof.index`.

    Raises SignatureError or FormatError for the checkpoint, ProofError for the path.
    """
    signed = open_checkpoint(proof.checkpoint, ring, origin=origin)
    checkpoint = signed.checkpoint
    verify_inclusion(leaf_hash(entry), proof.index, checkpoint.size, proof.hashes, checkpoint.root)
    return signed
