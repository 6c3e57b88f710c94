"""How far the numbers of a source are recorded: what a sender asks before it goes on."""

from __future__ import annotations

from auditlog.core.checking.sources import source_json, summarise
from auditlog.core.formats.canonical import Json
from auditlog.store import sources as source_store
from home.greffier import Greffier

MAX_RANGES = 1000


def read_source(g: Greffier, source: str) -> dict[str, Json]:
    """First and last recorded number of a source, how many there are, and the first 1,000 ranges that are missing."""
    with g.reading() as conn:
        found = summarise(source, source_store.numbers_of(conn, source))
    told = source_json(found)
    del told["reached"]
    return {**told, "missing": [list(one) for one in found.missing[:MAX_RANGES]]}
