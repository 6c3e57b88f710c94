"""What cosignatures sign (c2sp.org/tlog-cosignature), and the checkpoint lines that they sign it about.

The lines are read here as any log may write them (c2sp.org/tlog-checkpoint), since a witness meets every log;
`auditlog.core.formats.checkpoint` holds the narrower form of ours.
"""

from __future__ import annotations

from dataclasses import dataclass

from auditlog.core.errors import FormatError
from auditlog.core.formats.canonical import MAX_NAME, MAX_UINT64, check_text, parse_base64, parse_decimal


@dataclass(frozen=True, slots=True)
class CheckpointBody:
    """The lines of a checkpoint (c2sp.org/tlog-checkpoint): origin, size, root (32 bytes) and extension lines."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()


def parse_body(text: str) -> CheckpointBody:
    """Return the lines of any log's checkpoint text: its origin may hold spaces, extension lines may follow."""
    check_text(text, field="checkpoint")
    lines = text[:-1].split("\n")
    if len(lines) < 3:
        raise FormatError("must have the lines origin, size and root", field="checkpoint")
    if not 1 <= len(lines[0].encode()) <= MAX_NAME:
        raise FormatError(f"must be 1 to {MAX_NAME} bytes", field="origin")
    if "" in lines[3:]:
        raise FormatError("has an empty extension line", field="checkpoint")
    return CheckpointBody(
        origin=lines[0],
        size=parse_decimal(lines[1], field="size"),
        root=parse_base64(lines[2], field="root", length=32),
        extensions=tuple(lines[3:]),
    )


def cosignature_message(text: str, timestamp: int) -> bytes:
    """Return what a 0x04 cosignature signs: its header with the time, and the whole checkpoint text."""
    return f"cosignature/v1\ntime {timestamp}\n{text}".encode()


def subtree_message(*, name: str, timestamp: int, origin: str, start: int, end: int, root: bytes) -> bytes:
    """Return what a 0x06 cosignature by `name` signs: the subtree [start, end) of the log, a checkpoint for start 0."""
    if start and timestamp:
        raise FormatError("must be 0 for a subtree that is no checkpoint", field="timestamp")
    if len(root) != 32:
        raise FormatError("must be 32 bytes", field="root")
    names = [value.encode() for value in (name, origin)]
    if any(len(value) > MAX_NAME for value in names):
        raise FormatError(f"must be at most {MAX_NAME} bytes", field="name or origin")
    cosigner, log = (bytes([len(value)]) + value for value in names)
    return b"subtree/v1\n\0" + cosigner + uint64(timestamp) + log + uint64(start) + uint64(end) + root


def uint64(value: int) -> bytes:
    """Return 8 bytes, most significant first."""
    if not 0 <= value <= MAX_UINT64:
        raise FormatError(f"must be 0 to {MAX_UINT64}", field="number")
    return value.to_bytes(8, "big")
