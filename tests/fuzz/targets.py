"""Every parser that reads a stranger's bytes, with what must hold for whatever it accepts.

`check(data)` parses, and for what is accepted demands that formatting gives the same bytes (or, where layout is free,
that formatting and parsing again gives the same value). It returns a word about what was accepted, raises the errors
that `family` names for what is refused, and AssertionError where a promise is broken.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from auditlog.core.checking.tree import format_sums, parse_sums
from auditlog.core.entries.lineage import Lineage
from auditlog.core.entries.receipt import format_receipt, parse_receipt, verify_receipt
from auditlog.core.entries.record import Entry, parse_entry, parse_time
from auditlog.core.errors import AuditLogError, FormatError
from auditlog.core.formats.canonical import (
    format_base64,
    format_canonical,
    parse_base64,
    parse_canonical,
    parse_decimal,
    parse_json,
)
from auditlog.core.formats.checkpoint import format_checkpoint, open_checkpoint, parse_checkpoint
from auditlog.core.formats.cosignature import parse_body
from auditlog.core.formats.keyring import KeyRing, format_key_ring, key_ring, parse_key_ring
from auditlog.core.formats.note import (
    COSIGNATURE,
    ED25519,
    ML_DSA_44,
    Signer,
    format_note,
    format_signature,
    format_skey,
    format_vkey,
    open_note,
    parse_note,
    parse_signature,
    parse_skey,
    parse_vkey,
)
from auditlog.core.formats.policy import cosigned_by, format_policy, parse_policy
from auditlog.core.formats.proof import format_proof, parse_proof
from auditlog.core.formats.tiles import (
    format_entries_path,
    format_entry_bundle,
    format_tile_path,
    parse_entries_path,
    parse_entry_bundle,
    parse_tile_path,
)
from auditlog.peers import monitor_state as monitor
from auditlog.peers.client import Behind, Cosigned, Rejected, Reply, TryLater, _outcome
from auditlog.peers.cms import names_certificate, with_ordered_certificates
from auditlog.peers.evidence import format_evidence, parse_evidence, verify_evidence
from auditlog.peers.fetch import check_url
from auditlog.peers.introduction import format_about, parse_about
from auditlog.peers.mirror import Mirror, name_of
from auditlog.peers.submission import NotCosigned, authenticate, format_submission, judge, parse_submission
from auditlog.peers.tsa import describe_token, read_certificates
from auditlog.store.cursor import DecisionFilter, format_cursor, format_filter, parse_cursor, parse_filter
from auditlog.vault.ledger import format_line, format_slots_line, parse_line, parse_slots_line
from auditlog.writing.guard import format_guard_line, parse_guard_line
from auditlog.writing.keyseal import Unlock, open_text
from home.errors import SettingsError
from home.settings import read_profile, read_settings

ORIGIN = "register.example/audit/1"
SIGNERS = tuple(Signer.generate(ORIGIN, type_, bytes([7]) * 32) for type_ in (ED25519, ML_DSA_44))
WITNESS = Signer.generate("witness.example/w1", COSIGNATURE, bytes([8]) * 32)
RING = key_ring(signer.vkey for signer in SIGNERS)
ROOTS = tuple(bytes([number]) * 32 for number in (1, 2, 3))
SIZES = (5, 6, 7)
SIGNED = {(ORIGIN, str(size), format_base64(ROOTS[size % 3])) for size in SIZES}
"""What these keys sign in the corpus."""
WHERE = DecisionFilter(system="credit-score")
SEALED_BY = bytes([9]) * 32
VECTOR = json.loads((Path(__file__).parents[2] / "docs/conformance/vectors/receipts.json").read_text("utf-8"))
VECTOR_RING = key_ring(map(parse_vkey, VECTOR["vkeys"]))


@dataclass(frozen=True)
class Target:
    """One parser; `form` is the mutator's, `family` the errors that it may raise."""

    name: str
    check: Callable[[bytes], str]
    form: str = "text"
    family: tuple[type[Exception], ...] = (AuditLogError,)


