"""What a witness is sent (c2sp.org/tlog-witness, add-checkpoint), and the rules by which it cosigns: no I/O, no clock.

The order is the specification's: form, origin, signature, then the size that was cosigned last, then consistency.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from auditlog.core.errors import AuditLogError, FormatError, ProofError, SignatureError
from auditlog.core.formats.canonical import format_base64, parse_base64, parse_decimal
from auditlog.core.formats.cosignature import CheckpointBody, parse_body
from auditlog.core.formats.keyring import KeyRing
from auditlog.core.formats.merkle import EMPTY_ROOT, verify_consistency
from auditlog.core.formats.note import Note, Signature, open_note, parse_note

MAX_PROOF = 63
MAX_SIZE = 2**63 - 1
SIZE_TYPE = "text/x.tlog.size"
TEXT_TYPE = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Submission:
    """A checkpoint of any log, with the proof that it extends the tree of `old` leaves. Nothing is verified."""

    old: int
    proof: tuple[bytes, ...]
    data: bytes
    note: Note
    body: CheckpointBody


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer: status, body, and its content type. `retry_after`: seconds."""

    status: int
    body: bytes
    content_type: str = TEXT_TYPE
    retry_after: int | None = None


class NotCosigned(AuditLogError):
    """The witness does not cosign; `answer` says why, in the specification's terms."""

    def __init__(self, status: int, reason: str, *, size: int | None = None) -> None:
        super().__init__(reason)
        if size is None:
            self.answer = Answer(status, f"{reason}\n".encode())
        else:
            self.answer = Answer(status, f"{size}\n".encode(), SIZE_TYPE)


def parse_submission(data: bytes) -> Submission:
    """The parts of a request's body. Raises FormatError: every such body is answered with 400."""
    head, gap, note = data.partition(b"\n\n")
    if not gap:
        raise FormatError("has no empty line between proof and checkpoint", field="body")
    try:
        first, *lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise FormatError("must be ASCII above the empty line", field="body") from None
    if not first.startswith("old "):
        raise FormatError('must begin with "old " and the size cosigned last', field="body")
    if len(lines) > MAX_PROOF:
        raise FormatError(f"has more than {MAX_PROOF} lines", field="proof")
    old = parse_decimal(first.removeprefix("old "), field="old", maximum=MAX_SIZE)
    proof = tuple(parse_base64(line, field="proof", length=32) for line in lines)
    parsed = parse_note(note)
    body = parse_body(parsed.text)
    if body.size > MAX_SIZE:
        raise FormatError(f"must be at most {MAX_SIZE}", field="size")
    if old > body.size:
        raise FormatError("is larger than the size of the checkpoint", field="old")
    return Submission(old, proof, note, parsed, body)


def format_submission(old: int, proof: Sequence[bytes], note: bytes) -> bytes:
    """Inverse of `parse_submission`."""
    lines = (f"old {old}", *(format_base64(hash_) for hash_ in proof), "", "")
    return "\n".join(lines).encode() + note


def authenticate(submission: Submission, ring: KeyRing) -> tuple[Signature, ...]:
    """The log's own valid lines. Raises NotCosigned: 404 for a log that is not known, 403 where no known key signed it,
    or where a known key's line does not verify.

    `ring` holds the keys of this origin alone; only those valid at the size count, so a retired key opens nothing.
    """
    if not ring.keys:
        raise NotCosigned(404, "unknown log: its keys are not known to this witness")
    body = submission.body
    try:
        opened = open_note(submission.data, ring.at(body.origin, body.size))
    except SignatureError as error:
        raise NotCosigned(403, f"invalid signature: {error}") from None
    signed = {(key.name, key.key_id) for key, _ in opened.by}
    lines: dict[tuple[str, bytes], Signature] = {}
    for line in submission.note.signatures:
        if (line.name, line.key_id) in signed:
            lines.setdefault((line.name, line.key_id), line)
    return tuple(lines.values())


def judge(submission: Submission, seen: tuple[int, bytes] | None) -> None:
    """Raise NotCosigned unless the checkpoint extends or repeats what was cosigned last: `seen` is its size and root.

    An equal size with the equal root is a refresh. The statement that a cosignature makes is about origin, size and
    root; extension lines, which some logs have, are signed along by type 0x04 and vouched for by nobody.
    """
    size, root = seen or (0, EMPTY_ROOT)
    if submission.old != size:
        raise NotCosigned(409, "another size was cosigned last", size=size)
    body = submission.body
    try:
        verify_consistency(size, root, body.size, body.root, submission.proof)
    except ProofError as error:
        raise NotCosigned(422, f"consistency proof: {error}") from None


def contradicts(submission: Submission, seen: tuple[int, bytes] | None) -> bool:
    """Whether log and witness now hold two checkpoints of one size with different roots: a proof that it forked."""
    return seen is not None and seen[0] == submission.body.size and seen[1] != submission.body.root
