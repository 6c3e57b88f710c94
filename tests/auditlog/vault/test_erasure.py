"""Erasing records, step by step, with a crash after each, under holds, in sets, on both databases."""

from __future__ import annotations

import json
import threading
import uuid
from datetime import UTC, datetime

import pytest
from sqlalchemy import delete

from auditlog.core.entries.record import make_entry
from auditlog.core.errors import CannotRecord, Erased, Held, NotFound, VaultError
from auditlog.store.decisions import (
    find_decision,
    find_review,
    insert_decision,
    insert_review,
    review_row_from,
    row_from,
)
from auditlog.store.engine import reading, writing
from auditlog.store.erasures import count_about, read_due
from auditlog.store.log import find_entry
from auditlog.store.record_events import about_from, find_about, insert_about
from auditlog.store.vault import (
    erasure_table,
    find_erasure,
    find_sealed,
    insert_sealed,
    iterate_erasures,
    iterate_sealed,
    iterate_subjects,
)
from auditlog.vault import erasure as erasing
from auditlog.vault.erasure import Erasure, Ledger, complete, erase, erase_set, pending, reapply, tombstones
from auditlog.vault.holds import demand_holdable
from auditlog.writing.unit import Unit

SECRET_WORDS = (b"a steady job", b"refuse", b"wv004711", b"we spoke on the phone")
LATER = datetime(2026, 11, 25, 0, 5, tzinfo=UTC)


def new_id() -> str:
    return str(uuid.uuid4())


