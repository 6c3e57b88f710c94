"""A tally is held against live records; what differs is named; what was erased bounds what remains."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from auditlog.store.log import writing
from auditlog.store.tallies import recounted_until
from home.errors import Refused
from service.erasing import erase
from service.figures import recount, tallies


def filled(house):
    """Two days with reviews, late ones among them; returns the ids."""
    ids = house.decide("grant", 4)
    house.review(ids[0], "override")
    house.review(ids[0], "confirm")
    tallies.tally_pending(house.g)
    house.clock.on(days=1)
    ids += house.decide("refuse", 3)
    house.review(ids[1])
    house.review(ids[4])
    tallies.tally_pending(house.g)
    house.clock.on(days=3)
    house.review(ids[5])
    house.review(ids[2], "refer")
    tallies.tally_pending(house.g)
    return ids


def test_live_records_give_what_the_tallies_say(house):
    filled(house)
    found = recount.recount(house.g)
    assert found.differences == ()
    assert (found.tallies, found.partial) == (4, 0)
    assert recount.recount(house.g).tallies == 0
    assert recount.recount(house.g, everything=True) == found
    with house.g.reading() as conn:
        assert recounted_until(conn, 1) > 0


def test_a_roll_up_that_was_changed_is_named(house):
    house.decide("grant", 4)
    with writing(house.g.engine) as conn:
        conn.execute(text("UPDATE auditlog_rollup SET number = 3 WHERE cell = 'outcomes.grant'"))
    tallies.tally_pending(house.g)
    [found] = recount.recount(house.g).differences
    assert (found.cell, found.stated, found.counted) == ("outcomes.grant", 3, 4)
    with pytest.raises(Refused, match="nothing until it is known why"):
        recount.settle(house.g)
    with house.g.reading() as conn:
        assert recounted_until(conn, 1) == 0


def test_undeclared_fields_are_counted_again(make_house):
    house = make_house(undeclared="count")
    given = {"input": {"street": "Test street 1", "zone": "Z1", "colour": "blue", "weight": 3}}
    house.decide("grant", 1, **given)
    tallies.tally_pending(house.g)
    [(_, cells)] = house.tallied()
    assert (cells["undeclared"], cells["records.undeclared"]) == (2, 1)
    assert recount.recount(house.g).differences == ()


def test_what_was_erased_bounds_what_remains(house):
    ids = house.decide("grant", 4)
    tallies.tally_pending(house.g)
    erase.erase(house.g, ids[0], ground="objection")
    found = recount.recount(house.g)
    assert (found.differences, found.partial) == ((), 1)


def test_a_late_review_that_was_erased_bounds_the_tally_of_its_range(house):
    ids = filled(house)
    erase.erase(house.g, ids[5], ground="objection")
    found = recount.recount(house.g, everything=True)
    # The tally of the day it was decided on, and that of the late reviews.
    assert (found.differences, found.partial) == ((), 2)


def test_settling_tallies_and_recounts(house):
    house.decide("grant", 2)
    recount.settle(house.g)
    assert [row["recounted"] for row in house.rows()] == [1]
