"""What a caller holds while the log writes: threads and coroutines, time-outs, withdrawal, units that wait again."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import CancelledError

import pytest

from auditlog.core.errors import CannotRecord
from auditlog.writing.ticket import Gate, Ticket, claim, move, settle


def test_a_value_reaches_every_thread_that_waits():
    gate = Gate()
    tickets = [Ticket(gate) for _ in range(40)]
    found = []
    threads = [threading.Thread(target=lambda t=t: found.append(t.result(60))) for t in tickets for _ in range(2)]
    for thread in threads:
        thread.start()
    assert all(claim(ticket) for ticket in tickets)
    settle([(ticket, number) for number, ticket in enumerate(tickets)])
    gate.open()
    gate.open()
    for thread in threads:
        thread.join(60)
    assert sorted(found) == sorted([*range(40), *range(40)])
    assert [ticket.result() for ticket in tickets] == [*range(40)]


def test_an_error_is_raised_and_the_first_outcome_stands():
    ticket = Ticket(Gate())
    settle([(ticket, CannotRecord("no", cause="database"))])
    settle([(ticket, 1)])
    assert ticket.done()
    assert isinstance(ticket.exception(), CannotRecord)
    with pytest.raises(CannotRecord, match="no"):
        ticket.result()


def test_a_time_out_leaves_the_unit_to_be_written():
    gate = Gate()
    ticket = Ticket(gate)
    before = time.monotonic()
    for wait in (ticket.result, ticket.exception):
        with pytest.raises(TimeoutError):
            wait(0.05)
    assert 0.1 <= time.monotonic() - before < 5
    assert not ticket.done()
    settle([(ticket, "late")])
    gate.open()
    assert ticket.result(0) == "late"


def test_a_unit_is_withdrawn_until_the_writer_has_taken_it():
    taken, withdrawn = Ticket(Gate()), Ticket(Gate())
    assert claim(taken)
    assert not taken.cancel()
    assert withdrawn.cancel()
    assert withdrawn.cancel()
    assert not claim(withdrawn)
    for outcome in (withdrawn.result, withdrawn.exception):
        with pytest.raises(CancelledError):
            outcome()


def test_a_unit_that_had_no_room_waits_at_the_next_gate():
    first, second = Gate(), Gate()
    early, late = Ticket(first), Ticket(first)
    found = []
    threads = [threading.Thread(target=lambda t=t: found.append(t.result(60))) for t in (late, late, early)]
    for thread in threads:
        thread.start()
    move([late], second)
    settle([(early, "early")])
    first.open()
    threads[2].join(60)
    time.sleep(0.05)
    assert found == ["early"]
    settle([(late, "late")])
    second.open()
    for thread in threads:
        thread.join(60)
    assert found == ["early", "late", "late"]


def test_coroutines_are_told_with_one_call_a_loop(monkeypatch):
    calls = []
    real = asyncio.BaseEventLoop.call_soon_threadsafe

    def counted(self, *args, **options):
        calls.append(threading.current_thread().name)
        return real(self, *args, **options)

    async def main():
        tickets = [Ticket(Gate()) for _ in range(100)]
        waiting = [asyncio.ensure_future(wait(ticket)) for ticket in tickets]
        await asyncio.sleep(0.01)
        monkeypatch.setattr(asyncio.BaseEventLoop, "call_soon_threadsafe", counted)
        writer = threading.Thread(target=settle, args=([(t, n) for n, t in enumerate(tickets)],), name="writer")
        writer.start()
        found = await asyncio.gather(*waiting)
        writer.join()
        return found

    async def wait(ticket):
        return await ticket

    assert asyncio.run(main()) == [*range(100)]
    assert calls == ["writer"]


def test_a_coroutine_that_gave_up_or_whose_loop_ended_harms_nobody():
    gave_up, stayed = Ticket(Gate()), Ticket(Gate())

    async def wait(ticket):
        return await ticket

    async def main():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(wait(gave_up), 0.01)
        staying = asyncio.ensure_future(wait(stayed))
        await asyncio.sleep(0)
        settle([(gave_up, 1), (stayed, 2)])
        return await staying, await gave_up

    assert asyncio.run(main()) == (2, 1)
    ended = Ticket(Gate())
    loop = asyncio.new_event_loop()
    waiting = loop.create_task(wait(ended))
    loop.run_until_complete(asyncio.sleep(0))
    waiting.cancel()
    loop.run_until_complete(asyncio.gather(waiting, return_exceptions=True))
    loop.close()
    settle([(ended, 3)])
    assert ended.result() == 3
