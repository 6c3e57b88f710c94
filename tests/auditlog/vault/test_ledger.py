"""The erasure ledger: one line each, synced, strict when read back."""

from __future__ import annotations

import resource
import threading
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditlog.core.entries.vocabulary import GROUNDS, ROLES
from auditlog.core.errors import FormatError, VaultError
from auditlog.vault.ledger import Erasure, Ledger, format_line, parse_line


def erasure(**changes):
    members = {
        "record": str(uuid.uuid4()),
        "ground": "objection",
        "role": "privacy_officer",
        "time": "2026-11-24T08:15Z",
    }
    return Erasure(**{**members, **changes})


@pytest.fixture
def ledger(tmp_path):
    return Ledger.create(tmp_path / "erasures")


@given(st.uuids(version=4), st.sampled_from(GROUNDS), st.sampled_from(ROLES))
def test_lines_come_back(record, ground, role):
    one = erasure(record=str(record), ground=ground, role=role)
    assert parse_line(format_line(one)) == one


@pytest.mark.parametrize("changes", [{"record": "Jan"}, {"ground": "asked"}, {"role": "clerk"}, {"time": "today"}])
def test_orders_are_codes(changes):
    with pytest.raises(FormatError) as error:
        erasure(**changes)
    assert error.value.field == next(iter(changes))
    assert "Jan" not in str(error.value)


def test_what_is_appended_is_read(ledger):
    orders = [erasure() for _ in range(3)]
    for order in orders:
        ledger.append(order)
    assert Ledger(ledger.path).read() == tuple(orders)
    assert ledger.path.stat().st_mode & 0o777 == 0o600


def test_a_torn_line_was_never_acted_upon(ledger):
    first, second = erasure(), erasure()
    ledger.append(first)
    with ledger.path.open("ab") as file:
        file.write(format_line(erasure())[:20])
    assert ledger.read() == (first,)
    ledger.append(second)
    assert ledger.read() == (first, second)


@pytest.mark.parametrize("damage", [b"\n", b"x\n", b" \n", b"\xff\n", b"0 objection officer 2026-11-24T08:15Z\n"])
def test_a_damaged_line_is_named(ledger, damage):
    ledger.append(erasure())
    with ledger.path.open("ab") as file:
        file.write(damage)
    with pytest.raises(VaultError, match=r"^erasures: line 2 is damaged"):
        ledger.read()


def test_an_order_that_does_not_fit_leaves_no_half_of_itself(ledger):
    """A full disk takes some lines of a set: its records would count as erased, though nothing was done."""
    first, many = erasure(), [erasure() for _ in range(3)]
    ledger.append(first)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ledger.path.stat().st_size * 5 // 2, limits[1]))
    try:
        with pytest.raises(VaultError, match="free some space"):
            ledger.append(*many)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert ledger.read() == Ledger(ledger.path).read() == (first,)
    assert not any(ledger.names(one.record) for one in many)
    ledger.append(*many)
    assert set(ledger.read()) == {first, *many}


def test_a_missing_ledger_says_what_to_restore(tmp_path):
    for use in (Ledger(tmp_path / "gone").read, lambda: Ledger(tmp_path / "gone").append(erasure())):
        with pytest.raises(VaultError, match=r"^erasures: .*put back"):
            use()


def test_an_existing_ledger_is_never_replaced(ledger):
    ledger.append(erasure())
    with pytest.raises(VaultError, match="never replaced"):
        Ledger.create(ledger.path)
    assert len(ledger.read()) == 1


def test_threads_do_not_tear_lines(ledger):
    def work():
        for _ in range(20):
            ledger.append(erasure())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({one.record for one in ledger.read()}) == 80


def test_slots_are_named_once_and_are_no_orders(ledger):
    order = erasure()
    ledger.append(order)
    ledger.append_slots(order.record, [7, 3])
    ledger.append_slots(order.record, [7, 3, 9])
    assert ledger.read() == (order,)
    assert ledger.slots() == {3, 7, 9}
    assert ledger.path.read_bytes().splitlines()[1:] == [f"{order.record} keys {n}".encode() for n in ("3,7", "9")]


