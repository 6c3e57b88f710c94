"""The auditor's list of decisions: filters, pages by cursor, and the log that the answer was read from."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from app.home import Greffier
from auditlog.canonical import Json
from auditlog.store import decisions as store
from auditlog.store import log as log_store

DecisionFilter = store.DecisionFilter


@dataclass(frozen=True, slots=True)
class LogStamp:
    """Which log, at which size and root (base64), an answer was computed from."""

    origin: str
    size: int
    root: str


@dataclass(frozen=True, slots=True)
class Page:
    """One page of rows, oldest first; `next` continues it, None at the end."""

    rows: list[dict[str, Json]]
    next: str | None
    log: LogStamp


def decisions(g: Greffier, chosen: DecisionFilter, cursor: str | None = None, limit: int = 100) -> Page:
    """List decisions; a cursor of another query raises FormatError."""
    with g.reading() as conn:
        rows, following = store.list_decisions(conn, chosen, cursor=cursor, limit=limit)
    return Page(rows, following, stamp(g))


def stamp(g: Greffier) -> LogStamp:
    """Origin, size and root of the integrated log."""
    with g.reading() as conn:
        head = log_store.read_head(conn, g.log.number)
    root = base64.b64encode(head.root).decode()
    return LogStamp(g.settings.log_origin, head.size, root)
