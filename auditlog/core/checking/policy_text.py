"""A policy in sentences, for people who have to agree to it."""

from __future__ import annotations

from collections.abc import Sequence

from auditlog.core.checking.audit import CHECKPOINT
from auditlog.core.checking.verifier import (
    Facts,
    Report,
    Trust,
    check_witnesses,
    checkpoint_json,
    cosigned_lines,
    part,
    verdict_of,
)
from auditlog.core.formats.checkpoint import SIGNATURE_NAMES, open_checkpoint
from auditlog.core.formats.cosignature import parse_body
from auditlog.core.formats.note import VerifierKey, parse_note
from auditlog.core.formats.policy import Policy


def explain_policy(policy: Policy, note: bytes | None) -> Report:
    """A policy in sentences; with a checkpoint also whether it is met, and who cosigned when."""
    quorum = policy.quorum
    lines = [f"Log {_key(key.vkey)}{_sizes(key.valid_from, key.valid_until)}" for key in policy.logs.keys]
    lines += [f"Witness {one.name}: {_key(one.vkey)}{f', at {one.url}' if one.url else ''}" for one in policy.witnesses]
    lines += [f"{one.name} counts when {_count(one.threshold, one.members)} cosigned." for one in policy.groups]
    lines.append(
        "No cosignature is demanded: nobody but the agency vouches for what its log shows."
        if quorum is None
        else f"A checkpoint is published when {quorum} has cosigned it."
    )
    facts: Facts = {
        "logs": list(policy.logs.origins),
        "witnesses": [one.name for one in policy.witnesses],
        "quorum": quorum or "none",
    }
    if note is None:
        return facts, lines
    trust = Trust(policy.logs, policy)
    with part(CHECKPOINT):
        signed = open_checkpoint(note, policy.logs, origin=parse_body(parse_note(note).text).origin)
    times = check_witnesses(trust, note)
    facts |= {"checkpoint": checkpoint_json(signed.checkpoint), "verdict": verdict_of(trust), "cosigned": dict(times)}
    met = "it demands no witness" if quorum is None else f"it is published: {quorum} has cosigned it"
    where = f"the checkpoint of {signed.checkpoint.origin} at size {signed.checkpoint.size}"
    return facts, [*lines, *cosigned_lines(trust, times), f"OK: {where} meets the policy; {met}"]


def _count(threshold: int, members: Sequence[str]) -> str:
    names = ", ".join(members)
    if threshold == len(members):
        return f"all of {names} have" if threshold > 1 else f"{names} has"
    return f"at least {threshold} of {names} {'has' if threshold == 1 else 'have'}"


def _sizes(first: int, last: int | None) -> str:
    if first == 0 and last is None:
        return ", valid at every size"
    return f", valid from size {first} on" if last is None else f", valid from size {first} until {last}"


def _key(vkey: VerifierKey) -> str:
    kind = SIGNATURE_NAMES.get(vkey.type, "Ed25519")  # 0x04 is an Ed25519 key too
    return f"{vkey.name}, {kind} key {vkey.key_id.hex()}"