class House:
    """A log, a vault and a ledger, and the few things that people do with them."""

    def __init__(self, database, vault, known, make) -> None:
        self.database, self.vault, self.make, self.known = database, vault, make, known
        self.ledger = Ledger.create(database.folder / "erasures")
        self.log = database.started(before_commit=vault.keys.sync)
        self.n = 0

    def decide(self, subject: str = "WV-004711", outcome: str = "refuse") -> str:
        self.n += 1
        values = {"in_income": "a steady job", "output": {}, "outcome": outcome}
        values |= dict.fromkeys(("parent", "usage", "run", "times"))
        prepared = self.vault.prepare(new_id(), values, [subject])
        entry = self._entry("decision/1", prepared)

        def apply(conn, sequenced):
            prepared.insert(conn)
            insert_decision(conn, row_from(entry, values, sequenced[0].place))

        self.log.append(Unit((entry,), apply)).result(30)
        return entry.id

    def review(self, decision: str, action: str = "confirm") -> str:
        values = {"reference": decision, "action": action, "reasons": "we spoke on the phone"}
        values |= dict.fromkeys(("decision", "text", "effect", "notified"))
        prepared = self.vault.prepare(new_id(), values)
        entry = self._entry("review/1", prepared)

        def apply(conn, sequenced):
            insert_review(conn, review_row_from(entry, values, sequenced[0].place))
            prepared.insert(conn)

        self.log.append(Unit((entry,), apply)).result(30)
        return entry.id

    def about(self, kind: str, values: dict, clear: dict, check=lambda conn: None) -> Unit:
        prepared = self.vault.prepare(new_id(), values)
        common = {"id": prepared.id, "agency": "example-agency", "time": self.known.now}
        entry = make_entry(kind, **common, commitments=prepared.commitments, **clear)

        def apply(conn, sequenced):
            check(conn)
            prepared.insert(conn)
            insert_about(conn, about_from(entry, values, sequenced[0].place))

        return Unit((entry,), apply)

    def access(self, *records: str) -> str:
        ids = {"secret": "00", "ids": sorted(records)}
        values = {"records": {"count": len(records)}, "ids": ids, "scope": None, "account": "we spoke on the phone"}
        unit = self.about("access/1", values, {"purpose": "query", "role": "auditor"})
        self.log.append(unit).result(30)
        return unit.entries[0].id

    def correct(self, record: str) -> str:
        values = {"values": {"in_income": "a steady job"}, "reasons": "we spoke on the phone"}
        unit = self.about("correction/1", values, {"record": record, "role": "officer"})
        self.log.append(unit).result(30)
        return unit.entries[0].id

    def holding(self, record: str, ground: str = "legal_claim", action: str = "placed") -> Unit:
        clear = {"action": action, "ground": ground, "role": "officer"}
        values = {"reference": record, "note": "we spoke on the phone"}
        return self.about("hold/1", values, clear, lambda conn: demand_holdable(conn, self.ledger, record))

    def hold(self, record: str, ground: str = "legal_claim", action: str = "placed") -> str:
        unit = self.holding(record, ground, action)
        self.log.append(unit).result(30)
        return unit.entries[0].id

    def _entry(self, kind, prepared):
        clear = {"system": "loan-check", "version": 1, "manifest": "sha256:" + "0" * 64, "capture": "external"}
        clear |= {"mode": "live", "boot": None, "source": "cases", "n": self.n, "opened": None}
        common = {"id": prepared.id, "agency": "example-agency", "time": self.known.now}
        return make_entry(kind, **common, commitments=prepared.commitments, **(clear if kind == "decision/1" else {}))

    def order(self, record: str, ground: str = "objection") -> Erasure:
        return Erasure(record, ground, "privacy_officer", "2026-11-24T08:15Z")

    def unit(self, record: str) -> Unit:
        return erase(self.vault.keys, self.ledger, self.order(record), agency="example-agency", id=new_id())

    def erase(self, record: str) -> Unit:
        unit = self.unit(record)
        self.log.append(unit).result(30)
        return unit

    def units(self, records) -> list[Unit]:
        orders = [self.order(one, "consent_withdrawn") for one in records]
        return list(erase_set(self.vault.keys, self.ledger, orders, new_id=new_id))

    def erase_set(self, records) -> None:
        for unit in self.units(records):
            self.log.append(unit).result(30)

    def crash(self, unit: Unit, after: str) -> None:
        """The process ends after a step: what came before it is done, and no row is changed."""

        class Killed(Exception):
            pass

        def die(*_):
            raise Killed

        with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
            if after == "ledger":
                patch.setattr(self.ledger, "append_slots", die)
            elif after == "slots named":
                patch.setattr(self.vault.keys, "overwrite", die)
            else:
                patch.setattr(erasing, "delete_about_records", die)
            self.log.append(unit).result(30)

    def pending(self) -> list[str]:
        with reading(self.database.engine) as conn:
            return sorted(erasure.record for erasure in pending(self.ledger, conn))

    def complete_all(self) -> None:
        """What start does."""
        with reading(self.database.engine) as conn:
            orders = pending(self.ledger, conn)
        for unit in complete(self.vault.keys, self.ledger, orders, agency="example-agency", new_id=new_id):
            self.log.append(unit).result(30)

    def due(self) -> list[str]:
        with reading(self.database.engine) as conn:
            return [one.record for one in read_due(conn)]

    def bury(self) -> list[Unit]:
        """The batch of a day."""
        with reading(self.database.engine) as conn:
            units = list(tombstones(read_due(conn), agency="example-agency", time=LATER))
        for unit in units:
            self.log.append(unit).result(30)
        return units

    def slots(self) -> dict[str, int]:
        with reading(self.database.engine) as conn:
            return {row.id: row.slot for row in iterate_sealed(conn)}

    def is_gone(self, *ids: str) -> bool:
        with reading(self.database.engine) as conn:
            rows = {row.id for row in iterate_sealed(conn)} | {id_ for _, id_ in iterate_subjects(conn)}
            found = [find_decision(conn, one) or find_review(conn, one) or find_about(conn, one) for one in ids]
            return not rows & set(ids) and not any(found) and not any(count_about(conn, ids).values())


@pytest.fixture
def house(database, vault, known, make):
    return House(database, vault, known, make)


def test_a_record_and_its_reviews_are_gone_and_the_entry_remains(house):
    kept = house.decide(outcome="grant")
    record = house.decide()
    reviews = [house.review(record, "refer"), house.review(record, "override")]
    with reading(house.database.engine) as conn:
        entry = find_entry(conn, record)
        slots = {row.id: row.slot for row in iterate_sealed(conn)}
    unit = house.erase(record)
    assert house.is_gone(record, *reviews)
    for one in (record, *reviews):
        with pytest.raises(Erased):
            house.vault.keys.read(slots[one])
    with reading(house.database.engine) as conn:
        assert find_entry(conn, record) == entry
        assert find_erasure(conn, record) == unit.entries[0].id
        with pytest.raises(Erased):
            house.vault.open(conn, record)
        assert house.vault.open(conn, kept).values["outcome"] == "grant"
        assert house.vault.find(conn, "wv004711") == [kept]
        assert list(iterate_erasures(conn)) == [{"record": record, "id": unit.entries[0].id}]
    assert house.pending() == []


