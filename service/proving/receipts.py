"""Receipts: made from the log, and checked against it in the sentences that a citizen reads (CONTENT, DESIGN §5.4)."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from auditlog.core.entries import receipt as receipts
from auditlog.core.entries.record import Entry, OpaqueEntry, parse_entry
from auditlog.core.errors import AuditLogError, FormatError, KeptElsewhere
from auditlog.core.formats.merkle import prove_inclusion
from auditlog.core.formats.policy import cosigned_by, organisations
from auditlog.core.formats.proof import LogProof
from auditlog.store import erasures as erasure_store
from auditlog.store import log as log_store
from auditlog.store import vault as vault_store
from home import policy_file
from home.errors import UnknownRecord
from home.greffier import Greffier
from service.records import reading, release
from service.records.accesses import PERSON

Verdict = Literal["published", "integrated", "not_found", "altered", "erased", "could_not_check"]


@dataclass(frozen=True, slots=True)
class Check:
    """The result of a check, with the facts that its sentence needs."""

    verdict: Verdict
    facts: dict[str, str | int]


def receipt(g: Greffier, record_id: str, *, openings: reading.Reader | None) -> receipts.Receipt:
    """A record's receipt: entry, proof, and for a reader the openings of inputs, output and outcome (None: without).

    Never staff fields. While an officer has the result, output and outcome stay closed; to the person, until they were
    told of the decision. Raises UnknownRecord, Erased, and what `reading.open` raises.
    """
    found = reading.find(g, record_id)
    proof = _proof(g, found)
    if openings is not None and receipts.fields_for_person(found.entry):
        # Of content that its sender kept there is nothing to open: the openings are the sender's to add.
        with contextlib.suppress(KeptElsewhere):
            record = reading.open(g, openings, "receipt", record_id)
            told = openings.role != PERSON or release.may_be_shown(g, record)
            return _opened(g, record, proof, told=told)
    return receipts.Receipt(found.entry.data, proof)


def receipt_of(g: Greffier, record: reading.Record, *, to_person: bool = False) -> receipts.Receipt:
    """The receipt, with openings, of a record that was opened for somebody just now. `to_person`: it goes to whom it is
    about, so that output and outcome wait until they were told."""
    return _opened(g, record, _proof(g, record), told=not to_person or release.may_be_shown(g, record))


def check(g: Greffier, data: bytes) -> Check:
    """Check a receipt against this agency's log; nothing of it is kept."""
    facts = _facts(g)
    try:
        parsed = receipts.parse_receipt(data)
        entry = parse_entry(parsed.entry)
    except FormatError as error:
        return Check("altered", facts | {"field": error.field or "receipt"})
    if isinstance(entry, OpaqueEntry):
        return Check("could_not_check", facts | {"why": "kind"})
    ring, origin = g.keys, parsed.proof.checkpoint.split(b"\n", 1)[0].decode("utf-8", "replace")
    if origin not in ring.origins:
        return Check("not_found", facts)
    try:
        receipts.verify_receipt(parsed, ring, origin=origin)
    except AuditLogError as error:
        return Check("altered", facts | {"field": error.field or "receipt"})
    if entry.kind != release.RESULT_KIND:
        return Check("could_not_check", facts | {"why": "kind"})
    return _found(g, entry, parsed.proof.index, facts)


def find(g: Greffier, record_id: str) -> Check:
    """Check by reference alone: whether the log has it, and whether it was erased."""
    facts = _facts(g)
    try:
        found = reading.find(g, record_id)
    except UnknownRecord:
        return Check("not_found", facts)
    if found.entry.kind != release.RESULT_KIND:
        # Another entry of the log is no result: its id is on no letter.
        return Check("not_found", facts)
    return _found(g, found.entry, found.index, facts)


def _found(g: Greffier, entry: Entry, index: int, facts: dict[str, str | int]) -> Check:
    try:
        stored = reading.find(g, entry.id)
    except UnknownRecord:
        return Check("not_found", facts)
    if stored.entry.data != entry.data or stored.index != index:
        return Check("altered", facts | {"field": "entry"})
    facts = facts | {"date": entry.time}
    with g.reading() as conn:
        tombstone, due = vault_store.find_erasure(conn, entry.id), erasure_store.find_due(conn, entry.id)
    if due is not None:
        # Erased as one of a set: its tombstone comes into the log with those of the day.
        return Check("erased", facts | {"date": f"{due.day}T00:00Z", "ground": due.ground})
    if tombstone is not None:
        erased = reading.find(g, tombstone).entry
        return Check("erased", facts | {"date": erased.time, "ground": str(erased.members["ground"])})
    with g.reading() as conn:
        published = log_store.read_head(conn, stored.log, "published")
    if published is None or published.size <= index:
        return Check("integrated", facts)
    policy = policy_file.read_policy(g)
    names = cosigned_by(policy, published.note)
    return Check("published", facts | {"witnesses": len(organisations(policy, names))})


def _proof(g: Greffier, found: reading.Found | reading.Record) -> LogProof:
    with g.reading() as conn:
        head, _ = reading.head(g, conn, log=found.log, covering=found.index)
        hashes = prove_inclusion(found.index, head.size, log_store.reader(conn, found.log, head.size))
    return LogProof(found.index, hashes, head.note, None)


def _opened(g: Greffier, record: reading.Record, proof: LogProof, *, told: bool = True) -> receipts.Receipt:
    fields = receipts.fields_for_person(record.entry)
    if not told or release.is_held(g, record):
        fields = tuple(field for field in fields if field not in release.RESULT_FIELDS)
    return receipts.Receipt(record.entry.data, proof, record.opened.openings(fields))


def _facts(g: Greffier) -> dict[str, str | int]:
    profile = g.profile
    minutes = max(1, g.settings.publish_pace_s // 60)
    return {
        "agency": profile.name("en") if profile else g.settings.agency,
        "witnesses": 0,
        "minutes": minutes,
        "time": (g.clock() + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%MZ"),
        "contact": profile.phone if profile else g.settings.base_url,
        "authority": next(iter(profile.authorities[0].name.values())) if profile else "",
    }
