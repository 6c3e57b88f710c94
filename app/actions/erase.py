"""Erasure of one record: key and rows go, the entry and every proof stay, a tombstone says why (DESIGN §5.2)."""

from __future__ import annotations

from app.actions import reading
from app.home import Greffier
from auditlog.errors import Erased
from auditlog.log import Unit
from auditlog.store import log as log_store
from auditlog.vault import erasure


def erase(g: Greffier, record_id: str, *, ground: str, role: str = "administrator") -> str:
    """Erase a record's content; returns the id of the tombstone. Raises UnknownRecord, or Erased when it is gone already.

    `ground` is an `erasure/1` ground code (GDPR 17(1) or expiry). The order survives a crash at every step: the ledger
    first, then the key, then rows and tombstone together; what was begun is finished at the next start.
    """
    reading.find(g, record_id)
    with g.reading() as conn:
        if log_store.find_erasure(conn, g.log.number, record_id) is not None:
            raise Erased("this record was erased before", field="id")
    order = g.ledger.begin(record_id, ground=ground, role=role, time=g.clock())
    return _carry_out(g, order)


def complete_pending(g: Greffier) -> int:
    """Finish erasures that a crash interrupted; returns how many there were."""
    with g.reading() as conn:
        orders = erasure.pending(g.ledger, conn, g.log.number)
    for order in orders:
        _carry_out(g, order)
    return len(orders)


def _carry_out(g: Greffier, order: erasure.Order) -> str:
    with g.reading() as conn:
        plan = erasure.plan(conn, order)
    erasure.destroy_keys(g.record_keys, plan)
    entry = g.make("erasure/1", record=order.record, ground=order.ground, role=order.role)
    g.log.append(Unit((entry,), lambda conn, _: erasure.delete_rows(conn, plan))).result()
    return entry.id