def test_the_tombstone_says_why_and_does_not_tell_of_reviews(house):
    alone, reviewed = house.decide(), house.decide()
    review = house.review(reviewed)
    tombstones = [house.erase(record).entries for record in (alone, reviewed)]
    assert all(len(entries) == 1 for entries in tombstones)
    said = [json.loads(entries[0].data) for entries in tombstones]
    assert [one.pop("record") for one in said] == [alone, reviewed]
    assert len({one.pop("id") for one in said}) == 2
    assert said[0] == said[1]
    assert (said[0]["ground"], said[0]["role"]) == ("objection", "privacy_officer")
    with reading(house.database.engine) as conn:
        assert find_erasure(conn, review) is None


@pytest.mark.parametrize("after", ["order", "ledger", "slots named", "slots", "unit"])
def test_a_crash_after_each_step_is_completed_at_start(house, after):
    record, other = house.decide(), house.decide(outcome="grant")
    review = house.review(record)
    if after == "order":
        house.ledger.append(house.order(record))
    elif after == "unit":
        house.erase(record)
    else:
        house.crash(house.unit(record), after)
    assert house.pending() == ([] if after == "unit" else [record])
    house.complete_all()
    house.complete_all()
    assert house.pending() == []
    assert house.is_gone(record, review)
    with reading(house.database.engine) as conn:
        assert house.vault.open(conn, other).values["outcome"] == "grant"
        assert len(list(iterate_erasures(conn))) == 1


def test_a_unit_that_fails_leaves_the_erasure_pending(house):
    record = house.decide()
    unit = house.unit(record)

    def fail(conn, sequenced):
        unit.apply(conn, sequenced)
        raise NotFound("invented")

    with pytest.raises(NotFound):
        house.log.append(Unit(unit.entries, fail)).result(30)
    assert house.pending() == [record]
    with reading(house.database.engine) as conn, pytest.raises(Erased):
        house.vault.open(conn, record)  # nobody reads it meanwhile
    house.complete_all()
    assert house.is_gone(record)


def test_a_review_that_comes_in_between_goes_with_it(house):
    record = house.decide()
    unit = house.unit(record)
    review = house.review(record)
    with reading(house.database.engine) as conn:
        slot = find_sealed(conn, review).slot
    house.log.append(unit).result(30)
    assert house.is_gone(record, review)
    with pytest.raises(Erased):
        house.vault.keys.read(slot)


def test_a_review_that_comes_afterwards_is_refused(house):
    record = house.decide()
    house.erase(record)
    with pytest.raises(NotFound, match=r"^reference: .*erased"):
        house.review(record)


def test_erasing_twice_is_refused_and_changes_nothing(house):
    record = house.decide()
    house.erase(record)
    before = house.ledger.path.read_bytes()
    with pytest.raises(Erased, match=r"^record: was erased meanwhile"):
        house.erase(record)
    assert house.ledger.path.read_bytes() == before


def test_two_at_once_leave_one_tombstone(house):
    record = house.decide()
    first, second = house.unit(record), house.unit(record)
    house.log.append(first).result(30)
    with pytest.raises(Erased, match="meanwhile"):
        house.log.append(second).result(30)
    assert house.pending() == []
    with reading(house.database.engine) as conn:
        assert find_erasure(conn, record) == first.entries[0].id
        assert find_entry(conn, first.entries[0].id)


def test_what_cannot_be_erased_is_refused_before_anything_changes(house):
    record = house.decide()
    review = house.review(record)
    others = (review, house.access(record), house.correct(record), house.hold(record))
    for wrong, why in ((new_id(), "no content"), *((one, "together with that") for one in others)):
        with pytest.raises(NotFound, match=why):
            house.erase(wrong)
        with pytest.raises(NotFound, match=why):
            house.erase_set([record, wrong])
    assert house.ledger.read() == ()
    with reading(house.database.engine) as conn:
        assert house.vault.open(conn, review).values["action"] == "confirm"


def test_without_the_ledger_nothing_is_erased(house):
    record = house.decide()
    house.ledger.path.rename(house.ledger.path.with_suffix(".away"))
    with pytest.raises(VaultError, match=r"^erasures: "):
        house.erase(record)
    with pytest.raises(VaultError, match=r"^erasures: "):
        house.pending()
    with reading(house.database.engine) as conn:
        assert house.vault.open(conn, record).values["outcome"] == "refuse"