def text(data: bytes) -> str:
    """Text for parsers that take it. Lone surrogates come through: JSON's escapes can make them."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        raise FormatError("is not UTF-8", field="caller") from None


def same(again: bytes | str, data: bytes) -> str:
    octets = again.encode("utf-8", "surrogateescape") if isinstance(again, str) else again
    assert octets == data, "what was accepted has another spelling"
    return "accepted"


# --- canonical forms, entries, notes ----------------------------------------------------------------------------------


def check_json(data: bytes) -> str:
    value = parse_json(data)
    again = format_canonical(value, fractions=True)
    assert parse_canonical(again, fractions=True) == value
    assert parse_json(again) == value
    return f"accepted {type(value).__name__}"


def check_canonical(data: bytes, *, fractions: bool) -> str:
    value = parse_canonical(data, fractions=fractions)
    same(format_canonical(value, fractions=fractions), data)
    assert parse_json(data) == value
    return f"accepted {type(value).__name__}"


def check_entry(data: bytes) -> str:
    entry = parse_entry(data)
    assert entry.data == data
    if isinstance(entry, Entry):
        common = {"kind": entry.kind, "id": entry.id, "agency": entry.agency, "time": entry.time}
        same(format_canonical({**common, **entry.members}), data)
        parse_time(entry.time)
        Lineage().add(3, entry)
        return f"accepted {entry.kind}"
    return "accepted opaque" if entry.id is None else "accepted opaque with id"


def check_note(data: bytes) -> str:
    note = parse_note(data)
    same(format_note(note), data)
    return f"accepted {min(len(note.signatures), 3)}"


def check_open_note(data: bytes) -> str:
    """Nothing but what these keys signed opens. (ML-DSA cosignatures do not cover extension lines; checkpoints of ours
    have none.)"""
    opened = open_note(data, (*RING.vkeys, WITNESS.vkey))
    lines = opened.note.text.split("\n")
    assert (lines[0], lines[1], lines[2]) in SIGNED
    assert len(lines) == 4 or all(key.type == ML_DSA_44 for key, _ in opened.by)
    assert format_checkpoint(open_checkpoint(data, RING, origin=ORIGIN).checkpoint) == opened.note.text
    return f"accepted {len(opened.by)}"


def check_body(data: bytes) -> str:
    body = parse_body(text(data))
    lines = (body.origin, str(body.size), format_base64(body.root), *body.extensions)
    return same("".join(f"{line}\n" for line in lines), data)


def check_proof(data: bytes) -> str:
    return same(format_proof(parse_proof(data)), data)


def check_receipt(data: bytes) -> str:
    receipt = parse_receipt(data)
    assert parse_receipt(format_receipt(receipt)) == receipt
    try:
        verified = verify_receipt(receipt, VECTOR_RING, origin=VECTOR["origin"])
    except AuditLogError:
        return "accepted, not verified"
    assert verified.entry.data.decode() in VECTOR["entries"], "verified an entry that the log does not hold"
    return "verified"


# --- files of the log -------------------------------------------------------------------------------------------------


def check_key_ring(data: bytes) -> str:
    ring = parse_key_ring(text(data))
    again = format_key_ring(ring)
    assert parse_key_ring(again) == ring
    return f"accepted {min(len(ring.keys), 3)}"


def check_policy(data: bytes) -> str:
    policy = parse_policy(data)
    again = format_policy(policy)
    assert parse_policy(again) == policy
    assert format_policy(parse_policy(again)) == again
    assert policy.met_by(()) == (policy.quorum is None)
    assert policy.met_by([one.name for one in policy.witnesses])
    return f"accepted {min(len(policy.groups), 2)} {policy.quorum is None}"


def check_cosigned(data: bytes) -> str:
    return f"accepted {len(cosigned_by(_POLICY, data))}"


_POLICY = parse_policy(f"witness w {format_vkey(WITNESS.vkey)}\nquorum w\n")


def check_slots(data: bytes) -> str:
    record, slots = parse_slots_line(data)
    assert all(0 <= slot < 2**63 for slot in slots), "a slot that no store has"
    return same(format_slots_line(record, slots), data)


def check_entries_path(data: bytes) -> str:
    index, width = parse_entries_path(text(data))
    return same(format_entries_path(index, width), data)


# --- peers ------------------------------------------------------------------------------------------------------------


def check_submission(data: bytes) -> str:
    """A witness's request up to the decision: only what the log signed, and what grew, is ever to be cosigned."""
    submission = parse_submission(data)
    same(format_submission(submission.old, submission.proof, submission.data), data)
    try:
        authenticate(submission, RING if submission.body.origin == ORIGIN else KeyRing(()))
        for seen in (None, (submission.old, bytes(32))):
            try:
                judge(submission, seen)
            except NotCosigned as refused:
                assert refused.answer.status in {409, 422}
    except NotCosigned as refused:
        assert refused.answer.status in {403, 404}
        return f"answered {refused.answer.status}"
    return "judged"


