"""Erasing one record: what this installation holds of it is gone, its entry and its proof remain, a tombstone says why.

The order makes each crash harmless:

1. the ledger names the erasure, synced: from here on it will be completed, at the next start if need be;
2. the ledger names their slots, then the keys of the record and of its reviews are overwritten, both synced: no copy
   of the content can be read any more;
3. one unit appends the tombstone (`erasure/1`) and deletes the rows: content, tags, query rows, reviews, and the key
   under which it was asked for, which is unknown from then on.

A tombstone names its record. The reviews go with it, unnamed: that a result was reviewed can hint at what it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from auditlog.errors import Erased, NotFound
from auditlog.record import Entry, make_entry, parse_time
from auditlog.store.decisions import delete_decision, find_review, find_reviews
from auditlog.store.idempotency import delete_key_of
from auditlog.store.vault import delete_sealed, find_erasure, find_sealed, insert_erasure, slots_of
from auditlog.unit import Sequenced, Unit
from auditlog.vault.ledger import Erasure, Ledger
from auditlog.vault.record_keys import RecordKeys

__all__ = ("Erasure", "Ledger", "complete", "erase", "pending")


def erase(conn: Connection, keys: RecordKeys, ledger: Ledger, erasure: Erasure, *, agency: str, id: str) -> Unit:  # noqa: A002
    """Steps 1 and 2; the unit returned is step 3 and belongs into the log. `id`: a new random id for the tombstone.

    Raises before anything is changed: NotFound where there is no such record or it is a review, Erased where it was
    erased before. Raises VaultError where ledger or key store cannot be written.
    """
    _check_erasable(conn, erasure.record)
    ledger.append(erasure)
    return complete(conn, keys, ledger, erasure, agency=agency, id=id)


def complete(
    conn: Connection,
    keys: RecordKeys,
    ledger: Ledger,
    erasure: Erasure,
    *,
    agency: str,
    id: str,  # noqa: A002
) -> Unit:
    """Step 2, and the unit of step 3, for an erasure that the ledger names. Doing it again changes nothing."""
    overwritten = _overwrite(conn, keys, ledger, erasure.record, set())
    tombstone = make_entry(
        "erasure/1",
        id=id,
        agency=agency,
        time=parse_time(erasure.time),
        record=erasure.record,
        ground=erasure.ground,
        role=erasure.role,
    )
    return Unit((tombstone,), _deleting(keys, ledger, erasure.record, tombstone, overwritten))


def pending(ledger: Ledger, conn: Connection) -> tuple[Erasure, ...]:
    """Erasures that the ledger names and the log has no tombstone for: complete them before anything is served.

    A record that this database does not hold (a backup from before it was made) needs none.
    """
    waiting: dict[str, Erasure] = {}
    for erasure in ledger.read():
        held = find_sealed(conn, erasure.record) is not None
        if held and find_erasure(conn, erasure.record) is None:
            waiting.setdefault(erasure.record, erasure)
    return tuple(waiting.values())


def _check_erasable(conn: Connection, record: str) -> None:
    if find_erasure(conn, record) is not None:
        raise Erased("was erased before; nothing is left to erase", field="record")
    if find_sealed(conn, record) is None:
        raise NotFound("this log holds no content for it", field="record")
    if find_review(conn, record) is not None:
        raise NotFound("is a review: it is erased together with the decision that it reviews", field="record")


def _overwrite(conn: Connection, keys: RecordKeys, ledger: Ledger, record: str, done: set[int]) -> set[int]:
    ids = [record, *(row["id"] for row in find_reviews(conn, record))]
    slots = set(slots_of(conn, ids).values())
    if slots - done:
        ledger.append_slots(record, slots - done)
        keys.overwrite(slots - done)
    return slots | done


def _deleting(
    keys: RecordKeys, ledger: Ledger, record: str, tombstone: Entry, overwritten: set[int]
) -> Callable[[Connection, Sequence[Sequenced]], None]:
    def apply(conn: Connection, _sequenced: Sequence[Sequenced]) -> None:
        if find_erasure(conn, record) is not None:
            raise Erased("was erased meanwhile", field="record")
        # A review may have come between step 2 and this transaction. Its key goes here; should the transaction fail,
        # that is no loss, since the ledger has ordered it and a second run overwrites zeros with zeros.
        _overwrite(conn, keys, ledger, record, overwritten)
        reviews = [row["id"] for row in find_reviews(conn, record)]
        delete_sealed(conn, [record, *reviews])
        delete_decision(conn, record)
        delete_key_of(conn, record)
        insert_erasure(conn, record=record, id_=tombstone.id)

    return apply
