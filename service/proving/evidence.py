"""Evidence about one decision, a sample, or a system in a period: entries, content as the reader may see it, proofs.

This file decides what the reader may see; `evidence_pack` makes the folder of it. Nothing that says who a person is
ever goes in: the agency finds a case by the id of its decision.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Final, Literal

from auditlog.core.errors import NotFound, VerifyError
from auditlog.core.formats.canonical import Json
from auditlog.core.formats.commitment import Opening
from auditlog.store import decisions as decision_store
from auditlog.store import vault as vault_store
from auditlog.store.erasures import find_due
from auditlog.store.record_events import find_about
from auditlog.vault.external_content import is_kept_elsewhere
from home.errors import Refused, UsageError
from home.greffier import Greffier
from service.proving import period as evidence_period
from service.proving import samples
from service.proving.item import Item, Pack
from service.proving.pack import make_pack
from service.records import accesses, reading
from service.records.accesses import STAFF

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
    return make_pack(g, reader, sample_id, items, sample=sample, with_log=with_log, technical=reader.role not in STAFF)


def of_period(
    g: Greffier, reader: reading.Reader, slug: str, days: tuple[date, date], *, with_log: bool = True
) -> Pack:
    """Evidence about a system in a period, for an authority (AI Act 26(12), 77(1)): what the log says of the system
    until its last day, the documents behind that, and every decision of the period.

    Raises UnknownSystem, UsageError for days in wrong order or with more decisions than a folder takes, and as
    `of_record` does.
    """
    period = evidence_period.gather(g, slug, *days)
    ids = evidence_period.decisions(g, slug, *days)
    scope: Json = {"system": slug, "since": days[0].isoformat(), "until": days[1].isoformat()}
    items = _gather(g, reader, "evidence", ids, scope=scope)
    technical = reader.role not in STAFF
    return make_pack(g, reader, slug, items, period=period, with_log=with_log, technical=technical)


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
        about = find_about(conn, record.entry.id)
    for name, opened in item.about.items():
        ids = reviews if name == "review" else [one.id for one in about if one.kind == f"{name}/1"]
        for one in reading.behind(g, record, ids):
            opened.append((reading.Found(one.entry, one.log, one.index), _openings(reader, one)))


def _openings(reader: reading.Reader, record: reading.Record) -> tuple[Opening, ...]:
    fields = sorted(set(record.entry.commitments) - _NEVER)
    return record.opened.openings(fields if reader.role in STAFF else [name for name in fields if name in _TECHNICAL])
