"""Erasing one record, step by step, with a crash after each, on both databases."""

from __future__ import annotations

import json
import uuid

import pytest
from sqlalchemy import delete

from auditlog.errors import CannotRecord, Erased, NotFound, VaultError
from auditlog.record import make_entry
from auditlog.store.decisions import (
    find_decision,
    find_review,
    insert_decision,
    insert_review,
    review_row_from,
    row_from,
)
from auditlog.store.engine import reading, writing
from auditlog.store.log import find_entry
from auditlog.store.vault import (
    erasure_table,
    find_erasure,
    find_sealed,
    insert_sealed,
    iterate_erasures,
    iterate_sealed,
    iterate_subjects,
)
from auditlog.unit import Unit
from auditlog.vault.erasure import Erasure, Ledger, complete, erase, pending

SECRET_WORDS = (b"a steady job", b"refuse", b"wv004711", b"we spoke on the phone")


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

    def _entry(self, kind, prepared):
        clear = {"system": "loan-check", "version": 1, "manifest": "sha256:" + "0" * 64, "capture": "external"}
        clear |= {"mode": "live", "boot": None, "source": "cases", "n": self.n, "opened": None}
        common = {"id": prepared.id, "agency": "example-agency", "time": self.known.now}
        return make_entry(kind, **common, commitments=prepared.commitments, **(clear if kind == "decision/1" else {}))

    def order(self, record: str, ground: str = "objection") -> Erasure:
        return Erasure(record, ground, "privacy_officer", "2026-11-24T08:15Z")

    def begin(self, record: str) -> Unit:
        with reading(self.database.engine) as conn:
            return erase(conn, self.vault.keys, self.ledger, self.order(record), agency="example-agency", id=new_id())

    def erase(self, record: str) -> Unit:
        unit = self.begin(record)
        self.log.append(unit).result(30)
        return unit

    def pending(self) -> list[str]:
        with reading(self.database.engine) as conn:
            return [erasure.record for erasure in pending(self.ledger, conn)]

    def complete_all(self) -> None:
        """What start does."""
        with reading(self.database.engine) as conn:
            units = [
                complete(conn, self.vault.keys, self.ledger, one, agency="example-agency", id=new_id())
                for one in pending(self.ledger, conn)
            ]
        for unit in units:
            self.log.append(unit).result(30)

    def is_gone(self, *ids: str) -> bool:
        with reading(self.database.engine) as conn:
            rows = {row.id for row in iterate_sealed(conn)} | {id_ for _, id_ in iterate_subjects(conn)}
            found = [find_decision(conn, one) or find_review(conn, one) for one in ids]
        return not rows & set(ids) and not any(found)


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


@pytest.mark.parametrize("after", ["ledger", "slots", "unit"])
def test_a_crash_after_each_step_is_completed_at_start(house, after):
    record, other = house.decide(), house.decide(outcome="grant")
    review = house.review(record)
    if after == "ledger":
        house.ledger.append(house.order(record))
    elif after == "slots":
        house.begin(record)
    else:
        house.log.append(house.begin(record)).result(30)
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
    unit = house.begin(record)

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
    unit = house.begin(record)
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
    with pytest.raises(Erased, match=r"^record: was erased before"):
        house.begin(record)
    assert house.ledger.path.read_bytes() == before


def test_two_at_once_leave_one_tombstone(house):
    record = house.decide()
    first, second = house.begin(record), house.begin(record)
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
    for wrong, why in ((new_id(), "no content"), (review, "together with the decision")):
        with pytest.raises(NotFound, match=why):
            house.begin(wrong)
    assert house.ledger.read() == ()
    with reading(house.database.engine) as conn:
        assert house.vault.open(conn, review).values["action"] == "confirm"


def test_without_the_ledger_nothing_is_erased(house):
    record = house.decide()
    house.ledger.path.rename(house.ledger.path.with_suffix(".away"))
    with pytest.raises(VaultError, match=r"^erasures: "):
        house.begin(record)
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
        insert_sealed(conn, row, [b"t" * 32])
        insert_decision(conn, decision)
    assert house.pending() == [record]
    with reading(house.database.engine) as conn, pytest.raises(Erased):
        house.vault.open(conn, record)
    house.complete_all()
    assert house.is_gone(record)


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
