"""Two programs on one home: one erases while the other holds, corrects and reads the same records."""

from __future__ import annotations

import threading
from typing import Any

from auditlog.core.errors import Erased, NotFound
from auditlog.store import erasures as store
from home.errors import Refused
from service.erasing import erase, holds
from service.keeping import fsck
from service.records import corrections, reading
from service.records.reading import CLI


def attempt(what: Any) -> str:
    try:
        what()
    except (Refused, Erased, NotFound) as error:
        return type(error).__name__
    return "done"


def test_a_record_is_held_or_erased_never_both(office: Any) -> None:
    with office.opened() as one, office.opened() as other:
        records = [office.decide(one, "TEST-1") for _ in range(12)]
        said: dict[str, dict[str, str]] = {"erase": {}, "hold": {}, "correct": {}, "read": {}}

        def work(name: str, order: list[str], what: Any) -> threading.Thread:
            def run() -> None:
                for record in order:
                    said[name][record] = attempt(lambda: what(record))

            thread = threading.Thread(target=run)
            thread.start()
            return thread

        threads = [
            work("erase", records, lambda record: erase.erase(one, record, ground="objection")),
            work("hold", records[::-1], lambda record: holds.place(other, record, ground="inquiry")),
            work("correct", records, lambda record: corrections.correct(other, record, {"income": 1}, "invented")),
            work("read", records[6:] + records[:6], lambda record: reading.open(other, CLI, "export", record)),
        ]
        for thread in threads:
            thread.join()
        for record in records:
            held, gone = said["hold"][record] == "done", said["erase"][record] == "done"
            assert held != gone, {name: of[record] for name, of in said.items()}
            assert attempt(lambda record=record: reading.open(one, CLI, "export", record)) == (
                "done" if held else "Erased"
            )
        with one.reading() as conn:
            gone_ones = [record for record in records if said["erase"][record] == "done"]
            assert not any(store.count_about(conn, gone_ones).values())
        assert {order.record for order in one.ledger.read()} == set(gone_ones)
        assert fsck.check_all(one) == []


def test_two_programs_erase_the_same_person(office: Any) -> None:
    with office.opened() as one, office.opened() as other:
        records = [office.decide(one, "TEST-1") for _ in range(6)]
        plan = erase.plan_person(one, "TEST-1", ground="objection")
        results: list[str] = []
        threads = [
            threading.Thread(target=lambda g=g: results.append(attempt(lambda: erase.confirm(g, plan, plan.code))))
            for g in (one, other)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(results) == ["Erased", "done"]
        written: list[int] = []
        threads = [
            threading.Thread(target=lambda g=g: written.append(erase.write_tombstones(g, at_once=True)))
            for g in (one, other)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(written) == [0, 6]
        assert len(one.ledger.read()) == len(records)
        assert fsck.check_all(other) == []
