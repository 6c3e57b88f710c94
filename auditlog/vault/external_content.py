"""Records whose content their sender kept: how the installation knows, later, that nothing of them is missing here.

An entry does not say who holds the content. Where a sender handed in commitments alone there is no sealed row, just as
after somebody deleted one. So the row of its number (`auditlog.store.sources`) bears a seal: an HMAC of the entry under
a key of the installation, made when the record was taken in. Who can write to the database but has not that key cannot
pass off a deleted content as one that was never here.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from hashlib import sha256
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from auditlog.core.entries.record import Entry
from auditlog.store.sources import SourceRow, find_source, source_table

if TYPE_CHECKING:
    from auditlog.vault.seal import Vault

_SCOPE = "committed elsewhere"


def kept_seal(vault: Vault, entry: Entry) -> bytes:
    """The column `committed` of a record whose content its sender kept: 32 bytes."""
    return vault.key_tag(_SCOPE, sha256(entry.data).hexdigest())


def is_kept_elsewhere(conn: Connection, vault: Vault, entry: Entry) -> bool:
    """Whether the content of this entry was never here: its sender committed to it."""
    return _is_external(entry) and says_kept(vault, entry, find_source(conn, entry.id))


def says_kept(vault: Vault, entry: Entry, row: SourceRow | None) -> bool:
    """As `is_kept_elsewhere`, by the row of the entry's number."""
    return _is_external(entry) and row is not None and seal_fits(vault, entry, row.committed)


def _is_external(entry: Entry) -> bool:
    return entry.kind == "decision/1" and entry.members["source"] is not None


def seal_fits(vault: Vault, entry: Entry, sealed: object) -> bool:
    """Whether this is what the column `committed` holds for the entry."""
    return isinstance(sealed, bytes) and hmac.compare_digest(sealed, kept_seal(vault, entry))


def source_differences(
    row: SourceRow | None, vault: Vault, place: tuple[int, int], entry: Entry
) -> Iterator[tuple[str, str]]:
    """(place, message) where the row of a decision's number is not the one that its entry calls for (`fsck`)."""
    members = entry.members
    name = f"{source_table.name}(id={entry.id})"
    if members["source"] is None or row is None:
        if row is not None:
            yield name, "is there although the decision was made here"
        elif members["source"] is not None:
            yield name, "is missing: a number and its record belong together"
        return
    wanted = SourceRow(members["source"], members["n"], entry.id, *place, row.committed)
    for column in ("source", "n", "log", "idx"):
        if getattr(row, column) != getattr(wanted, column):
            yield f"{name}.{column}", "is not what the entry says"
    if row.committed is not None and not seal_fits(vault, entry, row.committed):
        yield f"{name}.committed", "is no seal of this installation over the entry"