def test_a_restored_database_is_erased_again(house):
    record = house.decide()
    with reading(house.database.engine) as conn:
        row, decision = find_sealed(conn, record), find_decision(conn, record)
    house.erase(record)
    with writing(house.database.engine) as conn:  # as a backup from before has it
        conn.execute(delete(erasure_table))
        insert_sealed(conn, row, [(b"t" * 32, "subject")])
        insert_decision(conn, decision)
    assert house.pending() == [record]
    with reading(house.database.engine) as conn, pytest.raises(Erased):
        house.vault.open(conn, record)
    house.complete_all()
    assert house.is_gone(record)


def test_a_restored_database_is_erased_before_its_log_opens(house):
    records = [house.decide() for _ in range(3)]
    kept = house.decide(outcome="grant")
    house.ledger.append(*map(house.order, records))
    with writing(house.database.engine) as conn:
        assert reapply(conn, house.vault.keys, house.ledger, new_id=new_id) == 3
        assert reapply(conn, house.vault.keys, house.ledger, new_id=new_id) == 0
    assert house.is_gone(*records)
    assert house.pending() == []
    house.bury()
    with reading(house.database.engine) as conn:
        assert {one["record"] for one in iterate_erasures(conn)} == set(records)
        assert house.vault.open(conn, kept).values["outcome"] == "grant"


def test_a_copy_without_content_still_gets_the_tombstone(house):
    """Restored from a backup that was taken after the rows went and before the tombstone was written."""
    record = house.decide()
    house.erase_set([record])
    with writing(house.database.engine) as conn:
        for table in ("auditlog_erasure", "auditlog_erasure_due"):
            conn.exec_driver_sql(f"DELETE FROM {table}")
    assert house.pending() == [record]
    house.complete_all()
    with reading(house.database.engine) as conn:
        assert find_entry(conn, find_erasure(conn, record))


def test_of_a_long_ledger_the_number_of_orders_tells(house, monkeypatch):
    monkeypatch.setattr(erasing, "MANY", 1)
    records = [house.decide() for _ in range(4)]
    for record in records[:3]:
        house.erase(record)
    assert house.pending() == []
    house.ledger.append(house.order(records[3]))
    assert house.pending() == [records[3]]
    house.complete_all()
    assert house.pending() == []


def test_a_restore_reads_the_whole_ledger_however_long_it_is(house, monkeypatch):
    """A database from before, and a ledger that lost the end of a line, have the same number of erasures."""
    monkeypatch.setattr(erasing, "MANY", 1)
    records = [house.decide() for _ in range(4)]
    for record in records:
        house.erase(record)
    with writing(house.database.engine) as conn:
        conn.execute(delete(erasure_table).where(erasure_table.c.record == records[0]))
    house.ledger.path.write_bytes(house.ledger.path.read_bytes().replace(b"Z\n", b"Z ", 1))
    with writing(house.database.engine) as conn, pytest.raises(VaultError, match="line 1 is damaged"):
        reapply(conn, house.vault.keys, house.ledger, new_id=new_id)


def test_a_backup_from_before_the_record_needs_nothing(house):
    house.ledger.append(house.order(new_id()))
    assert house.pending() == []


def test_no_value_is_left_in_any_file(sqlite, vault, known, make):
    house = House(sqlite, vault, known, make)
    record = house.decide()
    house.review(record)
    copies = {path: path.read_bytes() for path in sqlite.folder.iterdir()}  # a backup taken before
    with reading(sqlite.engine) as conn:
        row = find_sealed(conn, record)
    house.erase(record)
    for content in (*copies.values(), *(path.read_bytes() for path in sqlite.folder.iterdir() if path.is_file())):
        # The query row holds the outcome's code in clear until it is deleted; SQLite then zeroes it (secure_delete).
        assert not any(word in content for word in SECRET_WORDS if word != b"refuse")
    with pytest.raises(Erased):
        vault.open_row(row)


def test_nothing_is_recorded_while_the_key_store_is_away(house, key_store):
    kept = house.decide()
    key_store.rename(key_store.with_suffix(".away"))
    with pytest.raises(CannotRecord) as error:
        house.decide()
    assert error.value.cause == "key_store"
    with reading(house.database.engine) as conn:
        assert [row.id for row in iterate_sealed(conn)] == [kept]
    key_store.with_suffix(".away").rename(key_store)
    again = house.decide()
    with reading(house.database.engine) as conn:
        assert house.vault.open(conn, again).values["outcome"] == "refuse"


