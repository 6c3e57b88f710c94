"""A mirror's cosignature: the keeper of a copy says that all of the log, up to this checkpoint, is held here.

It is decided as a witness decides (`auditlog.peers.witness`), by a cosigner of its own: its name is not the witness's,
so that a policy can tell one who has seen a checkpoint from one who holds the entries.
"""

from __future__ import annotations

from auditlog.core.checking.audit import CHECKPOINT
from auditlog.core.errors import AuditLogError, VerifyError
from auditlog.core.formats.keyring import KeyRing
from auditlog.core.formats.merkle import prove_consistency
from auditlog.core.formats.note import Note, Signature, format_note, parse_note, parse_signature
from auditlog.peers.fetch import Tiles, Unreachable
from auditlog.peers.mirror import Mirror
from auditlog.peers.run_lock import alone
from auditlog.peers.submission import format_submission
from auditlog.peers.witness import Witness
from auditlog.writing import durable

SUFFIX = "/mirror"


def cosign(held: Mirror, ring: KeyRing, cosigner: Witness) -> tuple[str, ...]:
    """Cosign the checkpoint of a copy that is complete, and put the lines below it; returns their names.

    Raises VerifyError where the cosigner has cosigned what this copy contradicts: one that was removed and made anew.
    """
    if held.checkpoint() is None:
        raise AuditLogError("there is no copy to cosign as yet", field=held.origin)
    with alone(held.folder):  # else the lines could be put below an older checkpoint than a run beside this one brought
        return _cosign(held, ring, cosigner)


def _cosign(held: Mirror, ring: KeyRing, cosigner: Witness) -> tuple[str, ...]:
    known = held.known(ring)
    assert known is not None, "there is a copy, and nobody else is at it"
    cosigner.trust(ring.of(held.origin))
    old = next((log.size or 0 for log in cosigner.logs() if log.origin == held.origin), 0)
    checkpoint = known.checkpoint
    if old > checkpoint.size:
        raise VerifyError(f"the copy has {checkpoint.size} entries, and {old} of this log were cosigned here")
    tiles = Tiles(held.read, checkpoint.size, checkpoint.root)
    proof = prove_consistency(old, checkpoint.size, tiles.nodes())
    answer = cosigner.add_checkpoint(format_submission(old, proof, known.note))
    text = answer.body.decode()
    if answer.status == 422:
        raise VerifyError(
            f"another tree of {held.origin} was cosigned here before: the log was forked ({text.strip()})"
        )
    if answer.status != 200:
        raise Unreachable(f"could not be cosigned now ({text.strip()}): try again", field=held.origin)
    lines = tuple(parse_signature(line) for line in text.splitlines())
    durable.replace(held.folder / CHECKPOINT, _with_lines(known.note, lines), 0o644)
    return tuple(dict.fromkeys(line.name for line in lines))


def _with_lines(note: bytes, lines: tuple[Signature, ...]) -> bytes:
    """The note with these lines below it, in the place of older ones by the same keys."""
    parsed = parse_note(note)
    ours = {(line.name, line.key_id) for line in lines}
    others = tuple(line for line in parsed.signatures if (line.name, line.key_id) not in ours)
    return format_note(Note(parsed.text, others + lines))
