"""Lists of explanations, replays and notices: what stands of them in clear. How an explanation ended, and to whom a
notice went, stands nowhere so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from auditlog.store.cursor import DecisionFilter
from auditlog.store.events import list_events
from auditlog.store.explanations import EXPLANATION
from auditlog.store.replays import REPLAY
from home.errors import asked
from home.greffier import Greffier
from service.records import reading

NOTICE: Final = "notice/1"
# Kind → the members of its entries that a list has, besides id, place and time.
_MEMBERS: Final[dict[str, tuple[str, ...]]] = {
    NOTICE: ("system", "duty"),
    EXPLANATION: ("system", "version", "cause", "runtime", "build", "device"),
    REPLAY: ("system", "version", "verdict", "reason", "cause", "runtime", "build", "device"),
}


@dataclass(frozen=True, slots=True)
class Page:
    """Rows, newest first, and the cursor of the page after."""

    rows: list[dict[str, Any]]
    next: str | None


def list_page(g: Greffier, where: DecisionFilter, cursor: str | None, limit: int) -> Page:
    """One page of what `where` asks for; its kind is one of those above. Raises UsageError for a stale cursor."""
    assert where.kind is not None
    names = _MEMBERS[where.kind]
    with g.reading() as conn, asked():
        page = list_events(conn, where, cursor=cursor, limit=limit)
        rows = []
        for row in page.rows:
            entry = reading.entry_at(conn, row["log"], row["idx"])
            members = {name: entry.members[name] for name in names}
            rows.append({"id": entry.id, "log": row["log"], "index": row["idx"], "time": entry.time, **members})
    return Page(rows, page.next)
