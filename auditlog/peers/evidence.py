"""What a log signed, held against what it signed before; and the file that shows a contradiction to anyone.

A fork is proven by signatures alone: two signed checkpoints of one log, and either equal sizes with different roots, or
a consistency proof that leads to the larger root from another root than the smaller checkpoint states. That the keeper
served less than before, or nothing new for too long, is the word of whoever kept the file, and the file says so.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

from auditlog.core.errors import FormatError, ProofError, SignatureError, VerifyError
from auditlog.core.formats.canonical import Json, check_text, format_base64, parse_base64, parse_json
from auditlog.core.formats.checkpoint import Checkpoint, SignedCheckpoint
from auditlog.core.formats.cosignature import parse_body
from auditlog.core.formats.keyring import KeyRing
from auditlog.core.formats.merkle import ReadNodes, prove_consistency, tree_root, verify_consistency
from auditlog.core.formats.note import open_note, parse_note
from auditlog.writing import durable

FORMAT: Final = "greffier-evidence/1"
Kind = Literal["fork", "rollback", "signature", "tree", "entries", "policy", "stale"]
KINDS: Final[tuple[Kind, ...]] = ("fork", "rollback", "signature", "tree", "entries", "policy", "stale")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was wrong with a log. Notes are verbatim; `time` is when it was seen, UTC: `YYYY-MM-DDTHH:MM:SSZ`.

    Of a fork: `prefix_root` is the root over the first entries of the larger tree, as many as the smaller one has, and
    `proof` leads from it to the larger root.
    """

    kind: Kind
    sentence: str
    time: str
    known: str | None
    found: str | None
    prefix_root: bytes | None = None
    proof: tuple[bytes, ...] = ()
    keys: str = field(default="", repr=False)


