"""Erasing content for a reason: keys and rows go, entries and every proof stay, tombstones say why (DESIGN §5.2)."""

from __future__ import annotations

import logging
import uuid

from app.actions import reading
from app.errors import Refused
from app.home import Greffier
from auditlog.errors import Held
from auditlog.log import Unit
from auditlog.record import format_time
from auditlog.store.engine import empty_write_ahead_log
from auditlog.vault import erasure

logger = logging.getLogger(__name__)


def erase(g: Greffier, record_id: str, *, ground: str, role: str = "administrator") -> str:
    """Erase a record's content; returns the id of the tombstone.

    `ground` is an `erasure/1` ground code (GDPR 17(1), or the end of retention). Raises UnknownRecord, Refused while
    a hold is in force, NotFound for an entry without content of its own, Erased when it is gone already. What a crash
    interrupts, the next start completes.
    """
    reading.find(g, record_id)
    complete_pending(g)
    tombstone = new_id()
    order = erasure.Erasure(record_id, ground, role, format_time(g.clock()))
    _append(g, erasure.erase(g.record_keys, g.ledger, order, agency=g.settings.agency, id=tombstone))
    _let_go(g)
    return tombstone


def complete_pending(g: Greffier) -> int:
    """Finish erasures that a crash interrupted, or that a restored backup undid; returns how many there were."""
    with g.reading() as conn:
        orders = erasure.pending(g.ledger, conn)
    for unit in erasure.complete(g.record_keys, g.ledger, orders, agency=g.settings.agency, new_id=new_id):
        _append(g, unit)
    if orders:
        _let_go(g)
    return len(orders)


def new_id() -> str:
    """A random id for a tombstone."""
    return str(uuid.uuid4())


def _append(g: Greffier, unit: Unit) -> None:
    try:
        g.log.append(unit).result()
    except Held as error:
        raise Refused(str(error).removeprefix(f"{error.field}: "), reason="held", field="id") from None


def _let_go(g: Greffier) -> None:
    """Deleted rows leave the write-ahead log too. Someone who reads just now is no reason to fail: the key is gone."""
    if not empty_write_ahead_log(g.engine):
        logger.warning("the write-ahead log could not be emptied after an erasure: the next erasure or stop does it")
