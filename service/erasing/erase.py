"""Erasing content for a reason, in two steps: a plan that says what goes and what stays, then its confirmation.

Keys and rows go, entries and every proof stay, tombstones say why (DESIGN §5.2, `auditlog.vault.erasure`).
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final, Literal

from auditlog.core.entries.record import format_time
from auditlog.core.errors import Erased, FormatError, Held, NotFound
from auditlog.core.formats.canonical import Json, format_canonical
from auditlog.store import erasures as store
from auditlog.store import log as log_store
from auditlog.store.blobs import due_objects
from auditlog.store.engine import let_go_of_deleted
from auditlog.vault import blobs, erasure
from auditlog.vault.holds import holds_among
from auditlog.vault.subjects import RULE, normalise
from auditlog.writing.log import Unit
from casework.store.forgetting import forget, tables
from casework.store.requests import about_record
from home.errors import Refused, UsageError
from home.greffier import Greffier
from service.figures import recount, tallies
from service.records import reading
from service.records.reading import CLI, Reader

if TYPE_CHECKING:
    from sqlalchemy import Connection

logger = logging.getLogger(__name__)

Joint = Literal["keep", "erase"]
EXPIRED: Final = "retention_expired"
# A day's only set would be told by its batch: it waits for another one, so long at most.
LONELY_DAYS: Final = 7


@dataclass(frozen=True, slots=True)
class Plan:
    """What an erasure would do. `code` confirms it, for as long as nothing changed.

    `records` go; `held` stay because of the grounds named, `joint` because they concern other persons, too. `rows`:
    table → rows about the records that go; `about`: reviews, accesses, holds and corrections whose content goes along.
    """

    ground: str
    records: tuple[str, ...]
    held: Mapping[str, tuple[str, ...]]
    joint: tuple[str, ...]
    rows: Mapping[str, int]
    about: int
    code: str


@dataclass(frozen=True, slots=True)
class Done:
    """What was erased. `tombstone`: that of a single record; those of a set are due with the others of their day."""

    records: int
    tombstone: str | None


def plan_record(g: Greffier, record_id: str, *, ground: str) -> Plan:
    """One record. Raises UnknownRecord, Erased, NotFound for what has no content of its own, Refused under a hold."""
    reading.find(g, record_id)
    with g.reading() as conn:
        try:
            erasure.check_erasable(conn, [record_id])
        except Held as error:
            raise _refused(error) from None
        return _plan(conn, [record_id], ground=ground)


def plan_person(
    g: Greffier, reference: str, *, ground: str, joint: Joint = "keep", reader: Reader | None = CLI
) -> Plan:
    """All records that concern a person, by any spelling of the reference; held ones stay.

    A record that concerns others, too, stays, unless `joint` is "erase". The look-up is noted as an access of `reader`;
    None where it was noted already, for the preview. Raises UsageError for a reference that cannot be normalised, and
    never repeats it.
    """
    try:
        normalise(reference)
    except FormatError as error:
        raise UsageError(str(error).removeprefix(f"{error.field}: "), field="--subject-file") from None
    with g.reading() as conn:
        found = g.vault.find(conn, reference)
    if reader is not None:
        reading.note_scope(g, reader, "lookup", found, {"tag": "subject", "rule": RULE.removesuffix(":")})
    with g.reading() as conn:
        # What was asked about their results is theirs as well, also where it came without their reference.
        asked = {one.id for record in found for one in about_record(conn, record)}
        found = sorted({*found, *asked})
        shared = store.with_others(conn, found) if joint == "keep" else set()
        mine = [record for record in found if record not in shared]
        return _plan(conn, mine, ground=ground, joint=sorted(shared))


def plan_set(g: Greffier, records: Sequence[str], *, ground: str) -> Plan:
    """Records that were found by another question; held ones stay."""
    with g.reading() as conn:
        return _plan(conn, records, ground=ground)


def confirm(g: Greffier, plan: Plan, code: str, *, role: str = "administrator") -> Done:
    """Carry out a plan that was made just now. Raises UsageError where the code is that of another one."""
    if code != plan.code:
        message = "is not the code of what would be erased now: take it from a new preview (something may have changed)"
        raise UsageError(message, field="--confirm")
    if not plan.records:
        return Done(0, None)
    if len(plan.records) == 1:
        return Done(1, erase(g, plan.records[0], ground=plan.ground, role=role))
    _before(g, plan.ground)
    time = format_time(g.clock())
    orders = [erasure.Erasure(record, plan.ground, role, time) for record in plan.records]
    for unit in erasure.erase_set(g.record_keys, g.ledger, orders, new_id=new_id, also=forget):
        append(g, unit)
    after(g)
    return Done(len(orders), None)


def erase(g: Greffier, record_id: str, *, ground: str, role: str = "administrator") -> str:
    """Erase a record's content; returns the id of the tombstone.

    `ground` is an `erasure/1` ground code (GDPR 17(1), or the end of retention). Raises UnknownRecord, Refused while
    a hold is in force, NotFound for an entry without content of its own, Erased when it is gone already. What a crash
    interrupts, the next start completes.
    """
    reading.find(g, record_id)
    _before(g, ground)
    tombstone = new_id()
    order = erasure.Erasure(record_id, ground, role, format_time(g.clock()))
    append(g, erasure.erase(g.record_keys, g.ledger, order, agency=g.settings.agency, id=tombstone, also=forget))
    after(g)
    return tombstone


def complete_pending(g: Greffier) -> int:
    """Finish erasures that a crash interrupted, or that a restored backup undid; returns how many there were."""
    with g.ledger.settling():
        with g.reading() as conn:
            orders, objects = erasure.pending(g.ledger, conn), due_objects(conn)
        agency = g.settings.agency
        for unit in erasure.complete(g.record_keys, g.ledger, orders, agency=agency, new_id=new_id, also=forget):
            with contextlib.suppress(Erased):  # another program did it meanwhile
                append(g, unit)
    if orders or objects:
        after(g)
    return len(orders)


def write_tombstones(g: Greffier, *, at_once: bool = False) -> int:
    """Append the tombstones that are due, in the order of the records' ids: the batch of a day (UTC).

    Those of today wait for the day's end. Where all that state the same ground and role were ordered in one go, the
    batch would say that they belong together: they wait for others, a week at most. `at_once` waits for nothing.
    Returns how many were written.
    """
    with g.reading() as conn:
        due = store.read_due(conn)
    if not at_once:
        due = _mixed(g, due, g.clock().date())
    written = 0
    for unit in erasure.tombstones(due, agency=g.settings.agency, time=g.clock()):
        try:
            g.log.append(unit).result()
        except (NotFound, FormatError):
            continue  # another process wrote them at this moment: their ids are in the log
        written += len(unit.entries)
    return written


def new_id() -> str:
    """A random id for a tombstone."""
    return str(uuid.uuid4())


def append(g: Greffier, unit: Unit) -> None:
    """Append a unit that asks for holds. Raises Refused."""
    try:
        g.log.append(unit).result()
    except Held as error:
        raise _refused(error) from None


def after(g: Greffier) -> None:
    """Large values leave object storage, deleted rows the write-ahead log or the dead rows.

    Where that cannot be now, it is no reason to fail: the keys are gone, and the next erasure or start does it.
    """
    _, left = blobs.sweep(g.vault.objects, lambda: log_store.writing(g.engine))
    if left:
        logger.warning("%d large values of erased records are still in object storage: the next erasure or start", left)
    if not let_go_of_deleted(g.engine, [*(table.name for table, _ in store.ABOUT_A_RECORD), *tables()]):
        logger.warning("what was deleted could not be let go of after an erasure: the next erasure or stop does it")


def _before(g: Greffier, ground: str) -> None:
    """What a crash left comes first; then nothing that is erased may be missing from the figures.

    A person's erasure does not wait for a tally that is wrong; what merely expires does (Refused).
    """
    complete_pending(g)
    if ground == EXPIRED:
        recount.settle(g)
    else:
        tallies.tally_pending(g)


def _plan(conn: Connection, records: Sequence[str], *, ground: str, joint: Sequence[str] = ()) -> Plan:
    held = holds_among(conn, records)
    going = sorted(set(records) - held.keys())
    about = [one for some in store.chunks(going) for one in store.about_only(conn, some)]
    kept: dict[str, Json] = {record: [*sorted(grounds)] for record, grounds in sorted(held.items())}
    exactly: Json = {"ground": ground, "records": [*going], "held": kept, "joint": [*joint], "about": [*sorted(about)]}
    return Plan(
        ground=ground,
        records=tuple(going),
        held={record: tuple(sorted(grounds)) for record, grounds in sorted(held.items())},
        joint=tuple(joint),
        rows=store.count_about(conn, going),
        about=len(set(about)),
        code=hashlib.sha256(format_canonical(exactly)).hexdigest()[:16],
    )


def _mixed(g: Greffier, due: Sequence[store.Due], today: date) -> list[store.Due]:
    """Those of former days that others of the same ground and role stand beside, or that waited long enough.

    One alone betrays nothing. What the ledger has under one minute was ordered in one go.
    """
    minutes = {order.record: order.time for order in g.ledger.read()} if due else {}
    alike: dict[tuple[str, str], list[store.Due]] = {}
    for one in due:
        if one.day < today.isoformat():
            alike.setdefault((one.ground, one.role), []).append(one)
    ready: list[store.Due] = []
    for some in alike.values():
        in_one_go = len(some) > 1 and len({minutes.get(one.record) for one in some}) == 1
        waited = today - min(date.fromisoformat(one.day) for one in some)
        if not in_one_go or waited > timedelta(days=LONELY_DAYS):
            ready += some
    return sorted(ready, key=lambda one: one.record)


def _refused(error: Held) -> Refused:
    return Refused(str(error).removeprefix(f"{error.field}: "), reason="held", field="id")
