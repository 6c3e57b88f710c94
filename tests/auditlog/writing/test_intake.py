"""The queue's bounds: units, entries, bytes; what is taken at once; and producers of every sort at the same time."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace

import pytest

from auditlog.core.errors import CannotRecord
from auditlog.core.formats.proof import verify_proof
from auditlog.store.log import read_entries, reading
from auditlog.writing import intake as intakes
from auditlog.writing.intake import Intake
from auditlog.writing.log import Unit


def unit(size: int = 10, count: int = 1) -> Unit:
    return Unit(tuple(SimpleNamespace(data=bytes(size)) for _ in range(count)))


def refused(queue: Intake, one: Unit) -> str:
    with pytest.raises(CannotRecord) as caught:
        queue.put(one)
    return caught.value.cause


def opened(*args, **options) -> Intake:
    queue = Intake(*args, **options)
    assert refused(queue, unit()) == "closed"
    queue.open()
    return queue


@pytest.mark.parametrize(
    ("options", "one"),
    [
        ({"limit": 3}, unit()),
        ({"limit": 99, "max_entries": 6}, unit(count=2)),
        ({"limit": 99, "max_bytes": 3000}, unit(size=1000)),
    ],
)
def test_each_bound_says_busy_until_something_was_taken(options, one):
    queue = opened(**options)
    for _ in range(3):
        queue.put(one)
    assert refused(queue, one) == "busy"
    group, _, ended = queue.take(None)
    assert (len(group), ended) == (3, False)
    queue.put(one)


def test_a_unit_beyond_the_bounds_goes_in_alone():
    queue = opened(9, max_entries=3, max_bytes=100)
    queue.put(unit(size=1000, count=5))
    assert refused(queue, unit()) == "busy"
    assert len(queue.take(None)[0]) == 1
    queue.put(unit())
    assert refused(queue, unit(size=1000)) == "busy"


def test_withdrawn_units_are_left_out_and_make_room():
    queue = opened(2)
    first, second = queue.put(unit()), queue.put(unit())
    assert first.cancel()
    group, _, _ = queue.take(None)
    assert [waiting.ticket for waiting in group] == [second]
    queue.put(unit())
    queue.put(unit())


def test_what_a_group_has_no_room_for_comes_next(monkeypatch):
    monkeypatch.setattr(intakes, "GROUP_ENTRIES", 4)
    queue = opened(99)
    tickets = [queue.put(unit(count=2)) for _ in range(5)]
    found = [queue.take(None) for _ in range(3)]
    assert [[w.ticket for w in group] for group, _, _ in found] == [tickets[:2], tickets[2:4], tickets[4:]]
    gates = [gate for _, gate, _ in found]
    assert len({id(gate) for gate in gates}) == 3
    assert [ticket._gate for ticket in tickets] == [gates[0], gates[0], gates[1], gates[1], gates[2]]


def test_closing_ends_the_wait_and_keeps_what_came_before():
    queue = opened(9)
    found = []
    writer = threading.Thread(target=lambda: found.append(queue.take(None)))
    writer.start()
    assert queue.close(CannotRecord("over", cause="closed"))
    assert not queue.close()
    writer.join(60)
    assert [(group, ended) for group, _, ended in found] == [([], True)]
    with pytest.raises(CannotRecord, match="over"):
        queue.put(unit())
    again = opened(9)
    again.put(unit())
    again.close()
    group, _, ended = again.take(None)
    assert (len(group), ended) == (1, True)


def test_an_empty_queue_gives_an_empty_group_after_the_time_out():
    queue = opened(9)
    assert queue.take(0.01)[0] == []
    queue.put(unit())
    assert len(queue.take(0.01)[0]) == 1


def test_a_thousand_coroutines_and_threads_share_one_log(database, make, known):
    log = database.started()

    async def append():
        entry = make()
        return entry, await log.append(Unit((entry,)))

    async def many(count):
        return await asyncio.gather(*(append() for _ in range(count)))

    found = []

    def thread():
        for _ in range(25):
            entry = make()
            found.append((entry, log.append(Unit((entry,))).result(60)))

    threads = [threading.Thread(target=thread) for _ in range(16)]
    threads += [threading.Thread(target=lambda: found.extend(asyncio.run(many(1000)))) for _ in range(2)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(120)
    assert sorted(done.sequenced[0].index for _, done in found) == list(range(2400))
    with reading(database.engine) as conn:
        stored = read_entries(conn, 1, 0, 2400)
    assert all(stored[done.sequenced[0].index] == entry.data for entry, done in found)
    for entry, done in found[::97]:
        verify_proof(done.proof(), entry.data, known.keys, origin=known.origin)


def test_a_busy_log_refuses_coroutines_at_once(database, make):
    log = database.started(queue_limit=5)
    held, running = threading.Event(), threading.Event()
    log.append(Unit((make(),), lambda conn, s: (running.set(), held.wait(60))))
    assert running.wait(60)

    async def append():
        return await log.append(Unit((make(),)))

    async def main():
        waiting = [asyncio.ensure_future(append()) for _ in range(8)]
        await asyncio.sleep(0.05)
        held.set()
        return await asyncio.gather(*waiting, return_exceptions=True)

    outcomes = asyncio.run(main())
    assert [getattr(one, "cause", "written") for one in outcomes] == ["written"] * 5 + ["busy"] * 3
