"""The register's rows as they stand, unparsed, for a full check: whatever someone wrote into them can be read."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from registry.canonical import digest
from registry.store.tables import SYSTEM, VERSION


@dataclass(frozen=True, slots=True)
class SystemRow:
    """The columns of one system; `record` is the digest of the stored text, as `system/1` entries carry it."""

    record: str
    state: str
    state_before: str | None
    running_version: int | None


def system_rows(conn: Connection) -> dict[str, SystemRow]:
    """Every system by its slug."""
    rows = conn.execute(select(SYSTEM))
    return {
        row.slug: SystemRow(digest(str(row.record).encode()), row.state, row.state_before, row.running_version)
        for row in rows
    }


def version_digests(conn: Connection) -> dict[tuple[str, int], str]:
    """The digest of each stored manifest by (slug, version), as `version/1` entries carry it."""
    return {(row.slug, row.version): digest(str(row.manifest).encode()) for row in conn.execute(select(VERSION))}