def check_answer(data: bytes) -> str:
    """A witness's answer: two bytes for the status, one for the content type, then the body."""
    status = int.from_bytes(data[:2], "big")
    kind = ("text/x.tlog.size", "text/plain", "")[data[2] % 3 if len(data) > 2 else 0]
    outcome = _outcome(Reply(status, kind, data[3:]), NOTE, (WITNESS.vkey,))
    assert isinstance(outcome, Behind | Cosigned | Rejected | TryLater)
    if isinstance(outcome, Rejected):
        assert outcome.reason.isprintable()
    return type(outcome).__name__


def check_evidence(data: bytes) -> str:
    evidence = parse_evidence(data)
    same(format_evidence(evidence), data)
    try:
        verify_evidence(evidence, RING)
    except AuditLogError:
        return f"accepted {evidence.kind}"
    return "proven"


def check_about(data: bytes) -> str:
    about = parse_about(data)
    said = format_canonical(format_about(about))
    assert parse_about(said) == about
    assert about.name.isprintable()
    return "accepted" if about.log.keys else "accepted, no log"


def check_token(data: bytes) -> str:
    facts = describe_token(data)
    return f"accepted {facts.algorithm[:8]} {facts.authority is None}"


def check_cms(data: bytes) -> str:
    assert with_ordered_certificates(data) is not None
    return "accepted"


def check_named(data: bytes) -> str:
    return f"accepted {names_certificate(data, b'certificate')}"


def check_certificates(data: bytes) -> str:
    roots, others = read_certificates(data)
    return f"accepted {min(len(roots), 2)} {min(len(others), 2)}"


def check_address(data: bytes) -> str:
    url = check_url(text(data))
    assert check_url(url) == url
    return "accepted"


# --- an operator's own files ------------------------------------------------------------------------------------------


