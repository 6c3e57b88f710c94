"""What no copy of a log can give back, taken from the old database: sealed content, and figures of what is gone.

Nothing of content is believed: a row is kept only if it opens and is what its entry commits to. Tags and all other rows
that follow from it are made again (`rederive`). What is missing then is gone: its entry and proof hold, its
content is not here. Figures and views are taken over as they are (`KEPT`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, Table, insert

from auditlog.core.entries.record import Entry, parse_entry
from auditlog.core.errors import AuditLogError, Erased
from auditlog.recovery.rederive import rederive
from auditlog.store.blobs import blob_due_table, blob_table
from auditlog.store.log import find_entry
from auditlog.store.publications import publication_table, published_table
from auditlog.store.replacement import Old
from auditlog.store.rollup import due_table, rollup_table, tallied_table
from auditlog.store.samples import reconciliation_table
from auditlog.store.sources import set_committed, source_table
from auditlog.store.tallies import round_table, tally_table
from auditlog.store.vault import SealedRow, find_erasure, insert_sealed, sealed_table
from auditlog.store.views import view_table
from auditlog.vault.check import Finding
from auditlog.vault.external_content import seal_fits
from auditlog.vault.ledger import Ledger
from auditlog.vault.seal import Vault

KEPT = (
    blob_due_table,
    rollup_table,
    tallied_table,
    due_table,
    tally_table,
    round_table,
    publication_table,
    published_table,
    reconciliation_table,
    view_table,
)
_LOST_PREFIX = "auditlog_sealed(id="


@dataclass(slots=True)
class Salvaged:
    """How many records' content was kept; how many rows were left behind, and why (reason → number)."""

    kept: int = 0
    left: Counter[str] = field(default_factory=Counter)


def salvage_content(new: Connection, old: Old, vault: Vault, ledger: Ledger) -> Salvaged:
    """Keep the content that belongs to the entries of the new database, and make the rows that follow from it."""
    ordered = {erasure.record for erasure in ledger.read()}
    result = Salvaged()
    kept: set[str] = set()
    _keep_statements(new, old, vault)
    for row in old.rows(sealed_table):
        stored = find_entry(new, row["id"])
        entry = None if stored is None else parse_entry(stored.data)
        if stored is None or not isinstance(entry, Entry):
            result.left["of no entry of the log"] += 1
            continue
        if find_erasure(new, entry.id) is not None:
            result.left["erased meanwhile"] += 1
            continue
        try:
            sealed = SealedRow(row["id"], row["slot"], bytes(row["nonce"]), bytes(row["ciphertext"]))
            vault.open_row(sealed, entry)
        except Erased:
            # Its key is gone already, and the erasure is completed when the log opens: for that the row must be there.
            if entry.id in ordered:
                insert_sealed(new, sealed)
            else:
                result.left["erased meanwhile"] += 1
            continue
        except (AuditLogError, TypeError):
            result.left["damaged, or not what the entry commits to"] += 1
            continue
        insert_sealed(new, sealed)
        kept.add(entry.id)
    result.kept = len(kept)
    _copy(new, blob_table, (blob for blob in old.rows(blob_table) if blob["id"] in kept))
    rederive(new, vault)
    for table in KEPT:
        copy_rows(new, old, table)
    return result


def _keep_statements(new: Connection, old: Old, vault: Vault) -> None:
    """That a sender kept the content of its record: believed where the seal of this installation is on it."""
    for row in old.rows(source_table, source_table.c.committed.is_not(None)):
        stored = find_entry(new, row["id"])
        entry = None if stored is None else parse_entry(stored.data)
        sealed = row["committed"]
        if stored is None or not isinstance(entry, Entry) or not isinstance(sealed, bytes | memoryview):
            continue
        if seal_fits(vault, entry, bytes(sealed)):
            set_committed(new, entry.id, bytes(sealed))


def copy_rows(new: Connection, old: Old, table: Table) -> int:
    """Take over a table as it is; returns the number of its rows."""
    return _copy(new, table, old.rows(table))


def without_content(findings: Iterable[Finding]) -> tuple[list[str], list[Finding]]:
    """Of the findings of a full check: ids of records whose content is not there, and all other findings."""
    lost, others = [], []
    for finding in findings:
        if finding.place.startswith(_LOST_PREFIX) and finding.message.startswith("is missing"):
            lost.append(finding.place.removeprefix(_LOST_PREFIX).removesuffix(")"))
        else:
            others.append(finding)
    return lost, others


def _copy(new: Connection, table: Table, rows: Iterable[Mapping[str, object]]) -> int:
    count = 0
    for row in rows:
        new.execute(insert(table), dict(row))
        count += 1
    return count
