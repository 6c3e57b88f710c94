"""A database from before the roll-up gets its figures, and the rows of other entries, from entries and content."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, select

from auditlog.store import log as log_store
from auditlog.store.rollup import due_table, event_table, rollup_table, tallied_table
from service.keeping import backfill, fsck


def _all(house, table):
    with house.g.reading() as conn:
        return {tuple(row) for row in conn.execute(select(table))}


@pytest.fixture
def older(house):
    """With decisions and a review, but as a migration from before leaves it: the new tables are empty."""
    ids = [*house.decide("grant", 2), *house.decide("refuse")]
    house.review(ids[2], "override")
    before = {table.name: _all(house, table) for table in (rollup_table, event_table)}
    with log_store.writing(house.g.engine) as conn:
        for table in (rollup_table, due_table, tallied_table, event_table):
            conn.execute(delete(table))
    return house, before


def test_what_is_lacking_is_made_once(older):
    house, before = older
    assert fsck.check_all(house.g) != []
    assert backfill.fill(house.g)
    assert fsck.check_all(house.g) == []
    assert {table.name: _all(house, table) for table in (rollup_table, event_table)} == before
    assert not backfill.fill(house.g)


def test_a_kill_in_between_leaves_it_to_the_next_run(older, monkeypatch):
    house, _ = older

    def killed(*_args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(backfill, "set_events", killed)
        with pytest.raises(KeyboardInterrupt):
            backfill.fill(house.g)
    assert backfill.fill(house.g)
    assert fsck.check_all(house.g) == []
