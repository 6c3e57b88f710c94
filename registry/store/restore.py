"""Rows of the register put back as the log tells of them, for a database that is built anew."""

from __future__ import annotations

from sqlalchemy import Connection, insert

from registry.store import listing
from registry.store.tables import SYSTEM, VERSION


def put_system(
    conn: Connection,
    slug: str,
    record: str,
    *,
    state: str = "draft",
    state_before: str | None = None,
    running_version: int | None = None,
) -> None:
    """One system: its record's canonical JSON, and its state as the log's entries say."""
    values = {"state": state, "state_before": state_before, "running_version": running_version}
    conn.execute(insert(SYSTEM).values(slug=slug, record=record, **values))
    listing.refresh(conn, slug)


def put_version(conn: Connection, slug: str, version: int, manifest: str) -> None:
    """One version: its manifest's canonical JSON."""
    conn.execute(insert(VERSION).values(slug=slug, version=version, manifest=manifest))