# --- holds ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ground", ["legal_claim", "restriction", "inquiry", "archive"])
def test_nothing_changes_under_a_hold(house, ground):
    record, other = house.decide(), house.decide()
    house.hold(record, ground)
    before, slots = house.ledger.path.read_bytes(), house.slots()
    for attempt in (lambda: house.erase(record), lambda: house.erase_set([other, record])):
        with pytest.raises(Held) as error:
            attempt()
        assert error.value.grounds == (ground,)
    assert house.ledger.path.read_bytes() == before
    assert house.slots() == slots
    assert house.pending() == house.due() == []
    with reading(house.database.engine) as conn:
        assert [house.vault.open(conn, one).values["outcome"] for one in (record, other)] == ["refuse"] * 2
        assert list(iterate_erasures(conn)) == []
    assert house.log.state().recording, "a refusal is no outage"


def test_each_ground_is_lifted_by_itself(house):
    record = house.decide()
    for ground in ("legal_claim", "inquiry", "legal_claim"):
        house.hold(record, ground)
    house.hold(record, "legal_claim", "lifted")
    with pytest.raises(Held) as error:
        house.erase(record)
    assert error.value.grounds == ("inquiry",)
    house.hold(record, "inquiry", "lifted")
    holds = [row.id for row in house_about(house, record)]
    assert len(holds) == 5
    house.erase(record)
    assert house.is_gone(record, *holds)


def house_about(house, record):
    with reading(house.database.engine) as conn:
        return find_about(conn, record)


def test_a_hold_that_comes_in_between_keeps_the_record(house):
    """Between the preview and the transaction: the transaction asks again."""
    record = house.decide()
    unit, units = house.unit(record), house.units([record, house.decide()])
    house.hold(record)
    for one in (unit, *units):
        with pytest.raises(Held):
            house.log.append(one).result(30)
    assert house.ledger.read() == ()


def test_what_waits_together_is_decided_in_its_order(house):
    """Hold and erasure in one group of the writer, whichever comes first, and with a unit that fails beside them."""
    first, second = house.decide(), house.decide()

    def fail(conn, sequenced):
        raise NotFound("invented")

    queued = threading.Event()
    stand = Unit((house.make("pulse/1"),), lambda conn, _: queued.wait(60))
    units = (
        stand,
        house.holding(first),
        house.unit(first),
        house.unit(second),
        Unit((house.make("pulse/1"),), fail),
        house.holding(second),
    )
    tickets = [house.log.append(unit) for unit in units]
    queued.set()  # what was queued while the writer was at work makes one group
    results = [outcome(ticket) for ticket in tickets]
    kinds = [type(one).__name__ if isinstance(one, Exception) else "done" for one in results]
    assert kinds == ["done", "done", "Held", "done", "NotFound", "Erased"]
    assert house.is_gone(second)
    assert [order.record for order in house.ledger.read()] == [second]


def outcome(ticket):
    try:
        return ticket.result(30)
    except Exception as error:
        return error


@pytest.mark.parametrize("after", ["order", "ledger", "slots named", "slots"])
def test_no_hold_is_placed_on_what_the_ledger_names(house, after):
    record = house.decide()
    if after == "order":
        house.ledger.append(house.order(record))
    else:
        house.crash(house.unit(record), after)
    with pytest.raises(Erased):
        house.hold(record)
    house.complete_all()
    with pytest.raises(Erased):
        house.hold(record)
    with pytest.raises(NotFound):
        house.hold(new_id())
    assert house.is_gone(record)


def test_a_hold_in_an_old_database_does_not_undo_an_erasure(house):
    """A backup from the time of a hold that was lifted before the erasure."""
    record = house.decide()
    house.hold(record)
    house.ledger.append(house.order(record))
    house.complete_all()
    assert house.is_gone(record)


# --- sets -------------------------------------------------------------------------------------------------------------


