"""The auditor's list of decisions: filters, pages by cursor, and the log that the answer was read from."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from app.actions import reading
from app.errors import asked
from app.home import Greffier
from auditlog.canonical import Json
from auditlog.store import listing as store
from auditlog.store.cursor import DecisionFilter


@dataclass(frozen=True, slots=True)
class LogStamp:
    """Which log, at which size and root (base64), an answer was computed from."""

    origin: str
    size: int
    root: str


@dataclass(frozen=True, slots=True)
class Page:
    """One page of rows, newest first; `next` continues it, None at the end."""

    rows: list[dict[str, Json]]
    next: str | None
    log: LogStamp


def decisions(g: Greffier, chosen: DecisionFilter, cursor: str | None = None, limit: int = 100) -> Page:
    """List decisions; a cursor of another query raises UsageError."""
    with asked(), g.reading() as conn:
        page = store.list_decisions(conn, chosen, cursor=cursor, limit=limit)
    return Page([dict(row) for row in page.rows], page.next, stamp(g))


def stamp(g: Greffier) -> LogStamp:
    """Origin, size and root of the integrated log."""
    with g.reading() as conn:
        _, checkpoint = reading.head(g, conn)
    return LogStamp(checkpoint.origin, checkpoint.size, base64.b64encode(checkpoint.root).decode())
