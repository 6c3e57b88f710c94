"""Erasing records: what this installation holds of them is gone, entries and proofs remain, a tombstone says why.

All of it happens in one transaction of the log's writer, which holds and reviews pass through as well, in this order:

1. no hold is in force, and nobody erased it before: otherwise nothing changes;
2. the ledger names the erasure, synced: from here on it will be completed, at the next start if need be, and no hold
   can be placed any more;
3. the ledger names the slots, then the keys of the records and of what was only about them are overwritten, both
   synced: no copy of the content can be read any more;
4. the rows go: content, tags, query rows, reviews, accesses, holds, corrections, and the key under which a record was
   asked for, which is unknown from then on.

A crash before 2 leaves all as it was. A crash or a failing transaction after 2 leaves an order without a tombstone,
which `pending` finds. Steps 2 and 3 change no rows and are repeated without harm.

A record that is erased alone gets its tombstone (`erasure/1`) in the same transaction. Those of a set get theirs with
the others of their day (`tombstones`), so that nothing in the log says which belong together. What is about a record
goes unnamed: that a result was reviewed or held can hint at what it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from auditlog.core.entries.record import make_entry, parse_time
from auditlog.core.entries.vocabulary import HOLD_GROUNDS
from auditlog.core.errors import Erased, Held, NotFound
from auditlog.store.erasures import (
    CHUNK,
    Due,
    about_only,
    belonging,
    chunks,
    count_erasures,
    delete_about_records,
    delete_due,
    erased_among,
    insert_erasures,
    no_records,
    with_content,
)
from auditlog.store.log import find_entry
from auditlog.store.vault import insert_erasure, slots_of
from auditlog.vault.holds import holds_among
from auditlog.vault.key_store import KeyStore
from auditlog.vault.ledger import Erasure, Ledger
from auditlog.writing.unit import Sequenced, Unit

__all__ = (
    "CHUNK",
    "Erasure",
    "Ledger",
    "check_erasable",
    "complete",
    "erase",
    "erase_set",
    "pending",
    "reapply",
    "tombstones",
)

NewId = Callable[[], str]
Also = Callable[[Connection, Sequence[str]], None]
"""Takes along, in the same transaction, what tables of others hold about these records."""
# So many lines are read and compared at each start; of more, their number is.
MANY: Final = 10_000


def nothing_else(_conn: Connection, _records: Sequence[str]) -> None:
    """Where there are no such tables."""


def erase(
    keys: KeyStore,
    ledger: Ledger,
    erasure: Erasure,
    *,
    agency: str,
    id: str,
    also: Also = nothing_else,
) -> Unit:
    """The unit that erases one record. `id`: a new random id for its tombstone.

    Where it is refused nothing was changed: Held, Erased (it was erased before), NotFound (no content here, or it is
    part of another record). Raises VaultError where ledger or key store cannot be written.
    """
    tombstone = make_entry(
        "erasure/1",
        id=id,
        agency=agency,
        time=parse_time(erasure.time),
        record=erasure.record,
        ground=erasure.ground,
        role=erasure.role,
    )

    def apply(conn: Connection, _sequenced: Sequence[Sequenced]) -> None:
        _demand_erasable(conn, ledger, [erasure.record])
        ledger.append(erasure)
        _take(conn, keys, ledger, [erasure.record], also)
        insert_erasure(conn, record=erasure.record, id_=tombstone.id)

    return Unit((tombstone,), apply)


def erase_set(
    keys: KeyStore, ledger: Ledger, erasures: Sequence[Erasure], *, new_id: NewId, also: Also = nothing_else
) -> Iterator[Unit]:
    """The units that erase a set, CHUNK records each: append them one after the other. Their tombstones become due.

    The first one orders the whole set, so that a crash between two does not leave half of it behind. Errors as `erase`.
    """
    order = sorted(erasures, key=lambda one: one.record)
    for low in range(0, len(order), CHUNK):
        some, ordered = order[low : low + CHUNK], order if low == 0 else []
        yield _unit(keys, ledger, some, ordered=ordered, new_id=new_id, also=also)


def complete(
    keys: KeyStore,
    ledger: Ledger,
    erasures: Sequence[Erasure],
    *,
    agency: str,
    new_id: NewId,
    also: Also = nothing_else,
) -> Iterator[Unit]:
    """The units that carry out orders of the ledger (`pending`). What is held now was ordered before: it goes.

    That of a single one raises Erased where another program carried it out meanwhile.
    """
    if len(erasures) == 1:
        yield erase(keys, ledger, erasures[0], agency=agency, id=new_id(), also=also)
        return
    for low in range(0, len(erasures), CHUNK):
        yield _unit(keys, ledger, erasures[low : low + CHUNK], ordered=[], new_id=new_id, also=also)


def reapply(conn: Connection, keys: KeyStore, ledger: Ledger, *, new_id: NewId, also: Also = nothing_else) -> int:
    """Carry out the ledger's orders on a database that is not open yet: one restored from a backup. Returns how many.

    In the caller's transaction. Their tombstones become due, where the log has none.
    """
    orders = pending(ledger, conn, whole=True)  # an older database and a damaged ledger may have as many
    for low in range(0, len(orders), CHUNK):
        some = orders[low : low + CHUNK]
        _take(conn, keys, ledger, [one.record for one in some], also)
        insert_erasures(conn, _due(some, new_id))
    return len(orders)


def pending(ledger: Ledger, conn: Connection, *, whole: bool = False) -> tuple[Erasure, ...]:
    """Erasures that the ledger names and the database does not: complete them before anything is served.

    A record that this database does not hold (a backup from before it was made) needs none; one whose entry is there
    without content (a copy that holds none) still needs its tombstone. Unless `whole`, a long ledger is only counted.
    """
    if not whole and ledger.count() > MANY and ledger.count() == count_erasures(conn):
        return ()  # each record has one order and one row: none is missing
    orders: dict[str, Erasure] = {}
    for erasure in ledger.read():
        orders.setdefault(erasure.record, erasure)
    waiting: list[Erasure] = []
    for some in chunks(list(orders)):
        done, content = erased_among(conn, some), with_content(conn, some)
        waiting += [
            orders[record]
            for record in some
            if record not in done and (record in content or find_entry(conn, record) is not None)
        ]
    return tuple(waiting)


def check_erasable(conn: Connection, records: Sequence[str]) -> None:
    """Raise where these records cannot be erased: Erased, NotFound, Held. The transaction that erases asks again."""
    for some in chunks(records):
        _check_there(conn, some)
        _check_held(conn, some)


def tombstones(due: Sequence[Due], *, agency: str, time: datetime) -> Iterator[Unit]:
    """The units that append tombstones that are due, in the order of the records' ids."""
    for low in range(0, len(due), CHUNK):
        some = sorted(due, key=lambda one: one.record)[low : low + CHUNK]
        entries = tuple(
            make_entry(
                "erasure/1",
                id=one.id,
                agency=agency,
                time=time,
                record=one.record,
                ground=one.ground,
                role=one.role,
            )
            for one in some
        )
        yield Unit(entries, _no_longer_due([one.record for one in some]))