def test_a_set_is_gone_at_once_and_its_tombstones_come_with_the_day(house):
    mine, kept = [house.decide() for _ in range(3)], house.decide(subject="another")
    reviews = [house.review(mine[0])]
    others = [house.access(mine[1]), house.correct(mine[2]), house.access(*mine)]
    slots = house.slots()
    size = house.log.state().size
    house.erase_set(mine)
    assert house.log.state().size == size, "nothing in the log yet"
    assert house.is_gone(*mine, *reviews, *others)
    for one in (*mine, *reviews, *others):
        with pytest.raises(Erased):
            house.vault.keys.read(slots[one])
    with reading(house.database.engine) as conn:
        for one in mine:
            with pytest.raises(Erased):
                house.vault.open(conn, one)
        assert house.vault.find(conn, "WV-004711") == []
    assert house.due() == sorted(mine)
    alone = house.decide()
    house.erase(alone)
    assert house.due() == sorted(mine), "alone, it has its tombstone already"
    other = [house.decide() for _ in range(2)]
    house.erase_set(other)
    with pytest.raises(Erased):
        house.erase_set([mine[0], kept])
    (unit,) = house.bury()
    assert [str(entry.members["record"]) for entry in unit.entries] == sorted([*mine, *other])
    said = [json.loads(entry.data) for entry in unit.entries]
    assert all(one.keys() == {"kind", "id", "agency", "time", "record", "ground", "role"} for one in said)
    assert {one["time"] for one in said} == {"2026-11-25T00:05Z"}, "not when each was ordered"
    assert house.due() == []
    assert house.bury() == []
    with reading(house.database.engine) as conn:
        assert {one["record"]: one["id"] for one in iterate_erasures(conn)}.items() >= {
            str(entry.members["record"]): entry.id for entry in unit.entries
        }.items()
        assert house.vault.open(conn, kept).values["outcome"] == "refuse"


def test_an_access_goes_with_the_last_record_that_it_is_about(house):
    first, second = house.decide(), house.decide()
    access = house.access(first, second)
    house.erase(first)
    with reading(house.database.engine) as conn:
        assert find_sealed(conn, access)
        assert [row.id for row in find_about(conn, second)] == [access]
    house.erase(second)
    assert house.is_gone(first, second, access)


@pytest.mark.parametrize("after", ["ledger", "slots named", "slots", "first unit"])
def test_a_crash_within_a_set_leaves_no_half(house, after, monkeypatch):
    monkeypatch.setattr(erasing, "CHUNK", 2)
    records = sorted(house.decide() for _ in range(5))
    kept = house.decide(outcome="grant")
    units = house.units(records)
    assert len(units) == 3
    if after == "first unit":
        house.log.append(units[0]).result(30)
    else:
        house.crash(units[0], after)
    assert house.pending() == (records[2:] if after == "first unit" else records)
    house.complete_all()
    house.complete_all()
    assert house.pending() == []
    assert house.is_gone(*records)
    house.bury()
    with reading(house.database.engine) as conn:
        assert sorted(one["record"] for one in iterate_erasures(conn)) == records
        assert house.vault.open(conn, kept).values["outcome"] == "grant"


def test_two_processes_that_complete_the_same_orders_do_not_trip_over_each_other(house, monkeypatch):
    """One erases a set; another starts meanwhile and finds the order in the ledger, or comes to do some of it first."""
    monkeypatch.setattr(erasing, "CHUNK", 2)
    records = sorted(house.decide() for _ in range(7))
    first, *rest = house.units(records)
    house.log.append(first).result(30)
    with reading(house.database.engine) as conn:
        found = [one for one in pending(house.ledger, conn) if one.record != records[2]]
    other = list(complete(house.vault.keys, house.ledger, found, agency="example-agency", new_id=new_id))
    for unit in [other[0], *rest, *other[1:], *rest]:
        house.log.append(unit).result(30)
    assert house.pending() == []
    assert house.is_gone(*records)
    assert house.due() == records


def test_two_processes_write_each_tombstone_once(house):
    house.erase_set([house.decide() for _ in range(3)])
    with reading(house.database.engine) as conn:
        units = [next(tombstones(read_due(conn), agency="example-agency", time=LATER)) for _ in range(2)]
    results = [outcome(house.log.append(unit)) for unit in units]
    assert isinstance(results[1], Exception)
    with reading(house.database.engine) as conn:
        assert len(list(iterate_erasures(conn))) == 3


@pytest.mark.parametrize("size", [1, 255, 256, 257])
def test_a_unit_without_entries_leaves_the_tree_as_it_is(house, size):
    record = house.decide()
    pulses = tuple(house.make("pulse/1") for _ in range(size - 1))
    if pulses:
        house.log.append(Unit(pulses)).result(30)
    before = house.log.state()
    assert before.size == size
    house.erase_set([record])
    assert house.log.state() == before
    assert house.decide()
    assert house.log.state().size == size + 1
