"""What the verifier's commands do: each returns facts (for JSON) and sentences, or raises what does not hold.

Files are only read. The clock is the caller's.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from auditlog.core.checking.audit import (
    CHECKPOINT,
    CLOCKS_DIFFER,
    AuditResult,
    ReadFile,
    format_posix,
    read_entries,
    read_signed_checkpoint,
    result_json,
)
from auditlog.core.checking.tree import audit_tree, tree_reader
from auditlog.core.entries.receipt import VerifiedReceipt, parse_receipt, verify_receipt
from auditlog.core.entries.record import Entry, parse_entry
from auditlog.core.errors import AuditLogError, FormatError, NotFound, ProofError, VerifyError
from auditlog.core.formats.canonical import Json
from auditlog.core.formats.checkpoint import Checkpoint, SignedCheckpoint, open_checkpoint
from auditlog.core.formats.cosignature import parse_body
from auditlog.core.formats.keyring import KeyRing
from auditlog.core.formats.merkle import prove_consistency, tree_root, verify_consistency
from auditlog.core.formats.note import parse_note
from auditlog.core.formats.policy import Policy, check_policy, cosigned_by
from auditlog.core.formats.tiles import format_tile_path, nodes_reader

Facts = dict[str, Json]
Report = tuple[Facts, list[str]]

PUBLISHED: Final = "published"
INTEGRATED: Final = "integrated"
NOT_YET: Final = "not_yet_published"


class ForkError(VerifyError):
    """The log signed two histories; `facts` has both roots."""

    def __init__(self, message: str, facts: Facts) -> None:
        super().__init__(message, field="fork")
        self.facts = facts


class InFolderError(VerifyError):
    """What does not hold in one of several logs."""

    def __init__(self, folder: Path, error: AuditLogError) -> None:
        super().__init__(str(error))
        self.folder = folder
        self.error = error


@dataclass(frozen=True, slots=True)
class Trust:
    """What the person who checks brings: keys of logs, and a policy where witnesses count."""

    ring: KeyRing
    policy: Policy | None = None


def check_receipt(data: bytes, trust: Trust, *, max_age: int | None = None, now: int | None = None) -> Report:
    """Check a receipt under the keys of the log that it names. Raises AuditLogError that begins with the part."""
    receipt = parse_receipt(data)
    with part("proof"):
        origin = parse_body(parse_note(receipt.proof.checkpoint).text).origin
    verified = verify_receipt(receipt, trust.ring, origin=origin)
    witnesses = check_witnesses(trust, receipt.proof.checkpoint, max_age=max_age, now=now)
    verdict = verdict_of(trust)
    facts: Facts = {**_receipt_json(verified), "verdict": verdict, "witnesses": dict(witnesses)}
    opened = ", ".join(sorted(opening.field for opening in verified.openings)) or "none"
    published = (
        ", and published: the witnesses that the policy demands have cosigned it" if verdict == PUBLISHED else ""
    )
    size = verified.checkpoint.checkpoint.size
    return facts, [
        f"Entry {verified.index} of {origin}: {verified.entry.kind}, {verified.entry.time}",
        f"Opened values that match it: {opened}",
        *cosigned_lines(trust, witnesses),
        f"OK: the receipt holds, its entry is in the log as signed at size {size}{published}",
    ]


def _receipt_json(verified: VerifiedReceipt) -> Facts:
    return {
        **checkpoint_json(verified.checkpoint.checkpoint),
        "index": verified.index,
        "kind": verified.entry.kind,
        "id": verified.entry.id,
        "agency": verified.entry.agency,
        "time": verified.entry.time,
        "openings": {opening.field: opening.value for opening in verified.openings},
    }


def check_logs(folders: Sequence[Path], trust: Trust, *, strict: bool = True) -> Report:
    """Audit exported logs, each the predecessor of the next. Raises VerifyError; of several logs InFolderError."""
    results: list[AuditResult] = []
    for folder in folders:
        try:
            origin = _origin_of(folder, trust.ring)
            before = results[-1] if results else None
            result = audit_tree(
                folder, trust.ring, origin=origin, strict=strict, predecessor=before, policy=trust.policy
            )
        except AuditLogError as error:
            if len(folders) == 1:
                raise
            raise InFolderError(folder, error) from error
        results.append(result)
    lines = [line for result in results for line in _audit_lines(result, trust)]
    lines += [line for before, after in pairwise(results) for line in _left_out(before, after)]
    verdict = verdict_of(trust)
    if len(results) == 1:
        return {**result_json(results[0]), "verdict": verdict}, lines
    logs: list[Json] = [result_json(result) for result in results]
    lost = "; what is lost of it, see above" if any(result.lost is not None for result in results) else ""
    return {"logs": logs, "verdict": verdict}, [
        *lines,
        f"OK: all {len(logs)} logs hold, and each continues the one before{lost}",
    ]


def _left_out(before: AuditResult, after: AuditResult) -> Iterator[str]:
    if after.kept is not None and (missing := after.kept - before.size) > 0:
        yield (
            f"{after.origin} says that {after.kept} entries of {before.origin} are kept; this export of it ends "
            f"{missing} before that, so these were not checked. Ask the agency for them."
        )


def _origin_of(folder: Path, ring: KeyRing) -> str | None:
    """Which of several logs an export says it is; where the keys are of one log, it must be that one."""
    if len(ring.origins) == 1:
        return None
    try:
        return parse_body(parse_note(tree_reader(folder)(CHECKPOINT)).text).origin
    except NotFound:
        raise VerifyError("this file is missing", field=CHECKPOINT) from None
    except FormatError as error:
        raise VerifyError(str(error), field=CHECKPOINT) from error


def _audit_lines(result: AuditResult, trust: Trust) -> list[str]:
    """Facts first, the verdict in the last line."""
    lines = [f"Log {result.origin}, root {_b64(result.root)}"]
    if not result.strict:
        lines.append("The entries themselves were not read (--hashes-only).")
    elif result.size:
        lines.append(f"Entries from {result.first_time} to {result.last_time}:")
        lines += [f"  {count:>9} {kind}" for kind, count in result.kinds.items()]
    lines += _remarks(result)
    lines += cosigned_lines(trust, result.witnesses)
    if verdict_of(trust) == PUBLISHED:
        lines.append("What came after the witnesses cosigned, only a newer checkpoint or a monitor can say.")
    else:
        lines.append(
            "Whether the log was cut short or forked, only its guard, a witness or an older checkpoint can say."
        )
    signatures = " and ".join(dict.fromkeys(result.signatures))
    lines.append(f"OK: the log holds, {result.size} entries lead to the root that {signatures} signed")
    return lines


def _remarks(result: AuditResult) -> Iterator[str]:
    if result.opaque:
        yield f"{result.opaque} of them are of kinds that this verifier does not know; it only counted them."
    if result.unresolved:
        lead = "reference leads" if result.unresolved == 1 else "references lead"
        yield f"{result.unresolved} {lead} into the predecessor log {result.predecessor}: not given here, or lost."
    if result.times_before_start:
        dated = "entry is" if result.times_before_start == 1 else "entries are"
        yield f"{result.times_before_start} {dated} dated before the log began: its clock was set back."
    if result.lost is not None:
        count = f"{result.lost} of its entries are lost" if result.lost else "how much of it is lost cannot be said"
        yield f"{result.predecessor}, the log before, was not closed: this one states that {count}. Ask why."
    if result.frozen:
        goes_on = f"{result.successor} continues it" if result.successor else "no log continues it"
        yield f"The log is closed, and {goes_on}."


def check_consistency(old: bytes, folder: Path, trust: Trust) -> Report:
    """Whether an export continues the log as an older signed checkpoint has it. Raises ForkError with both roots."""
    read = tree_reader(folder)
    new = read_signed_checkpoint(read, trust.ring, origin=_origin_of(folder, trust.ring))
    origin = new.checkpoint.origin
    with part("old checkpoint"):
        before = open_checkpoint(old, trust.ring, origin=origin)
    witnesses = check_witnesses(trust, new.note)
    small, large = before.checkpoint, new.checkpoint
    if small.size > large.size:
        raise VerifyError(
            f"has {large.size} entries, and the older checkpoint has {small.size}: the end of the log was cut off, or "
            "the export is the older of the two",
            field="export",
        )
    _check_prefix(read, small, large)
    late = _dated_before(read, before, new, trust)
    facts: Facts = {
        **checkpoint_json(large),
        "old_size": small.size,
        "old_root": _b64(small.root),
        "verdict": verdict_of(trust),
        "witnesses": dict(witnesses),
        "dated_before_witnessed": late,
    }
    lines = cosigned_lines(trust, witnesses)
    if late:
        lines.append(
            f"Entries that the older checkpoint does not hold, and that are dated before it was witnessed: {late}. "
            "They were back-dated, or the clock of the log was set back."
        )
    return facts, [
        f"Log {origin}: {small.size} entries then, {large.size} now",
        *lines,
        "OK: the log only grew since the older checkpoint: nothing before it was changed or removed",
    ]


def _check_prefix(read: ReadFile, small: Checkpoint, large: Checkpoint) -> None:
    """The export's own root at the older size, proven under its signed root, against the older checkpoint's."""
    nodes = nodes_reader(lambda tile: read(format_tile_path(tile)), large.size)
    try:
        root = tree_root(small.size, nodes)
        proof = prove_consistency(small.size, large.size, nodes)
        verify_consistency(small.size, root, large.size, large.root, proof)
    except NotFound as error:
        raise VerifyError("this file is missing", field=error.field) from error
    except (ProofError, FormatError) as error:
        raise VerifyError("do not lead to the export's own root: run audit on it first", field="tiles") from error
    if root != small.root:
        raise ForkError(
            f"the log signed two histories: at size {small.size} the older checkpoint has the root {_b64(small.root)}, "
            f"the export has {_b64(root)}. Keep both: together they prove it. Tell the agency and its supervisor",
            {"old_size": small.size, "old_root": _b64(small.root), "export_root": _b64(root)},
        )


def _dated_before(read: ReadFile, old: SignedCheckpoint, new: SignedCheckpoint, trust: Trust) -> int:
    """How many entries beyond the older checkpoint are dated more than an hour before a witness saw it without them."""
    times = {} if trust.policy is None else cosigned_by(trust.policy, old.note)
    if not times:
        return 0
    earliest = format_posix(min(times.values()) - CLOCKS_DIFFER)
    late = 0
    for index, data in read_entries(read, new.checkpoint.size):
        if index >= old.checkpoint.size:
            entry = parse_entry(data)
            late += isinstance(entry, Entry) and entry.time < earliest
    return late


def list_gaps(folder: Path, reached: Mapping[str, int] | None = None) -> Report:
    """What an export does not account for. Signatures and hashes are not looked at: that is `check_logs`.

    `reached`: what the own counters of sources say.
    """
    from auditlog.core.checking.gaps import format_gaps, gaps, gaps_json  # noqa: PLC0415  (verify starts faster without)

    read = tree_reader(folder)
    try:
        size = parse_body(parse_note(read(CHECKPOINT)).text).size
    except NotFound:
        raise VerifyError("this file is missing", field=CHECKPOINT) from None
    found = gaps(read_entries(read, size), reached=reached)
    return {"gaps": gaps_json(found)}, format_gaps(found).rstrip("\n").split("\n")


def check_witnesses(
    trust: Trust, note: bytes, *, max_age: int | None = None, now: int | None = None
) -> Mapping[str, int]:
    if trust.policy is None:
        return {}
    return check_policy(trust.policy, note, max_age=max_age, now=now)


def verdict_of(trust: Trust) -> str:
    """Without a witness nobody outside saw the checkpoint, whatever a policy calls enough."""
    return INTEGRATED if trust.policy is None or trust.policy.quorum is None else PUBLISHED


def cosigned_lines(trust: Trust, times: Mapping[str, int]) -> list[str]:
    """The same as a sentence."""
    if times:
        who = ", ".join(f"{name} ({format_posix(time)})" for name, time in times.items())
        return [f"Cosigned by {who}"]
    return (
        [] if trust.policy is None else ["No witness that the policy names has cosigned it; the policy demands none."]
    )


def checkpoint_json(checkpoint: Checkpoint) -> Facts:
    """Origin, size and root (base64, as the checkpoint writes it)."""
    return {"origin": checkpoint.origin, "size": checkpoint.size, "root": _b64(checkpoint.root)}


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@contextmanager
def part(name: str) -> Iterator[None]:
    """Errors keep their class and begin with the part's name."""
    try:
        yield
    except AuditLogError as error:
        if str(error).startswith(name):
            raise
        raise VerifyError(str(error), field=name) from error
