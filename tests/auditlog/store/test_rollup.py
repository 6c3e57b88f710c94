"""The writer keeps the roll-up and a row for each entry that is no decision, in the transaction of the entries."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from auditlog.core.counting.figures import CellKey
from auditlog.store.engine import reading
from auditlog.store.log import writing
from auditlog.store.rollup import MAX_NUMBER, add_counts, due_table, event_table, iterate_rollup
from auditlog.writing.log import Unit

DAY = CellKey("parking-permit", 3, "live", "2026-03-02")
OTHER = CellKey("parking-permit", None, None, "2026-03-01")


def rollup(database):
    with reading(database.engine) as conn:
        return list(iterate_rollup(conn))


def test_counts_of_many_units_are_summed(database, make):
    log = database.started()
    for _ in range(3):
        unit = Unit((make(),), counts=lambda _: [(DAY, {"decisions": 1, "tokens.prompt": 7}), (OTHER, {"refusals": 1})])
        log.append(unit).result()
    waiting = [log.append(Unit((make(),), counts=lambda _: [(DAY, {"decisions": 2})])) for _ in range(20)]
    for one in waiting:
        one.result()
    assert rollup(database) == [
        (1, OTHER, {"refusals": 3}),
        (1, DAY, {"decisions": 43, "tokens.prompt": 21}),
    ]
    with reading(database.engine) as conn:
        changed = {row.day: row.changed for row in conn.execute(select(due_table))}
    assert changed["2026-03-01"] == 3
    assert changed["2026-03-02"] == 23


def test_the_count_knows_the_place_of_its_entry(database, make):
    log = database.started()
    log.append(Unit((make(),))).result()
    unit = Unit((make(), make()), counts=lambda found: [(DAY, {"decisions": one.index}) for one in found])
    log.append(unit).result()
    assert rollup(database) == [(1, DAY, {"decisions": 3})]


def test_a_unit_that_fails_counts_nothing(database, make):
    log = database.started()

    def fail(_conn, _sequenced):
        raise ValueError("no")

    bad = log.append(Unit((make(),), fail, counts=lambda _: [(DAY, {"decisions": 100})]))
    good = log.append(Unit((make(),), counts=lambda _: [(DAY, {"decisions": 1})]))
    with pytest.raises(ValueError, match="no"):
        bad.result()
    good.result()
    assert rollup(database) == [(1, DAY, {"decisions": 1})]
    with reading(database.engine) as conn:
        assert len(conn.execute(select(event_table)).all()) == 1


def test_a_count_that_fails_drops_its_unit_alone(database, make):
    log = database.started()
    bad = log.append(Unit((make(),), counts=lambda found: [(DAY, {"decisions": found[1].index})]))
    good = log.append(Unit((make(),), counts=lambda _: [(DAY, {"decisions": 1})]))
    with pytest.raises(IndexError):
        bad.result()
    assert good.result().size == 1
    assert rollup(database) == [(1, DAY, {"decisions": 1})]


def test_each_entry_that_is_no_decision_has_a_row(database, make):
    log = database.started()
    refused = make("refused/1", system="parking-permit", version=3, reason="suspended", boot=None, n=None)
    pulse = make()
    log.append(Unit((refused, pulse))).result()
    with reading(database.engine) as conn:
        rows = [tuple(row) for row in conn.execute(select(event_table).order_by(event_table.c.idx))]
    assert rows == [
        (refused.id, 1, 0, "refused/1", refused.time, "parking-permit", "suspended"),
        (pulse.id, 1, 1, "pulse/1", pulse.time, None, "ok"),
    ]


def test_sums_that_a_sender_drives_up_stay_whole_numbers(database):
    """Nothing else than staying there: no float, no error that keeps the writer from recording."""
    key = CellKey("permit-advice", 1, "live", "2026-03-02")
    for number in (MAX_NUMBER - 3, 2, 2**61, 2**63, 1):
        with writing(database.engine) as conn:
            add_counts(conn, 1, [(key, {"tokens.prompt": number})], size=5)
    with database.engine.connect() as conn:
        [(_, _, cells)] = iterate_rollup(conn)
    assert cells == {"tokens.prompt": MAX_NUMBER}
    assert type(cells["tokens.prompt"]) is int
