"""Evidence about one decision or a sample: entries, what the reader may see of their content, proofs, and how to check.

This file decides what the reader may see; `evidence_pack` makes the folder of it. Nothing that says who a person is
ever goes in: the agency finds a case by the id of its decision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from app.actions import accesses, reading, samples
from app.actions.accesses import STAFF
from app.actions.evidence_pack import Item, Pack, make_pack
from app.errors import Refused, UsageError
from app.home import Greffier
from auditlog.canonical import Json
from auditlog.commitment import Opening
from auditlog.errors import NotFound, VerifyError
from auditlog.store import decisions as decision_store
from auditlog.store import vault as vault_store
from auditlog.store.about import find_about
from auditlog.store.erasures import find_due
from auditlog.vault.elsewhere import is_kept_elsewhere

if TYPE_CHECKING:
    from sqlalchemy import Connection

DECISION: Final = "decision/1"
_TECHNICAL: Final = ("usage", "times")
"""What an operator may see: nothing that says how a case ended."""
_NEVER: Final = frozenset({"subjects"})
EvidencePurpose = Literal["evidence", "sample"]


def of_record(g: Greffier, reader: reading.Reader, record_id: str) -> Pack:
    """Evidence about one decision. Raises UnknownRecord, UsageError for another entry, Refused by the reader's role."""
    items = _gather(g, reader, "evidence", [record_id])
    return make_pack(g, reader, record_id, items, technical=reader.role not in STAFF)


def of_sample(g: Greffier, reader: reading.Reader, sample_id: str, *, with_log: bool = True) -> Pack:
    """Evidence about a drawn sample, with a copy of the log unless the auditor has one. Raises as `of_record`."""
    chosen = samples.chosen(g, sample_id)
    items = _gather(g, reader, "sample", [one.id for one in chosen], scope={"sample": sample_id})
    if [(item.id, item.found.index) for item in items] != [(one.id, one.index) for one in chosen]:
        raise VerifyError("does not give the decisions that stand at these places", field="draw")
    sample = samples.find(g, sample_id)
    return make_pack(g, reader, sample_id, items, sample, with_log=with_log, technical=reader.role not in STAFF)


def _gather(
    g: Greffier, reader: reading.Reader, purpose: EvidencePurpose, ids: list[str], *, scope: Json = None
) -> list[Item]:
    if reader.role not in STAFF | {"operator"}:
        raise Refused("gives evidence to auditors and staff only", reason="role", field="role")
    items = [Item(reading.find(g, id_)) for id_ in ids]
    if any(item.found.entry.kind != DECISION for item in items):
        raise UsageError("is no decision: evidence is about decisions", field="id")
    with g.reading() as conn:
        held = accesses.withheld(conn, reader, purpose, ids)
        for item in items:
            _judge(g, conn, item, restricted=item.id in held)
    wanted = [item.id for item in items if item.state == "open"]
    opened = {record.entry.id: record for record in reading.open_many(g, reader, purpose, wanted, scope=scope)}
    for item in items:
        record = opened.get(item.id)
        if record is not None:
            _open(g, reader, item, record)
        elif item.state == "open":  # erased between the two
            with g.reading() as conn:
                item.state = "erased"
                _find_tombstone(g, conn, item)
    return items


def _judge(g: Greffier, conn: Connection, item: Item, *, restricted: bool) -> None:
    id_ = item.id
    if vault_store.find_sealed(conn, id_) is not None and not g.ledger.names(id_):
        item.state = "restricted" if restricted else "open"
        return
    _find_tombstone(g, conn, item)
    gone = vault_store.find_erasure(conn, id_) is not None or g.ledger.names(id_)
    if not gone and not is_kept_elsewhere(conn, g.vault, item.found.entry):
        # What vanished is not passed off as content that its sender kept.
        message = f"{id_} has no content here, no tombstone, and no sender who kept it: run `greffier log fsck`"
        raise NotFound(message, field="id")
    item.state = "erased" if gone else "elsewhere"


def _find_tombstone(g: Greffier, conn: Connection, item: Item) -> None:
    name = vault_store.find_erasure(conn, item.id)
    # The tombstone of one that was erased in a set comes with those of its day.
    waits = name is None or find_due(conn, item.id) is not None
    item.tombstone = None if name is None or waits else reading.find(g, name)


def _open(g: Greffier, reader: reading.Reader, item: Item, record: reading.Record) -> None:
    item.openings = _openings(reader, record)
    if reader.role not in STAFF:
        return
    with g.reading() as conn:
        reviews = [review["id"] for review in decision_store.find_reviews(conn, record.entry.id)]
        corrections = [about.id for about in find_about(conn, record.entry.id, "correction/1")]
    for ids, opened in ((reviews, item.reviews), (corrections, item.corrections)):
        for one in reading.behind(g, record, ids):
            opened.append((reading.Found(one.entry, one.log, one.index), _openings(reader, one)))


def _openings(reader: reading.Reader, record: reading.Record) -> tuple[Opening, ...]:
    fields = sorted(set(record.entry.commitments) - _NEVER)
    return record.opened.openings(fields if reader.role in STAFF else [name for name in fields if name in _TECHNICAL])
