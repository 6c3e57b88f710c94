"""What a database from before the roll-up lacks: its sums, and the rows of entries that are no decision.

They follow from entries, tallies and content. `greffier migrate` makes them once; what a kill interrupts, it makes when
it runs again, since the rows of entries come last and all together.
"""

from __future__ import annotations

from itertools import islice

from auditlog.core.entries.record import parse_entry
from auditlog.store import log as log_store
from auditlog.store.rollup import count_events, set_events
from home.greffier import Greffier
from service.figures import sums

_BATCH = 5_000


def fill(g: Greffier) -> bool:
    """Make what is lacking; whether anything was."""
    with g.reading() as conn:
        # Each log begins with an entry that is no decision, and has a row.
        lacking = [number for number in sorted(g.publishers) if count_events(conn, number, until=1) == 0]
        begun = [number for number in lacking if log_store.read_head(conn, number) is not None]
    if not begun:
        return False
    sums.fit(g)
    with log_store.writing(g.engine) as conn:
        for number in begun:
            entries = ((index, parse_entry(data)) for index, data in log_store.iterate_entries(conn, number))
            while some := list(islice(entries, _BATCH)):
                set_events(conn, number, some)
    return True
