"""Lists of replays: what stands of them in clear."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.actions import reading
from app.errors import asked
from app.home import Greffier
from auditlog.store.cursor import DecisionFilter
from auditlog.store.events import list_events

_MEMBERS = ("system", "version", "verdict", "reason", "cause", "runtime", "build", "device")


@dataclass(frozen=True, slots=True)
class Page:
    """Rows, newest first, and the cursor of the page after."""

    rows: list[dict[str, Any]]
    next: str | None


def replays(g: Greffier, where: DecisionFilter, cursor: str | None, limit: int) -> Page:
    """One page of the replays that `where` asks for (its kind is `replay/1`). Raises UsageError for a stale cursor."""
    with g.reading() as conn, asked():
        page = list_events(conn, where, cursor=cursor, limit=limit)
        rows = []
        for row in page.rows:
            entry = reading.entry_at(conn, row["log"], row["idx"])
            stated = {name: entry.members[name] for name in _MEMBERS}
            rows.append({"id": entry.id, "log": row["log"], "index": row["idx"], "time": entry.time, **stated})
    return Page(rows, page.next)
