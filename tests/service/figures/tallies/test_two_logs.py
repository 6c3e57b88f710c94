"""Figures go on over a succession: what the old log counts is tallied in it, what comes later in the new one."""

from __future__ import annotations

import shutil
from datetime import date

import pytest

from auditlog.core.entries.record import Entry, parse_entry
from auditlog.store import tallies as store
from auditlog.store.log import iterate_entries, writing
from auditlog.store.rollup import add_counts
from cli.demo.run import CASES
from home.settings import PROFILE_FILE, read_profile
from lab.bench import records_scene
from reports.errors import TwinError
from reports.recount import recount_report
from service.disclosing import transparency
from service.figures import recount, tallies
from service.keeping import daily
from service.logs import publish
from service.wiring import open_home, succeed_home

MARCH = date(2026, 3, 1), date(2026, 3, 31)


@pytest.fixture
def succeeded(tmp_path, clock, make_house):
    """A home in its second log; in the first one there are 12 results, one of them reviewed in the second."""
    house = make_house()
    shutil.copyfile(CASES / "agency.json", house.g.home / PROFILE_FILE)
    ids = house.decide("grant", 12)
    house.close()
    succeed_home(house.g.home, "year", clock=clock)
    with open_home(house.g.home, clock=clock) as g:
        house.g = g
        house.review(ids[0])
        house.decide("refuse", 11)
        clock.on(days=30)
        yield house


def everything(g):
    for number in (1, 2):
        with g.reading() as conn:
            for _, data in iterate_entries(conn, number):
                entry = parse_entry(data)
                if isinstance(entry, Entry):
                    yield entry


def test_what_the_old_log_holds_was_tallied_in_it(succeeded):
    g = succeeded.g
    with g.reading() as conn:
        entries = [parse_entry(data) for _, data in iterate_entries(conn, 1)]
    kinds, first = [entry.kind for entry in entries], {entry.id for entry in entries}
    assert kinds[-2:] == ["tally/1", "freeze/1"]
    tallies.tally_pending(g)
    assert recount.recount(g).differences == ()
    made = transparency.publish(g, *MARCH)
    found = recount_report(made.body, everything(g))
    assert (found.counted, found.partial) == (1, False)
    # From the second log alone the old tallies cannot be found, and that is no sum over all of them.
    with pytest.raises(TwinError, match="does not sum all tallies"):
        recount_report(made.body, (one for one in everything(g) if one.id not in first))


def test_a_log_that_follows_one_without_such_days_is_counted_whole(succeeded):
    """The first log has nothing of April: it was given all the same, so nothing before is missing."""
    succeeded.decide("grant", 12)
    succeeded.clock.on(days=30)
    made = transparency.publish(succeeded.g, date(2026, 4, 1), date(2026, 4, 30))
    found = recount_report(made.body, everything(succeeded.g))
    assert (found.counted, found.partial) == (1, False)


def test_what_an_old_log_left_untallied_is_tallied_in_the_new_one(succeeded):
    """A loss can end a log before its last entries are tallied."""
    from auditlog.core.counting.figures import CellKey

    g = succeeded.g
    tallies.tally_pending(g)
    with writing(g.engine) as conn:
        add_counts(conn, 1, [(CellKey(records_scene.SYSTEM, 1, "live", "2026-03-02"), {"decisions": 1})], size=5)
    assert tallies.tally_pending(g) == 1
    assert tallies.tally_pending(g) == 0
    with g.reading() as conn:
        assert store.due_groups(conn) == []
        [row] = [row for row in store.day_tallies(conn) if row.counted == 1 and row.log == 2]
    entry = succeeded.entries("tally/1")[-1]
    assert (entry.members["since"], entry.members["until"]) == (None, None)
    assert row.since is not None


def test_the_days_work_tallies_and_recounts(succeeded):
    g = succeeded.g
    g.profile = read_profile(g.home)
    assert daily.run(g, None) == g.clock().date()
    with g.reading() as conn:
        assert store.due_groups(conn) == []
        assert store.not_recounted(conn) == []
    publish.advance(g, at_once=True)