@pytest.mark.parametrize("line", [b"Jan keys 3\n", b"%s keys \n", b"%s keys 3,2\n", b"%s keys 03\n", b"%s keys 3\n\n"])
def test_lines_of_slots_are_read_strictly(ledger, line):
    ledger.path.write_bytes(line.replace(b"%s", str(uuid.uuid4()).encode()))
    with pytest.raises(VaultError, match="damaged"):
        ledger.slots()


def test_orders_of_one_call_stand_in_the_order_of_their_ids_and_once(ledger):
    orders = [erasure() for _ in range(5)]
    ledger.append(*orders[:2])
    ledger.append(*orders)
    assert [one.record for one in ledger.read()] == [
        *sorted(one.record for one in orders[:2]),
        *sorted(one.record for one in orders[2:]),
    ]
    size = ledger.path.stat().st_size
    ledger.append(erasure(record=orders[0].record, ground="child"))
    assert ledger.path.stat().st_size == size, "the first order stands"


def test_what_another_process_appends_is_named_too(ledger):
    other, order, torn = Ledger(ledger.path), erasure(), erasure()
    assert not ledger.names(order.record)
    other.append(order)
    with ledger.path.open("ab") as file:
        file.write(format_line(torn)[:-1])
    assert ledger.names(order.record)
    assert not ledger.names(torn.record), "a torn line is no order"
    other.append(torn)
    assert ledger.names(torn.record)


def test_a_ledger_put_back_from_a_copy_is_read_anew(ledger, tmp_path):
    first, second = erasure(), erasure()
    ledger.append(first)
    copy = ledger.path.read_bytes()
    ledger.append(second)
    assert ledger.names(second.record)
    ledger.path.write_bytes(copy)  # in place, shorter
    assert (ledger.names(first.record), ledger.names(second.record)) == (True, False)
    (tmp_path / "other").write_bytes(format_line(second) + format_line(erasure()))
    (tmp_path / "other").rename(ledger.path)
    assert (ledger.names(first.record), ledger.names(second.record)) == (False, True)


def test_a_damaged_line_is_named_by_each_question(ledger):
    ledger.append(erasure())
    with ledger.path.open("ab") as file:
        file.write(b"x\n")
    for _ in range(2):
        with pytest.raises(VaultError, match=r"^erasures: line 2 is damaged"):
            ledger.names(str(uuid.uuid4()))
    with pytest.raises(VaultError, match=r"^erasures: line 2 is damaged"):
        ledger.append(erasure())


def test_a_line_longer_than_a_block_is_found_whole(ledger):
    order = erasure()
    ledger.append(order)
    ledger.append_slots(order.record, range(10**12, 10**12 + 9000))
    with ledger.path.open("ab") as file:
        file.write(b"torn" * 40_000)
    again = erasure()
    ledger.append(again)
    assert ledger.read() == (order, again)
    assert len(ledger.slots()) == 9000


def test_what_is_settled_is_the_databases_to_know(ledger):
    """What came while it was carried out is still named; a ledger put back is read from its beginning."""
    first, second, third = erasure(), erasure(), erasure()
    ledger.append(first)
    assert ledger.names(first.record)
    with ledger.settling():
        Ledger(ledger.path).append(second)
    assert [ledger.names(one.record) for one in (first, second)] == [False, True]
    assert ledger.count() == 2
    with ledger.settling():
        ledger.append_slots(second.record, [5])
        ledger.append(third)
        assert ledger.names(third.record)
    assert ledger.names(third.record)
    assert ledger.count() == 3
    assert ledger.read() == (first, second, third)
    ledger.path.write_bytes(format_line(first))
    assert ledger.names(first.record)


def test_what_failed_to_be_carried_out_stays_named(ledger):
    order = erasure()
    ledger.append(order)
    with pytest.raises(KeyError), ledger.settling():
        raise KeyError
    assert ledger.names(order.record)
