"""Checkpoints of this log (c2sp.org/tlog-checkpoint): origin, size and root, signed by every key of the log.

Extension lines are never written and never accepted: an ML-DSA-44 signature does not cover them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from auditlog.canonical import MAX_UINT64, check_name, format_base64
from auditlog.cosignature import parse_body
from auditlog.errors import FormatError, SignatureError
from auditlog.keyring import KeyRing
from auditlog.merkle import EMPTY_ROOT, HASH_SIZE
from auditlog.note import ML_DSA_44, Note, Signer, VerifierKey, format_note, open_note, parse_note


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a log: `size` entries under `root` (32 bytes)."""

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        check_name(self.origin, field="origin")
        if not 0 <= self.size <= MAX_UINT64:
            raise FormatError(f"must be 0 to {MAX_UINT64}", field="size")
        if len(self.root) != HASH_SIZE:
            raise FormatError(f"must be {HASH_SIZE} bytes", field="root")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise FormatError("of an empty log must be SHA-256 of nothing", field="root")


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint whose log signatures hold, its note verbatim, and the keys of the log that signed it."""

    checkpoint: Checkpoint
    note: bytes
    by: tuple[VerifierKey, ...]


def parse_checkpoint(text: str) -> Checkpoint:
    """Return the checkpoint of a note's text: exactly three lines."""
    body = parse_body(text)
    if body.extensions:
        raise FormatError("has extension lines, which this log never writes", field="checkpoint")
    return Checkpoint(body.origin, body.size, body.root)


def format_checkpoint(checkpoint: Checkpoint) -> str:
    """Return the text of a checkpoint, which is what the log signs."""
    return f"{checkpoint.origin}\n{checkpoint.size}\n{format_base64(checkpoint.root)}\n"


def sign_checkpoint(checkpoint: Checkpoint, signers: Sequence[Signer]) -> bytes:
    """Return the signed note of a checkpoint, one line per signer in their order (0x06 with time 0)."""
    text = format_checkpoint(checkpoint)
    return format_note(Note(text, tuple(signer.sign(text) for signer in signers)))


def open_checkpoint(note: bytes, ring: KeyRing, *, origin: str) -> SignedCheckpoint:
    """Return the checkpoint of log `origin` in a note that *every* key valid at its size has signed.

    Lines of other keys (witnesses, keys that were retired) are ignored here. Raises FormatError or SignatureError.
    """
    checkpoint = parse_checkpoint(parse_note(note).text)
    if checkpoint.origin != origin:
        raise SignatureError("is of another log", field="origin")
    keys = ring.at(origin, checkpoint.size)
    opened = open_note(note, keys)
    times = {(key.name, key.key_id): timestamp for key, timestamp in opened.by}
    for key in keys:
        if (key.name, key.key_id) not in times:
            raise SignatureError("is missing", field=f"signature {key.key_id.hex()} of {key.name}")
        # A time would make a witness's statement of the log's own line ("the largest tree that I have seen").
        if key.type == ML_DSA_44 and times[key.name, key.key_id]:
            raise SignatureError("must carry time 0", field=f"signature {key.key_id.hex()} of {key.name}")
    return SignedCheckpoint(checkpoint, note, keys)