def _no_longer_due(records: Sequence[str]) -> Callable[[Connection, Sequence[Sequenced]], None]:
    def apply(conn: Connection, _sequenced: Sequence[Sequenced]) -> None:
        if delete_due(conn, records) != len(records):
            raise NotFound("another process appends them: nothing is left to do", field="tombstones")

    return apply


def _unit(
    keys: KeyStore,
    ledger: Ledger,
    some: Sequence[Erasure],
    *,
    ordered: Sequence[Erasure],
    new_id: NewId,
    also: Also,
) -> Unit:
    """Erases `some`; with `ordered`, only if all of these can be erased, which are then ordered together.

    Without, they were ordered before: what another program carried out meanwhile, which found the order in the ledger
    as this one did, is passed over.
    """
    records = [one.record for one in some]
    due = _due(some, new_id)

    def apply(conn: Connection, _sequenced: Sequence[Sequenced]) -> None:
        for part in chunks([one.record for one in ordered]):
            _demand_erasable(conn, ledger, part)
        ledger.append(*ordered)
        gone = erased_among(conn, records)
        left = [one for one in due if one.record not in gone]
        if left:
            _take(conn, keys, ledger, [one.record for one in left], also)
            insert_erasures(conn, left)

    return Unit((), apply)


def _due(some: Sequence[Erasure], new_id: NewId) -> list[Due]:
    return [Due(one.record, new_id(), one.ground, one.role, one.time[:10]) for one in some]


def _demand_erasable(conn: Connection, ledger: Ledger, records: Sequence[str]) -> None:
    """Step 1. What the ledger names was asked this before, and is not asked again."""
    fresh = [record for record in records if not ledger.names(record)]
    _check_there(conn, fresh)
    _check_held(conn, fresh)
    if erased_among(conn, records):
        raise Erased("was erased meanwhile", field="record")


def _check_there(conn: Connection, records: Sequence[str]) -> None:
    if erased_among(conn, records):
        raise Erased("was erased before; nothing is left to erase", field="record")
    if belonging(conn, records):
        raise NotFound("is about another record: it is erased together with that", field="record")
    if with_content(conn, records) != set(records):
        raise NotFound("this log holds no content for it", field="record")
    if no_records(conn, records):
        raise NotFound("is no record: figures, and accesses to nobody, are kept", field="record")


def _check_held(conn: Connection, records: Sequence[str]) -> None:
    grounds = {ground for held in holds_among(conn, records).values() for ground in held}
    if grounds:
        raise Held(tuple(ground for ground in HOLD_GROUNDS if ground in grounds), field="record")


def _take(conn: Connection, keys: KeyStore, ledger: Ledger, records: Sequence[str], also: Also) -> None:
    """Steps 3 and 4, for CHUNK records at most."""
    others = about_only(conn, records)
    slots = {slot for some in chunks([*records, *others]) for slot in slots_of(conn, some).values()}
    if slots:
        ledger.append_slots(min(records), slots)
        keys.overwrite(slots)
    delete_about_records(conn, records, others)
    also(conn, records)
