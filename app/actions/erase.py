"""Erasure of one record: key and rows go, the entry and every proof stay, a tombstone says why (DESIGN §5.2)."""

from __future__ import annotations

import logging
import uuid

from app.actions import reading
from app.home import Greffier
from auditlog.record import format_time
from auditlog.store.engine import empty_write_ahead_log
from auditlog.vault import erasure

logger = logging.getLogger(__name__)


def erase(g: Greffier, record_id: str, *, ground: str, role: str = "administrator") -> str:
    """Erase a record's content; returns the id of the tombstone.

    `ground` is an `erasure/1` ground code (GDPR 17(1), or the end of retention). Raises UnknownRecord, NotFound for an
    entry without content of its own, Erased when it is gone already. What a crash interrupts, the next start completes.
    """
    reading.find(g, record_id)
    tombstone = str(uuid.uuid4())
    order = erasure.Erasure(record_id, ground, role, format_time(g.clock()))
    with g.reading() as conn:
        unit = erasure.erase(conn, g.record_keys, g.ledger, order, agency=g.settings.agency, id=tombstone)
    g.log.append(unit).result()
    _let_go(g)
    return tombstone


def complete_pending(g: Greffier) -> int:
    """Finish erasures that a crash interrupted, or that a restored backup undid; returns how many there were."""
    with g.reading() as conn:
        orders = erasure.pending(g.ledger, conn)
        units = [
            erasure.complete(conn, g.record_keys, g.ledger, order, agency=g.settings.agency, id=str(uuid.uuid4()))
            for order in orders
        ]
    for unit in units:
        g.log.append(unit).result()
    if units:
        _let_go(g)
    return len(units)


def _let_go(g: Greffier) -> None:
    """Deleted rows leave the write-ahead log too. Someone who reads just now is no reason to fail: the key is gone."""
    if not empty_write_ahead_log(g.engine):
        logger.warning("the write-ahead log could not be emptied after an erasure: the next erasure or stop does it")