class Files:
    """A folder for what is read from disk alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._mirror = Mirror(self.folder, ORIGIN)
        (self.folder / name_of(ORIGIN)).mkdir()
        self._unlock = Unlock(key_file=self.folder / "seal")
        (self.folder / "seal").touch(mode=0o600)
        (self.folder / "seal").write_bytes(SEALED_BY)

    def sealed(self, data: bytes) -> str:
        plain = open_text(text(data), self._unlock, name="x.key")
        assert plain == "plain text\n", "opened what was not sealed"
        return "accepted"

    def status(self, data: bytes) -> str:
        self._mirror.folder.joinpath("mirror.json").write_bytes(data)
        status = self._mirror.status()
        assert status is not None
        for member in (status.origin, status.source):
            assert isinstance(member, str)
        for time in (status.seen, status.refused):
            assert time is None or (isinstance(time, int) and not isinstance(time, bool))
        for told in (status.sentence, status.evidence):
            assert told is None or isinstance(told, str)
        return "accepted"

    def state(self, data: bytes) -> str:
        (self.folder / monitor.STATE).write_bytes(data)
        state = monitor.read_state(self.folder)
        assert all(isinstance(one, str) for pair in state.origins.items() for one in pair)
        for memory in state.logs.values():
            assert isinstance(memory.note, str)
            assert all(type(time) is int for time in (memory.seen, memory.grown))
            assert type(memory.frozen) is bool
            assert memory.successor is None or isinstance(memory.successor, str)
        monitor.write_state(self.folder, state)
        assert monitor.read_state(self.folder) == state
        return f"accepted {min(len(state.logs), 2)}"

    def settings(self, data: bytes) -> str:
        (self.folder / "greffier.toml").write_bytes(data)
        read_settings(self.folder)
        return "accepted"

    def profile(self, data: bytes) -> str:
        (self.folder / "agency.json").write_bytes(data)
        read_profile(self.folder)
        return "accepted"


NOTE = b""
"""A checkpoint that the witness cosigned in the corpus; the runner puts it here (see `corpus.note`)."""


def targets(folder: Path, note: bytes) -> dict[str, Target]:
    """By name. `folder` is empty and stays the parsers' own."""
    global NOTE  # noqa: PLW0603 - the runner starts each target by its name
    NOTE = note
    files = Files(folder)
    strict: dict[str, Callable[[bytes], str]] = {
        "signature": lambda data: same(format_signature(parse_signature(text(data))), data),
        "vkey": lambda data: same(format_vkey(parse_vkey(text(data))), data),
        "skey": lambda data: same(format_skey(parse_skey(text(data))), data),
        "checkpoint": lambda data: same(format_checkpoint(parse_checkpoint(text(data))), data),
        "tile-path": lambda data: same(format_tile_path(parse_tile_path(text(data))), data),
        "guard": lambda data: same(format_guard_line(parse_guard_line(data)), data),
        "sums": lambda data: same(format_sums(parse_sums(data)), data),
        "filter": lambda data: same(format_filter(parse_filter(text(data))), data),
        "cursor": lambda data: same(format_cursor(parse_cursor(text(data), WHERE), WHERE), data),
        "decimal": lambda data: same(str(parse_decimal(text(data), field="size")), data),
        "base64": lambda data: same(format_base64(parse_base64(text(data), field="root")), data),
        "erasure": lambda data: same(format_line(parse_line(data)), data),
    }
    lines = {"note": check_note, "open-note": check_open_note, "body": check_body, "proof": check_proof}
    lines |= {"key-ring": check_key_ring, "policy": check_policy, "cosigned": check_cosigned, "slots": check_slots}
    lines |= {"entries-path": check_entries_path, "submission": check_submission, "answer": check_answer}
    lines |= {"sealed": files.sealed, "address": check_address, **strict}
    values: dict[str, Callable[[bytes], str]] = {
        "json": check_json,
        "canonical": partial(check_canonical, fractions=False),
        "fractions": partial(check_canonical, fractions=True),
        "entry": check_entry,
        "receipt": check_receipt,
        "evidence": check_evidence,
        "about": check_about,
        "mirror": files.status,
        "monitor": files.state,
    }
    trees = {"token": check_token, "cms": check_cms, "named": check_named, "certificates": check_certificates}
    own: tuple[type[Exception], ...] = (AuditLogError, SettingsError)
    made = [Target(name, check) for name, check in lines.items()]
    made += [Target(name, check, "json") for name, check in values.items()]
    made += [Target(name, check, "der") for name, check in trees.items()]
    made.append(Target("bundle", lambda data: same(format_entry_bundle(parse_entry_bundle(data)), data), "bytes"))
    made.append(Target("settings", files.settings, "text", own))
    made.append(Target("profile", files.profile, "json", own))
    return {target.name: target for target in made}
