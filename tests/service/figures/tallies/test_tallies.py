"""Day tallies: everything that the log holds is in exactly one of them, and late reviews make a further one."""

from __future__ import annotations

import pytest

from auditlog.core.counting import figures
from auditlog.core.counting.figures import add
from auditlog.core.counting.published import published_cells
from auditlog.core.counting.tally import cells_root, parse_content
from auditlog.core.entries.record import parse_entry
from auditlog.core.errors import CannotRecord
from auditlog.core.formats.commitment import commit, salt_for
from auditlog.store.log import iterate_entries
from auditlog.store.rollup import iterate_rollup
from service.figures import tallies
from service.keeping import fsck
from service.records import reading
from service.wiring import open_home


def sums(house):
    """What the roll-up has and what the tallies have, over all keys."""
    with house.g.reading() as conn:
        rolled = add(cells for _, _, cells in iterate_rollup(conn))
    return rolled, add(cells for _, cells in house.tallied())


def test_a_day_is_tallied_once_and_what_comes_later_makes_a_further_one(house, system):
    house.decide("grant", 3)
    house.decide("refuse", 2)
    assert tallies.tally_pending(house.g) == 1
    [(entry, cells)] = house.tallied()
    members = entry.members
    assert (members["system"], members["version"], members["mode"]) == (system, 1, "live")
    assert (members["first"], members["last"], members["since"]) == ("2026-03-02", "2026-03-02", 0)
    assert cells["decisions"] == 5
    assert (cells["outcomes.grant"], cells["outcomes.refuse"]) == (3, 2)
    assert tallies.tally_pending(house.g) == 0
    house.decide("visit")
    assert tallies.tally_pending(house.g) == 1
    first, second = house.tallied()
    assert second[0].members["since"] >= first[0].members["until"]
    assert second[1]["decisions"] == 1
    rolled, tallied = sums(house)
    assert rolled == tallied


def test_each_decision_lies_in_the_range_of_its_tally(house):
    for _ in range(4):
        house.decide("grant", 2)
        tallies.tally_pending(house.g)
        house.clock.on(hours=9)
    with house.g.reading() as conn:
        entries = [(index, parse_entry(data)) for index, data in iterate_entries(conn, 1)]
    for entry, cells in house.tallied():
        of = entry.members
        mine = [
            index
            for index, one in entries
            if one.kind == "decision/1"
            and of["since"] <= index < of["until"]
            and of["first"] <= one.time[:10] <= of["last"]
        ]
        assert len(mine) == cells["decisions"]


def test_late_reviews_name_their_month_and_not_their_day(house):
    first, second = house.decide("grant", 2)
    house.clock.on(days=1)
    third = house.decide("grant")[0]
    tallies.tally_pending(house.g)
    house.clock.on(days=9)
    house.decide("visit")
    for record in (first, second, third):
        house.review(record)
    assert tallies.tally_pending(house.g) == 2
    late = [(entry, cells) for entry, cells in house.tallied() if "decisions" not in cells]
    [(entry, cells)] = late
    assert (entry.members["first"], entry.members["last"]) == ("2026-03-01", "2026-03-31")
    assert cells == {"reviewed": 3, "reviews.confirm": 3, "review_time.14400": 3}
    rolled, tallied = sums(house)
    assert rolled == tallied
    # The day of each is kept where it stays closed, so that the roll-up can be made again.
    record = next(reading.recount(house.g, [entry.id]))
    assert {day: of["reviewed"] for day, of in parse_content(record.values["content"])[2].items()} == {
        "2026-03-02": 2,
        "2026-03-03": 1,
    }


def test_a_review_of_the_same_day_is_in_the_tally_of_the_day(house):
    record = house.decide("refuse")[0]
    house.review(record, "override")
    house.review(record, "confirm")
    tallies.tally_pending(house.g)
    [(_, cells)] = house.tallied()
    assert (cells["reviewed"], cells["reviews.override"], cells["reviews.replaced.override"]) == (1, 1, 1)
    found = {one.name: one.value for one in figures.figures(published_cells(cells))}
    assert found["reviews.confirm"] == 1
    assert "reviews.override" not in found


def test_nothing_in_the_entry_tells_a_number(house):
    """Without the secret, the number of a cell cannot be tried out: every entry differs though they count the same."""
    for _ in range(2):
        house.decide("grant")
        tallies.tally_pending(house.g)
        house.clock.on(days=1)
    (one, cells), (two, same) = house.tallied()
    assert cells["decisions"] == same["decisions"] == 1
    for name in ("cells", "content"):
        assert one.commitments[name] != two.commitments[name]
    assert one.commitments["cells"] != commit(salt_for(bytes(32), "cells"), cells_root(cells, bytes(32)))


def test_two_processes_tally_once(house):
    """The other one comes between what this one has read and what it writes."""
    house.decide("grant", 3)
    counted = []
    with open_home(house.g.home, clock=house.clock) as other:
        append = house.g.log.append

        def after_the_other(unit):
            if not counted:
                counted.append(tallies.tally_pending(other))
            return append(unit)

        house.g.log.append = after_the_other
        assert tallies.tally_pending(house.g) == 0
    assert counted == [1]
    rolled, tallied = sums(house)
    assert rolled == tallied


def test_a_log_that_cannot_be_written_tallies_nothing(house):
    house.decide("grant")
    house.g.log.close()
    with pytest.raises(CannotRecord):
        tallies.tally_pending(house.g)
    assert house.rows() == []


def test_the_log_follows_its_rules_and_fsck_is_clean(house):
    house.review(house.decide("grant", 3)[0])
    tallies.tally_pending(house.g)
    assert fsck.check_all(house.g) == []