class Contradiction(VerifyError):
    """Two signed checkpoints do not belong to one log that only grows. `prefix_root` and `proof` as in Evidence."""

    def __init__(
        self, message: str, *, kind: Kind, prefix_root: bytes | None = None, proof: tuple[bytes, ...] = ()
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.prefix_root = prefix_root
        self.proof = proof


def open_signed(note: bytes, ring: KeyRing) -> SignedCheckpoint:
    """A checkpoint of any log whose keys the ring holds, signed by every key valid at its size.

    Unlike `checkpoint.open_checkpoint` it admits extension lines, which other logs may write. Raises FormatError or
    SignatureError.
    """
    body = parse_body(parse_note(note).text)
    keys = ring.at(body.origin, body.size)
    signed = {key for key, _ in open_note(note, keys).by}
    for key in keys:
        if key not in signed:
            raise SignatureError(
                "is missing: it was stripped, or the log has new keys: compare with its newest key file",
                field=f"signature {key.key_id.hex()} of {key.name}",
            )
    return SignedCheckpoint(Checkpoint(body.origin, body.size, body.root), note, keys)


def demand_growth(known: SignedCheckpoint, found: SignedCheckpoint, larger: ReadNodes | None) -> None:
    """Raise Contradiction unless `found` is the tree of `known`, grown or as it was.

    `larger` reads verified nodes of the larger of both trees; None where that tree cannot be read, which is so for one
    that was rolled back.
    """
    old, new = known.checkpoint, found.checkpoint
    if old.origin != new.origin:
        raise Contradiction("another log is served at this address", kind="signature")
    if old.size == new.size:
        if old.root != new.root:
            raise Contradiction(f"the log was forked: it signed two different trees of {old.size} entries", kind="fork")
        return
    small, large = sorted((old, new), key=lambda one: one.size)
    if larger is not None:
        prefix, proof = _prefix(small.size, large.size, larger)
        if prefix != small.root:
            raise Contradiction(
                f"the log was forked: the first {small.size} of the {large.size} entries that it signed are not the "
                f"{small.size} that it signed otherwise",
                kind="fork",
                prefix_root=prefix,
                proof=proof,
            )
    if new.size < old.size:
        raise Contradiction(
            f"the log was rolled back: it signed {old.size} entries and now serves {new.size}", kind="rollback"
        )
    if larger is None:
        raise ProofError("cannot be read, so nothing shows that the log only grew", field="tree")


def _prefix(size: int, whole: int, read: ReadNodes) -> tuple[bytes, tuple[bytes, ...]]:
    return tree_root(size, read), prove_consistency(size, whole, read)


def verify_evidence(evidence: Evidence, ring: KeyRing) -> None:
    """Raise VerifyError unless the file proves, by the log's own signatures, that the log contradicts itself.

    `ring` is the caller's own: keys from the file itself would prove nothing.
    """
    if evidence.known is None or evidence.found is None:
        raise VerifyError("holds one checkpoint only: it shows what was seen and proves no contradiction")
    one, other = (open_signed(note.encode(), ring).checkpoint for note in (evidence.known, evidence.found))
    if one.origin != other.origin:
        raise VerifyError("holds checkpoints of two logs")
    small, large = sorted((one, other), key=lambda checkpoint: checkpoint.size)
    if small.size == large.size:
        if small.root == large.root:
            raise VerifyError("holds the same checkpoint twice, which is no contradiction")
        return
    if evidence.prefix_root is None:
        raise VerifyError(
            f"shows that the log signed {one.size} entries; that it served {other.size} afterwards is the word of "
            "whoever kept the file"
        )
    verify_consistency(small.size, evidence.prefix_root, large.size, large.root, evidence.proof)
    if evidence.prefix_root == small.root:
        raise VerifyError("holds two checkpoints of one log that only grew, which is no contradiction")


def format_evidence(evidence: Evidence) -> bytes:
    """The file: JSON that a person can read, notes verbatim, hashes in base64."""
    value: dict[str, Json] = {
        "format": FORMAT,
        "kind": evidence.kind,
        "sentence": evidence.sentence,
        "time": evidence.time,
        "known": evidence.known,
        "found": evidence.found,
        "prefix_root": None if evidence.prefix_root is None else format_base64(evidence.prefix_root),
        "proof": [format_base64(value) for value in evidence.proof],
        "keys": evidence.keys,
    }
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def parse_evidence(data: bytes) -> Evidence:
    """Inverse of `format_evidence`. Raises FormatError with the member's name."""
    value: Any = parse_json(data)
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise FormatError(f"is no {FORMAT} file", field="format")
    if value.get("kind") not in KINDS:
        raise FormatError(f"must be one of {', '.join(KINDS)}", field="kind")
    proof = value.get("proof")
    if not isinstance(proof, list):
        raise FormatError("must be a list of hashes", field="proof")
    root = value.get("prefix_root")
    evidence = Evidence(
        kind=value["kind"],
        sentence=_text(value, "sentence"),
        time=_text(value, "time"),
        known=None if value.get("known") is None else _text(value, "known"),
        found=None if value.get("found") is None else _text(value, "found"),
        prefix_root=None if root is None else _hash(root, "prefix_root"),
        proof=tuple(_hash(one, "proof") for one in proof),
        keys=_text(value, "keys"),
    )
    if format_evidence(evidence) != data:
        raise FormatError("must be as the program wrote it", field="evidence")
    return evidence


def make_evidence(
    error: VerifyError, kind: Kind, *, known: bytes | None, found: bytes | None, keys: str, now: int
) -> Evidence:
    """The evidence of what went wrong. `now`: POSIX seconds; `keys`: the key file's text, for the reader.

    `kind` is what it is where the error does not say so itself.
    """
    prefix_root: bytes | None = None
    proof: tuple[bytes, ...] = ()
    if isinstance(error, Contradiction):
        kind, prefix_root, proof = error.kind, error.prefix_root, error.proof
    elif isinstance(error, SignatureError):
        kind = "signature"
    return Evidence(
        kind=kind,
        sentence=str(error),
        time=format_seconds(now),
        known=None if known is None else readable(known),
        found=None if found is None else readable(found),
        prefix_root=prefix_root,
        proof=proof,
        keys=keys,
    )


def keep_evidence(folder: Path, evidence: Evidence) -> Path:
    """Write `evidence-<time>.json`, synced, and return its path. What is kept already is not written again.

    A monitor runs every few minutes: the same finding must not fill the disk.
    """
    for path in sorted(folder.glob("evidence-*.json")):
        try:
            kept = parse_evidence(path.read_bytes())
        except (FormatError, OSError):
            continue
        if _matter(kept) == _matter(evidence):
            return path
    stamp = "".join(char for char in evidence.time if char not in "-:")
    names = (f"evidence-{stamp}{extra}.json" for extra in ("", *(f"-{number}" for number in range(2, 1000))))
    path = next(folder / name for name in names if not (folder / name).exists())
    durable.replace(path, format_evidence(evidence), 0o644)
    return path


def _matter(evidence: Evidence) -> tuple[object, ...]:
    """What it is about: the same checkpoints may come with fresh signatures each time."""
    texts = (None if note is None else note.rpartition("\n\n")[0] for note in (evidence.known, evidence.found))
    return evidence.kind, *texts, evidence.prefix_root


def format_seconds(seconds: int) -> str:
    """POSIX seconds as UTC, `YYYY-MM-DDTHH:MM:SSZ`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def readable(note: bytes) -> str:
    """A note for the file; one that is no text, and so no note, with its odd bytes spelled out."""
    try:
        text = note.decode("utf-8")
        check_text(text, field="note")
    except (UnicodeDecodeError, FormatError):
        return ascii(note)
    return text


def _text(value: dict[str, Any], name: str) -> str:
    found = value.get(name)
    if not isinstance(found, str):
        raise FormatError("must be text", field=name)
    return found


def _hash(value: object, name: str) -> bytes:
    if not isinstance(value, str):
        raise FormatError("must be a hash in base64", field=name)
    return parse_base64(value, field=name, length=32)
