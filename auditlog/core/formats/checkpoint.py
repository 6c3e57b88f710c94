"""Checkpoints of this log (c2sp.org/tlog-checkpoint): origin, size and root, signed by every key of the log.

Extension lines are never written and never accepted: an ML-DSA-44 signature does not cover them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from auditlog.core.errors import FormatError, SignatureError
from auditlog.core.formats.canonical import MAX_UINT64, check_name, format_base64
from auditlog.core.formats.cosignature import parse_body
from auditlog.core.formats.keyring import KeyRing, LogKey
from auditlog.core.formats.merkle import EMPTY_ROOT, HASH_SIZE
from auditlog.core.formats.note import ED25519, ML_DSA_44, Note, Signature, Signer, VerifierKey, format_note, parse_note

SIGNATURE_NAMES: Final[Mapping[int, str]] = {ED25519: "Ed25519", ML_DSA_44: "ML-DSA-44"}


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

    Lines of other keys (witnesses, keys that were retired) count for nothing here. Raises FormatError, or a
    SignatureError that begins with "checkpoint" or "checkpoint line N".
    """
    opened = parse_note(note)
    checkpoint = parse_checkpoint(opened.text)
    if checkpoint.origin != origin:
        raise SignatureError("is of another log", field="origin")
    keys = ring.at(origin, checkpoint.size)
    for key in keys:
        _check_signature(opened, key, ring, checkpoint)
    return SignedCheckpoint(checkpoint, note, keys)


def check_signers(note: bytes, ring: KeyRing) -> None:
    """Raise SignatureError for a line in the log's name whose key the ring does not hold, or not at this size.

    A receipt holds despite such a line (signed notes: unknown keys are ignored); an auditor should know of it.
    """
    opened = parse_note(note)
    checkpoint = parse_checkpoint(opened.text)
    known = {(key.vkey.name, key.vkey.key_id): key for key in ring.of(checkpoint.origin).keys}
    for line, signature in signature_lines(opened):
        key = known.get((signature.name, signature.key_id))
        if signature.name != checkpoint.origin or (
            key is not None and key.vkey in ring.at(key.vkey.name, checkpoint.size)
        ):
            continue
        sentence = _UNKNOWN if key is None else f"is by {_not_valid(key, checkpoint.size)}"
        raise SignatureError(sentence, field=f"checkpoint line {line}")


def signature_lines(note: Note) -> Iterator[tuple[int, Signature]]:
    """(line of the file from 1, signature)."""
    yield from enumerate(note.signatures, note.text.count("\n") + 2)


def _check_signature(note: Note, key: VerifierKey, ring: KeyRing, checkpoint: Checkpoint) -> None:
    kind = SIGNATURE_NAMES.get(key.type, f"0x{key.type:02x}")
    lines = [(n, line) for n, line in signature_lines(note) if (line.name, line.key_id) == (key.name, key.key_id)]
    if not lines:
        raise SignatureError(
            f"the {kind} signature of this log is missing: {_why(note, ring, checkpoint)}", field="checkpoint"
        )
    for number, line in lines:
        try:
            time = key.verify(note.text, line.blob)
        except SignatureError as error:
            sentence = f"the {kind} signature does not belong to this checkpoint: one of the two was changed"
            raise SignatureError(sentence, field=f"checkpoint line {number}") from error
        # A time would make a witness's statement of the log's own line ("the largest tree that I have seen").
        if time:
            raise SignatureError(
                f"the {kind} signature of the log must carry time 0", field=f"checkpoint line {number}"
            )


def _why(note: Note, ring: KeyRing, checkpoint: Checkpoint) -> str:
    """What may explain a missing signature: a key that has no say at this size signed instead."""
    borne = {(line.name, line.key_id) for line in note.signatures}
    for key in ring.of(checkpoint.origin).keys:
        if (key.vkey.name, key.vkey.key_id) in borne and key.vkey not in ring.at(checkpoint.origin, checkpoint.size):
            return f"the checkpoint was signed by {_not_valid(key, checkpoint.size)}"
    return "it was stripped, or other keys signed"


_UNKNOWN = (
    "signs in the name of this log with a key that the key file does not hold: get the newest key file, and if the key "
    "is not in there either, somebody else signs in this name"
)


def _not_valid(key: LogKey, size: int) -> str:
    if size < key.valid_from:
        return f"a key that is valid only from size {key.valid_from} on, and this is size {size}"
    return (
        f"a key that was retired at size {key.valid_until}, and this is size {size}: somebody may be using an old key"
    )
